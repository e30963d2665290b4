"""Services with a service registry: Cloud Map knows the tasks that run, and no others."""

from __future__ import annotations

import pytest
from tests.api.ecs_cloud import CONTAINER, Cloud

import hiyoko.services.servicediscovery  # noqa: F401
from hiyoko.api import AwsError
from hiyoko.services.ecs.seen import ContainerSeen
from hiyoko.services.route53.seen import SERVED_SEEN, ServedSeen

DISCOVERY = "servicediscovery"


@pytest.fixture
def cloud() -> Cloud:
    return Cloud.ready()


def registry(cloud: Cloud, **more: object) -> str:
    """The ARN of a service ``web.shop.internal``."""
    begun = cloud("CreatePrivateDnsNamespace", DISCOVERY, Name="shop.internal", Vpc=cloud.vpc)
    operation = cloud("GetOperation", DISCOVERY, OperationId=begun["OperationId"])["Operation"]
    records = [{"Type": "A", "TTL": 10}]
    request = {
        "DnsConfig": {"DnsRecords": records},
        "NamespaceId": operation["Targets"]["NAMESPACE"],
    }
    made = cloud("CreateService", DISCOVERY, Name="web", **request | more)
    return str(made["Service"]["Arn"])


def known(cloud: Cloud, arn: str) -> dict[str, dict[str, str]]:
    """Attributes of the instances, by task id."""
    found = cloud("ListInstances", DISCOVERY, ServiceId=arn.rpartition("/")[2])
    return {one["Id"]: one["Attributes"] for one in found["Instances"]}


def serve_names(cloud: Cloud) -> None:
    """DNS answers from everything that was written until now."""
    with cloud.store.transaction() as tx:
        SERVED_SEEN.put(tx, ServedSeen("dns", tx.revision, seen_at=1.0, digest=""))


def test_a_task_is_known_while_it_runs_and_ends_only_when_no_name_leads_to_it(cloud: Cloud) -> None:
    arn = registry(cloud)
    service = cloud.serve(desiredCount=1, serviceRegistries=[{"registryArn": arn}])
    assert service["serviceRegistries"] == [{"registryArn": arn}]
    cloud.schedule()
    assert known(cloud, arn) == {}
    cloud.run()
    cloud.schedule()
    (task,) = cloud.tasks()
    (attributes,) = known(cloud, arn).values()
    assert attributes == {
        "AWS_INSTANCE_IPV4": task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"],
        "AVAILABILITY_ZONE": task["availabilityZone"],
        "REGION": "ap-northeast-1",
        "ECS_CLUSTER_NAME": "c",
        "ECS_SERVICE_NAME": "web",
        "ECS_TASK_DEFINITION_FAMILY": "app",
    }
    serve_names(cloud)
    cloud("UpdateService", cluster="c", service="web", desiredCount=0)
    cloud.schedule()
    assert known(cloud, arn) == {}
    assert cloud.task(task["taskArn"])["lastStatus"] == "DEACTIVATING"
    serve_names(cloud)
    cloud.schedule()
    assert cloud.task(task["taskArn"])["lastStatus"] == "STOPPING"


def test_a_task_that_ends_by_itself_is_forgotten_too(cloud: Cloud) -> None:
    arn = registry(cloud)
    cloud.serve(desiredCount=1, serviceRegistries=[{"registryArn": arn}])
    cloud.schedule()
    cloud.run()
    cloud.schedule()
    assert len(known(cloud, arn)) == 1
    cloud.exit(cloud.tasks()[0])
    cloud.schedule()
    assert known(cloud, arn) == {}


def test_container_health_is_told(cloud: Cloud) -> None:
    arn = registry(cloud, HealthCheckCustomConfig={})
    check = {"command": ["CMD", "true"]}
    cloud.define(containerDefinitions=[CONTAINER | {"healthCheck": check}])
    cloud.serve(
        desiredCount=1, serviceRegistries=[{"registryArn": arn}], healthCheckGracePeriodSeconds=None
    )
    cloud.schedule()
    cloud.run()
    cloud.schedule()

    def health() -> list[str]:
        found = cloud("GetInstancesHealthStatus", DISCOVERY, ServiceId=arn.rpartition("/")[2])
        return list(found["Status"].values())

    assert health() == ["UNHEALTHY"]
    now = cloud.clock.now()
    (task,) = cloud.tasks()
    cloud.see(task, ContainerSeen("web", "RUNNING", health="HEALTHY", started_at=now))
    cloud.schedule()
    assert health() == ["HEALTHY"]


def test_another_registry_makes_a_deployment(cloud: Cloud) -> None:
    arn = registry(cloud)
    cloud.serve(desiredCount=0)
    before = len(cloud.service()["deployments"])
    changed = cloud(
        "UpdateService", cluster="c", service="web", serviceRegistries=[{"registryArn": arn}]
    )["service"]
    assert len(changed["deployments"]) == before + 1
    again = cloud(
        "UpdateService", cluster="c", service="web", serviceRegistries=[{"registryArn": arn}]
    )["service"]
    assert len(again["deployments"]) == before + 1


def test_a_registry_that_cannot_be_is_refused(cloud: Cloud) -> None:
    srv = {"DnsConfig": {"DnsRecords": [{"Type": "SRV", "TTL": 10}]}}
    arn = registry(cloud, **srv)
    for wrong, text in (
        ([{"registryArn": arn}], "SRV records needs"),
        ([{"registryArn": arn, "containerName": "web"}], "specified together"),
        ([{"registryArn": arn, "containerName": "x", "containerPort": 80}], "does not exist"),
        ([{"registryArn": arn, "containerName": "web", "containerPort": 81}], "port 81"),
        ([{"registryArn": arn + "0"}], "ServiceNotFound"),
        ([{"registryArn": arn, "port": 80}] * 2, "at most 1"),
    ):
        with pytest.raises(AwsError, match=text) as caught:
            cloud.serve(serviceRegistries=wrong)
        assert caught.value.code == "InvalidParameterException"
    cloud.serve(
        desiredCount=1,
        serviceRegistries=[{"registryArn": arn, "containerName": "web", "containerPort": 80}],
    )
    cloud.schedule()
    cloud.run()
    cloud.schedule()
    (attributes,) = known(cloud, arn).values()
    assert attributes["AWS_INSTANCE_PORT"] == "80"
