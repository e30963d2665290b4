"""Internet gateways and their attachment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response
from hiyoko.services.ec2 import errors, rows
from hiyoko.services.ec2.filters import Filters, describe
from hiyoko.services.ec2.making import new_id
from hiyoko.services.ec2.model import InternetGateway
from hiyoko.services.ec2.operation import operation
from hiyoko.services.ec2.tags import shown, wanted_tags


def _view(_: Call, gateway: InternetGateway) -> dict[str, Any]:
    attachments = [{"VpcId": gateway.vpc_id, "State": "available"}] if gateway.vpc_id else []
    return {
        "InternetGatewayId": gateway.internet_gateway_id,
        "OwnerId": gateway.account,
        "Attachments": attachments,
        "Tags": shown(gateway.tags),
    }


@operation("CreateInternetGateway", "TagSpecifications")
def create_internet_gateway(call: Call, request: Request) -> Response:
    """Record a detached gateway."""
    gateway = InternetGateway(
        account=call.account,
        region=call.region,
        internet_gateway_id=new_id(call, "igw"),
        tags=wanted_tags(request, "internet-gateway"),
    )
    rows.INTERNET_GATEWAYS.put(call, gateway)
    return {"InternetGateway": _view(call, gateway)}


_FILTERS: Filters[InternetGateway] = {
    "attachment.state": lambda gateway: "available" if gateway.vpc_id else [],
    "attachment.vpc-id": lambda gateway: gateway.vpc_id or [],
    "internet-gateway-id": lambda gateway: gateway.internet_gateway_id,
    "owner-id": lambda gateway: gateway.account,
}


@operation("DescribeInternetGateways", "InternetGatewayIds", "Filters", "MaxResults", "NextToken")
def describe_internet_gateways(call: Call, request: Request) -> Response:
    """Internet gateways by id or filter."""
    return describe(
        call,
        rows.INTERNET_GATEWAYS,
        request,
        _view,
        _FILTERS,
        ids="InternetGatewayIds",
        answer="InternetGateways",
    )


@operation("DeleteInternetGateway", "InternetGatewayId")
def delete_internet_gateway(call: Call, request: Request) -> Response:
    """Delete a detached gateway."""
    gateway = rows.INTERNET_GATEWAYS.get(call, request["InternetGatewayId"])
    if gateway.vpc_id:
        raise errors.has_dependencies("internetGateway", gateway.internet_gateway_id)
    rows.INTERNET_GATEWAYS.delete(call, gateway)
    return {}


@operation("AttachInternetGateway", "InternetGatewayId", "VpcId")
def attach_internet_gateway(call: Call, request: Request) -> Response:
    """Attach the gateway to a VPC that has none."""
    gateway = rows.INTERNET_GATEWAYS.get(call, request["InternetGatewayId"])
    vpc = rows.get_vpc(call, request["VpcId"])
    if gateway.vpc_id:
        raise errors.already_associated(
            f"resource {gateway.internet_gateway_id} is already attached to network"
            f" {gateway.vpc_id}"
        )
    if rows.find_attached_gateway(call, vpc.vpc_id):
        raise errors.bad_value(f"Network {vpc.vpc_id} already has an internet gateway attached")
    rows.INTERNET_GATEWAYS.put(call, replace(gateway, vpc_id=vpc.vpc_id))
    return {}


@operation("DetachInternetGateway", "InternetGatewayId", "VpcId")
def detach_internet_gateway(call: Call, request: Request) -> Response:
    """Detach the gateway; refused while an interface of the VPC has a public address."""
    gateway = rows.INTERNET_GATEWAYS.get(call, request["InternetGatewayId"])
    vpc = rows.get_vpc(call, request["VpcId"])
    if gateway.vpc_id != vpc.vpc_id:
        raise errors.not_attached(
            f"resource {gateway.internet_gateway_id} is not attached to network {vpc.vpc_id}"
        )
    mapped = any(rows.public_ip_of(call, i) for i in rows.INTERFACES.list(call, vpc_id=vpc.vpc_id))
    ending = any(
        rows.nat_gateway_seen(call, nat.nat_gateway_id)
        for nat in rows.NAT_GATEWAYS.list(call, vpc_id=vpc.vpc_id)
    )
    if mapped or ending:
        raise AwsError(
            "DependencyViolation",
            f"Network {vpc.vpc_id} has some mapped public address(es). Please unmap those public"
            " address(es) before detaching the gateway.",
        )
    rows.INTERNET_GATEWAYS.put(call, replace(gateway, vpc_id=""))
    return {}
