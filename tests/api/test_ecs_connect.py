"""Service Connect: what services offer, what a deployment's tasks can reach, who is known."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.ecs_cloud import CONTAINER, Cloud

import hiyoko.services.servicediscovery  # noqa: F401
from hiyoko.api import AwsError
from hiyoko.services.ecs import rows
from hiyoko.services.ecs.seen import PROXIES_SEEN, ProxySeen

DISCOVERY = "servicediscovery"
PORT = {"containerPort": 80, "name": "http", "appProtocol": "http"}


@pytest.fixture
def cloud() -> Cloud:
    cloud = Cloud.ready()
    cloud("CreateHttpNamespace", DISCOVERY, Name="shop")
    cloud.define(containerDefinitions=[CONTAINER | {"portMappings": [PORT]}])
    return cloud


def offer(name: str = "web", port: int = 80, **more: Any) -> dict[str, Any]:
    """A configuration that offers the port ``http`` under a name."""
    service = {
        "portName": "http",
        "discoveryName": name,
        "clientAliases": [{"port": port, "dnsName": name}],
        **more,
    }
    return {"enabled": True, "namespace": "shop", "services": [service]}


def endpoints(cloud: Cloud, service: str) -> list[tuple[str, int]]:
    """What the tasks of a service's newest deployment can reach."""
    with cloud.store.reading() as tx:
        (found,) = [one for one in rows.list_services(tx) if one.name == service]
    return [(one.alias_name, one.alias_port) for one in found.primary.endpoints]


def made(cloud: Cloud) -> list[str]:
    return [one["Name"] for one in cloud("ListServices", DISCOVERY)["Services"]]


def test_a_deployment_reaches_what_was_there_when_it_began(cloud: Cloud) -> None:
    client = {"enabled": True, "namespace": "shop"}
    cloud.serve(serviceName="old", serviceConnectConfiguration=client)
    shown = cloud.serve(serviceConnectConfiguration=offer())["deployments"][0]
    cloud.serve(serviceName="new", serviceConnectConfiguration=client)
    assert endpoints(cloud, "old") == []
    listed = cloud("ListServicesByNamespace", namespace="shop")["serviceArns"]
    assert {arn.rpartition("/")[2] for arn in listed} == {"old", "web", "new"}
    assert endpoints(cloud, "web") == endpoints(cloud, "new") == [("web", 80)]
    assert shown["serviceConnectConfiguration"] == offer()
    (resource,) = shown["serviceConnectResources"]
    assert resource["discoveryName"] == "web"
    cloud("UpdateService", cluster="c", service="old", forceNewDeployment=True)
    assert endpoints(cloud, "old") == [("web", 80)]
    again = cloud("UpdateService", cluster="c", service="web", serviceConnectConfiguration=offer())
    assert len(again["service"]["deployments"]) == 1


def test_tasks_are_known_and_released_when_no_proxy_sends_to_them(cloud: Cloud) -> None:
    cloud.serve(desiredCount=1, serviceConnectConfiguration=offer(ingressPortOverride=8080))
    cloud.schedule()
    cloud.run()
    cloud.schedule()
    (task,) = cloud.tasks()
    proxy = task["containers"][1]
    assert proxy["name"].startswith("ecs-service-connect-")
    assert (proxy["lastStatus"], proxy["healthStatus"]) == ("PENDING", "UNKNOWN")
    found = cloud("DiscoverInstances", DISCOVERY, NamespaceName="shop", ServiceName="web")
    attributes = found["Instances"][0]["Attributes"]
    address = task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]
    assert (attributes["AWS_INSTANCE_IPV4"], attributes["AWS_INSTANCE_PORT"]) == (address, "8080")
    (service,) = cloud("ListServices", DISCOVERY)["Services"]
    place = (service["Id"], f"{address}:8080")

    def sends(*places: tuple[str, str]) -> None:
        with cloud.store.transaction() as tx:
            PROXIES_SEEN.put(tx, ProxySeen("eni-client", 1, places, 1.0))

    sends(place)
    cloud("UpdateService", cluster="c", service="web", desiredCount=0)
    cloud.schedule()
    assert cloud.task(task["taskArn"])["lastStatus"] == "DEACTIVATING"
    assert not cloud("DiscoverInstances", DISCOVERY, NamespaceName="shop", ServiceName="web")[
        "Instances"
    ]
    sends()
    cloud.schedule()
    assert cloud.task(task["taskArn"])["lastStatus"] == "STOPPING"
    cloud.leave()
    cloud("DeleteService", cluster="c", service="web")
    assert made(cloud) == ["web"]
    cloud.schedule()
    assert made(cloud) == []


def test_a_proxys_log_is_settled_by_its_deployment(cloud: Cloud) -> None:
    options = {"awslogs-group": "/p", "awslogs-region": "ap-northeast-1"}
    options |= {"awslogs-stream-prefix": "p"}
    log = {"logDriver": "awslogs", "options": options, "secretOptions": []}
    access = {"format": "JSON", "includeQueryParameters": "ENABLED"}
    wanted = offer() | {"logConfiguration": log, "accessLogConfiguration": access}
    shown = cloud.serve(serviceConnectConfiguration=wanted)["deployments"][0]
    assert shown["serviceConnectConfiguration"] == wanted
    cloud.schedule()
    with cloud.store.reading() as tx:
        (one, _) = rows.list_tasks(tx)
    assert one.proxy_log is not None
    assert (dict(one.proxy_log.options), one.proxy_log.access) == (options, "JSON")
    assert one.proxy_log.query
    again = cloud("UpdateService", cluster="c", service="web", serviceConnectConfiguration=wanted)
    assert len(again["service"]["deployments"]) == 1
    again = cloud("UpdateService", cluster="c", service="web", serviceConnectConfiguration=offer())
    assert len(again["service"]["deployments"]) == 2
    blocking = log | {"options": options | {"mode": "blocking"}}
    for wrong, told in (
        ({"accessLogConfiguration": access}, "you must also specify logConfiguration"),
        ({"logConfiguration": blocking}, "mode='blocking'"),
        ({"logConfiguration": log | {"logDriver": "awsfirelens"}}, "serviceConnectConfiguration"),
    ):
        with pytest.raises(AwsError, match=told):
            cloud.serve(serviceName="x", serviceConnectConfiguration=offer("x") | wrong)


