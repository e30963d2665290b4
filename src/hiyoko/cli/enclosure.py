"""What ``hiyoko check`` says of a site with ``egress: endpoints``: the APIs' words, no packets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hiyoko.cli.stack import SiteStack
from hiyoko.probe import Result
from hiyoko.site.endpoints import S3, SERVICES

_TARGETS = (
    "GatewayId", "NatGatewayId", "NetworkInterfaceId", "TransitGatewayId", "InstanceId",
    "VpcPeeringConnectionId", "EgressOnlyInternetGatewayId",
)  # fmt: skip


def enclosure(stack: SiteStack) -> Iterator[Result]:
    """Each endpoint is available and leads somewhere; the private subnets' table leads only there.

    A gateway endpoint without a route serves nobody, and AWS calls it available all the same.
    """
    ec2 = stack.target.client("ec2")
    physical = {name: item["PhysicalResourceId"] for name, item in stack.resources().items()}
    ids = {physical[name]: name for name in (*SERVICES, S3) if name in physical}
    only = [{"Name": "vpc-endpoint-id", "Values": sorted(ids)}]
    found = ec2.describe_vpc_endpoints(Filters=only)["VpcEndpoints"]
    table = physical["PrivateRouteTable"]
    shown = {ids[endpoint["VpcEndpointId"]]: _endpoint(endpoint, table) for endpoint in found}
    for name, service in (*SERVICES.items(), (S3, "s3")):
        yield shown.get(name) or Result(f"endpoint of {service}", False, 0.0, "is not there")
    (described,) = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
    ways = [target for route in described["Routes"] if (target := _way_out(route))]
    said = f"{table} leads to {', '.join(ways)}" if ways else f"{table} leads to endpoints only"
    yield Result("tasks have no way out", not ways, 0.0, said)


def _endpoint(endpoint: dict[str, Any], table: str) -> Result:
    # com.amazonaws.REGION.ecr.dkr
    name = f"endpoint of {endpoint['ServiceName'].split('.', 3)[3]}"
    state = str(endpoint["State"])
    if endpoint["VpcEndpointType"] == "Gateway" and table not in endpoint["RouteTableIds"]:
        return Result(name, False, 0.0, f"{state}, but {table} has no route to it")
    return Result(name, state == "available", 0.0, state)


def _way_out(route: dict[str, Any]) -> str:
    """A route's target, when it is neither the VPC itself nor an endpoint."""
    target = next((str(route[name]) for name in _TARGETS if route.get(name)), "")
    return "" if target == "local" or target.startswith("vpce-") else target
