"""ec2 through its operations. What is claimed of AWS has its source in the handlers' docstrings."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api import ec2_cloud
from tests.api.ec2_cloud import Ec2, refused, tcp

from hiyoko.services.ec2.seen import INTERFACES_SEEN, InterfaceSeen

ec2 = ec2_cloud.ec2


def by(name: str, *values: str) -> list[dict[str, Any]]:
    return [{"Name": name, "Values": list(values)}]


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


# -- VPCs and subnets ----------------------------------------------------------------------------


def test_a_vpc_is_made_with_three_parts_and_deleted_with_them(ec2: Ec2) -> None:
    created = ec2("CreateVpc", CidrBlock="10.0.0.18/16")["Vpc"]
    vpc = created["VpcId"]
    assert (created["State"], created["CidrBlock"]) == ("pending", "10.0.0.0/16")
    assert ec2("DescribeVpcs", VpcIds=[vpc])["Vpcs"][0]["State"] == "available"
    parts = {
        "DescribeRouteTables": "RouteTables",
        "DescribeNetworkAcls": "NetworkAcls",
        "DescribeSecurityGroups": "SecurityGroups",
    }
    for operation, member in parts.items():
        assert len(ec2(operation, Filters=by("vpc-id", vpc))[member]) == 1
    ec2("DeleteVpc", VpcId=vpc)
    for operation, member in parts.items():
        assert ec2(operation, Filters=by("vpc-id", vpc))[member] == []
    with refused("InvalidVpcID.NotFound"):
        ec2("DescribeVpcs", VpcIds=[vpc])


@pytest.mark.parametrize(
    ("cidr", "code"),
    [
        ("10.0.0.0/8", "InvalidVpc.Range"),
        ("10.0.0.0/29", "InvalidVpc.Range"),
        ("10.0.0.0/33", "InvalidParameterValue"),
        ("10.0.0.0", "InvalidParameterValue"),
        ("10.0.0/16", "InvalidParameterValue"),
        ("fd00::/56", "InvalidParameterValue"),
    ],
)
def test_a_bad_vpc_cidr_is_refused(ec2: Ec2, cidr: str, code: str) -> None:
    with refused(code):
        ec2.vpc(cidr)


def test_attributes_are_switched_one_in_a_call(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    on = {"Value": True}
    with refused("InvalidParameterCombination"):
        ec2("ModifyVpcAttribute", VpcId=vpc, EnableDnsSupport=on, EnableDnsHostnames=on)
    ec2("ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames=on)
    answer = ec2("DescribeVpcAttribute", VpcId=vpc, Attribute="enableDnsHostnames")
    assert answer["EnableDnsHostnames"] == on
    subnet = ec2.subnet(vpc, "10.0.0.0/24")
    ec2("ModifySubnetAttribute", SubnetId=subnet, MapPublicIpOnLaunch=on)
    (shown,) = ec2("DescribeSubnets", SubnetIds=[subnet])["Subnets"]
    assert shown["MapPublicIpOnLaunch"]


def test_subnets_lie_inside_and_beside_each_other(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc, "10.0.0.0/28")
    (shown,) = ec2("DescribeSubnets", SubnetIds=[subnet])["Subnets"]
    assert shown["AvailableIpAddressCount"] == 11
    with refused("InvalidSubnet.Conflict"):
        ec2.subnet(vpc, "10.0.0.0/24")
    with refused("InvalidSubnet.Range"):
        ec2.subnet(vpc, "10.9.0.0/24")
    with refused("InvalidParameterValue", "ap-northeast-1a, ap-northeast-1c, ap-northeast-1d."):
        ec2.subnet(vpc, "10.0.1.0/24", "ap-northeast-1b")
    with refused("DependencyViolation", f"The vpc '{vpc}' has dependencies"):
        ec2("DeleteVpc", VpcId=vpc)


def test_addresses_of_a_subnet_are_given_lowest_first_until_none_is_left(ec2: Ec2) -> None:
    subnet = ec2.subnet(ec2.vpc(), "10.0.0.0/28")
    made = [ec2.interface(subnet) for _ in range(11)]
    assert [i["PrivateIpAddress"] for i in made] == [f"10.0.0.{n}" for n in range(4, 15)]
    with refused("InsufficientFreeAddressesInSubnet"):
        ec2.interface(subnet)
    with refused("DependencyViolation", f"The subnet '{subnet}' has dependencies"):
        ec2("DeleteSubnet", SubnetId=subnet)
    ec2("_DeleteManagedInterface", NetworkInterfaceId=made[2]["NetworkInterfaceId"])
    ec2("_DeleteManagedInterface", NetworkInterfaceId=made[2]["NetworkInterfaceId"])
    assert ec2.interface(subnet)["PrivateIpAddress"] == "10.0.0.6"


def test_an_address_rests_while_its_deleted_interface_still_stands(ec2: Ec2) -> None:
    subnet = ec2.subnet(ec2.vpc(), "10.0.0.0/24")
    key = ec2.interface(subnet)["NetworkInterfaceId"]
    with ec2.store.transaction() as tx:
        INTERFACES_SEEN.put(tx, InterfaceSeen(key, 0.0))
    ec2("_DeleteManagedInterface", NetworkInterfaceId=key)
    assert ec2.interface(subnet)["PrivateIpAddress"] == "10.0.0.5"
    with ec2.store.transaction() as tx:
        INTERFACES_SEEN.delete(tx, eni_id=key)
    assert ec2.interface(subnet)["PrivateIpAddress"] == "10.0.0.4"


# -- routing -------------------------------------------------------------------------------------


def test_associations_move_and_end(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc, "10.0.0.0/24")
    table, other = ec2.table(vpc), ec2.table(vpc)
    first = ec2("AssociateRouteTable", RouteTableId=table, SubnetId=subnet)
    again = ec2("AssociateRouteTable", RouteTableId=table, SubnetId=subnet)
    assert first == again
    with refused("Resource.AlreadyAssociated"):
        ec2("AssociateRouteTable", RouteTableId=other, SubnetId=subnet)
    with refused("DependencyViolation", f"The routeTable '{table}' has dependencies"):
        ec2("DeleteRouteTable", RouteTableId=table)
    moved = ec2(
        "ReplaceRouteTableAssociation",
        AssociationId=first["AssociationId"],
        RouteTableId=other,
    )
    assert moved["NewAssociationId"] != first["AssociationId"]
    ec2("DeleteRouteTable", RouteTableId=table)
    ec2("DisassociateRouteTable", AssociationId=moved["NewAssociationId"])
    with refused("InvalidAssociationID.NotFound"):
        ec2("DisassociateRouteTable", AssociationId=moved["NewAssociationId"])
    (main,) = ec2(
        "DescribeRouteTables", Filters=[*by("vpc-id", vpc), *by("association.main", "true")]
    )["RouteTables"]
    with refused("InvalidParameterValue", "cannot disassociate the main route table"):
        ec2(
            "DisassociateRouteTable",
            AssociationId=main["Associations"][0]["RouteTableAssociationId"],
        )


def test_routes_are_made_replaced_and_deleted(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc, "10.0.0.0/24")
    gateway = ec2.gateway(vpc)
    table = ec2.table(vpc, subnet, GatewayId=gateway)
    all_out = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    with refused("RouteAlreadyExists", "The route identified by 0.0.0.0/0 already exists."):
        ec2("CreateRoute", **all_out, GatewayId=gateway)
    nat = ec2.nat(subnet)
    ec2("ReplaceRoute", **all_out, NatGatewayId=nat)
    (shown,) = ec2("DescribeRouteTables", RouteTableIds=[table])["RouteTables"]
    assert shown["Routes"][1] == {
        "DestinationCidrBlock": "0.0.0.0/0",
        "NatGatewayId": nat,
        "Origin": "CreateRoute",
        "State": "active",
    }
    ec2("DeleteRoute", **all_out)
    with refused("InvalidRoute.NotFound"):
        ec2("DeleteRoute", **all_out)
    with refused("InvalidParameterValue", "Use CreateRoute instead."):
        ec2("ReplaceRoute", **all_out, NatGatewayId=nat)
    with refused("InvalidParameterValue", "cannot remove local route 10.0.0.0/16"):
        ec2("DeleteRoute", RouteTableId=table, DestinationCidrBlock="10.0.0.0/16")


def test_route_targets_are_checked(ec2: Ec2) -> None:
    vpc, other = ec2.vpc(), ec2.vpc("10.1.0.0/16")
    table = ec2.table(vpc)
    foreign = ec2.gateway(other)
    route = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    with refused("InvalidParameterValue", "belong to different networks"):
        ec2("CreateRoute", **route, GatewayId=foreign)
    with refused("InvalidGatewayID.NotFound"):
        ec2("CreateRoute", **route, GatewayId="igw-00000fff")
    with refused("InvalidNatGatewayID.NotFound"):
        ec2("CreateRoute", **route, NatGatewayId="nat-00000fff")
    with refused("NotImplemented", "TransitGatewayId"):
        ec2("CreateRoute", **route, TransitGatewayId="tgw-00000fff")
    gateway = ec2.gateway(vpc)
    with refused("InvalidParameterValue", "can target only an interface or an instance"):
        ec2(
            "CreateRoute",
            RouteTableId=table,
            DestinationCidrBlock="10.0.0.0/24",
            GatewayId=gateway,
        )


def test_an_internet_gateway_is_attached_once_and_held_by_public_addresses(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    gateway = ec2.gateway(vpc)
    with refused("Resource.AlreadyAssociated", f"is already attached to network {vpc}"):
        ec2("AttachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
    second = ec2("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    with refused("InvalidParameterValue", "already has an internet gateway attached"):
        ec2("AttachInternetGateway", InternetGatewayId=second, VpcId=vpc)
    with refused("DependencyViolation"):
        ec2("DeleteInternetGateway", InternetGatewayId=gateway)
    interface = ec2.interface(ec2.subnet(vpc, "10.0.0.0/24"), public=True)
    detach = {"InternetGatewayId": gateway, "VpcId": vpc}
    with refused("DependencyViolation", "has some mapped public address(es)"):
        ec2("DetachInternetGateway", **detach)
    ec2("_DeleteManagedInterface", NetworkInterfaceId=interface["NetworkInterfaceId"])
    ec2("DetachInternetGateway", **detach)
    with refused("Gateway.NotAttached"):
        ec2("DetachInternetGateway", **detach)
    ec2("DeleteInternetGateway", InternetGatewayId=gateway)


# -- NAT gateways and addresses ------------------------------------------------------------------


def test_a_nat_gateway_is_available_when_it_was_seen_and_not_before(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc, "10.0.0.0/24")
    ec2.gateway(vpc)
    nat = ec2.nat(subnet)

    def state() -> str:
        return str(ec2("DescribeNatGateways", NatGatewayIds=[nat])["NatGateways"][0]["State"])

    assert [state(), state()] == ["pending", "pending"]
    ec2.see_nat(nat)
    assert state() == "available"
    (interface,) = ec2("DescribeNetworkInterfaces")["NetworkInterfaces"]
    assert interface["Description"] == f"Interface for NAT Gateway {nat}"
    assert (interface["InterfaceType"], interface["Status"]) == ("nat_gateway", "in-use")
    assert interface["Groups"] == []
    address = interface["Association"]["AllocationId"]
    with refused("InvalidIPAddress.InUse"):
        ec2("ReleaseAddress", AllocationId=address)
    with refused("AuthFailure"):
        ec2("DisassociateAddress", AssociationId=interface["Association"]["AssociationId"])
    with refused("InvalidParameterValue", "is currently in use"):
        ec2("DeleteNetworkInterface", NetworkInterfaceId=interface["NetworkInterfaceId"])

    ec2("DeleteNatGateway", NatGatewayId=nat)
    assert state() == "deleting"
    ec2("ReleaseAddress", AllocationId=address)
    with refused("DependencyViolation"):
        ec2("DeleteSubnet", SubnetId=subnet)
    ec2.miss_nat(nat)
    assert state() == "deleted"
    ec2("DeleteSubnet", SubnetId=subnet)
    ec2.clock.time += 3601
    with refused("NatGatewayNotFound"):
        state()
    assert ec2("DescribeNatGateways")["NatGateways"] == []


def test_a_nat_gateway_without_an_internet_gateway_fails_after_its_answer(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc, "10.0.0.0/24")
    address = ec2("AllocateAddress", Domain="vpc")["AllocationId"]
    created = ec2("CreateNatGateway", SubnetId=subnet, AllocationId=address)["NatGateway"]
    assert created["State"] == "pending"
    (shown,) = ec2("DescribeNatGateways", Filter=by("vpc-id", vpc))["NatGateways"]
    assert shown["State"] == "failed"
    assert shown["FailureCode"] == "Gateway.NotAttached"
    assert shown["FailureMessage"] == f"Network {vpc} has no Internet gateway attached"
    ec2("DeleteNatGateway", NatGatewayId=shown["NatGatewayId"])
    ec2("ReleaseAddress", AllocationId=address)
    ec2("DeleteSubnet", SubnetId=subnet)


def test_a_second_nat_gateway_with_the_same_address_fails(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc, "10.0.0.0/24")
    ec2.gateway(vpc)
    ec2.nat(subnet)
    address = ec2("DescribeAddresses")["Addresses"][0]["AllocationId"]
    ec2("CreateNatGateway", SubnetId=subnet, AllocationId=address)
    failed = ec2("DescribeNatGateways", Filter=by("state", "failed"))["NatGateways"]
    assert [n["FailureCode"] for n in failed] == ["Resource.AlreadyAssociated"]


def test_public_addresses_are_unique_over_accounts_and_not_reused_at_once(ec2: Ec2) -> None:
    other = Ec2(ec2.store, ec2.ids, account="210987654321", region="us-east-1")
    first = ec2("AllocateAddress", Domain="vpc")
    second = other("AllocateAddress", Domain="vpc")
    assert [first["PublicIp"], second["PublicIp"]] == ["198.19.0.1", "198.19.0.2"]
    ec2("ReleaseAddress", AllocationId=first["AllocationId"])
    assert ec2("AllocateAddress", Domain="vpc")["PublicIp"] == "198.19.0.3"
    with refused("InvalidAddress.NotFound"):
        ec2("DescribeAddresses", PublicIps=["198.19.0.2"])


def test_an_address_is_mapped_moved_and_taken_away(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc, "10.0.0.0/24")
    one, two = (
        ec2("CreateNetworkInterface", SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
        for _ in range(2)
    )
    address = ec2("AllocateAddress", Domain="vpc")["AllocationId"]
    with refused("Gateway.NotAttached", f"Network {vpc} is not attached to any internet gateway"):
        ec2("AssociateAddress", AllocationId=address, NetworkInterfaceId=one)
    ec2.gateway(vpc)
    first = ec2("AssociateAddress", AllocationId=address, NetworkInterfaceId=one)
    assert ec2("AssociateAddress", AllocationId=address, NetworkInterfaceId=one) == first
    with refused("Resource.AlreadyAssociated"):
        ec2(
            "AssociateAddress",
            AllocationId=address,
            NetworkInterfaceId=two,
            AllowReassociation=False,
        )
    ec2("AssociateAddress", AllocationId=address, NetworkInterfaceId=two)
    (shown,) = ec2("DescribeAddresses", AllocationIds=[address])["Addresses"]
    assert (shown["NetworkInterfaceId"], shown["PrivateIpAddress"]) == (two, "10.0.0.5")
    ec2("DisassociateAddress", AssociationId=shown["AssociationId"])
    ec2("ReleaseAddress", AllocationId=address)


# -- security groups -----------------------------------------------------------------------------


def test_a_new_group_lets_all_out_and_nothing_in(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    group = ec2.group(vpc, "web")
    (shown,) = ec2("DescribeSecurityGroups", GroupIds=[group])["SecurityGroups"]
    assert shown["IpPermissions"] == []
    assert shown["IpPermissionsEgress"] == [
        {
            "IpProtocol": "-1",
            "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
            "Ipv6Ranges": [],
            "UserIdGroupPairs": [],
            "PrefixListIds": [],
        }
    ]
    with refused("InvalidGroup.Duplicate", f"'WEB' already exists for VPC '{vpc}'"):
        ec2.group(vpc, "WEB")
    with refused("InvalidParameterValue"):
        ec2.group(vpc, "sg-web")


def test_rules_of_equal_ports_are_one_permission(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    peer = ec2.group(vpc, "peer")
    group = ec2.group(
        vpc, "web", tcp(80, cidr="0.0.0.0/0"), tcp(80, cidr="10.0.0.7/8"), tcp(80, group=peer)
    )
    (shown,) = ec2("DescribeSecurityGroups", GroupIds=[group])["SecurityGroups"]
    (permission,) = shown["IpPermissions"]
    assert {r["CidrIp"] for r in permission["IpRanges"]} == {"0.0.0.0/0", "10.0.0.0/8"}
    assert [p["GroupId"] for p in permission["UserIdGroupPairs"]] == [peer]
    rules = ec2(
        "DescribeSecurityGroupRules", Filters=[*by("group-id", group), *by("is-egress", "false")]
    )
    assert len(rules["SecurityGroupRules"]) == 3


def test_a_duplicate_rule_refuses_the_whole_request(ec2: Ec2) -> None:
    group = ec2.group(ec2.vpc(), "web", tcp(22, cidr="0.0.0.0/0"))
    text = '"peer: 0.0.0.0/0, TCP, from port: 22, to port: 22, ALLOW" already exists'
    with refused("InvalidPermission.Duplicate", text):
        ec2(
            "AuthorizeSecurityGroupIngress",
            GroupId=group,
            IpPermissions=[tcp(80, cidr="0.0.0.0/0"), tcp(22, cidr="0.0.0.0/0")],
        )
    (shown,) = ec2("DescribeSecurityGroups", GroupIds=[group])["SecurityGroups"]
    assert [p["FromPort"] for p in shown["IpPermissions"]] == [22]
    with refused("InvalidPermission.Duplicate", '"peer: 0.0.0.0/0, ALL, ALLOW"'):
        ec2(
            "AuthorizeSecurityGroupEgress",
            GroupId=group,
            IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
        )


def test_rules_are_revoked_by_properties_or_ids(ec2: Ec2) -> None:
    group = ec2.group(ec2.vpc(), "web", tcp(22, cidr="0.0.0.0/0"), tcp(80, cidr="0.0.0.0/0"))
    with refused("InvalidPermission.NotFound"):
        ec2(
            "RevokeSecurityGroupIngress",
            GroupId=group,
            IpPermissions=[tcp(22, cidr="0.0.0.0/0"), tcp(23, cidr="0.0.0.0/0")],
        )
    ec2("RevokeSecurityGroupIngress", GroupId=group, IpPermissions=[tcp(22, cidr="0.0.0.0/0")])
    (left,) = ec2(
        "DescribeSecurityGroupRules", Filters=[*by("group-id", group), *by("is-egress", "false")]
    )["SecurityGroupRules"]
    assert left["FromPort"] == 80
    ids = {"GroupId": group, "SecurityGroupRuleIds": [left["SecurityGroupRuleId"]]}
    assert ec2("RevokeSecurityGroupIngress", **ids)["Return"]
    with refused("InvalidSecurityGroupRuleId.NotFound"):
        ec2("RevokeSecurityGroupIngress", **ids)


def test_the_default_vpc_tells_of_unknown_permissions_without_an_error(ec2: Ec2) -> None:
    answer = ec2("CreateSecurityGroup", GroupName="web", Description="web")
    revoked = ec2(
        "RevokeSecurityGroupIngress",
        GroupName="web",
        IpProtocol="tcp",
        FromPort=22,
        ToPort=22,
        CidrIp="0.0.0.0/0",
    )
    assert revoked["UnknownIpPermissions"][0]["FromPort"] == 22
    ec2("DeleteSecurityGroup", GroupName="web")
    with refused("InvalidGroup.NotFound"):
        ec2("DeleteSecurityGroup", GroupId=answer["GroupId"])


def test_a_rule_keeps_its_id_when_it_is_modified(ec2: Ec2) -> None:
    group = ec2.group(ec2.vpc(), "web", tcp(22, cidr="0.0.0.0/0"))
    filters = [*by("group-id", group), *by("is-egress", "false")]
    (rule,) = ec2("DescribeSecurityGroupRules", Filters=filters)["SecurityGroupRules"]
    wanted = {"IpProtocol": "17", "FromPort": 53, "ToPort": 53, "CidrIpv4": "10.0.0.0/8"}
    item = {"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "SecurityGroupRule": wanted}
    ec2("ModifySecurityGroupRules", GroupId=group, SecurityGroupRules=[item])
    ec2(
        "UpdateSecurityGroupRuleDescriptionsIngress",
        GroupId=group,
        IpPermissions=[
            {
                "IpProtocol": "udp",
                "FromPort": 53,
                "ToPort": 53,
                "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "dns"}],
            }
        ],
    )
    (changed,) = ec2("DescribeSecurityGroupRules", Filters=filters)["SecurityGroupRules"]
    assert changed["SecurityGroupRuleId"] == rule["SecurityGroupRuleId"]
    assert (changed["IpProtocol"], changed["Description"]) == ("udp", "dns")


def test_a_group_in_use_is_not_deleted(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    front = ec2.group(vpc, "front")
    back = ec2.group(vpc, "back", tcp(80, group=front))
    with refused("DependencyViolation", f"resource {front} has a dependent object"):
        ec2("DeleteSecurityGroup", GroupId=front)
    interface = ec2.interface(ec2.subnet(vpc, "10.0.0.0/24"), back)
    with refused("DependencyViolation", f"resource {back} has a dependent object"):
        ec2("DeleteSecurityGroup", GroupId=back)
    key = interface["NetworkInterfaceId"]
    ec2("_SetInterfaceGroups", NetworkInterfaceId=key, Groups=[front])
    ec2("DeleteSecurityGroup", GroupId=back)
    ec2("_DeleteManagedInterface", NetworkInterfaceId=key)
    ec2("DeleteSecurityGroup", GroupId=front)
    default = ec2("DescribeSecurityGroups", Filters=by("vpc-id", vpc))["SecurityGroups"][0]
    with refused("CannotDelete", "cannot be deleted by a user"):
        ec2("DeleteSecurityGroup", GroupId=default["GroupId"])


@pytest.mark.parametrize(
    ("permission", "code"),
    [
        ({"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}, "InvalidParameterValue"),
        (tcp(70000, cidr="0.0.0.0/0"), "InvalidParameterValue"),
        (tcp(80, cidr="0.0.0.0"), "InvalidParameterValue"),
        (tcp(80), "MissingParameter"),
        (tcp(80, group="sg-00000fff"), "InvalidGroup.NotFound"),
        (
            {"IpProtocol": "sctpx", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
            "InvalidPermission.Malformed",
        ),
    ],
)
def test_a_bad_permission_is_refused(ec2: Ec2, permission: dict[str, Any], code: str) -> None:
    with refused(code):
        ec2.group(ec2.vpc(), "web", permission)


def test_sixty_rules_are_the_limit(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    ec2.group(vpc, "full", *(tcp(port, cidr="0.0.0.0/0") for port in range(60)))
    with refused("RulesPerSecurityGroupLimitExceeded"):
        ec2.group(vpc, "over", *(tcp(port, cidr="0.0.0.0/0") for port in range(61)))


# -- network ACLs --------------------------------------------------------------------------------


def test_acl_entries_are_numbered_and_subnets_change_acls(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc, "10.0.0.0/24")
    acl = ec2("CreateNetworkAcl", VpcId=vpc)["NetworkAcl"]
    assert [(e["RuleNumber"], e["RuleAction"]) for e in acl["Entries"]] == [(32767, "deny")] * 2
    entry = {
        "NetworkAclId": acl["NetworkAclId"],
        "RuleNumber": 100,
        "Protocol": "6",
        "RuleAction": "allow",
        "Egress": False,
        "CidrBlock": "0.0.0.0/0",
        "PortRange": {"From": 80, "To": 80},
    }
    with refused("InvalidNetworkAclEntry.NotFound"):
        ec2("ReplaceNetworkAclEntry", **entry)
    ec2("CreateNetworkAclEntry", **entry)
    with refused("NetworkAclEntryAlreadyExists"):
        ec2("CreateNetworkAclEntry", **entry)
    ec2("CreateNetworkAclEntry", **(entry | {"Egress": True}))
    ec2("ReplaceNetworkAclEntry", **(entry | {"RuleAction": "deny"}))

    mine = by("association.subnet-id", subnet)
    (default,) = ec2("DescribeNetworkAcls", Filters=mine)["NetworkAcls"]
    assert default["IsDefault"]
    moved = ec2(
        "ReplaceNetworkAclAssociation",
        AssociationId=default["Associations"][0]["NetworkAclAssociationId"],
        NetworkAclId=acl["NetworkAclId"],
    )
    (now,) = ec2("DescribeNetworkAcls", Filters=mine)["NetworkAcls"]
    assert now["NetworkAclId"] == acl["NetworkAclId"]
    assert now["Associations"][0]["NetworkAclAssociationId"] == moved["NewAssociationId"]
    with refused("DependencyViolation"):
        ec2("DeleteNetworkAcl", NetworkAclId=acl["NetworkAclId"])
    with refused("InvalidParameterValue", "cannot delete default network ACL"):
        ec2("DeleteNetworkAcl", NetworkAclId=default["NetworkAclId"])
    ec2("DeleteNetworkAclEntry", NetworkAclId=acl["NetworkAclId"], RuleNumber=100, Egress=False)
    ec2("DeleteSubnet", SubnetId=subnet)
    ec2("DeleteNetworkAcl", NetworkAclId=acl["NetworkAclId"])


# -- interfaces ----------------------------------------------------------------------------------


def test_a_managed_interface_is_attached_and_its_services_alone(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc, "10.0.0.0/24")
    ec2("ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": True})
    made = ec2.interface(subnet, public=True)
    assert made["PrivateDnsName"] == "ip-10-0-0-4.ap-northeast-1.compute.internal"
    key = made["NetworkInterfaceId"]
    (shown,) = ec2("DescribeNetworkInterfaces", Filters=by("requester-managed", "true"))[
        "NetworkInterfaces"
    ]
    assert shown["NetworkInterfaceId"] == key
    assert shown["MacAddress"] == made["MacAddress"]
    assert shown["MacAddress"].startswith("02:")
    assert (shown["Status"], shown["Groups"][0]["GroupName"]) == ("in-use", "default")
    assert shown["Association"] == {
        "PublicIp": made["PublicIp"],
        "IpOwnerId": "amazon",
        "PublicDnsName": "ec2-198-19-0-1.ap-northeast-1.compute.amazonaws.com",
    }
    with refused("AuthFailure"):
        ec2("ModifyNetworkInterfaceAttribute", NetworkInterfaceId=key, Groups=["sg-00000fff"])


def test_an_interface_of_the_account_is_made_changed_and_deleted(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc, "10.0.0.0/24")
    group = ec2.group(vpc, "web")
    wanted = {"SubnetId": subnet, "PrivateIpAddress": "10.0.0.9", "ClientToken": "t"}
    created = ec2("CreateNetworkInterface", **wanted)["NetworkInterface"]
    assert created["Status"] == "pending"
    key = created["NetworkInterfaceId"]
    ec2("ModifyNetworkInterfaceAttribute", NetworkInterfaceId=key, Groups=[group])
    ec2("ModifyNetworkInterfaceAttribute", NetworkInterfaceId=key, Description={"Value": "new"})
    (shown,) = ec2("DescribeNetworkInterfaces", NetworkInterfaceIds=[key])["NetworkInterfaces"]
    assert (shown["Status"], shown["Description"]) == ("available", "new")
    answer = ec2("DescribeNetworkInterfaceAttribute", NetworkInterfaceId=key, Attribute="groupSet")
    assert [g["GroupId"] for g in answer["Groups"]] == [group]
    with refused("InvalidIPAddress.InUse", "Address 10.0.0.9 is in use."):
        ec2("CreateNetworkInterface", **(wanted | {"ClientToken": "u"}))
    with refused("InvalidParameterValue"):
        ec2("CreateNetworkInterface", SubnetId=subnet, PrivateIpAddress="10.0.0.2")
    with refused("InvalidParameterValue", "different networks"):
        other = ec2.group(ec2.vpc(), "web")
        ec2("CreateNetworkInterface", SubnetId=subnet, Groups=[other])
    ec2("DeleteNetworkInterface", NetworkInterfaceId=key)
    with refused("InvalidNetworkInterfaceID.NotFound"):
        ec2("DeleteNetworkInterface", NetworkInterfaceId=key)
