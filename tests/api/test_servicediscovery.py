"""Cloud Map over HTTP: namespaces are zones, instances are records, operations come to an end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from tests.api.conftest import Endpoint

from hiyoko.gateway.resolve import service_of
from hiyoko.services.route53.seen import SERVED_SEEN, ServedSeen
from hiyoko.spec.http import HttpRequest


@dataclass
class CloudMap:
    """Clients of Cloud Map and Route 53; plays the DNS servers."""

    endpoint: Endpoint
    api: Any
    dns: Any
    vpc: str

    def status(self, answer: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get_operation(OperationId=answer["OperationId"])
        return dict(found["Operation"])

    def namespace(self, name: str = "shop.internal", **more: Any) -> str:
        begun = self.api.create_private_dns_namespace(Name=name, Vpc=self.vpc, **more)
        return str(self.status(begun)["Targets"]["NAMESPACE"])

    def service(self, namespace: str, name: str = "api", **more: Any) -> str:
        config = {"DnsRecords": [{"Type": "A", "TTL": 10}]}
        request = {"Name": name, "NamespaceId": namespace, "DnsConfig": config, **more}
        return str(self.api.create_service(**request)["Service"]["Id"])

    def register(self, service: str, name: str, **attributes: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.register_instance(
            ServiceId=service, InstanceId=name, Attributes=attributes
        )
        return found

    def zone(self, namespace: str) -> str:
        found = self.api.get_namespace(Id=namespace)["Namespace"]["Properties"]
        return str(found["DnsProperties"]["HostedZoneId"])

    def records(self, namespace: str) -> dict[tuple[str, str, str], list[str]]:
        found = self.dns.list_resource_record_sets(HostedZoneId=self.zone(namespace))
        return {
            (one["Name"], one["Type"], one["SetIdentifier"]): [
                value["Value"] for value in one["ResourceRecords"]
            ]
            for one in found["ResourceRecordSets"]
            if "SetIdentifier" in one
        }

    def answer_from_now(self) -> None:
        """The DNS servers have taken up everything."""

        async def see() -> None:
            with self.endpoint.store.transaction() as tx:
                SERVED_SEEN.put(tx, ServedSeen("dns", tx.revision, seen_at=1.0, digest=""))

        asyncio.run_coroutine_threadsafe(see(), self.endpoint.loop).result(5)


@pytest.fixture
def cloud(endpoint: Endpoint) -> CloudMap:
    vpc = endpoint.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    return CloudMap(endpoint, endpoint.client("servicediscovery"), endpoint.client("route53"), vpc)


def refused(code: str, call: Callable[..., Any], **request: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**request)
    assert caught.value.response["Error"]["Code"] == code
    return str(caught.value.response["Error"]["Message"])


def test_a_private_namespace_is_a_zone_that_cloud_map_alone_changes(cloud: CloudMap) -> None:
    begun = cloud.api.create_private_dns_namespace(
        Name="shop.internal", Vpc=cloud.vpc, Description="ours"
    )
    operation = cloud.status(begun)
    assert (operation["Type"], operation["Status"]) == ("CREATE_NAMESPACE", "PENDING")
    cloud.answer_from_now()
    assert cloud.status(begun)["Status"] == "SUCCESS"
    namespace = operation["Targets"]["NAMESPACE"]
    shown = cloud.api.get_namespace(Id=namespace)["Namespace"]
    assert shown["Type"] == "DNS_PRIVATE"
    assert shown["Properties"]["DnsProperties"]["SOA"] == {"TTL": 15}
    assert shown["Properties"]["HttpProperties"] == {"HttpName": "shop.internal"}
    zone = cloud.zone(namespace)
    listed = {one["Id"]: one for one in cloud.dns.list_hosted_zones()["HostedZones"]}
    linked = listed[f"/hostedzone/{zone}"]["LinkedService"]
    assert linked["ServicePrincipal"] == "servicediscovery.amazonaws.com"
    change = {
        "Action": "CREATE",
        "ResourceRecordSet": {
            "Name": "x.shop.internal",
            "Type": "A",
            "TTL": 1,
            "ResourceRecords": [{"Value": "10.0.0.1"}],
        },
    }
    text = refused(
        "AccessDenied",
        cloud.dns.change_resource_record_sets,
        HostedZoneId=zone,
        ChangeBatch={"Changes": [change]},
    )
    assert text == (
        f"The resource hostedzone/{zone} can only be managed through AWS Cloud Map ({shown['Arn']})"
    )
    refused("AccessDenied", cloud.dns.delete_hosted_zone, Id=zone)
    soa = {"DnsProperties": {"SOA": {"TTL": 60}}}
    cloud.api.update_private_dns_namespace(Id=namespace, Namespace={"Properties": soa})
    found = cloud.dns.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert [one["TTL"] for one in found if one["Type"] == "SOA"] == [60]
    cloud.api.delete_namespace(Id=namespace)
    assert refused("NoSuchHostedZone", cloud.dns.get_hosted_zone, Id=zone)
    assert refused("NamespaceNotFound", cloud.api.get_namespace, Id=namespace)


def test_a_namespace_is_made_once(cloud: CloudMap) -> None:
    request = {"Name": "shop.internal", "Vpc": cloud.vpc, "CreatorRequestId": "once"}
    first = cloud.api.create_private_dns_namespace(**request)
    again = cloud.api.create_private_dns_namespace(**request)
    assert again["OperationId"] == first["OperationId"]
    refused(
        "NamespaceAlreadyExists",
        cloud.api.create_private_dns_namespace,
        Name="shop.internal",
        Vpc=cloud.vpc,
    )
    begun = cloud.api.create_private_dns_namespace(Name="other.internal", Vpc="vpc-0")
    operation = cloud.status(begun)
    assert (operation["Status"], operation["ErrorCode"]) == ("FAIL", "InvalidVPCId")
    filters = [{"Name": "STATUS", "Values": ["FAIL"]}]
    failed = cloud.api.list_operations(Filters=filters)["Operations"]
    assert [one["Id"] for one in failed] == [begun["OperationId"]]


def test_instances_become_records_and_leave_again(cloud: CloudMap) -> None:
    namespace = cloud.namespace()
    records = [{"Type": "A", "TTL": 10}, {"Type": "SRV", "TTL": 20}]
    service = cloud.service(namespace, DnsConfig={"DnsRecords": records})
    begun = cloud.register(
        service, "one", AWS_INSTANCE_IPV4="10.0.1.10", AWS_INSTANCE_PORT="8080", colour="red"
    )
    assert cloud.status(begun)["Targets"]["INSTANCE"] == "one"
    cloud.register(service, "two", AWS_INSTANCE_IPV4="10.0.1.11", AWS_INSTANCE_PORT="8080")
    assert cloud.records(namespace) == {
        ("api.shop.internal.", "A", "one"): ["10.0.1.10"],
        ("api.shop.internal.", "A", "two"): ["10.0.1.11"],
        ("api.shop.internal.", "SRV", "one"): ["1 1 8080 one.api.shop.internal."],
        ("api.shop.internal.", "SRV", "two"): ["1 1 8080 two.api.shop.internal."],
        ("one.api.shop.internal.", "A", "one"): ["10.0.1.10"],
        ("two.api.shop.internal.", "A", "two"): ["10.0.1.11"],
    }
    found = cloud.api.discover_instances(
        NamespaceName="shop.internal", ServiceName="api", QueryParameters={"colour": "red"}
    )
    assert [one["InstanceId"] for one in found["Instances"]] == ["one"]
    assert found["Instances"][0]["HealthStatus"] == "UNKNOWN"
    before = found["InstancesRevision"]
    refused("ResourceInUse", cloud.api.delete_service, Id=service)
    cloud.api.deregister_instance(ServiceId=service, InstanceId="one")
    assert {key[2] for key in cloud.records(namespace)} == {"two"}
    revision = cloud.api.discover_instances_revision(
        NamespaceName="shop.internal", ServiceName="api"
    )["InstancesRevision"]
    assert revision > before
    refused("InstanceNotFound", cloud.api.get_instance, ServiceId=service, InstanceId="one")
    config = {"DnsRecords": [{"Type": "A", "TTL": 5}]}
    cloud.api.update_service(Id=service, Service={"DnsConfig": config})
    assert list(cloud.records(namespace)) == [("api.shop.internal.", "A", "two")]
    cloud.api.deregister_instance(ServiceId=service, InstanceId="two")
    cloud.api.delete_service(Id=service)
    assert cloud.records(namespace) == {}
    cloud.api.delete_namespace(Id=namespace)


def test_unhealthy_instances_are_not_named_unless_all_are(cloud: CloudMap) -> None:
    namespace = cloud.namespace()
    service = cloud.service(namespace, HealthCheckCustomConfig={})
    cloud.register(service, "one", AWS_INSTANCE_IPV4="10.0.1.10")
    cloud.register(
        service, "two", AWS_INSTANCE_IPV4="10.0.1.11", AWS_INIT_HEALTH_STATUS="UNHEALTHY"
    )

    def named() -> set[str]:
        return {key[2] for key in cloud.records(namespace)}

    def discovered(status: str) -> list[str]:
        found = cloud.api.discover_instances(
            NamespaceName="shop.internal", ServiceName="api", HealthStatus=status
        )
        return [one["InstanceId"] for one in found["Instances"]]

    assert named() == {"one"}
    assert discovered("HEALTHY") == ["one"]
    assert discovered("UNHEALTHY") == ["two"]
    assert discovered("ALL") == ["one", "two"]
    request = {"ServiceId": service, "InstanceId": "one", "Status": "UNHEALTHY"}
    cloud.api.update_instance_custom_health_status(**request)
    assert named() == {"one", "two"}
    assert discovered("HEALTHY") == []
    assert discovered("HEALTHY_OR_ELSE_ALL") == ["one", "two"]
    status = cloud.api.get_instances_health_status(ServiceId=service)["Status"]
    assert status == {"one": "UNHEALTHY", "two": "UNHEALTHY"}
    plain = cloud.service(namespace, "plain")
    cloud.register(plain, "one", AWS_INSTANCE_IPV4="10.0.1.10")
    refused(
        "CustomHealthNotFound",
        cloud.api.update_instance_custom_health_status,
        ServiceId=plain,
        InstanceId="one",
        Status="HEALTHY",
    )


def test_weights_names_and_health_checks_of_a_public_namespace(cloud: CloudMap) -> None:
    begun = cloud.api.create_public_dns_namespace(Name="shop.com")
    namespace = cloud.status(begun)["Targets"]["NAMESPACE"]
    cname = {"RoutingPolicy": "WEIGHTED", "DnsRecords": [{"Type": "CNAME", "TTL": 10}]}
    service = cloud.service(namespace, "www", DnsConfig=cname)
    cloud.register(service, "cdn", AWS_INSTANCE_CNAME="cdn.example.com")
    zone = cloud.zone(namespace)
    found = cloud.dns.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert [one.get("Weight") for one in found if one["Type"] == "CNAME"] == [1]
    check = {"Type": "HTTP", "ResourcePath": "/up", "FailureThreshold": 2}
    checked = cloud.service(namespace, "api", HealthCheckConfig=check)
    cloud.register(checked, "one", AWS_INSTANCE_IPV4="198.19.0.7", AWS_INSTANCE_PORT="81")
    found = cloud.dns.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    (check_id,) = [one["HealthCheckId"] for one in found if "HealthCheckId" in one]
    config = cloud.dns.get_health_check(HealthCheckId=check_id)["HealthCheck"]["HealthCheckConfig"]
    assert (config["IPAddress"], config["Port"], config["ResourcePath"]) == (
        "198.19.0.7",
        81,
        "/up",
    )
    cloud.api.deregister_instance(ServiceId=checked, InstanceId="one")
    assert cloud.dns.list_health_checks()["HealthChecks"] == []


def test_a_service_of_an_http_namespace_is_found_by_the_api_only(cloud: CloudMap) -> None:
    begun = cloud.api.create_http_namespace(Name="shop", Tags=[{"Key": "a", "Value": "b"}])
    assert cloud.status(begun)["Status"] == "SUCCESS"
    namespace = cloud.status(begun)["Targets"]["NAMESPACE"]
    made = cloud.api.create_service(Name="any_name", NamespaceId=namespace)["Service"]
    assert made["Type"] == "HTTP"
    cloud.register(made["Id"], "one", url="http://somewhere")
    found = cloud.api.discover_instances(NamespaceName="shop", ServiceName="any_name")
    assert found["Instances"][0]["Attributes"] == {"url": "http://somewhere"}
    arn = cloud.api.get_namespace(Id=namespace)["Namespace"]["Arn"]
    cloud.api.tag_resource(ResourceARN=arn, Tags=[{"Key": "c", "Value": "d"}])
    cloud.api.untag_resource(ResourceARN=arn, TagKeys=["a"])
    tags = cloud.api.list_tags_for_resource(ResourceARN=arn)["Tags"]
    assert tags == [{"Key": "c", "Value": "d"}]
    cloud.api.update_service_attributes(ServiceId=made["Id"], Attributes={"team": "x"})
    shown = cloud.api.get_service_attributes(ServiceId=made["Id"])["ServiceAttributes"]
    assert shown["Attributes"] == {"team": "x"}
    names = [{"Name": "NAMESPACE_ID", "Values": [namespace]}]
    assert len(cloud.api.list_services(Filters=names)["Services"]) == 1
    kinds = [{"Name": "TYPE", "Values": ["HTTP"]}]
    listed = cloud.api.list_namespaces(Filters=kinds)["Namespaces"]
    assert [one["Name"] for one in listed] == ["shop"]


def test_what_cannot_be_is_refused_by_name(cloud: CloudMap) -> None:
    namespace = cloud.namespace("local")
    create = cloud.api.create_service
    records = {"DnsRecords": [{"Type": "AAAA", "TTL": 10}]}
    refused("NotImplemented", create, Name="a", NamespaceId=namespace, DnsConfig=records)
    records = {"DnsRecords": [{"Type": "CNAME", "TTL": 10}]}
    refused("InvalidInput", create, Name="a", NamespaceId=namespace, DnsConfig=records)
    records = {"DnsRecords": [{"Type": "A", "TTL": 10}]}
    request = {"Name": "a", "NamespaceId": namespace, "DnsConfig": records}
    refused("InvalidInput", create, **request, HealthCheckConfig={"Type": "TCP"})
    refused("NamespaceNotFound", create, **request | {"NamespaceId": "ns-none"})
    service = cloud.service(namespace)
    refused("ServiceAlreadyExists", create, **request | {"Name": "API"})
    register = cloud.api.register_instance
    where = {"ServiceId": service, "InstanceId": "one"}
    refused("InvalidInput", register, **where, Attributes={"colour": "red"})
    refused("InvalidInput", register, **where, Attributes={"AWS_INSTANCE_IPV4": "10.0.0.256"})
    alias = {"AWS_ALIAS_DNS_NAME": "x.elb.amazonaws.com"}
    refused("InvalidInput", register, **where, Attributes=alias)
    machine = {"AWS_EC2_INSTANCE_ID": "i-1"}
    refused("NotImplemented", register, **where, Attributes=machine)
    refused("OperationNotFound", cloud.api.get_operation, OperationId="none")
    refused("ResourceInUse", cloud.api.delete_namespace, Id=namespace)


def test_clients_that_put_data_before_the_host_are_heard(
    cloud: CloudMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3 calls ``data-HOST`` for DiscoverInstances, unless it is told not to."""
    namespace = cloud.namespace()
    cloud.service(namespace)
    monkeypatch.setenv("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")
    session = botocore.session.get_session()
    client: Any = session.create_client(
        "servicediscovery",
        region_name="ap-northeast-1",
        endpoint_url=cloud.endpoint.url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    found = client.discover_instances(NamespaceName="shop.internal", ServiceName="api")
    assert found["Instances"] == []
    asked = HttpRequest(
        "POST", "/", "", {"host": "data-servicediscovery.ap-northeast-1.amazonaws.com"}
    )
    assert service_of(asked, "") == "servicediscovery"
