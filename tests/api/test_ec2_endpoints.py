"""Interface endpoints through ec2's operations."""

from __future__ import annotations

from typing import Any

from tests.api import ec2_cloud
from tests.api.ec2_cloud import Ec2, refused

from hiyoko.services.ec2.seen import (
    ENDPOINTS_SEEN,
    INTERFACES_SEEN,
    EndpointSeen,
    InterfaceSeen,
)

LOGS = "com.amazonaws.ap-northeast-1.logs"
REGISTRY = "com.amazonaws.ap-northeast-1.ecr.dkr"

ec2 = ec2_cloud.ec2


def named_vpc(ec2: Ec2) -> str:
    """A VPC with both DNS attributes."""
    vpc = ec2.vpc()
    ec2("ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": True})
    return vpc


def make(ec2: Ec2, vpc: str, *subnets: str, service: str = LOGS, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = ec2(
        "CreateVpcEndpoint",
        VpcId=vpc,
        VpcEndpointType="Interface",
        ServiceName=service,
        SubnetIds=list(subnets),
        **more,
    )["VpcEndpoint"]
    return answer


def endpoints(ec2: Ec2, **request: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ec2("DescribeVpcEndpoints", **request)["VpcEndpoints"]
    return found


def see(ec2: Ec2, *interfaces: str, answering: bool = True) -> None:
    with ec2.store.transaction() as tx:
        for eni in interfaces:
            INTERFACES_SEEN.put(tx, InterfaceSeen(eni, 0.0))
            if answering:
                ENDPOINTS_SEEN.put(tx, EndpointSeen(eni, 0.0))


def miss(ec2: Ec2, *interfaces: str) -> None:
    with ec2.store.transaction() as tx:
        for eni in interfaces:
            INTERFACES_SEEN.delete(tx, eni_id=eni)
            ENDPOINTS_SEEN.delete(tx, eni_id=eni)


def interface(ec2: Ec2, eni: str) -> dict[str, Any]:
    found = ec2("DescribeNetworkInterfaces", NetworkInterfaceIds=[eni])["NetworkInterfaces"]
    shown: dict[str, Any] = found[0]
    return shown


def test_an_endpoint_has_an_interface_in_each_subnet_and_the_default_group(ec2: Ec2) -> None:
    vpc = named_vpc(ec2)
    subnets = (
        ec2.subnet(vpc, "10.0.0.0/24"),
        ec2.subnet(vpc, "10.0.1.0/24", "ap-northeast-1c"),
    )
    made = make(ec2, vpc, *subnets)
    assert made["State"] == "pending"
    assert made["PrivateDnsEnabled"]
    assert [group["GroupName"] for group in made["Groups"]] == ["default"]
    for eni, subnet in zip(made["NetworkInterfaceIds"], subnets, strict=True):
        shown = interface(ec2, eni)
        assert shown["SubnetId"] == subnet
        assert shown["InterfaceType"] == "vpc_endpoint"
        assert shown["RequesterManaged"]
        assert shown["Description"] == f"VPC Endpoint Interface {made['VpcEndpointId']}"
    names = [entry["DnsName"] for entry in made["DnsEntries"]]
    domain = "logs.ap-northeast-1.vpce.amazonaws.com"
    assert names[0].startswith(f"{made['VpcEndpointId']}-")
    assert all(name.endswith(f".{domain}") for name in names[:3])
    assert names[1].split(".")[0].endswith("-ap-northeast-1a")
    assert names[3] == "logs.ap-northeast-1.amazonaws.com"


def test_an_endpoint_is_available_once_each_interface_stands_and_answers(ec2: Ec2) -> None:
    vpc = named_vpc(ec2)
    made = make(
        ec2,
        vpc,
        ec2.subnet(vpc, "10.0.0.0/24"),
        ec2.subnet(vpc, "10.0.1.0/24", "ap-northeast-1c"),
    )
    first, second = made["NetworkInterfaceIds"]
    see(ec2, first)
    see(ec2, second, answering=False)
    assert endpoints(ec2)[0]["State"] == "pending"
    see(ec2, second)
    assert endpoints(ec2)[0]["State"] == "available"
    miss(ec2, second)
    assert endpoints(ec2)[0]["State"] == "pending"


def test_a_deleted_endpoint_is_deleting_until_its_interfaces_are_gone(ec2: Ec2) -> None:
    vpc = named_vpc(ec2)
    subnet = ec2.subnet(vpc, "10.0.0.0/24")
    made = make(ec2, vpc, subnet)
    key, (eni,) = made["VpcEndpointId"], made["NetworkInterfaceIds"]
    see(ec2, eni)
    with refused("DependencyViolation"):
        ec2("DeleteSubnet", SubnetId=subnet)
    answer = ec2("DeleteVpcEndpoints", VpcEndpointIds=[key, "vpce-00000000000000fff"])
    (failed,) = answer["Unsuccessful"]
    assert failed["ResourceId"] == "vpce-00000000000000fff"
    assert failed["Error"]["Code"] == "InvalidVpcEndpointId.NotFound"
    assert [e["State"] for e in endpoints(ec2)] == ["deleting"]
    with refused("InvalidVpcEndpointId.NotFound"):
        ec2("ModifyVpcEndpoint", VpcEndpointId=key, PrivateDnsEnabled=False)
    miss(ec2, eni)
    assert endpoints(ec2) == []
    with refused("InvalidVpcEndpointId.NotFound", "does not exist"):
        endpoints(ec2, VpcEndpointIds=[key])
    ec2("DeleteSubnet", SubnetId=subnet)
    ec2("DeleteVpc", VpcId=vpc)


def test_only_known_services_have_endpoints(ec2: Ec2) -> None:
    vpc = named_vpc(ec2)
    for name in ("com.amazonaws.ap-northeast-1.nothing", "com.amazonaws.us-east-1.logs", "logs"):
        with refused("InvalidServiceName", f"The Vpc Endpoint Service '{name}' does not exist"):
            make(ec2, vpc, service=name)
    with refused("InvalidParameter", "Endpoint type (Gateway) does not match"):
        ec2("CreateVpcEndpoint", VpcId=vpc, ServiceName=LOGS)
    with refused("NotImplemented", "VpcEndpointType"):
        ec2("CreateVpcEndpoint", VpcId=vpc, ServiceName=LOGS, VpcEndpointType="GatewayLoadBalancer")


def test_private_dns_needs_both_attributes_and_has_one_endpoint_per_service(ec2: Ec2) -> None:
    plain = ec2.vpc()
    with refused("InvalidParameter", f"attributes set to true for {plain}"):
        make(ec2, plain)
    assert make(ec2, plain, PrivateDnsEnabled=False)["PrivateDnsEnabled"] is False
    vpc = named_vpc(ec2)
    make(ec2, vpc, service=REGISTRY)
    with refused("InvalidParameter", "domain for dkr.ecr.ap-northeast-1.amazonaws.com in the VPC"):
        make(ec2, vpc, service=REGISTRY)
    second = make(ec2, vpc, service=REGISTRY, PrivateDnsEnabled=False)
    with refused("InvalidParameter", "conflicting DNS"):
        ec2("ModifyVpcEndpoint", VpcEndpointId=second["VpcEndpointId"], PrivateDnsEnabled=True)
    make(ec2, vpc)


def test_subnets_are_of_the_vpc_and_one_in_a_zone(ec2: Ec2) -> None:
    vpc = named_vpc(ec2)
    one, two = ec2.subnet(vpc, "10.0.0.0/24"), ec2.subnet(vpc, "10.0.1.0/24")
    with refused("DuplicateSubnetsInSameZone"):
        make(ec2, vpc, one, two)
    other = ec2.subnet(ec2.vpc(), "10.0.0.0/24")
    with refused("InvalidParameterValue", "belong to different networks"):
        make(ec2, vpc, other)
    assert endpoints(ec2) == []


def test_subnets_and_groups_are_changed_in_place(ec2: Ec2) -> None:
    vpc = named_vpc(ec2)
    one, two = ec2.subnet(vpc, "10.0.0.0/24"), ec2.subnet(vpc, "10.0.1.0/24")
    group = ec2.group(vpc, "own")
    made = make(ec2, vpc, one)
    default = made["Groups"][0]["GroupId"]
    with refused("DuplicateSubnetsInSameZone"):
        ec2("ModifyVpcEndpoint", VpcEndpointId=made["VpcEndpointId"], AddSubnetIds=[two])
    ec2(
        "ModifyVpcEndpoint",
        VpcEndpointId=made["VpcEndpointId"],
        AddSubnetIds=[two],
        RemoveSubnetIds=[one],
        AddSecurityGroupIds=[group],
        RemoveSecurityGroupIds=[default],
    )
    (shown,) = endpoints(ec2)
    assert shown["SubnetIds"] == [two]
    assert [g["GroupId"] for g in shown["Groups"]] == [group]
    (eni,) = shown["NetworkInterfaceIds"]
    assert [g["GroupId"] for g in interface(ec2, eni)["Groups"]] == [group]
    with refused("DependencyViolation"):
        ec2("DeleteSecurityGroup", GroupId=group)
    with refused("AuthFailure"):
        ec2("ModifyNetworkInterfaceAttribute", NetworkInterfaceId=eni, Groups=[default])
    with refused("InvalidParameterValue", "in use"):
        ec2("DeleteNetworkInterface", NetworkInterfaceId=eni)


def test_endpoints_are_tagged_and_filtered(ec2: Ec2) -> None:
    vpc = named_vpc(ec2)
    specification = {"ResourceType": "vpc-endpoint", "Tags": [{"Key": "Name", "Value": "a"}]}
    logs = make(ec2, vpc, TagSpecifications=[specification])["VpcEndpointId"]
    registry = make(ec2, vpc, service=REGISTRY)["VpcEndpointId"]
    ec2("CreateTags", Resources=[registry], Tags=[{"Key": "Name", "Value": "b"}])
    for name, value, found in (
        ("tag:Name", "a", [logs]),
        ("tag:Name", "b", [registry]),
        ("service-name", LOGS, [logs]),
        ("vpc-id", vpc, sorted([logs, registry])),
        ("vpc-endpoint-state", "deleting", []),
    ):
        shown = endpoints(ec2, Filters=[{"Name": name, "Values": [value]}])
        assert [e["VpcEndpointId"] for e in shown] == found


def test_the_services_are_listed_by_name(ec2: Ec2) -> None:
    answer = ec2("DescribeVpcEndpointServices")
    assert {LOGS, REGISTRY} <= set(answer["ServiceNames"])
    for service in ("secretsmanager", "ssm", "kms", "sqs"):
        name = f"com.amazonaws.ap-northeast-1.{service}"
        (one,) = ec2("DescribeVpcEndpointServices", ServiceNames=[name])["ServiceDetails"]
        assert one["PrivateDnsName"] == f"{service}.ap-northeast-1.amazonaws.com"
    (one,) = ec2("DescribeVpcEndpointServices", ServiceNames=[REGISTRY])["ServiceDetails"]
    assert one["PrivateDnsName"] == "*.dkr.ecr.ap-northeast-1.amazonaws.com"
    assert one["BaseEndpointDnsNames"] == ["dkr.ecr.ap-northeast-1.vpce.amazonaws.com"]
    with refused("InvalidServiceName"):
        ec2("DescribeVpcEndpointServices", ServiceNames=["com.amazonaws.nowhere"])
