"""What CreateService and DeleteService check."""

from typing import Any

import pytest
from tests.api.ecs_cloud import Cloud, refusal

from hiyoko.api import AwsError


@pytest.fixture
def cloud() -> Cloud:
    return Cloud.ready()


def test_the_same_service_is_returned_and_another_is_refused(cloud: Cloud) -> None:
    first = cloud.serve()
    assert cloud.serve()["serviceArn"] == first["serviceArn"]
    with pytest.raises(AwsError) as refused:
        cloud.serve(desiredCount=3)
    assert refused.value.message == "Creation of service was not idempotent."


def test_a_target_group_without_a_listener_is_refused(cloud: Cloud) -> None:
    group = cloud.target_group(attached=False)
    with pytest.raises(AwsError) as refused:
        cloud.serve(loadBalancers=[balancer(group)])
    assert refused.value.message == (
        f"The target group with targetGroupArn {group} does not have an associated load balancer."
    )


def balancer(group: str, container: str = "web", port: int = 80) -> dict[str, Any]:
    return {"targetGroupArn": group, "containerName": container, "containerPort": port}


def test_a_load_balancer_names_a_real_container_and_port(cloud: Cloud) -> None:
    group = cloud.target_group()
    with pytest.raises(AwsError) as refused:
        cloud.serve(loadBalancers=[balancer(group, "db")])
    assert refused.value.message == "The container db does not exist in the task definition."
    with pytest.raises(AwsError) as refused:
        cloud.serve(loadBalancers=[balancer(group, port=81)])
    assert refused.value.message == "The container web did not have a container port 81 defined."


def test_a_service_above_zero_is_deleted_only_by_force(cloud: Cloud) -> None:
    cloud.serve()
    assert refusal(cloud, "DeleteService", cluster="c", service="web") == (
        "InvalidParameterException",
        "The service cannot be stopped while it is scaled above 0.",
    )
    answer = cloud("DeleteService", cluster="c", service="web", force=True)["service"]
    assert (answer["status"], answer["desiredCount"]) == ("DRAINING", 0)
    assert cloud("ListServices", cluster="c")["serviceArns"] == []
    assert refusal(cloud, "UpdateService", cluster="c", service="web")[0] == (
        "ServiceNotActiveException"
    )
    assert refusal(cloud, "UpdateService", cluster="c", service="no") == (
        "ServiceNotFoundException",
        "Service not found.",
    )
