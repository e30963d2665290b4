"""CloudFormation's EC2 network types, made by the operations that clients call.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_EC2.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hiyoko.template.resource_type import (
    Handle,
    Made,
    NotStabilizedError,
    Progress,
    ResourceType,
    in_place,
    register,
    replaces,
)
from hiyoko.template.tagging import tag_keys_to_drop, tags_to_write

Shown = dict[str, Any]


def _call(handle: Handle, operation: str, **request: Any) -> Shown:
    members = {name: value for name, value in request.items() if value is not None}
    return handle.invoke("ec2", operation, members)


def _tagged(handle: Handle, kind: str) -> list[Shown]:
    return [{"ResourceType": kind, "Tags": handle.tags()}]


def _retag(handle: Handle, resource_id: str | None = None) -> None:
    target = [resource_id or handle.physical_id]
    if drop := tag_keys_to_drop(handle):
        _call(handle, "DeleteTags", Resources=target, Tags=[{"Key": key} for key in drop])
    if write := tags_to_write(handle):
        _call(handle, "CreateTags", Resources=target, Tags=write)


def _filter(name: str, value: str) -> list[Shown]:
    return [{"Name": name, "Values": [value]}]


# VPC and subnet


def _create_vpc(handle: Handle) -> Made:
    given = handle.given("CidrBlock", "InstanceTenancy")
    answer = _call(handle, "CreateVpc", TagSpecifications=_tagged(handle, "vpc"), **given)
    vpc_id = str(answer["Vpc"]["VpcId"])
    _set_vpc_attributes(handle, vpc_id)
    return Made(vpc_id)


def _set_vpc_attributes(handle: Handle, vpc_id: str) -> None:
    # Support first: host names need it.
    for name, default in (("EnableDnsSupport", True), ("EnableDnsHostnames", False)):
        if handle.changed(name):
            value = {"Value": handle.properties.get(name, default)}
            _call(handle, "ModifyVpcAttribute", VpcId=vpc_id, **{name: value})


def _update_vpc(handle: Handle) -> None:
    _set_vpc_attributes(handle, handle.physical_id)
    _retag(handle)


def _read_vpc(handle: Handle) -> Shown:
    vpc_id = handle.physical_id
    vpc = _call(handle, "DescribeVpcs", VpcIds=[vpc_id])["Vpcs"][0]
    of_vpc = _filter("vpc-id", vpc_id)
    groups = _call(
        handle, "DescribeSecurityGroups", Filters=of_vpc + _filter("group-name", "default")
    )["SecurityGroups"]
    acls = _call(handle, "DescribeNetworkAcls", Filters=of_vpc + _filter("default", "true"))
    associations = vpc.get("CidrBlockAssociationSet", [])
    return {
        "VpcId": vpc_id,
        "CidrBlock": vpc["CidrBlock"],
        "CidrBlockAssociations": [item["AssociationId"] for item in associations],
        "Ipv6CidrBlocks": [],
        "DefaultSecurityGroup": groups[0]["GroupId"] if groups else "",
        "DefaultNetworkAcl": next((a["NetworkAclId"] for a in acls["NetworkAcls"]), ""),
    }


def _create_subnet(handle: Handle) -> Made:
    given = handle.given("VpcId", "CidrBlock", "AvailabilityZone", "AvailabilityZoneId")
    answer = _call(handle, "CreateSubnet", TagSpecifications=_tagged(handle, "subnet"), **given)
    subnet_id = str(answer["Subnet"]["SubnetId"])
    _set_public(handle, subnet_id)
    return Made(subnet_id)


def _set_public(handle: Handle, subnet_id: str) -> None:
    if handle.changed("MapPublicIpOnLaunch"):
        value = {"Value": handle.properties.get("MapPublicIpOnLaunch", False)}
        _call(handle, "ModifySubnetAttribute", SubnetId=subnet_id, MapPublicIpOnLaunch=value)


def _update_subnet(handle: Handle) -> None:
    _set_public(handle, handle.physical_id)
    _retag(handle)


def _read_subnet(handle: Handle) -> Shown:
    subnet_id = handle.physical_id
    subnet = _call(handle, "DescribeSubnets", SubnetIds=[subnet_id])["Subnets"][0]
    association = _acl_association(handle, subnet_id)
    return {
        "SubnetId": subnet_id,
        "VpcId": subnet["VpcId"],
        "CidrBlock": subnet["CidrBlock"],
        "AvailabilityZone": subnet["AvailabilityZone"],
        "AvailabilityZoneId": subnet.get("AvailabilityZoneId", ""),
        "NetworkAclAssociationId": association.get("NetworkAclAssociationId", ""),
        "Ipv6CidrBlocks": [],
    }


def _acl_association(handle: Handle, subnet_id: str) -> Shown:
    found = _call(
        handle, "DescribeNetworkAcls", Filters=_filter("association.subnet-id", subnet_id)
    )["NetworkAcls"]
    every = [item for acl in found for item in acl["Associations"]]
    return next((dict(item) for item in every if item["SubnetId"] == subnet_id), {})


# Gateways


def _create_internet_gateway(handle: Handle) -> Made:
    tags = _tagged(handle, "internet-gateway")
    answer = _call(handle, "CreateInternetGateway", TagSpecifications=tags)
    return Made(str(answer["InternetGateway"]["InternetGatewayId"]))


def _attach(handle: Handle) -> Made:
    given = handle.given("VpcId", "InternetGatewayId")
    _call(handle, "AttachInternetGateway", **given)
    return Made(f"IGW|{given['VpcId']}")


def _attach_other(handle: Handle) -> None:
    vpc_id = handle.properties["VpcId"]
    old = handle.old["InternetGatewayId"]
    _call(handle, "DetachInternetGateway", VpcId=vpc_id, InternetGatewayId=old)
    _call(handle, "AttachInternetGateway", **handle.given("VpcId", "InternetGatewayId"))


def _detach(handle: Handle) -> None:
    _call(handle, "DetachInternetGateway", **handle.given("VpcId", "InternetGatewayId"))


def _create_nat_gateway(handle: Handle) -> Made:
    given = handle.given("SubnetId", "AllocationId", "ConnectivityType", "PrivateIpAddress")
    tags = _tagged(handle, "natgateway")
    answer = _call(handle, "CreateNatGateway", TagSpecifications=tags, **given)
    return Made(str(answer["NatGateway"]["NatGatewayId"]))


def _nat_gateway(handle: Handle) -> Shown | None:
    answer = _call(handle, "DescribeNatGateways", NatGatewayIds=[handle.physical_id])
    return next((dict(item) for item in answer["NatGateways"]), None)


def _nat_gateway_stable(handle: Handle) -> Progress:
    gateway = _nat_gateway(handle) or {"State": "failed"}
    if gateway["State"] == "failed":
        raise NotStabilizedError(
            f"NatGateway {handle.physical_id} is in state failed and hence failed to stabilize."
            f" Detailed failure message: {gateway.get('FailureMessage', '')}"
        )
    return Progress.DONE if gateway["State"] == "available" else Progress.WAITING


def _nat_gateway_gone(handle: Handle) -> Progress:
    gateway = _nat_gateway(handle)
    gone = gateway is None or gateway["State"] == "deleted"
    return Progress.DONE if gone else Progress.WAITING


def _read_nat_gateway(handle: Handle) -> Shown:
    gateway = _nat_gateway(handle) or {}
    addresses = gateway.get("NatGatewayAddresses", [])
    eni_id = next((item.get("NetworkInterfaceId", "") for item in addresses), "")
    return {"NatGatewayId": handle.physical_id, "EniId": eni_id}


def _allocate(handle: Handle) -> Made:
    given = {"Domain": "vpc", **handle.given("Domain", "PublicIpv4Pool", "NetworkBorderGroup")}
    answer = _call(
        handle, "AllocateAddress", TagSpecifications=_tagged(handle, "elastic-ip"), **given
    )
    public_ip = str(answer["PublicIp"])
    return Made(public_ip, {"PublicIp": public_ip, "AllocationId": answer["AllocationId"]})


# Routing


def _create_route_table(handle: Handle) -> Made:
    tags = _tagged(handle, "route-table")
    answer = _call(handle, "CreateRouteTable", TagSpecifications=tags, **handle.given("VpcId"))
    return Made(str(answer["RouteTable"]["RouteTableId"]))


_ROUTE = ("RouteTableId", "DestinationCidrBlock", "DestinationPrefixListId")
_ROUTE_TARGETS = ("GatewayId", "NatGatewayId", "NetworkInterfaceId")


def _create_route(handle: Handle) -> Made:
    given = handle.given(*_ROUTE, *_ROUTE_TARGETS)
    _call(handle, "CreateRoute", **given)
    destination = given.get("DestinationCidrBlock") or given.get("DestinationPrefixListId", "")
    return Made(f"{given['RouteTableId']}|{destination}")


def _replace_route(handle: Handle) -> None:
    _call(handle, "ReplaceRoute", **handle.given(*_ROUTE, *_ROUTE_TARGETS))


def _delete_route(handle: Handle) -> None:
    _call(handle, "DeleteRoute", **handle.given(*_ROUTE))


def _associate_route_table(handle: Handle) -> Made:
    subnet_id, table_id = handle.properties["SubnetId"], handle.properties["RouteTableId"]
    tables = _call(
        handle, "DescribeRouteTables", Filters=_filter("association.subnet-id", subnet_id)
    )["RouteTables"]
    every = [item for table in tables for item in table["Associations"]]
    old = next((item for item in every if item.get("SubnetId") == subnet_id), None)
    if old is not None and old["RouteTableId"] != table_id:
        # A replacement comes before the old one is removed: the subnet moves over.
        answer = _call(
            handle,
            "ReplaceRouteTableAssociation",
            AssociationId=old["RouteTableAssociationId"],
            RouteTableId=table_id,
        )
        return Made(str(answer["NewAssociationId"]))
    answer = _call(handle, "AssociateRouteTable", SubnetId=subnet_id, RouteTableId=table_id)
    return Made(str(answer["AssociationId"]))


# Network ACLs


def _create_acl(handle: Handle) -> Made:
    tags = _tagged(handle, "network-acl")
    answer = _call(handle, "CreateNetworkAcl", TagSpecifications=tags, **handle.given("VpcId"))
    return Made(str(answer["NetworkAcl"]["NetworkAclId"]))


def _acl_entry(handle: Handle) -> Shown:
    given = handle.given(
        "NetworkAclId", "RuleNumber", "Protocol", "RuleAction", "CidrBlock", "PortRange"
    )
    if "Icmp" in handle.properties:
        given["IcmpTypeCode"] = handle.properties["Icmp"]
    return {"Egress": handle.properties.get("Egress", False), **given}


def _create_acl_entry(handle: Handle) -> Made:
    _call(handle, "CreateNetworkAclEntry", **_acl_entry(handle))
    return Made(handle.name())


def _replace_acl_entry(handle: Handle) -> None:
    _call(handle, "ReplaceNetworkAclEntry", **_acl_entry(handle))


def _delete_acl_entry(handle: Handle) -> None:
    entry = _acl_entry(handle)
    members = {name: entry[name] for name in ("NetworkAclId", "RuleNumber", "Egress")}
    _call(handle, "DeleteNetworkAclEntry", **members)


def _associate_acl(handle: Handle) -> Made:
    old = _acl_association(handle, handle.properties["SubnetId"])
    answer = _call(
        handle,
        "ReplaceNetworkAclAssociation",
        AssociationId=old.get("NetworkAclAssociationId", "aclassoc-none"),
        NetworkAclId=handle.properties["NetworkAclId"],
    )
    return Made(str(answer["NewAssociationId"]))


def _dissociate_acl(handle: Handle) -> None:
    """A subnet always has an ACL: it goes back to the VPC's default one."""
    now = _acl_association(handle, handle.properties["SubnetId"])
    if now.get("NetworkAclAssociationId") != handle.physical_id:
        return
    mine = _call(handle, "DescribeNetworkAcls", NetworkAclIds=[handle.properties["NetworkAclId"]])
    of_vpc = _filter("vpc-id", mine["NetworkAcls"][0]["VpcId"])
    default = _call(handle, "DescribeNetworkAcls", Filters=of_vpc + _filter("default", "true"))
    _call(
        handle,
        "ReplaceNetworkAclAssociation",
        AssociationId=handle.physical_id,
        NetworkAclId=default["NetworkAcls"][0]["NetworkAclId"],
    )


