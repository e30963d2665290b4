"""Reusable delegation sets: four name servers that several zones of an account share.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_CreateReusableDelegationSet.html
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace
from operator import attrgetter

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.route53 import errors, names, rows, views
from hiyoko.services.route53.model import GLOBAL, DelegationSet, HostedZone
from hiyoko.services.route53.pages import marker_page

SETS_MAX = 100
ZONES_MAX = 100
"""How many zones share a set."""
_LOCATION = "https://route53.amazonaws.com/2013-04-01/delegationset/"


@operation("CreateReusableDelegationSet")
def create_reusable_delegation_set(call: Call, request: Request) -> Response:
    """A set of name servers that no zone has, or of those that a public zone has."""
    mine = rows.DELEGATION_SETS.list(call.tx, account=call.account)
    if any(one.caller_reference == request["CallerReference"] for one in mine):
        raise errors.delegation_set_already_created()
    if len(mine) >= SETS_MAX:
        raise errors.limits_exceeded(f"Limit of {SETS_MAX} reusable delegation sets exceeded.")
    set_id = "N" + call.ids.hex(20).upper()
    zone_id = request.get("HostedZoneId")
    servers = _servers_of(call, zone_id, set_id) if zone_id else _new_servers(call, mine)
    made = DelegationSet(
        account=call.account,
        region=GLOBAL,
        set_id=set_id,
        caller_reference=request["CallerReference"],
        servers=servers,
    )
    rows.DELEGATION_SETS.insert(call.tx, made)
    return {"DelegationSet": views.reusable_set(made), "Location": _LOCATION + set_id}


def _new_servers(call: Call, mine: list[DelegationSet]) -> tuple[int, ...]:
    """Name servers that none of the account's zones and sets has, as long as there are such."""
    held = [zone.servers for zone in rows.list_zones(call.tx, call.account)]
    taken = {n for servers in (*held, *(one.servers for one in mine)) for n in servers}
    servers = free_servers(call, taken) or free_servers(call, frozenset())
    assert servers is not None, "where nothing is taken, something is free"
    return servers


def _servers_of(call: Call, zone_id: str, set_id: str) -> tuple[int, ...]:
    """A zone's name servers, which belong to the set from now on."""
    zone = rows.ZONES.find(call.tx, zone_id=rows.bare_id(zone_id))
    if zone is None or zone.account != call.account:
        raise errors.hosted_zone_not_found(rows.bare_id(zone_id))
    if zone.private:
        raise errors.invalid_input("A private hosted zone has no delegation set.")
    if zone.delegation_set:
        raise errors.delegation_set_already_reusable()
    rows.put_zone(call.tx, replace(zone, delegation_set=set_id))
    return zone.servers


@operation("GetReusableDelegationSet")
def get_reusable_delegation_set(call: Call, request: Request) -> Response:
    """One set."""
    found = rows.get_delegation_set(call.tx, call.account, request["Id"])
    return {"DelegationSet": views.reusable_set(found)}


@operation("ListReusableDelegationSets")
def list_reusable_delegation_sets(call: Call, request: Request) -> Response:
    """The account's sets, a page at a time; the marker is the first id of the next page."""
    mine = rows.DELEGATION_SETS.list(call.tx, account=call.account)
    return marker_page(request, "DelegationSets", mine, attrgetter("set_id"), views.reusable_set)


@operation("DeleteReusableDelegationSet")
def delete_reusable_delegation_set(call: Call, request: Request) -> Response:
    """Delete a set that no zone has."""
    found = rows.get_delegation_set(call.tx, call.account, request["Id"])
    if zones_of(call, found.set_id):
        raise errors.delegation_set_in_use()
    rows.DELEGATION_SETS.delete(call.tx, set_id=found.set_id)
    return {}


@operation("GetReusableDelegationSetLimit")
def get_reusable_delegation_set_limit(call: Call, request: Request) -> Response:
    """How many zones may share a set, and how many do."""
    found = rows.get_delegation_set(call.tx, call.account, request["DelegationSetId"])
    limit = {"Type": request["Type"], "Value": ZONES_MAX}
    return {"Limit": limit, "Count": len(zones_of(call, found.set_id))}


def zones_of(call: Call, set_id: str) -> list[HostedZone]:
    """The zones that share a set."""
    mine = rows.list_zones(call.tx, call.account)
    return [zone for zone in mine if zone.delegation_set == set_id]


def servers_for(call: Call, set_id: str, name: str) -> tuple[int, ...]:
    """A set's name servers for a new zone of this name.

    None of them may serve a zone of the name, or one right above or below it.
    """
    found = rows.get_delegation_set(call.tx, call.account, set_id)
    if len(zones_of(call, found.set_id)) >= ZONES_MAX:
        raise errors.too_many("HostedZones", ZONES_MAX)
    for zone in rows.list_all_zones(call.tx):
        related = zone.name == name or _above(zone.name) == name or _above(name) == zone.name
        if related and set(zone.servers) & set(found.servers):
            raise errors.conflicting_name_servers(name, zone.name)
    return found.servers


def _above(name: str) -> str:
    return name.split(".", 1)[1]


def free_servers(call: Call, taken: Set[int]) -> tuple[int, ...] | None:
    """One server below each top-level domain, none of them taken; None where all are.

    The first is named in a zone's SOA; Route 53's sets are in no order, so the chance decides.
    """
    chosen = []
    for block in range(len(names.NAME_SERVER_TLDS)):
        start = int(call.ids.hex(8), 16)
        free = (block * 512 + (start + step) % 512 for step in range(512))
        number = next((n for n in free if n not in taken), None)
        if number is None:
            return None
        chosen.append(number)
    turn = int(call.ids.hex(8), 16) % len(chosen)
    return (*chosen[turn:], *chosen[:turn])
