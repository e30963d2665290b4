"""A service that deploys blue/green, under load: by a stack, and turned back by an alarm."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Cloud, until

TEMPLATE = Path(__file__).with_name("blue-green.yaml").read_text()
STACK = "shop"


def reached(cloud: Cloud, status: str) -> dict[str, Any]:
    """The stack, when it has this status; it tells what went wrong when it never will."""
    stacks = cloud.client("cloudformation")

    def stack() -> dict[str, Any] | None:
        (found,) = stacks.describe_stacks(StackName=STACK)["Stacks"]
        return found if not found["StackStatus"].endswith("IN_PROGRESS") else None

    found: dict[str, Any] = until(stack, 100)
    events = stacks.describe_stack_events(StackName=STACK)["StackEvents"]
    failed = [
        (one["LogicalResourceId"], one.get("ResourceStatusReason"))
        for one in events
        if one["ResourceStatus"].endswith("FAILED")
    ]
    assert found["StackStatus"] == status, failed
    return found


@pytest.fixture(scope="module")
def shop(cloud: Cloud) -> dict[str, str]:
    """The stack's outputs."""
    stacks = cloud.client("cloudformation")
    stacks.create_stack(StackName=STACK, TemplateBody=TEMPLATE, Capabilities=["CAPABILITY_IAM"])
    stack = reached(cloud, "CREATE_COMPLETE")
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


@contextmanager
def load(cloud: Cloud, name: str, folder: Path) -> Iterator[Callable[[], dict[str, int]]]:
    """Clients that ask all the time, and have been answered before the block begins.

    When they are told to end, how many got which answer.
    """
    over, begun = folder / "over", folder / "begun"
    asking = f"curl -s -m 5 -w ' %{{http_code}}\\n' http://{name}/ http://{name}/ | tr -s '\\n '"
    one = f"while [ ! -e {over} ]; do {asking}; : >{begun}; done"
    script = f"({one}) & ({one}) & ({one}) & wait"
    with ThreadPoolExecutor(1) as threads:
        done: Future[Any] = threads.submit(cloud.run, "run", "--", "bash", "-c", script)

        def answers() -> dict[str, int]:
            over.touch()
            lines = done.result(120).stdout.split("\n")
            words = " ".join(lines).split()
            pairs = [f"{page} {code}" for page, code in zip(words[::2], words[1::2], strict=True)]
            return {pair: pairs.count(pair) for pair in set(pairs)}

        try:
            assert until(begun.exists)
            yield answers
        finally:
            over.touch()


def newest(cloud: Cloud, shop: dict[str, str]) -> dict[str, Any]:
    ecs = cloud.client("ecs")
    listed = ecs.list_service_deployments(cluster=shop["Cluster"], service="web")
    arn = listed["serviceDeployments"][0]["serviceDeploymentArn"]
    found = ecs.describe_service_deployments(serviceDeploymentArns=[arn])
    shown: dict[str, Any] = found["serviceDeployments"][0]
    return shown


def pages(cloud: Cloud, shop: dict[str, str]) -> list[str]:
    """What everybody gets, and what testers get."""
    production, test = (f"http://{shop['Name']}:{port}/" for port in (80, 8080))
    return cloud.curl(test, production)[1].split()  # the last one asked is named first


def test_a_stack_deploys_blue_green_and_fails_no_request(
    cloud: Cloud, shop: dict[str, str], tmp_path: Path
) -> None:
    stacks = cloud.client("cloudformation")
    with load(cloud, shop["Name"], tmp_path) as answers:
        stacks.update_stack(
            StackName=STACK,
            UsePreviousTemplate=True,
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": "Version", "ParameterValue": "v2"}],
        )
        reached(cloud, "UPDATE_COMPLETE")
        got = answers()
    assert set(got) == {"v1 200", "v2 200"}, got
    assert newest(cloud, shop)["status"] == "SUCCESSFUL"
    assert pages(cloud, shop) == ["v2", "v2"]


def test_an_alarm_in_the_bake_time_gives_the_traffic_back_without_a_failed_request(
    cloud: Cloud, shop: dict[str, str], tmp_path: Path
) -> None:
    ecs, watch = cloud.client("ecs"), cloud.client("cloudwatch")
    service = {"cluster": shop["Cluster"], "service": "web"}
    pause = {"targetType": "PAUSE", "lifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"]}
    definition = ecs.describe_task_definition(taskDefinition="web")["taskDefinition"]
    (container,) = definition["containerDefinitions"]
    container["command"][-1] = container["command"][-1].replace("v2", "v3")
    kept = ("networkMode", "cpu", "memory", "executionRoleArn", "requiresCompatibilities")
    ecs.register_task_definition(
        family="web",
        containerDefinitions=[container],
        **{name: definition[name] for name in kept},
    )
    before = set(ecs.list_tasks(cluster=shop["Cluster"])["taskArns"])
    with load(cloud, shop["Name"], tmp_path) as answers:
        ecs.update_service(
            **service,
            taskDefinition="web",
            deploymentConfiguration={"bakeTimeInMinutes": 30, "lifecycleHooks": [pause]},
        )
        waiting = until(lambda: newest(cloud, shop).get("lifecycleHookDetails"), 60)
        assert pages(cloud, shop) == ["v2", "v3"]
        ecs.continue_service_deployment(
            serviceDeploymentArn=newest(cloud, shop)["serviceDeploymentArn"],
            hookId=waiting[0]["hookId"],
        )
        assert until(lambda: newest(cloud, shop)["lifecycleStage"] == "BAKE_TIME", 60)
        assert until(lambda: pages(cloud, shop) == ["v3", "v3"], 60)

        def rolled_back() -> bool:
            # In the period that is over: the alarm looks at it at once, unless the next one ends.
            wrong = {"MetricName": "WrongOrders", "Value": 1, "StorageResolution": 1}
            watch.put_metric_data(
                Namespace="Shop", MetricData=[wrong | {"Timestamp": time.time() - 10}]
            )
            return bool(newest(cloud, shop)["status"] == "ROLLBACK_SUCCESSFUL")

        assert until(rolled_back, 60)
        got = answers()
    assert set(got) == {"v2 200", "v3 200"}, got
    assert pages(cloud, shop) == ["v2", "v2"]
    assert set(ecs.list_tasks(cluster=shop["Cluster"])["taskArns"]) == before
    assert newest(cloud, shop)["alarms"]["triggeredAlarmNames"] == ["wrong-orders"]
