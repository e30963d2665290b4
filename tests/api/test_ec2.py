"""ec2 through its operations. What is claimed of AWS has its source in the handlers' docstrings."""

from __future__ import annotations

from typing import Any

from tests.api import ec2_cloud
from tests.api.ec2_cloud import Ec2, by, refused

ec2 = ec2_cloud.ec2


# -- a fresh region ------------------------------------------------------------------------------


def test_a_fresh_region_has_a_default_vpc_with_a_public_subnet_in_each_zone(ec2: Ec2) -> None:
    (vpc,) = ec2("DescribeVpcs")["Vpcs"]
    assert vpc["IsDefault"]
    assert vpc["CidrBlock"] == "172.31.0.0/16"
    subnets = ec2("DescribeSubnets")["Subnets"]
    assert {s["AvailabilityZone"] for s in subnets} == {
        "ap-northeast-1a",
        "ap-northeast-1c",
        "ap-northeast-1d",
    }
    assert {s["AvailableIpAddressCount"] for s in subnets} == {4091}
    assert all(s["MapPublicIpOnLaunch"] and s["DefaultForAz"] for s in subnets)
    (table,) = ec2("DescribeRouteTables")["RouteTables"]
    (gateway,) = ec2("DescribeInternetGateways")["InternetGateways"]
    assert [r["GatewayId"] for r in table["Routes"]] == ["local", gateway["InternetGatewayId"]]
    for name, value in (("enableDnsSupport", True), ("enableDnsHostnames", True)):
        answer = ec2("DescribeVpcAttribute", VpcId=vpc["VpcId"], Attribute=name)
        assert answer[name[0].upper() + name[1:]] == {"Value": value}


