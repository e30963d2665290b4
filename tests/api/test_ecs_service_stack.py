"""When a stack's service is stable, and when its update has failed: beside real deployments."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.ecs_cloud import Cloud

import hiyoko.services.ecs.cfn  # noqa: F401  registers the types
from hiyoko.template.resource_type import Handle, NotStabilizedError, Progress, find_type

TRIGGERED = "'ECS Deployment Circuit Breaker was triggered'"
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


@pytest.fixture
def cloud() -> Cloud:
    cloud = Cloud.ready()
    cloud.serve(desiredCount=1, deploymentConfiguration=BREAKER)
    settle(cloud)
    return cloud


def settle(cloud: Cloud) -> None:
    for _ in range(3):
        cloud.schedule()
        cloud.run()
        cloud.leave()
        cloud.clock.time += 60
    cloud.schedule()


def fail(cloud: Cloud) -> None:
    """Three tasks of the newest deployment do not start; the last one has not left yet."""
    for number in range(3):
        cloud.schedule()
        for task in cloud.tasks():
            if task["lastStatus"] == "PROVISIONING":
                cloud.attach(task)
                cloud.see(task, failure="CannotPullContainerError: no route")
        cloud.schedule()
        if number < 2:
            cloud.leave()
            cloud.clock.time += 60


def stable(cloud: Cloud, old: dict[str, Any], new: dict[str, Any]) -> Progress:
    """What CloudFormation makes of the service in an update from these properties to those."""

    def invoke(service: str, operation: str, request: Any) -> Any:
        return cloud(operation, service, **request)

    arn = cloud.service()["serviceArn"]
    known = {"Cluster": "c"}
    handle = Handle(
        invoke, "r", "1", "s", "sid", "Web", "T", known | new, known | old, physical_id=arn
    )
    kind = find_type("AWS::ECS::Service")
    assert kind is not None
    assert kind.stable is not None
    return kind.stable(handle)


def test_an_update_fails_and_its_rollback_does_not(cloud: Cloud) -> None:
    good, bad = {"TaskDefinition": "app:1"}, {"TaskDefinition": cloud.define()}
    cloud("UpdateService", cluster="c", service="web", taskDefinition="app:2")
    assert stable(cloud, good, bad) is Progress.WAITING
    fail(cloud)
    states = [one["rolloutState"] for one in cloud.service()["deployments"]]
    assert states[:2] == ["IN_PROGRESS", "FAILED"]
    with pytest.raises(NotStabilizedError, match=TRIGGERED):
        stable(cloud, good, bad)
    # What the stack goes back to is what ECS goes back to by itself.
    cloud("UpdateService", cluster="c", service="web", taskDefinition="app:1")
    assert stable(cloud, bad, good) is Progress.WAITING
    settle(cloud)
    assert stable(cloud, bad, good) is Progress.DONE
    with pytest.raises(NotStabilizedError, match=TRIGGERED):
        stable(cloud, good, bad)


def test_another_network_may_fail_with_the_same_definition(cloud: Cloud) -> None:
    first, second = ([one] for one in cloud.subnets)

    def network(subnets: list[str]) -> dict[str, Any]:
        given = {"AwsvpcConfiguration": {"Subnets": subnets}}
        return {"TaskDefinition": "app:1", "NetworkConfiguration": given}

    old, new = network([*first, *second]), network(second)
    place = {"awsvpcConfiguration": {"subnets": second}}
    cloud("UpdateService", cluster="c", service="web", networkConfiguration=place)
    fail(cloud)
    with pytest.raises(NotStabilizedError, match=TRIGGERED):
        stable(cloud, old, new)
    assert stable(cloud, new, old) is Progress.WAITING


def test_a_definition_that_others_have_set_is_no_failure(cloud: Cloud) -> None:
    cloud.define()
    cloud("UpdateService", cluster="c", service="web", taskDefinition="app:2")
    settle(cloud)
    same = {"TaskDefinition": "app:1"}
    assert stable(cloud, same | {"DesiredCount": 2}, same) is Progress.DONE
