"""Task scale-in protection: tasks that neither a scale-in nor a deployment stops.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection.html
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.ecs_cloud import Cloud, refused


@pytest.fixture
def cloud() -> Cloud:
    cloud = Cloud.ready()
    cloud.serve()
    settle(cloud)
    return cloud


def settle(cloud: Cloud) -> None:
    """All that shall run does, and has for long enough; all that shall end is gone."""
    for _ in range(4):
        cloud.schedule()
        cloud.run()
        cloud.leave()
        cloud.clock.time += 60
    cloud.schedule()


def protect(cloud: Cloud, *tasks: str, **changes: Any) -> dict[str, Any]:
    request = {"cluster": "c", "tasks": list(tasks), "protectionEnabled": True} | changes
    return cloud("UpdateTaskProtection", **request)


def running(cloud: Cloud) -> list[str]:
    return [task["taskArn"] for task in cloud.tasks() if task["lastStatus"] == "RUNNING"]


def test_a_task_is_protected_for_two_hours_or_as_long_as_is_said(cloud: Cloud) -> None:
    first, second = running(cloud)
    now = cloud.clock.now()
    [told] = protect(cloud, first)["protectedTasks"]
    expected = {"taskArn": first, "protectionEnabled": True, "expirationDate": now + 7200}
    assert told == expected
    [told] = protect(cloud, first, expiresInMinutes=5)["protectedTasks"]
    assert told["expirationDate"] == now + 300
    shown = cloud("GetTaskProtection", cluster="c", tasks=[first, second])["protectedTasks"]
    assert shown == [told, {"taskArn": second, "protectionEnabled": False}]
    cloud.clock.time += 300
    shown = cloud("GetTaskProtection", cluster="c", tasks=[first])["protectedTasks"]
    assert shown == [{"taskArn": first, "protectionEnabled": False}]


def test_what_cannot_be_protected_is_told(cloud: Cloud) -> None:
    [lonely] = [task["taskArn"] for task in cloud.run_task()]
    unknown = lonely.replace(lonely[-8:], "00000000")
    answer = protect(cloud, lonely, unknown)
    assert answer == {
        "protectedTasks": [],
        "failures": [
            {"arn": lonely, "reason": "TASK_NOT_VALID"},
            {"arn": unknown, "reason": "MISSING"},
        ],
    }
    for changes in ({"expiresInMinutes": 0}, {"expiresInMinutes": 2881}, {"tasks": ["x"] * 11}):
        refused("InvalidParameterException", protect, cloud, lonely, **changes)


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_scale_in_leaves_protected_tasks_until_protection_ends(
    cloud: Cloud, by_hand: bool
) -> None:
    first, second = running(cloud)
    protect(cloud, first, second, expiresInMinutes=10)
    cloud("UpdateService", cluster="c", service="web", desiredCount=1)
    settle(cloud)
    assert running(cloud) == [first, second]
    deployment = cloud.service()["deployments"][0]["id"]
    assert cloud.events()[-1] == (
        f"(service web) was unable to reach steady state because (taskSet {deployment}) was unable"
        " to scale in due to (reason 1 tasks under protection)"
    )
    if by_hand:
        protect(cloud, second, protectionEnabled=False)
    else:
        cloud.clock.time += 600
    settle(cloud)
    assert len(running(cloud)) == 1
    assert not by_hand or running(cloud) == [first]
    assert cloud.events()[-1] == "(service web) has reached a steady state."


def test_a_scale_in_takes_those_that_are_not_protected_and_a_deletion_all(cloud: Cloud) -> None:
    second = running(cloud)[-1]
    protect(cloud, second)
    for desired in (1, 0):
        cloud("UpdateService", cluster="c", service="web", desiredCount=desired)
        settle(cloud)
        assert running(cloud) == [second]
    cloud("DeleteService", cluster="c", service="web", force=True)
    settle(cloud)
    assert running(cloud) == []


def test_a_deployment_waits_for_protected_tasks(cloud: Cloud) -> None:
    old = running(cloud)
    protect(cloud, old[0], expiresInMinutes=30)
    cloud.define()
    cloud("UpdateService", cluster="c", service="web", taskDefinition="app:2")
    settle(cloud)
    assert len(running(cloud)) == 3
    assert old[0] in running(cloud)
    assert "1 tasks under protection" in cloud.events()[-1]
    assert cloud.service()["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    cloud.clock.time += 1800
    settle(cloud)
    assert not set(old) & set(running(cloud))
    assert cloud.service()["deployments"][0]["rolloutState"] == "COMPLETED"


def test_a_task_that_ends_or_is_stopped_by_hand_is_not_held(cloud: Cloud) -> None:
    first, second = running(cloud)
    protect(cloud, first, second)
    cloud("StopTask", cluster="c", task=first)
    cloud.exit(cloud.task(second))
    settle(cloud)
    assert not {first, second} & set(running(cloud))
    assert len(running(cloud)) == 2