def _id(name: str) -> Any:
    """Reads the one attribute that repeats the physical id."""

    def read(handle: Handle) -> Mapping[str, Any]:
        return {name: handle.physical_id}

    return read


def _delete(operation: str, member: str) -> Any:
    """Deletes by the physical id."""

    def delete(handle: Handle) -> None:
        _call(handle, operation, **{member: handle.physical_id})

    return delete


def _release(handle: Handle) -> None:
    _call(handle, "ReleaseAddress", AllocationId=handle.attributes["AllocationId"])


def _retag_address(handle: Handle) -> None:
    _retag(handle, handle.attributes["AllocationId"])


register(
    ResourceType(
        "AWS::EC2::VPC",
        {
            **in_place("EnableDnsHostnames", "EnableDnsSupport", "InstanceTenancy", "Tags"),
            **replaces("CidrBlock"),
        },
        _create_vpc,
        _delete("DeleteVpc", "VpcId"),
        _update_vpc,
        read=_read_vpc,
        required=frozenset({"CidrBlock"}),
        attributes=frozenset(
            {
                "CidrBlock",
                "CidrBlockAssociations",
                "DefaultNetworkAcl",
                "DefaultSecurityGroup",
                "Ipv6CidrBlocks",
                "VpcId",
            }
        ),
        tags=True,
    ),
    ResourceType(
        "AWS::EC2::Subnet",
        {
            **in_place("MapPublicIpOnLaunch", "Tags"),
            **replaces("VpcId", "CidrBlock", "AvailabilityZone", "AvailabilityZoneId"),
        },
        _create_subnet,
        _delete("DeleteSubnet", "SubnetId"),
        _update_subnet,
        read=_read_subnet,
        required=frozenset({"VpcId"}),
        attributes=frozenset(
            {
                "AvailabilityZone",
                "AvailabilityZoneId",
                "CidrBlock",
                "Ipv6CidrBlocks",
                "NetworkAclAssociationId",
                "SubnetId",
                "VpcId",
            }
        ),
        tags=True,
    ),
    ResourceType(
        "AWS::EC2::InternetGateway",
        in_place("Tags"),
        _create_internet_gateway,
        _delete("DeleteInternetGateway", "InternetGatewayId"),
        _retag,
        read=_id("InternetGatewayId"),
        attributes=frozenset({"InternetGatewayId"}),
        tags=True,
    ),
    ResourceType(
        "AWS::EC2::VPCGatewayAttachment",
        {**in_place("InternetGatewayId"), **replaces("VpcId")},
        _attach,
        _detach,
        _attach_other,
        read=lambda handle: {"AttachmentType": "IGW"},
        required=frozenset({"VpcId", "InternetGatewayId"}),
        attributes=frozenset({"AttachmentType"}),
        missing=frozenset({"Gateway.NotAttached"}),
    ),
    ResourceType(
        "AWS::EC2::NatGateway",
        {
            **in_place("Tags"),
            **replaces("SubnetId", "AllocationId", "ConnectivityType", "PrivateIpAddress"),
        },
        _create_nat_gateway,
        _delete("DeleteNatGateway", "NatGatewayId"),
        _retag,
        stable=_nat_gateway_stable,
        gone=_nat_gateway_gone,
        read=_read_nat_gateway,
        required=frozenset({"SubnetId"}),
        attributes=frozenset({"NatGatewayId", "EniId"}),
        tags=True,
        missing=frozenset({"NatGatewayNotFound"}),
    ),
    ResourceType(
        "AWS::EC2::EIP",
        {**in_place("Tags"), **replaces("Domain", "PublicIpv4Pool", "NetworkBorderGroup")},
        _allocate,
        _release,
        _retag_address,
        attributes=frozenset({"AllocationId", "PublicIp"}),
        tags=True,
        busy=frozenset({"InvalidIPAddress.InUse"}),
    ),
    ResourceType(
        "AWS::EC2::RouteTable",
        {**in_place("Tags"), **replaces("VpcId")},
        _create_route_table,
        _delete("DeleteRouteTable", "RouteTableId"),
        _retag,
        read=_id("RouteTableId"),
        required=frozenset({"VpcId"}),
        attributes=frozenset({"RouteTableId"}),
        tags=True,
    ),
    ResourceType(
        "AWS::EC2::Route",
        {**in_place(*_ROUTE_TARGETS), **replaces(*_ROUTE)},
        _create_route,
        _delete_route,
        _replace_route,
        read=lambda handle: {"CidrBlock": handle.properties.get("DestinationCidrBlock", "")},
        required=frozenset({"RouteTableId"}),
        attributes=frozenset({"CidrBlock"}),
    ),
    ResourceType(
        "AWS::EC2::SubnetRouteTableAssociation",
        replaces("SubnetId", "RouteTableId"),
        _associate_route_table,
        _delete("DisassociateRouteTable", "AssociationId"),
        read=_id("Id"),
        required=frozenset({"SubnetId", "RouteTableId"}),
        attributes=frozenset({"Id"}),
    ),
    ResourceType(
        "AWS::EC2::NetworkAcl",
        {**in_place("Tags"), **replaces("VpcId")},
        _create_acl,
        _delete("DeleteNetworkAcl", "NetworkAclId"),
        _retag,
        read=_id("Id"),
        required=frozenset({"VpcId"}),
        attributes=frozenset({"Id"}),
        tags=True,
    ),
    ResourceType(
        "AWS::EC2::NetworkAclEntry",
        {
            **in_place("Protocol", "RuleAction", "CidrBlock", "PortRange", "Icmp"),
            **replaces("NetworkAclId", "RuleNumber", "Egress"),
        },
        _create_acl_entry,
        _delete_acl_entry,
        _replace_acl_entry,
        read=_id("Id"),
        required=frozenset({"NetworkAclId", "RuleNumber", "Protocol", "RuleAction"}),
        attributes=frozenset({"Id"}),
    ),
    ResourceType(
        "AWS::EC2::SubnetNetworkAclAssociation",
        replaces("SubnetId", "NetworkAclId"),
        _associate_acl,
        _dissociate_acl,
        read=_id("AssociationId"),
        required=frozenset({"SubnetId", "NetworkAclId"}),
        attributes=frozenset({"AssociationId"}),
    ),
)

from hiyoko.services.ec2 import cfn_endpoints, cfn_security_groups  # noqa: E402, F401  registers the rest