def test_regions_and_accounts_do_not_see_each_other(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    for other in (
        Ec2(ec2.store, ec2.ids, region="us-east-1"),
        Ec2(ec2.store, ec2.ids, account="210987654321"),
    ):
        with refused("InvalidVpcID.NotFound"):
            other("DescribeVpcs", VpcIds=[vpc])
        assert len(other("DescribeVpcs")["Vpcs"]) == 1


def test_a_deleted_default_vpc_comes_back_only_when_asked_for(ec2: Ec2) -> None:
    (vpc,) = ec2("DescribeVpcs")["Vpcs"]
    with refused("DefaultVpcAlreadyExists"):
        ec2("CreateDefaultVpc")
    with refused("DependencyViolation"):
        ec2("DeleteVpc", VpcId=vpc["VpcId"])
    for subnet in ec2("DescribeSubnets")["Subnets"]:
        ec2("DeleteSubnet", SubnetId=subnet["SubnetId"])
    (gateway,) = ec2("DescribeInternetGateways")["InternetGateways"]
    key = gateway["InternetGatewayId"]
    ec2("DetachInternetGateway", InternetGatewayId=key, VpcId=vpc["VpcId"])
    ec2("DeleteInternetGateway", InternetGatewayId=key)
    ec2("DeleteVpc", VpcId=vpc["VpcId"])
    assert ec2("DescribeVpcs")["Vpcs"] == []
    assert ec2("CreateDefaultVpc")["Vpc"]["IsDefault"]


def test_zones_regions_and_attributes_are_shown(ec2: Ec2) -> None:
    zones = ec2("DescribeAvailabilityZones")["AvailabilityZones"]
    assert [(z["ZoneName"][-1], z["ZoneId"]) for z in zones] == [
        ("a", "apne1-az4"),
        ("c", "apne1-az1"),
        ("d", "apne1-az2"),
    ]
    assert "us-east-1" in {r["RegionName"] for r in ec2("DescribeRegions")["Regions"]}
    attributes = ec2("DescribeAccountAttributes", AttributeNames=["default-vpc"])
    (attribute,) = attributes["AccountAttributes"]
    assert attribute["AttributeValues"][0]["AttributeValue"].startswith("vpc-")
    (options,) = ec2("DescribeDhcpOptions")["DhcpOptions"]
    assert options["DhcpConfigurations"][0]["Values"] == [
        {"Value": "ap-northeast-1.compute.internal"}
    ]


def test_what_cannot_exist_is_not_found_and_not_made(ec2: Ec2) -> None:
    for operation, member in {
        "DescribeInstances": "Reservations",
        "DescribeVpcPeeringConnections": "VpcPeeringConnections",
        "DescribeVpnGateways": "VpnGateways",
        "DescribeEgressOnlyInternetGateways": "EgressOnlyInternetGateways",
    }.items():
        assert ec2(operation) == {member: []}
    with refused("NotImplemented", "InstanceIds"):
        ec2("DescribeInstances", InstanceIds=["i-00000fff"])
    with refused("NotImplemented", "ec2:CreateVpnGateway"):
        ec2("CreateVpnGateway", Type="ipsec.1")


# -- what every operation shares -----------------------------------------------------------------


def test_a_dry_run_answers_as_the_request_would_and_changes_nothing(ec2: Ec2) -> None:
    with refused("DryRunOperation"):
        ec2("CreateVpc", CidrBlock="10.0.0.0/16", DryRun=True)
    with refused("InvalidVpc.Range"):
        ec2("CreateVpc", CidrBlock="10.0.0.0/8", DryRun=True)
    assert len(ec2("DescribeVpcs")["Vpcs"]) == 1


def test_a_parameter_without_effect_is_refused_by_name(ec2: Ec2) -> None:
    with refused("NotImplemented", "AmazonProvidedIpv6CidrBlock"):
        ec2("CreateVpc", CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)
    ec2("CreateVpc", CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=False)
    with refused("NotImplemented", "ConnectivityType='private'"):
        ec2("CreateNatGateway", SubnetId="subnet-00000000", ConnectivityType="private")
    group = ec2.group(ec2.vpc(), "web")
    with refused("NotImplemented", "Ipv6Ranges"):
        ec2(
            "AuthorizeSecurityGroupIngress",
            GroupId=group,
            IpPermissions=[{"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}],
        )


def test_a_client_token_gives_the_same_answer_again(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    first = ec2("CreateRouteTable", VpcId=vpc, ClientToken="once")
    assert ec2("CreateRouteTable", VpcId=vpc, ClientToken="once") == first
    assert ec2("CreateRouteTable", VpcId=vpc, ClientToken="twice") != first
    with refused("IdempotentParameterMismatch"):
        ec2("CreateRouteTable", VpcId=ec2.vpc(), ClientToken="once")


def test_ids_are_malformed_or_not_found(ec2: Ec2) -> None:
    with refused("InvalidVpcID.Malformed", 'expecting "vpc-..."'):
        ec2("DescribeVpcs", VpcIds=["vpc-xyz!"])
    missing = {
        "DescribeVpcs": ("VpcIds", "vpc", "InvalidVpcID.NotFound"),
        "DescribeSubnets": ("SubnetIds", "subnet", "InvalidSubnetID.NotFound"),
        "DescribeRouteTables": ("RouteTableIds", "rtb", "InvalidRouteTableID.NotFound"),
        "DescribeInternetGateways": (
            "InternetGatewayIds",
            "igw",
            "InvalidInternetGatewayID.NotFound",
        ),
        "DescribeNatGateways": ("NatGatewayIds", "nat", "NatGatewayNotFound"),
        "DescribeAddresses": ("AllocationIds", "eipalloc", "InvalidAllocationID.NotFound"),
        "DescribeSecurityGroups": ("GroupIds", "sg", "InvalidGroup.NotFound"),
        "DescribeNetworkAcls": ("NetworkAclIds", "acl", "InvalidNetworkAclID.NotFound"),
        "DescribeNetworkInterfaces": (
            "NetworkInterfaceIds",
            "eni",
            "InvalidNetworkInterfaceID.NotFound",
        ),
    }
    for operation, (member, prefix, code) in missing.items():
        with refused(code):
            ec2(operation, **{member: [f"{prefix}-00000000000000fff"]})


def test_filters_are_and_of_or_with_wildcards(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    for number in range(3):
        ec2.subnet(vpc, f"10.0.{number}.0/24")
    ec2.subnet(vpc, "10.0.10.0/24", "ap-northeast-1c")

    def cidrs(*filters: dict[str, Any]) -> set[str]:
        answer = ec2("DescribeSubnets", Filters=[*by("vpc-id", vpc), *filters])
        return {s["CidrBlock"] for s in answer["Subnets"]}

    assert cidrs(*by("cidr-block", "10.0.?.0/24")) == {f"10.0.{n}.0/24" for n in range(3)}
    assert cidrs(*by("cidr-block", "*0.0/24"), *by("availability-zone", "*c")) == {"10.0.10.0/24"}
    assert cidrs(*by("cidr-block", "10.0.1.0/24", "10.0.2.0/24")) == {
        "10.0.1.0/24",
        "10.0.2.0/24",
    }
    assert cidrs(*by("cidr-block", "10.0.\\*.0/24")) == set()
    with refused("InvalidParameterValue", "The filter 'colour' is invalid"):
        cidrs(*by("colour", "red"))


def test_pages_follow_each_other_even_when_rows_go(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    made = [ec2.subnet(vpc, f"10.0.{n}.0/24") for n in range(12)]
    first = ec2("DescribeSubnets", Filters=by("vpc-id", vpc), MaxResults=5)
    assert [s["SubnetId"] for s in first["Subnets"]] == made[:5]
    ec2("DeleteSubnet", SubnetId=made[4])
    rest: list[str] = []
    token = first["NextToken"]
    while token:
        answer = ec2("DescribeSubnets", Filters=by("vpc-id", vpc), MaxResults=5, NextToken=token)
        rest += [s["SubnetId"] for s in answer["Subnets"]]
        token = answer.get("NextToken")
    assert rest == made[5:]


# -- tags ----------------------------------------------------------------------------------------


def test_tags_are_written_filtered_and_deleted(ec2: Ec2) -> None:
    specification = {"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "site"}]}
    created = ec2("CreateVpc", CidrBlock="10.0.0.0/16", TagSpecifications=[specification])
    vpc = created["Vpc"]["VpcId"]
    assert created["Vpc"]["Tags"] == [{"Key": "Name", "Value": "site"}]
    ec2("CreateTags", Resources=[vpc], Tags=[{"Key": "stage", "Value": "test"}])
    for tag_filter in (by("tag:Name", "si*"), by("tag-key", "stage")):
        (found,) = ec2("DescribeVpcs", Filters=tag_filter)["Vpcs"]
        assert found["VpcId"] == vpc
    tags = ec2("DescribeTags", Filters=by("resource-id", vpc))["Tags"]
    assert [(t["Key"], t["Value"], t["ResourceType"]) for t in tags] == [
        ("Name", "site", "vpc"),
        ("stage", "test", "vpc"),
    ]
    ec2("DeleteTags", Resources=[vpc], Tags=[{"Key": "Name", "Value": "other"}, {"Key": "none"}])
    assert len(ec2("DescribeTags", Filters=by("resource-id", vpc))["Tags"]) == 2
    ec2("DeleteTags", Resources=[vpc], Tags=[{"Key": "Name"}])
    assert len(ec2("DescribeTags", Filters=by("resource-id", vpc))["Tags"]) == 1


def test_bad_tags_are_refused(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    with refused("InvalidParameterValue", "reserved for internal use"):
        ec2("CreateTags", Resources=[vpc], Tags=[{"Key": "aws:x", "Value": ""}])
    with refused("InvalidID", "The ID 'x' is not valid"):
        ec2("CreateTags", Resources=["x"], Tags=[{"Key": "a", "Value": ""}])
    with refused("InvalidVpcID.NotFound"):
        ec2("CreateTags", Resources=["vpc-00000fff"], Tags=[{"Key": "a", "Value": ""}])
    many = [{"Key": str(n), "Value": ""} for n in range(51)]
    with refused("TagLimitExceeded"):
        ec2("CreateTags", Resources=[vpc], Tags=many)
    wrong = {"ResourceType": "subnet", "Tags": [{"Key": "a", "Value": "b"}]}
    with refused("InvalidParameterValue", "'subnet' is not a valid taggable resource type"):
        ec2("CreateVpc", CidrBlock="10.0.0.0/16", TagSpecifications=[wrong])
