"""VPCs, subnets, their routes and gateways, interfaces, through ec2's operations."""

from __future__ import annotations

import pytest
from tests.api import ec2_cloud
from tests.api.ec2_cloud import Ec2, by, refused

from hiyoko.services.ec2.seen import INTERFACES_SEEN, InterfaceSeen

ec2 = ec2_cloud.ec2


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
