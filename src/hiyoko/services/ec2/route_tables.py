"""Route tables, their associations and their routes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response
from hiyoko.services.ec2 import errors, rows
from hiyoko.services.ec2.filters import Filters, describe, truth
from hiyoko.services.ec2.making import new_id
from hiyoko.services.ec2.model import Association, RouteTable
from hiyoko.services.ec2.operation import operation
from hiyoko.services.ec2.routes import route_views
from hiyoko.services.ec2.tags import shown, wanted_tags

ASSOCIATED = {"State": "associated"}


def _view(call: Call, table: RouteTable) -> dict[str, Any]:
    return {
        "RouteTableId": table.route_table_id,
        "VpcId": table.vpc_id,
        "OwnerId": table.account,
        "Associations": [_association(table, a) for a in table.associations],
        "Routes": route_views(call, table),
        "PropagatingVgws": [],
        "Tags": shown(table.tags),
    }


def _association(table: RouteTable, association: Association) -> dict[str, Any]:
    view = {
        "RouteTableAssociationId": association.association_id,
        "RouteTableId": table.route_table_id,
        "Main": not association.subnet_id,
        "AssociationState": ASSOCIATED,
    }
    if association.subnet_id:
        view["SubnetId"] = association.subnet_id
    return view


@operation("CreateRouteTable", "VpcId", "TagSpecifications", "ClientToken")
def create_route_table(call: Call, request: Request) -> Response:
    """Record a table that holds the local routes only."""
    vpc = rows.get_vpc(call, request["VpcId"])
    table = RouteTable(
        account=call.account,
        region=call.region,
        route_table_id=new_id(call, "rtb"),
        vpc_id=vpc.vpc_id,
        tags=wanted_tags(request, "route-table"),
    )
    rows.ROUTE_TABLES.put(call, table)
    return {"RouteTable": _view(call, table)}


def _filters(call: Call) -> Filters[RouteTable]:
    def routes(table: RouteTable, member: str) -> Iterable[str]:
        return [str(r[member]) for r in route_views(call, table) if member in r]

    return {
        "association.main": lambda t: [truth(not a.subnet_id) for a in t.associations],
        "association.route-table-association-id": lambda t: [
            a.association_id for a in t.associations
        ],
        "association.route-table-id": lambda t: t.route_table_id if t.associations else [],
        "association.subnet-id": lambda t: [a.subnet_id for a in t.associations if a.subnet_id],
        "owner-id": lambda t: t.account,
        "route-table-id": lambda t: t.route_table_id,
        "route.destination-cidr-block": lambda t: routes(t, "DestinationCidrBlock"),
        "route.destination-prefix-list-id": lambda t: routes(t, "DestinationPrefixListId"),
        "route.gateway-id": lambda t: routes(t, "GatewayId"),
        "route.nat-gateway-id": lambda t: routes(t, "NatGatewayId"),
        "route.origin": lambda t: routes(t, "Origin"),
        "route.state": lambda t: routes(t, "State"),
        "vpc-id": lambda t: t.vpc_id,
    }


@operation("DescribeRouteTables", "RouteTableIds", "Filters", "MaxResults", "NextToken")
def describe_route_tables(call: Call, request: Request) -> Response:
    """Route tables by id or filter."""
    return describe(
        call,
        rows.ROUTE_TABLES,
        request,
        _view,
        _filters(call),
        ids="RouteTableIds",
        answer="RouteTables",
    )


@operation("DeleteRouteTable", "RouteTableId")
def delete_route_table(call: Call, request: Request) -> Response:
    """Delete a table that no subnet uses and that isn't the main one."""
    table = rows.ROUTE_TABLES.get(call, request["RouteTableId"])
    if table.associations:
        raise errors.has_dependencies("routeTable", table.route_table_id)
    rows.ROUTE_TABLES.delete(call, table)
    return {}


@operation("AssociateRouteTable", "RouteTableId", "SubnetId")
def associate_route_table(call: Call, request: Request) -> Response:
    """Let a subnet use the table. Associating it with the same table again changes nothing."""
    table = rows.ROUTE_TABLES.get(call, request["RouteTableId"])
    if not request.get("SubnetId"):
        raise errors.missing("subnetId")
    subnet = rows.get_subnet(call, request["SubnetId"])
    if subnet.vpc_id != table.vpc_id:
        raise errors.bad_value(
            f"Route table {table.route_table_id} and subnet {subnet.subnet_id}"
            " belong to different networks"
        )
    for other in rows.ROUTE_TABLES.list(call, vpc_id=table.vpc_id):
        for association in other.associations:
            if association.subnet_id != subnet.subnet_id:
                continue
            if other != table:
                raise errors.already_associated(
                    f"the specified association for route table {table.route_table_id}"
                    " conflicts with an existing association"
                )
            return {"AssociationId": association.association_id, "AssociationState": ASSOCIATED}
    tie = Association(new_id(call, "rtbassoc"), subnet.subnet_id)
    rows.ROUTE_TABLES.put(call, replace(table, associations=(*table.associations, tie)))
    return {"AssociationId": tie.association_id, "AssociationState": ASSOCIATED}


def _find_association(call: Call, association_id: str) -> tuple[RouteTable, Association]:
    for table in rows.ROUTE_TABLES.list(call):
        for association in table.associations:
            if association.association_id == association_id:
                return table, association
    raise AwsError(
        "InvalidAssociationID.NotFound", f"The association ID '{association_id}' does not exist"
    )


def _without(table: RouteTable, association: Association) -> RouteTable:
    left = tuple(a for a in table.associations if a != association)
    return replace(table, associations=left)


@operation("DisassociateRouteTable", "AssociationId")
def disassociate_route_table(call: Call, request: Request) -> Response:
    """Let the subnet use the main table again."""
    table, association = _find_association(call, request["AssociationId"])
    if not association.subnet_id:
        raise errors.bad_value(
            f"cannot disassociate the main route table association {association.association_id}"
        )
    rows.ROUTE_TABLES.put(call, _without(table, association))
    return {}


@operation("ReplaceRouteTableAssociation", "AssociationId", "RouteTableId")
def replace_route_table_association(call: Call, request: Request) -> Response:
    """Move a subnet's, or the VPC's main, association to another table; its id is new."""
    table, association = _find_association(call, request["AssociationId"])
    target = rows.ROUTE_TABLES.get(call, request["RouteTableId"])
    if target.vpc_id != table.vpc_id:
        raise errors.bad_value(
            f"Route table {target.route_table_id} and route table {table.route_table_id}"
            " belong to different networks"
        )
    rows.ROUTE_TABLES.put(call, _without(table, association))
    target = rows.ROUTE_TABLES.get(call, target.route_table_id)
    tie = Association(new_id(call, "rtbassoc"), association.subnet_id)
    rows.ROUTE_TABLES.put(call, replace(target, associations=(*target.associations, tie)))
    return {"NewAssociationId": tie.association_id, "AssociationState": ASSOCIATED}
