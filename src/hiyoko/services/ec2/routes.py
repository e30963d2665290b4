"""Routes, and what has become of their targets."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response
from hiyoko.services.ec2 import errors, rows
from hiyoko.services.ec2.cidr import read_cidr
from hiyoko.services.ec2.model import Route, RouteTable, Vpc
from hiyoko.services.ec2.operation import operation

DESTINATIONS = ("DestinationCidrBlock", "DestinationPrefixListId")
ROUTE_MEMBERS = (
    "RouteTableId", *DESTINATIONS, "GatewayId", "NatGatewayId", "NetworkInterfaceId",
)  # fmt: skip
TARGETS = ("GatewayId", "NatGatewayId", "NetworkInterfaceId")
RESERVED = IPv4Network("169.254.168.0/22")
"""No route may lie here (instance services).
https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Route_Tables.html#route-table-routes"""


def route_views(call: Call, table: RouteTable) -> list[dict[str, Any]]:
    """The table's routes as shown: the local ones first; a blackhole where the target is gone."""
    vpc = rows.get_vpc(call, table.vpc_id)
    views: list[dict[str, Any]] = [
        {
            "DestinationCidrBlock": a.cidr,
            "GatewayId": "local",
            "Origin": "CreateRouteTable",
            "State": "active",
        }
        for a in vpc.cidrs
    ]
    for route in table.routes:
        view: dict[str, Any] = {
            _destination_member(route): route.destination,
            "Origin": "CreateRoute",
            "State": "active" if _stands(call, vpc, route.target) else "blackhole",
        }
        views.append(view | {_member(route.target): route.target})
    return views


def _destination_member(route: Route) -> str:
    return DESTINATIONS[route.by_prefix_list]


def _member(target: str) -> str:
    prefixes = {"nat": "NatGatewayId", "eni": "NetworkInterfaceId"}
    return prefixes.get(target.partition("-")[0], "GatewayId")


def _stands(call: Call, vpc: Vpc, target: str) -> bool:
    if target.startswith("vpce-"):
        return True  # an endpoint takes its routes with it
    match _member(target):
        case "GatewayId":
            gateway = rows.INTERNET_GATEWAYS.find(call, target)
            return gateway is not None and gateway.vpc_id == vpc.vpc_id
        case "NatGatewayId":
            nat = rows.NAT_GATEWAYS.find(call, target)
            return nat is not None and nat.works
        case _:
            interface = rows.INTERFACES.find(call, target)
            return interface is not None and bool(interface.attachment_id)


def _read(call: Call, request: Request) -> tuple[RouteTable, Vpc, Route]:
    """The table, its VPC and the route that is asked for, checked."""
    table = rows.ROUTE_TABLES.get(call, request["RouteTableId"])
    vpc = rows.get_vpc(call, table.vpc_id)
    destination = _destination(call, request)
    named = [member for member in TARGETS if request.get(member)]
    if len(named) != 1:
        raise errors.bad_combination(
            "The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId"
        )
    target = request[named[0]]
    match named[0]:
        case "GatewayId":
            _check_gateway(call, table, target)
        case "NatGatewayId":
            _check_nat_gateway(call, table, target)
        case _:
            _check_interface(call, table, target)
    route = Route(destination, target)
    if not route.by_prefix_list:
        _check_inside(call, vpc, IPv4Network(destination), named[0])
    return table, vpc, route


def _destination(call: Call, request: Request) -> str:
    """A CIDR, or the id of a prefix list that is there."""
    if request.get("DestinationPrefixListId"):
        if request.get("DestinationCidrBlock"):
            raise errors.bad_combination(
                "The request must contain exactly one of destinationCidrBlock,"
                " destinationPrefixListId"
            )
        return rows.get_prefix_list(call, request["DestinationPrefixListId"]).prefix_list_id
    text = request.get("DestinationCidrBlock")
    if not text:
        raise errors.missing("destinationCidrBlock")
    network = read_cidr(text, "destinationCidrBlock")
    if network.subnet_of(RESERVED):
        raise errors.bad_value(f"The destination CIDR block {network} is not supported.")
    return str(network)


def _check_gateway(call: Call, table: RouteTable, target: str) -> None:
    if target.startswith("vpce-"):
        # Its routes come and go with the endpoint's list of route tables.
        raise errors.bad_value(
            "Cannot create or replace a prefix list route targeting a VPC Endpoint."
        )
    if not target.startswith("igw-"):
        raise errors.bad_value(f"Value ({target}) for parameter gatewayId is invalid.")
    gateway = rows.INTERNET_GATEWAYS.find(call, target)
    if gateway is None:
        raise AwsError("InvalidGatewayID.NotFound", f"The gateway ID '{target}' does not exist")
    if gateway.vpc_id != table.vpc_id:
        raise errors.bad_value(
            f"route table {table.route_table_id} and network gateway {target}"
            " belong to different networks"
        )


