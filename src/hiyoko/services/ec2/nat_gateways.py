"""Public, zonal NAT gateways. Private and regional ones are refused by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, unsupported
from hiyoko.services.ec2 import errors, rows
from hiyoko.services.ec2.filters import Filters, describe
from hiyoko.services.ec2.making import new_id
from hiyoko.services.ec2.making_interfaces import make_interface, map_address, unmake_interface
from hiyoko.services.ec2.model import Address, NatGateway, Subnet
from hiyoko.services.ec2.operation import operation
from hiyoko.services.ec2.tags import shown, wanted_tags

Failure = tuple[str, str]


def _state(call: Call, nat: NatGateway) -> str:
    return nat.state(rows.nat_gateway_seen(call, nat.nat_gateway_id))


def _view(call: Call, nat: NatGateway) -> dict[str, Any]:
    state = _state(call, nat)
    view = {
        "NatGatewayId": nat.nat_gateway_id,
        "VpcId": nat.vpc_id,
        "SubnetId": nat.subnet_id,
        "State": state,
        "CreateTime": nat.created_at,
        "ConnectivityType": "public",
        "NatGatewayAddresses": [_address_view(nat, state)],
        "Tags": shown(nat.tags),
    }
    if nat.deleted_at is not None:
        view["DeleteTime"] = nat.deleted_at
    if state == "failed":
        view |= {"FailureCode": nat.failure_code, "FailureMessage": nat.failure_message}
    return view


def _address_view(nat: NatGateway, state: str) -> dict[str, Any]:
    statuses = {"pending": "associating", "failed": "failed", "deleting": "disassociating"}
    view: dict[str, Any] = {
        "AllocationId": nat.allocation_id,
        "IsPrimary": True,
        "Status": statuses.get(state, "succeeded"),
    }
    if nat.eni_id:
        view |= {
            "NetworkInterfaceId": nat.eni_id,
            "PrivateIp": nat.private_ip,
            "PublicIp": nat.public_ip,
            "AssociationId": nat.association_id,
        }
    return view


@operation(
    "CreateNatGateway", "SubnetId", "AllocationId", "ConnectivityType", "PrivateIpAddress",
    "AvailabilityMode", "ClientToken", "TagSpecifications",
)  # fmt: skip
def create_nat_gateway(call: Call, request: Request) -> Response:
    """Record the gateway and its interface. It answers ``pending`` even where it will fail."""
    if request.get("ConnectivityType", "public") != "public":
        raise unsupported("ConnectivityType", request["ConnectivityType"])
    if request.get("AvailabilityMode", "zonal") != "zonal":
        raise unsupported("AvailabilityMode", request["AvailabilityMode"])
    if not request.get("SubnetId"):
        raise errors.missing("subnetId")
    if not request.get("AllocationId"):
        raise errors.missing("allocationId")
    subnet = rows.get_subnet(call, request["SubnetId"])
    nat = NatGateway(
        account=call.account,
        region=call.region,
        nat_gateway_id=new_id(call, "nat"),
        vpc_id=subnet.vpc_id,
        subnet_id=subnet.subnet_id,
        zone=subnet.zone,
        allocation_id=request["AllocationId"],
        created_at=call.now,
        tags=wanted_tags(request, "natgateway"),
    )
    address = rows.ADDRESSES.find(call, nat.allocation_id)
    failure = _failure(call, nat, address)
    if failure is None and address is not None:
        nat = _placed(call, nat, subnet, address, request.get("PrivateIpAddress") or "")
    elif failure is not None:
        nat = replace(nat, failure_code=failure[0], failure_message=failure[1])
    rows.NAT_GATEWAYS.put(call, nat)
    # The failure shows from the next describe on, as on AWS.
    answer = replace(nat, failure_code="", failure_message="")
    response = {"NatGateway": _view(call, answer)}
    if request.get("ClientToken"):
        response["ClientToken"] = request["ClientToken"]
    return response


def _failure(call: Call, nat: NatGateway, address: Address | None) -> Failure | None:
    """What AWS finds wrong after the answer.

    https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html
    """
    if address is None:
        return (
            "InvalidAllocationID.NotFound",
            f"Elastic IP address {nat.allocation_id} could not be associated with this NAT gateway",
        )
    if rows.find_attached_gateway(call, nat.vpc_id) is None:
        return (
            "Gateway.NotAttached",
            f"Network {nat.vpc_id} has no Internet gateway attached",
        )
    if address.association_id:
        return (
            "Resource.AlreadyAssociated",
            f"Elastic IP address {nat.allocation_id} is already associated",
        )
    return None


def _placed(
    call: Call, nat: NatGateway, subnet: Subnet, address: Address, private_ip: str
) -> NatGateway:
    """The gateway with its interface and its address, or failed for want of an address."""
    try:
        interface = make_interface(
            call,
            subnet,
            None,
            description=f"Interface for NAT Gateway {nat.nat_gateway_id}",
            private_ip=private_ip,
            interface_type="nat_gateway",
            requester_id="amazon-vpc-nat",
        )
    except AwsError as error:
        if error.code != "InsufficientFreeAddressesInSubnet":
            raise
        message = "Subnet has insufficient free addresses to create this NAT gateway"
        return replace(nat, failure_code=error.code, failure_message=message)
    mapped = map_address(call, address, interface)
    return replace(
        nat,
        eni_id=interface.eni_id,
        private_ip=interface.private_ip,
        public_ip=mapped.public_ip,
        association_id=mapped.association_id,
    )


def _filters(call: Call) -> Filters[NatGateway]:
    return {
        "nat-gateway-id": lambda nat: nat.nat_gateway_id,
        "state": lambda nat: _state(call, nat),
        "subnet-id": lambda nat: nat.subnet_id,
        "vpc-id": lambda nat: nat.vpc_id,
    }


@operation("DescribeNatGateways", "NatGatewayIds", "Filter", "MaxResults", "NextToken")
def describe_nat_gateways(call: Call, request: Request) -> Response:
    """NAT gateways by id or filter; failed and deleted ones for an hour."""
    for nat_gateway_id in request.get("NatGatewayIds") or ():
        _get(call, nat_gateway_id)
    return describe(
        call,
        rows.NAT_GATEWAYS,
        request,
        _view,
        _filters(call),
        ids="NatGatewayIds",
        answer="NatGateways",
        filter_parameter="Filter",
        rows=[nat for nat in rows.NAT_GATEWAYS.list(call) if nat.listed(call.now)],
    )


def _get(call: Call, nat_gateway_id: str) -> NatGateway:
    nat = rows.NAT_GATEWAYS.get(call, nat_gateway_id)
    if not nat.listed(call.now):
        raise AwsError("NatGatewayNotFound", f"The Nat Gateway {nat_gateway_id} was not found")
    return nat


@operation("DeleteNatGateway", "NatGatewayId")
def delete_nat_gateway(call: Call, request: Request) -> Response:
    """Wish the gateway gone: its address is free at once, its routes become blackholes."""
    nat = _get(call, request["NatGatewayId"])
    if nat.deleted_at is None:
        interface = rows.find_interface(call, nat.eni_id) if nat.eni_id else None
        if interface is not None:
            unmake_interface(call, interface)
        rows.NAT_GATEWAYS.put(call, replace(nat, deleted_at=call.now))
    return {"NatGatewayId": nat.nat_gateway_id}
