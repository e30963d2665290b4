"""Capacity providers: strategies of clusters, services and RunTask; the end of a Spot task."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.api.ecs_cloud import Cloud, refused
from tests.api.test_ecs_services import address, heal, targets

from hiyoko.gateway.local import LocalRoutes
from hiyoko.services.ecs import rows
from hiyoko.settings import Settings

MIXED = [
    {"capacityProvider": "FARGATE", "base": 1, "weight": 1},
    {"capacityProvider": "FARGATE_SPOT", "weight": 1},
]
SPOT = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]


@pytest.fixture
def cloud() -> Cloud:
    cloud = Cloud.ready()
    associate(cloud)
    return cloud


def associate(cloud: Cloud, *names: str, default: Any = ()) -> dict[str, Any]:
    answer = cloud(
        "PutClusterCapacityProviders",
        cluster="c",
        capacityProviders=list(names or ("FARGATE", "FARGATE_SPOT")),
        defaultCapacityProviderStrategy=list(default),
    )
    cluster: dict[str, Any] = answer["cluster"]
    return cluster


def providers(cloud: Cloud) -> Counter[str]:
    return Counter(task["capacityProviderName"] for task in cloud.tasks())


def serve(cloud: Cloud, **changes: Any) -> dict[str, Any]:
    return cloud.serve(**{"launchType": None, "capacityProviderStrategy": MIXED} | changes)


def test_a_services_tasks_are_spread_by_base_and_weight(cloud: Cloud) -> None:
    service = serve(cloud, desiredCount=5)
    assert "launchType" not in service
    assert service["capacityProviderStrategy"] == [
        {"capacityProvider": "FARGATE", "base": 1, "weight": 1},
        {"capacityProvider": "FARGATE_SPOT", "base": 0, "weight": 1},
    ]
    cloud.schedule()
    assert providers(cloud) == {"FARGATE": 3, "FARGATE_SPOT": 2}
    assert {task["launchType"] for task in cloud.tasks()} == {"FARGATE"}
    cloud.run()
    cloud.schedule()
    cloud("UpdateService", cluster="c", service="web", desiredCount=7)
    cloud.schedule()
    assert providers(cloud) == {"FARGATE": 4, "FARGATE_SPOT": 3}


def test_tasks_that_are_run_are_spread_too(cloud: Cloud) -> None:
    tasks = cloud.run_task(launchType=None, capacityProviderStrategy=MIXED, count=4)
    assert [task["capacityProviderName"] for task in tasks] == [
        *("FARGATE", "FARGATE", "FARGATE_SPOT", "FARGATE")
    ]


def test_the_clusters_default_strategy_is_for_who_says_nothing(cloud: Cloud) -> None:
    cluster = associate(cloud, default=SPOT)
    assert cluster["defaultCapacityProviderStrategy"] == [
        {"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}
    ]
    (task,) = cloud.run_task(launchType=None)
    assert task["capacityProviderName"] == "FARGATE_SPOT"
    (task,) = cloud.run_task()
    assert "capacityProviderName" not in task


def test_a_change_of_strategy_is_a_new_deployment(cloud: Cloud) -> None:
    cloud.serve()
    cloud.schedule()
    cloud.run()
    cloud.schedule()
    change = {"cluster": "c", "service": "web", "capacityProviderStrategy": SPOT}
    text = refused("InvalidParameterException", cloud, "UpdateService", **change)
    assert text.endswith("you must force a new deployment.")
    cloud("UpdateService", **change, forceNewDeployment=True)
    service = cloud.service()
    assert len(service["deployments"]) == 2
    assert "launchType" not in service
    cloud.schedule()
    assert Counter(task.get("capacityProviderName") for task in cloud.tasks()) == {
        None: 2,
        "FARGATE_SPOT": 2,
    }
    back = {"capacityProviderStrategy": [], "forceNewDeployment": True}
    cloud("UpdateService", cluster="c", service="web", **back)
    assert cloud.service()["launchType"] == "FARGATE"


def test_a_strategy_that_cannot_be_is_refused(cloud: Cloud) -> None:
    code = "InvalidParameterException"
    both = refused(code, cloud.serve, capacityProviderStrategy=SPOT)
    assert both.startswith("Specifying both a launch type and capacity provider strategy")
    for strategy in (
        [{"capacityProvider": "MINE", "weight": 1}],
        [*SPOT, *SPOT],
        [{**one, "weight": 0} for one in MIXED],
        [{**one, "base": 1} for one in MIXED],
        [{"capacityProvider": "FARGATE", "weight": 1001}],
    ):
        refused(code, serve, cloud, capacityProviderStrategy=strategy)
    associate(cloud, "FARGATE")
    text = refused(code, serve, cloud)
    assert "not associated with the cluster" in text
    refused(code, associate, cloud, "FARGATE", default=SPOT)


def test_a_provider_in_use_stays_with_its_cluster(cloud: Cloud) -> None:
    serve(cloud)
    text = refused("ResourceInUseException", associate, cloud, "FARGATE")
    assert text == "The specified capacity provider is in use and cannot be removed."


def test_the_two_providers_are_described(cloud: Cloud) -> None:
    answer = cloud("DescribeCapacityProviders", capacityProviders=["FARGATE_SPOT", "mine"])
    (found,) = answer["capacityProviders"]
    assert (found["name"], found["status"]) == ("FARGATE_SPOT", "ACTIVE")
    assert answer["failures"][0]["arn"].endswith(":capacity-provider/mine")
    associate(cloud, "FARGATE")
    answer = cloud("DescribeCapacityProviders", cluster="c")
    assert [one["name"] for one in answer["capacityProviders"]] == ["FARGATE"]


# The end of a Spot task.


def test_an_interrupted_task_is_drained_told_and_replaced(cloud: Cloud) -> None:
    group = cloud.target_group()
    balancers = [{"targetGroupArn": group, "containerName": "web", "containerPort": 80}]
    serve(cloud, loadBalancers=balancers, capacityProviderStrategy=SPOT)
    heal(cloud, group)
    oldest = cloud.tasks()[0]
    told = cloud("_InterruptSpot", Which="web")
    assert told["Task"] in [task["taskArn"] for task in cloud.tasks("STOPPED")]
    assert told["Until"] == cloud.clock.now() + 30
    task = cloud.task(told["Task"])
    assert task["stopCode"] == "SpotInterruption"
    assert task["stoppedReason"] == "Your Spot Task was interrupted."
    assert task["lastStatus"] == "STOPPING"  # the signal is sent at once, nothing is waited for
    cloud.schedule_once()
    assert targets(cloud, group)[address(task)] == "draining"
    assert len(cloud.tasks()) == 2
    assert oldest["taskArn"] == told["Task"]
    assert any("has started 1 tasks" in line for line in cloud.events()[-5:])
    assert cloud.service()["deployments"][0]["failedTasks"] == 0
    cloud("_TellTask", Task=told["Task"])
    with cloud.store.reading() as tx:
        notice = rows.NOTICES.list(tx)[-1]
    detail = json.loads(notice.detail)
    assert notice.kind == "ECS Task State Change"
    assert (detail["stopCode"], detail["stoppedReason"], detail["desiredStatus"]) == (
        "SpotInterruption",
        "Your Spot Task was interrupted.",
        "STOPPED",
    )


def test_a_stop_timeout_is_the_patience_of_an_interruption(cloud: Cloud) -> None:
    container = {"name": "web", "image": "nginx", "stopTimeout": 120}
    cloud.define(containerDefinitions=[container])
    (task,) = cloud.run_task(launchType=None, capacityProviderStrategy=SPOT)
    cloud.run(task)
    told = cloud("_InterruptSpot", Which=task["taskArn"].rsplit("/", 1)[-1][:8])
    assert told["Until"] == cloud.clock.now() + 120


def test_only_running_spot_tasks_are_interrupted(cloud: Cloud) -> None:
    code = "InvalidParameterException"
    assert refused(code, cloud, "_InterruptSpot") == "there is no running task"
    (task,) = cloud.run_task(launchType=None, capacityProviderStrategy=SPOT)
    refused(code, cloud, "_InterruptSpot")
    cloud.serve()
    cloud.schedule()
    cloud.run()
    assert "no running task of web is on FARGATE_SPOT" in refused(
        code, cloud, "_InterruptSpot", Which="web"
    )
    assert cloud("_InterruptSpot")["Task"] == task["taskArn"]


class Posted:
    """A request as the local routes read it."""

    def __init__(self, body: str) -> None:
        self.body = body

    async def text(self) -> str:
        return self.body


def test_a_local_route_interrupts_a_task(cloud: Cloud, tmp_path: Path) -> None:
    routes = LocalRoutes(cloud.store, Settings(tmp_path), dict, asyncio.sleep)  # type: ignore[arg-type]

    def post(body: str) -> tuple[int, Any]:
        request: Any = Posted(body)
        answer: Any = asyncio.run(routes.post_break_spot(request))
        return answer.status, json.loads(answer.text)

    assert post("{}")[0] == 400
    assert post('{"which": "web"}') == (404, {"error": "there is no running task of web"})
    serve(cloud, capacityProviderStrategy=SPOT)
    cloud.schedule()
    cloud.run()
    status, told = post('{"which": "web"}')
    assert status == 200
    assert told["service"].endswith(":service/c/web")
    assert cloud.task(told["task"])["stopCode"] == "SpotInterruption"


def test_a_rollback_brings_the_strategy_back(cloud: Cloud) -> None:
    cloud.serve()
    cloud.schedule()
    cloud.run()
    cloud.schedule()
    change = {"capacityProviderStrategy": SPOT, "forceNewDeployment": True}
    cloud("UpdateService", cluster="c", service="web", **change)
    cloud.schedule()
    under_way = cloud.service()["currentServiceDeployment"]
    cloud("StopServiceDeployment", serviceDeploymentArn=under_way)
    cloud.schedule()
    assert cloud.service()["launchType"] == "FARGATE"
    assert "capacityProviderStrategy" not in cloud.service()
