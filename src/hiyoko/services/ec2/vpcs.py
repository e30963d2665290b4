"""VPCs and their attributes, and the region's DHCP options."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, unsupported
from hiyoko.services.ec2 import errors, rows
from hiyoko.services.ec2.cidr import check_size, read_cidr
from hiyoko.services.ec2.filters import Filters, describe, truth
from hiyoko.services.ec2.first_use import make_region
from hiyoko.services.ec2.making import make_default_vpc, make_vpc
from hiyoko.services.ec2.model import DhcpOptions, Vpc
from hiyoko.services.ec2.operation import operation
from hiyoko.services.ec2.tags import shown, wanted_tags


def _view(_: Call, vpc: Vpc) -> dict[str, Any]:
    view = {
        "VpcId": vpc.vpc_id,
        "CidrBlock": vpc.cidr,
        "CidrBlockAssociationSet": [
            {
                "AssociationId": a.association_id,
                "CidrBlock": a.cidr,
                "CidrBlockState": {"State": "associated"},
            }
            for a in vpc.cidrs
        ],
        "DhcpOptionsId": vpc.dhcp_options_id,
        "InstanceTenancy": "default",
        "IsDefault": vpc.is_default,
        "OwnerId": vpc.account,
        "State": "available",
        "BlockPublicAccessStates": {"InternetGatewayBlockMode": "off"},
    }
    if vpc.tags:
        view["Tags"] = shown(vpc.tags)
    return view


@operation("CreateVpc", "CidrBlock", "InstanceTenancy", "TagSpecifications")
def create_vpc(call: Call, request: Request) -> Response:
    """Record a VPC with its main route table, default ACL and default security group."""
    if request.get("InstanceTenancy", "default") != "default":
        raise unsupported("InstanceTenancy", request["InstanceTenancy"])
    if not request.get("CidrBlock"):
        raise errors.missing("cidrBlock")
    network = check_size(read_cidr(request["CidrBlock"]), "InvalidVpc.Range")
    options = make_region(call).dhcp_options_id
    vpc = make_vpc(call, network, options, wanted_tags(request, "vpc"))
    return {"Vpc": {**_view(call, vpc), "State": "pending"}}


@operation("CreateDefaultVpc")
def create_default_vpc(call: Call, _: Request) -> Response:
    """Make the default VPC again after it was deleted."""
    if rows.find_default_vpc(call):
        raise AwsError(
            "DefaultVpcAlreadyExists",
            "A Default VPC already exists for this account in this region.",
        )
    vpc = make_default_vpc(call, make_region(call).dhcp_options_id)
    return {"Vpc": {**_view(call, vpc), "State": "pending"}}


_FILTERS: Filters[Vpc] = {
    "cidr": lambda vpc: vpc.cidr,
    "cidr-block-association.cidr-block": lambda vpc: [a.cidr for a in vpc.cidrs],
    "cidr-block-association.association-id": lambda vpc: [a.association_id for a in vpc.cidrs],
    "cidr-block-association.state": lambda _: "associated",
    "dhcp-options-id": lambda vpc: vpc.dhcp_options_id,
    "is-default": lambda vpc: truth(vpc.is_default),
    "isDefault": lambda vpc: truth(vpc.is_default),
    "owner-id": lambda vpc: vpc.account,
    "state": lambda _: "available",
    "vpc-id": lambda vpc: vpc.vpc_id,
}


@operation("DescribeVpcs", "VpcIds", "Filters", "MaxResults", "NextToken")
def describe_vpcs(call: Call, request: Request) -> Response:
    """VPCs by id or filter."""
    return describe(call, rows.VPCS, request, _view, _FILTERS, ids="VpcIds", answer="Vpcs")


@operation("DeleteVpc", "VpcId")
def delete_vpc(call: Call, request: Request) -> Response:
    """Delete the VPC with the three parts that it was made with; nothing else may be left in it."""
    vpc = rows.get_vpc(call, request["VpcId"])
    others = (
        rows.SUBNETS.list(call, vpc_id=vpc.vpc_id)
        or rows.INTERFACES.list(call, vpc_id=vpc.vpc_id)
        or rows.INTERNET_GATEWAYS.list(call, vpc_id=vpc.vpc_id)
        or [e for e in rows.VPC_ENDPOINTS.list(call, vpc_id=vpc.vpc_id) if e.gateway and e.works]
        or [g for g in rows.GROUPS.list(call, vpc_id=vpc.vpc_id) if g.name != "default"]
        or [t for t in rows.ROUTE_TABLES.list(call, vpc_id=vpc.vpc_id) if not t.is_main]
        or [a for a in rows.ACLS.list(call, vpc_id=vpc.vpc_id) if not a.is_default]
    )
    if others:
        raise errors.has_dependencies("vpc", vpc.vpc_id)
    for group in rows.GROUPS.list(call, vpc_id=vpc.vpc_id):
        for rule in rows.RULES.list(call, group_id=group.group_id):
            rows.RULES.delete(call, rule)
        rows.GROUPS.delete(call, group)
    for table in rows.ROUTE_TABLES.list(call, vpc_id=vpc.vpc_id):
        rows.ROUTE_TABLES.delete(call, table)
    for acl in rows.ACLS.list(call, vpc_id=vpc.vpc_id):
        rows.ACLS.delete(call, acl)
    rows.VPCS.delete(call, vpc)
    return {}


@operation("ModifyVpcAttribute", "VpcId", "EnableDnsSupport", "EnableDnsHostnames")
def modify_vpc_attribute(call: Call, request: Request) -> Response:
    """Switch DNS support or DNS host names, one in a call."""
    vpc = rows.get_vpc(call, request["VpcId"])
    support, names = request.get("EnableDnsSupport"), request.get("EnableDnsHostnames")
    if support is not None and names is not None:
        raise errors.bad_combination("Fields for multiple attribute types specified")
    if support is not None:
        vpc = replace(vpc, dns_support=bool(support.get("Value")))
    if names is not None:
        vpc = replace(vpc, dns_hostnames=bool(names.get("Value")))
    rows.VPCS.put(call, vpc)
    return {}


@operation("DescribeVpcAttribute", "VpcId", "Attribute")
def describe_vpc_attribute(call: Call, request: Request) -> Response:
    """One DNS attribute."""
    vpc = rows.get_vpc(call, request["VpcId"])
    match request["Attribute"]:
        case "enableDnsSupport":
            shown_value = {"EnableDnsSupport": {"Value": vpc.dns_support}}
        case "enableDnsHostnames":
            shown_value = {"EnableDnsHostnames": {"Value": vpc.dns_hostnames}}
        case "enableNetworkAddressUsageMetrics":
            shown_value = {"EnableNetworkAddressUsageMetrics": {"Value": False}}
        case other:
            raise unsupported("Attribute", other)
    return {"VpcId": vpc.vpc_id, **shown_value}


def _options_view(call: Call, options: DhcpOptions) -> dict[str, Any]:
    return {
        "DhcpOptionsId": options.dhcp_options_id,
        "OwnerId": call.account,
        "DhcpConfigurations": [
            {"Key": "domain-name", "Values": [{"Value": options.domain_name}]},
            {"Key": "domain-name-servers", "Values": [{"Value": "AmazonProvidedDNS"}]},
        ],
        "Tags": shown(options.tags),
    }


_OPTIONS_FILTERS: Filters[DhcpOptions] = {
    "dhcp-options-id": lambda options: options.dhcp_options_id,
    "owner-id": lambda options: options.account,
    "key": lambda _: ["domain-name", "domain-name-servers"],
    "value": lambda options: [options.domain_name, "AmazonProvidedDNS"],
}


@operation("DescribeDhcpOptions", "DhcpOptionsIds", "Filters", "MaxResults", "NextToken")
def describe_dhcp_options(call: Call, request: Request) -> Response:
    """The region's default set; there is no other."""
    return describe(
        call,
        rows.DHCP_OPTIONS,
        request,
        _options_view,
        _OPTIONS_FILTERS,
        ids="DhcpOptionsIds",
        answer="DhcpOptions",
    )