def _check_nat_gateway(call: Call, table: RouteTable, target: str) -> None:
    nat = rows.NAT_GATEWAYS.find(call, target)
    if nat is None or nat.deleted_at is not None:
        raise AwsError(
            "InvalidNatGatewayID.NotFound", f"The natGateway ID '{target}' does not exist"
        )
    if nat.vpc_id != table.vpc_id:
        raise errors.bad_value(
            f"route table {table.route_table_id} and nat gateway {target}"
            " belong to different networks"
        )


def _check_interface(call: Call, table: RouteTable, target: str) -> None:
    if rows.INTERFACES.get(call, target).vpc_id != table.vpc_id:
        raise errors.bad_value(
            f"route table {table.route_table_id} and interface {target}"
            " belong to different networks"
        )


def _check_inside(call: Call, vpc: Vpc, network: IPv4Network, member: str) -> None:
    """A destination inside the VPC must be a whole subnet's, and may not be sent outside.

    https://docs.aws.amazon.com/vpc/latest/userguide/route-table-options.html
    """
    if not any(network.subnet_of(IPv4Network(a.cidr)) for a in vpc.cidrs):
        return
    subnets = [IPv4Network(s.cidr) for s in rows.SUBNETS.list(call, vpc_id=vpc.vpc_id)]
    if member == "GatewayId" or network not in subnets:
        raise errors.bad_value(
            f"The destination CIDR block {network} is equal to or more specific than one of this"
            " VPC's CIDR blocks. This route can target only an interface or an instance."
        )


def _in_words(destination: str) -> str:
    return f"destination-{'prefix-list-id' if destination.startswith('pl-') else 'cidr-block'}"


def _others(table: RouteTable, destination: str) -> tuple[Route, ...]:
    return tuple(route for route in table.routes if route.destination != destination)


@operation("CreateRoute", *ROUTE_MEMBERS)
def create_route(call: Call, request: Request) -> Response:
    """Add a route; its destination must be new to the table."""
    table, vpc, route = _read(call, request)
    taken = [a.cidr for a in vpc.cidrs] + [r.destination for r in table.routes]
    if route.destination in taken:
        raise AwsError(
            "RouteAlreadyExists",
            f"The route identified by {route.destination} already exists.",
        )
    rows.ROUTE_TABLES.put(call, replace(table, routes=(*table.routes, route)))
    return {"Return": True}


@operation("ReplaceRoute", *ROUTE_MEMBERS)
def replace_route(call: Call, request: Request) -> Response:
    """Give a route that is there another target."""
    table, _, route = _read(call, request)
    _refuse_endpoint_route(table, route.destination)
    others = _others(table, route.destination)
    if len(others) == len(table.routes):
        raise errors.bad_value(
            f"There is no route defined for '{route.destination}' in the route table."
            " Use CreateRoute instead."
        )
    rows.ROUTE_TABLES.put(call, replace(table, routes=(*others, route)))
    return {}


def _refuse_endpoint_route(table: RouteTable, destination: str) -> None:
    """A route to an endpoint is changed through the endpoint."""
    for route in table.routes:
        if route.destination == destination and route.target.startswith("vpce-"):
            raise errors.bad_value(
                f"cannot remove VPC endpoint route {destination} in route table"
                f" {table.route_table_id}"
            )


@operation("DeleteRoute", "RouteTableId", *DESTINATIONS)
def delete_route(call: Call, request: Request) -> Response:
    """Delete a route that isn't local."""
    table = rows.ROUTE_TABLES.get(call, request["RouteTableId"])
    destination = _destination(call, request)
    _refuse_endpoint_route(table, destination)
    if destination in [a.cidr for a in rows.get_vpc(call, table.vpc_id).cidrs]:
        raise errors.bad_value(
            f"cannot remove local route {destination} in route table {table.route_table_id}"
        )
    others = _others(table, destination)
    if len(others) == len(table.routes):
        raise AwsError(
            "InvalidRoute.NotFound",
            f"no route with {_in_words(destination)} {destination}"
            f" in route table {table.route_table_id}",
        )
    rows.ROUTE_TABLES.put(call, replace(table, routes=others))
    return {}
