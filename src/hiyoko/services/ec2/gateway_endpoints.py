"""Gateway endpoints: routes to a service's own addresses, by its prefix list.

The routes are the endpoint's: they come with a table's association and go with it.
https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hiyoko.api import AwsError, Call, Request
from hiyoko.services.ec2 import errors, rows
from hiyoko.services.ec2.endpoint_views import service_name
from hiyoko.services.ec2.model import Route, RouteTable, VpcEndpoint, aws_prefix_lists

PER_REGION_MAX = 20
"""https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-limits-endpoints.html"""


def check_gateway_quota(call: Call) -> None:
    """Raises VpcEndpointLimitExceeded when the region has as many as it may."""
    there = sum(each.gateway and each.works for each in rows.VPC_ENDPOINTS.list(call))
    if there >= PER_REGION_MAX:
        raise AwsError(
            "VpcEndpointLimitExceeded",
            f"The maximum number of gateway VPC endpoints ({PER_REGION_MAX}) has been reached.",
        )


def put_routes(call: Call, endpoint: VpcEndpoint, table_ids: Iterable[str]) -> None:
    """Give tables a route to the endpoint. Raises RouteAlreadyExists where there is one."""
    key = _prefix_list_id(endpoint)
    for table_id in dict.fromkeys(table_ids):
        table = _table(call, endpoint, table_id)
        if any(route.destination == key for route in table.routes):
            raise AwsError(
                "RouteAlreadyExists",
                f"route table {table_id} already has a route with destination-prefix-list-id {key}",
            )
        route = Route(key, endpoint.vpc_endpoint_id)
        rows.ROUTE_TABLES.put(call, replace(table, routes=(*table.routes, route)))


def drop_routes(call: Call, endpoint: VpcEndpoint, keep: Iterable[str]) -> None:
    """Take its routes out of every table but those to keep."""
    for table in rows.ROUTE_TABLES.list(call, vpc_id=endpoint.vpc_id):
        left = tuple(r for r in table.routes if r.target != endpoint.vpc_endpoint_id)
        if len(left) < len(table.routes) and table.route_table_id not in keep:
            rows.ROUTE_TABLES.put(call, replace(table, routes=left))


def change_routes(call: Call, endpoint: VpcEndpoint, request: Request) -> None:
    """ModifyVpcEndpoint's route tables: those to remove, then those to add."""
    drop = [_table(call, endpoint, each) for each in request.get("RemoveRouteTableIds") or ()]
    tables = rows.ROUTE_TABLES.list(call, vpc_id=endpoint.vpc_id)
    every = {table.route_table_id for table in tables}
    drop_routes(call, endpoint, every - {table.route_table_id for table in drop})
    put_routes(call, endpoint, request.get("AddRouteTableIds") or ())


def _prefix_list_id(endpoint: VpcEndpoint) -> str:
    wanted = service_name(endpoint.region, endpoint.service)
    lists = aws_prefix_lists(endpoint.region)
    return next(each.prefix_list_id for each in lists if each.name == wanted)


def _table(call: Call, endpoint: VpcEndpoint, table_id: str) -> RouteTable:
    table = rows.ROUTE_TABLES.get(call, table_id)
    if table.vpc_id != endpoint.vpc_id:
        raise errors.bad_value(
            f"Route table {table_id} and VPC endpoint {endpoint.vpc_endpoint_id}"
            " belong to different networks"
        )
    return table
