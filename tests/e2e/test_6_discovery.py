"""Services find each other: by names that DNS answers, and by Service Connect's proxies."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Cloud, until
from tests.e2e.test_5_endpoints import TRUST, push_busybox

from hiyoko.cli.exec import command_in
from hiyoko.settings import Settings

SERVE = "mkdir /www; echo {} >/www/index.html; exec httpd -f -p 80 -h /www"
OPTIONS = {
    "awslogs-group": "/proxies",
    "awslogs-region": "ap-northeast-1",
    "awslogs-stream-prefix": "p",
    "awslogs-create-group": "true",
}
PROXY_LOG = {
    "logConfiguration": {"logDriver": "awslogs", "options": OPTIONS},
    "accessLogConfiguration": {"format": "JSON"},
}
LOOP = "while [ ! -e /stop ]; do wget -qO- http://api/ || echo failed; : >/begun; done"


@dataclass
class Shop:
    """A VPC's two services: ``api``, and ``web`` that asks it."""

    cloud: Cloud
    image: str
    role: str
    vpc: str
    subnet: str

    def define(self, family: str, command: str, **more: Any) -> str:
        container = {
            "name": family,
            "image": self.image,
            "command": ["sh", "-c", command],
            "stopTimeout": 2,
            "linuxParameters": {"initProcessEnabled": True},
            **more,
        }
        made = self.cloud.client("ecs").register_task_definition(
            family=family,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            executionRoleArn=self.role,
            containerDefinitions=[container],
        )
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def define_api(self, version: str) -> str:
        port = {"containerPort": 80, "name": "api", "appProtocol": "http"}
        return self.define("api", SERVE.format(version), portMappings=[port])

    def serve(self, name: str, definition: str, count: int, **more: Any) -> None:
        place = {"subnets": [self.subnet], "assignPublicIp": "ENABLED"}
        self.cloud.client("ecs").create_service(
            serviceName=name,
            taskDefinition=definition,
            desiredCount=count,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": place},
            **more,
        )

    def scale(self, name: str, **change: Any) -> None:
        self.cloud.client("ecs").update_service(service=name, **change)

    def running(self, name: str, definition: str = "") -> list[dict[str, Any]]:
        """The tasks of a service that run (of this definition), if no others are there."""
        ecs = self.cloud.client("ecs")
        found = ecs.list_tasks(serviceName=name)["taskArns"]
        tasks = ecs.describe_tasks(tasks=found)["tasks"] if found else []
        well = all(
            task["lastStatus"] == "RUNNING" and definition in ("", task["taskDefinitionArn"])
            for task in tasks
        )
        return list(tasks) if well else []

    def enter(self, task: dict[str, Any], *argv: str) -> str:
        """Run something in the first container of a task; its output."""
        container = str(task["containers"][0]["runtimeId"])
        command = command_in(Settings(self.cloud.state_dir), container, [*argv], terminal=False)
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return done.stdout + done.stderr

    def dig(self, task: dict[str, Any], name: str) -> set[str]:
        """What the VPC's resolver answers in a task's namespace."""
        namespace = f"--net=/run/netns/{interface(task)}"
        asked = ("dig", "+short", "+time=2", "@169.254.169.253", name)
        return set(self.inside("nsenter", namespace, *asked).split())

    def inside(self, *argv: str) -> str:
        """Run something in the world; its output."""
        world = json.loads((self.cloud.state_dir / "run" / "world.json").read_text())[1]
        enter = (sys.executable, "-m", "hiyoko.plane.enter", str(world), "--")
        done = subprocess.run(
            [*enter, *argv], capture_output=True, text=True, timeout=30, check=True
        )
        return done.stdout

    def logged(self, stream: str) -> list[str]:
        """The paths of the requests in a proxy's log."""
        pages = self.cloud.client("logs").get_paginator("filter_log_events")
        found = pages.paginate(logGroupName="/proxies", logStreamNames=[stream])
        return [json.loads(one["message"])["path"] for page in found for one in page["events"]]

    def kill_proxy(self, task: dict[str, Any]) -> None:
        """End a task's proxy, so that nobody answers for it."""
        pid = self.cloud.state_dir / "run" / "connect" / interface(task) / "haproxy.pid"
        self.inside("kill", "-9", pid.read_text().strip())


def interface(task: dict[str, Any]) -> str:
    details = {one["name"]: one["value"] for one in task["attachments"][0]["details"]}
    return str(details["networkInterfaceId"])


def addresses(tasks: list[dict[str, Any]]) -> set[str]:
    return {one["containers"][0]["networkInterfaces"][0]["privateIpv4Address"] for one in tasks}


