"""An account with a network, a load balancer and ECS, whose world is played by the test.

The operations of ec2, elbv2 and ecs are the real ones, and so is the scheduler; only what
reconcilers of the plane would see is written by the test.
"""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.api.shapes import check_output
from tests.golden.golden import CountingIds, FixedClock

import hiyoko.services.ec2
import hiyoko.services.ecs
import hiyoko.services.elbv2
import hiyoko.services.iam  # noqa: F401
from hiyoko import api
from hiyoko.api import AwsError
from hiyoko.reconcile.ecs_services import EcsServicesReconciler
from hiyoko.reconcile.report import Report
from hiyoko.services.ec2.seen import INTERFACES_SEEN, InterfaceSeen
from hiyoko.services.ecs.seen import TASKS_SEEN, ContainerSeen, TaskSeen
from hiyoko.services.elbv2.seen import TARGETS_SEEN, TargetSeen
from hiyoko.store.database import Store

ROLE = "arn:aws:iam::123456789012:role/execution"
DIGEST = f"sha256:{7:064x}"
CONTAINER = {
    "name": "web",
    # By its digest: the first task of a deployment has no tag to resolve for the others.
    "image": f"nginx@{DIGEST}",
    "portMappings": [{"containerPort": 80}],
}


@dataclass
class Cloud:
    """Calls operations; plays the world by ``attach``, ``run``, ``exit`` and ``sees``."""

    store: Store = field(default_factory=lambda: Store.open(":memory:"))
    ids: CountingIds = field(default_factory=CountingIds)
    clock: FixedClock = field(default_factory=FixedClock)
    vpc: str = ""
    subnets: list[str] = field(default_factory=list)
    scheduler: EcsServicesReconciler | None = None

    def __call__(self, name: str, service: str = "ecs", /, **request: Any) -> dict[str, Any]:
        answer = api.invoke(self.store, service, name, request, clock=self.clock, ids=self.ids)
        if service == "ecs" and not name.startswith("_"):
            check_output("ecs", name, answer)
        return answer

    def on_one_subnet(self) -> None:
        """Make a network of one subnet, a cluster ``c`` and the role."""
        self.vpc = self("CreateVpc", "ec2", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = self("CreateSubnet", "ec2", VpcId=self.vpc, CidrBlock="10.0.0.0/24")
        self.subnets.append(subnet["Subnet"]["SubnetId"])
        self("CreateCluster", clusterName="c")
        self.trust()

    @classmethod
    def ready(cls) -> Cloud:
        """With a cluster ``c``, two subnets, and the definition ``app:1``."""
        cloud = cls()
        cloud.vpc = cloud("CreateVpc", "ec2", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        for number, zone in ((1, "a"), (2, "c")):
            subnet = cloud(
                "CreateSubnet",
                "ec2",
                VpcId=cloud.vpc,
                CidrBlock=f"10.0.{number}.0/24",
                AvailabilityZone=f"ap-northeast-1{zone}",
            )
            cloud.subnets.append(subnet["Subnet"]["SubnetId"])
        gateway = cloud("CreateInternetGateway", "ec2")["InternetGateway"]["InternetGatewayId"]
        cloud("AttachInternetGateway", "ec2", VpcId=cloud.vpc, InternetGatewayId=gateway)
        cloud("CreateCluster", clusterName="c")
        cloud.trust()
        cloud.define()
        return cloud

    def trust(self, name: str = "execution", service: str = "ecs-tasks.amazonaws.com") -> str:
        """A role (``ROLE`` by default) that a service may assume; its ARN."""
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        role = self("CreateRole", "iam", RoleName=name, AssumeRolePolicyDocument=document)
        return str(role["Role"]["Arn"])

    @property
    def network(self) -> dict[str, Any]:
        return {"awsvpcConfiguration": {"subnets": self.subnets}}

    def define(self, **changes: Any) -> str:
        request: dict[str, Any] = {
            "family": "app",
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "256",
            "memory": "512",
            "containerDefinitions": [CONTAINER],
        }
        answer = self("RegisterTaskDefinition", **request | changes)
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def run_task(self, **changes: Any) -> list[dict[str, Any]]:
        request = {
            "cluster": "c",
            "taskDefinition": "app",
            "launchType": "FARGATE",
            "networkConfiguration": self.network,
        }
        tasks: list[dict[str, Any]] = self("RunTask", **request | changes)["tasks"]
        return tasks

    def serve(self, **changes: Any) -> dict[str, Any]:
        request: dict[str, Any] = {
            "cluster": "c",
            "serviceName": "web",
            "taskDefinition": "app",
            "launchType": "FARGATE",
            "desiredCount": 2,
            "networkConfiguration": self.network,
        }
        service: dict[str, Any] = self("CreateService", **request | changes)["service"]
        return service

    def service(self) -> dict[str, Any]:
        found: dict[str, Any] = self("DescribeServices", cluster="c", services=["web"])
        service: dict[str, Any] = found["services"][0]
        return service

    def events(self) -> list[str]:
        """Messages, oldest first."""
        return [event["message"] for event in self.service()["events"]][::-1]

    def task(self, arn: str) -> dict[str, Any]:
        task: dict[str, Any] = self("DescribeTasks", cluster="c", tasks=[arn])["tasks"][0]
        return task

    def tasks(self, status: str = "RUNNING") -> list[dict[str, Any]]:
        arns = self("ListTasks", cluster="c", desiredStatus=status)["taskArns"]
        return [self.task(arn) for arn in arns]

    def target_group(self, *, attached: bool = True) -> str:
        group = self(
            "CreateTargetGroup",
            "elbv2",
            Name=f"g{self.ids.digits(4)}",
            Protocol="HTTP",
            Port=80,
            VpcId=self.vpc,
            TargetType="ip",
        )["TargetGroups"][0]["TargetGroupArn"]
        if attached:
            balancer = self(
                "CreateLoadBalancer", "elbv2", Name=f"b{self.ids.digits(4)}", Subnets=self.subnets
            )["LoadBalancers"][0]["LoadBalancerArn"]
            self(
                "CreateListener",
                "elbv2",
                LoadBalancerArn=balancer,
                Protocol="HTTP",
                Port=80,
                DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
            )
        return str(group)

    # The world.

    def attach(self, task: dict[str, Any]) -> None:
        details = {one["name"]: one["value"] for one in task["attachments"][0]["details"]}
        with self.store.transaction() as tx:
            INTERFACES_SEEN.put(tx, InterfaceSeen(details["networkInterfaceId"], self.clock.now()))

    def see(self, task: dict[str, Any], *containers: ContainerSeen, **fields: Any) -> None:
        seen = TaskSeen(task["taskArn"], containers, seen_at=self.clock.now(), **fields)
        with self.store.transaction() as tx:
            TASKS_SEEN.put(tx, seen)

    def run(self, *tasks: dict[str, Any]) -> None:
        """These tasks (all that shall run, when none is named) run now."""
        for task in tasks or self.tasks():
            if task["lastStatus"] in ("PROVISIONING", "PENDING"):
                self.attach(task)
                now = self.clock.now()
                self.see(task, ContainerSeen("web", "RUNNING", started_at=now))

    def exit(self, task: dict[str, Any], code: int = 1) -> None:
        now = self.clock.now()
        ended = ContainerSeen("web", "STOPPED", exit_code=code, started_at=now, finished_at=now)
        self.see(task, ended)

    def leave(self) -> None:
        """Every task that is stopping has left the world."""
        for task in self.tasks("STOPPED"):
            if task["lastStatus"] == "STOPPING":
                now = self.clock.now()
                started = task.get("startedAt")
                ended = ContainerSeen("web", "STOPPED", started_at=started, finished_at=now)
                self.see(task, ended, failure=self._failure(task), gone=True)

    @staticmethod
    def _failure(task: dict[str, Any]) -> str:
        failed = task.get("stopCode") == "TaskFailedToStart"
        return str(task["stoppedReason"]) if failed else ""

    def balance(self, group: str, state: str, reason: str = "", description: str = "") -> None:
        """Every node sees all targets of the group in this state, and knows which ones drain."""
        answer = self("DescribeTargetHealth", "elbv2", TargetGroupArn=group)
        found = self("DescribeNetworkInterfaces", "ec2")["NetworkInterfaces"]
        nodes = [one for one in found if one["Description"].startswith("ELB ")]
        with self.store.transaction() as tx:
            for one in answer["TargetHealthDescriptions"]:
                for node in nodes:
                    row = TargetSeen(
                        group,
                        one["Target"]["Id"],
                        one["Target"]["Port"],
                        node["NetworkInterfaceId"],
                        "draining" if one["TargetHealth"]["State"] == "draining" else state,
                        reason,
                        description,
                        self.clock.now(),
                    )
                    old = TARGETS_SEEN.find(
                        tx,
                        group_arn=row.group_arn,
                        target_id=row.target_id,
                        port=row.port,
                        eni_id=row.eni_id,
                    )
                    # What drains does so since it was first seen to.
                    if old is None or old.state != row.state:
                        TARGETS_SEEN.put(tx, row)

    def schedule(self) -> Report:
        """Let the scheduler act until there is nothing left for it to do at this moment."""
        report = self.schedule_once()
        for _ in range(20):
            if not report.steps:
                return report
            report = self.schedule_once()
        raise AssertionError(f"the scheduler does not come to rest: {report.steps}")

    def schedule_once(self) -> Report:
        """One activation of the scheduler, whose memory overlooks nothing that a new one sees."""
        if self.scheduler is None:
            self.scheduler = EcsServicesReconciler(self.store, self.clock)
        report = asyncio.run(self.scheduler.activate())
        if not report.steps:
            new = asyncio.run(EcsServicesReconciler(self.store, self.clock).activate())
            assert new.steps == []
            soon, later = (math.inf if a is None else a for a in (report.again_s, new.again_s))
            assert soon <= later + 1e-6
        return report


def refused(code: str, call: Any, *args: Any, **request: Any) -> str:
    """The message with which a call fails, whose code is this."""
    with pytest.raises(api.AwsError) as caught:
        call(*args, **request)
    assert caught.value.code == code
    return caught.value.message


def refusal(cloud: Cloud, name: str, /, **request: Any) -> tuple[str, str]:
    """The code and the message with which a call is refused."""
    with pytest.raises(AwsError) as refused:
        cloud(name, **request)
    return refused.value.code, refused.value.message


def define_refusal(cloud: Cloud, **changes: Any) -> str:
    """The message with which a task definition is refused."""
    with pytest.raises(AwsError) as refused:
        cloud.define(**changes)
    return refused.value.message