def test_a_cluster_has_a_namespace_by_default(cloud: Cloud) -> None:
    defaults = {"namespace": "fresh"}
    shown = cloud("CreateCluster", clusterName="d", serviceConnectDefaults=defaults)["cluster"]
    names = {one["Arn"]: one["Name"] for one in cloud("ListNamespaces", DISCOVERY)["Namespaces"]}
    assert names[shown["serviceConnectDefaults"]["namespace"]] == "fresh"
    wanted = {"enabled": True, "services": [{"portName": "http", "clientAliases": [{"port": 80}]}]}
    service = cloud.serve(cluster="d", serviceConnectConfiguration=wanted)
    shown = service["deployments"][0]["serviceConnectConfiguration"]
    assert shown["services"][0]["discoveryName"] == "http"
    assert endpoints(cloud, "web") == [("http.fresh", 80)]
    shown = cloud("UpdateCluster", cluster="d", serviceConnectDefaults={"namespace": "shop"})
    assert names[shown["cluster"]["serviceConnectDefaults"]["namespace"]] == "shop"


@pytest.mark.parametrize(
    ("wrong", "code", "text"),
    [
        (offer() | {"namespace": "none"}, "NamespaceNotFoundException", "none wasn't found"),
        (offer() | {"namespace": ""}, "InvalidParameterException", "A namespace is needed"),
        (offer(portName="other"), "InvalidParameterException", "port name other"),
        (offer(clientAliases=[]), "InvalidParameterException", "one client alias"),
        (offer("a\n1.1.1.1 b"), "InvalidParameterException", "is not a DNS name"),
        (offer(port=0), "InvalidParameterException", "0 is not a port"),
        (offer(tls={"issuerCertificateAuthority": {}}), "NotImplemented", "services.tls"),
        (
            offer() | {"containerConfigurations": [{"name": "proxy"}]},
            "NotImplemented",
            "containerConfigurations",
        ),
    ],
)
def test_what_cannot_be_is_refused(cloud: Cloud, wrong: Any, code: str, text: str) -> None:
    with pytest.raises(AwsError, match=text) as caught:
        cloud.serve(serviceConnectConfiguration=wrong)
    assert caught.value.code == code


def test_names_are_one_services(cloud: Cloud) -> None:
    cloud.serve(serviceConnectConfiguration=offer())
    with pytest.raises(AwsError, match="discoveryName web is in use"):
        cloud.serve(serviceName="b", serviceConnectConfiguration=offer())
    taken = offer("other", clientAliases=[{"port": 80, "dnsName": "web"}])
    with pytest.raises(AwsError, match="client alias web:80 is in use"):
        cloud.serve(serviceName="b", serviceConnectConfiguration=taken)
    namespace = cloud("ListNamespaces", DISCOVERY)["Namespaces"][0]["Id"]
    cloud("CreateService", DISCOVERY, Name="own", NamespaceId=namespace)
    with pytest.raises(AwsError, match="Amazon ECS did not make"):
        cloud.serve(serviceName="b", serviceConnectConfiguration=offer("own"))


def test_no_stage_is_left_before_proxies_share_traffic_as_it_says(cloud: Cloud) -> None:
    how = {"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 50.0}}
    cloud.serve(desiredCount=1, deploymentConfiguration=how, serviceConnectConfiguration=offer())
    (service,) = cloud("ListServices", DISCOVERY)["Services"]

    def rest() -> tuple[str, float]:
        """How far the newest deployment comes, and with which share of the traffic."""
        for _ in range(4):
            cloud.schedule()
            cloud.run()
            cloud.clock.time += 60
        listed = cloud("ListServiceDeployments", cluster="c", service="web")
        arn = listed["serviceDeployments"][0]["serviceDeploymentArn"]
        found = cloud("DescribeServiceDeployments", serviceDeploymentArns=[arn])
        (shown,) = found["serviceDeployments"]
        share = shown["targetServiceRevision"].get("requestedProductionTrafficWeight", 0.0)
        return shown.get("lifecycleStage", ""), share

    def follow(shares: str) -> None:
        with cloud.store.transaction() as tx:
            PROXIES_SEEN.put(tx, ProxySeen("eni-client", 1, (), 1.0, ((service["Id"], shares),)))

    rest()
    follow("")
    cloud("UpdateService", cluster="c", service="web", forceNewDeployment=True)
    deployment = cloud.service()["deployments"][0]["id"]
    assert rest() == ("", 0.0)
    follow(f"{deployment}:0:0")
    assert rest() == ("TEST_TRAFFIC_SHIFT", 0.0)
    follow(f"{deployment}:0:100")
    assert rest() == ("PRODUCTION_TRAFFIC_SHIFT", 50.0)
    cloud.clock.time += 600
    assert rest() == ("PRODUCTION_TRAFFIC_SHIFT", 50.0)
    follow(f"{deployment}:50:100")
    assert rest() == ("PRODUCTION_TRAFFIC_SHIFT", 100.0)
    follow(f"{deployment}:100:100")
    assert rest()[0] == "CLEAN_UP"
    cloud.leave()
    rest()
    assert cloud.service()["deployments"][0]["rolloutState"] == "COMPLETED"