@pytest.fixture
def shop(cloud: Cloud, tmp_path: Path) -> Iterator[Shop]:
    image = push_busybox(cloud, tmp_path)
    role = cloud.client("iam").create_role(
        RoleName="execution", AssumeRolePolicyDocument=json.dumps(TRUST)
    )["Role"]["Arn"]
    (subnet, *_) = cloud.client("ec2").describe_subnets()["Subnets"]
    cloud.client("ecs").create_cluster()
    made = Shop(cloud, image, role, subnet["VpcId"], subnet["SubnetId"])
    yield made
    ecs = cloud.client("ecs")
    for arn in ecs.list_services()["serviceArns"]:
        ecs.delete_service(service=arn, force=True)
    found = cloud.client("servicediscovery")
    # What ECS made in Cloud Map goes with the last task.
    assert until(lambda: not found.list_services()["Services"] or _drop(found))


def _drop(found: Any) -> bool:
    for one in found.list_services()["Services"]:
        if one["Name"] == "api" and not one.get("InstanceCount"):
            found.delete_service(Id=one["Id"])
    return False


def test_services_find_each_other_while_tasks_come_and_go(shop: Shop) -> None:
    found = shop.cloud.client("servicediscovery")
    begun = found.create_private_dns_namespace(Name="internal", Vpc=shop.vpc)

    def operation() -> dict[str, Any]:
        told = found.get_operation(OperationId=begun["OperationId"])
        return dict(told["Operation"])

    assert until(lambda: operation()["Status"] == "SUCCESS")
    records = {"DnsRecords": [{"Type": "A", "TTL": 5}]}
    registry = found.create_service(
        Name="api", NamespaceId=operation()["Targets"]["NAMESPACE"], DnsConfig=records
    )["Service"]["Arn"]
    connect: dict[str, Any] = {"enabled": True, "namespace": "internal"}
    alias = {"port": 80, "dnsName": "api"}
    offer = {"portName": "api", "discoveryName": "api-connect", "clientAliases": [alias]}
    one = shop.define_api("one")
    shop.serve(
        "api",
        one,
        2,
        serviceRegistries=[{"registryArn": registry}],
        serviceConnectConfiguration=connect | {"services": [offer]},
    )
    logging = connect | PROXY_LOG
    shop.serve("web", shop.define("web", "sleep 1000"), 1, serviceConnectConfiguration=logging)
    (web,) = until(lambda: shop.running("web"))
    assert web["containers"][1]["name"].startswith("ecs-service-connect-")
    first = until(lambda: len(shop.running("api", one)) == 2 and shop.running("api", one))

    assert until(lambda: shop.dig(web, "api.internal") == addresses(first))
    assert "127.255.0.1 api" in shop.enter(web, "cat", "/etc/hosts")
    assert until(lambda: shop.enter(web, "wget", "-qO-", "http://api/") == "one\n")

    with ThreadPoolExecutor() as pool:
        asked = pool.submit(shop.enter, web, "sh", "-c", LOOP)
        assert until(lambda: shop.enter(web, "sh", "-c", "test -e /begun && echo yes") == "yes\n")
        two = shop.define_api("two")
        shop.scale("api", taskDefinition=two)
        second = until(lambda: len(shop.running("api", two)) == 2 and shop.running("api", two))
        assert second
        assert until(lambda: shop.dig(web, "api.internal") == addresses(second))
        shop.enter(web, "touch", "/stop")
        answers = asked.result().split("\n")
    assert set(answers) == {"one", "two", ""}
    assert len(answers) > 20

    stream = f"p/{web['containers'][1]['name']}/{web['taskArn'].rpartition('/')[2]}"

    def logged(path: str) -> int:
        return shop.logged(stream).count(path)

    assert until(lambda: logged("/") > len(answers) - 2)
    shop.kill_proxy(web)
    assert until(lambda: shop.enter(web, "wget", "-qO-", "http://api/") == "two\n")
    # The worker that lost its master may still take a request, and tells nothing of it.
    assert until(
        lambda: shop.enter(web, "wget", "-qO-", "http://api/after?x=1") and logged("/after")
    )

    shop.scale("api", desiredCount=0)
    assert until(lambda: shop.dig(web, "api.internal") == set())
    assert until(lambda: "503" in shop.enter(web, "wget", "-qO-", "http://api/last"))
    before = logged("/last")
    shop.scale("web", desiredCount=0)
    assert until(lambda: not any((shop.cloud.state_dir / "tasks").iterdir()))
    # What the proxy wrote last was sent before its task was cleared away.
    assert logged("/last") >= max(before, 1)
