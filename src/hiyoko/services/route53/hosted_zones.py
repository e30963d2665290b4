"""Hosted zones: made, shown, listed, deleted."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.route53 import errors, names, rows, views
from hiyoko.services.route53.changes import submit
from hiyoko.services.route53.delegation_sets import free_servers, servers_for
from hiyoko.services.route53.model import (
    GLOBAL,
    CallerReference,
    HostedZone,
    default_records,
)
from hiyoko.services.route53.pages import marker_page, page_size
from hiyoko.services.route53.zone_vpcs import checked_vpc

_LOCATION = "https://route53.amazonaws.com/2013-04-01/hostedzone/"


@operation("CreateHostedZone")
def create_hosted_zone(call: Call, request: Request) -> Response:
    """Record a zone with its SOA and NS; a public one gets four name servers of its own."""
    for member in ("EnablePublicDNSFallback", "ChangeGuardrails"):
        if request.get(member):
            raise unsupported(member)
    return _create(call, request, _zone_name(request["Name"]))


def _create(call: Call, request: Request, name: str, linked: str = "") -> Response:
    config = request.get("HostedZoneConfig") or {}
    if rows.find_reference(call.tx, call.account, request["CallerReference"]) is not None:
        raise errors.hosted_zone_already_exists()
    vpcs = (checked_vpc(call, request["VPC"], name),) if request.get("VPC") else ()
    if config.get("PrivateZone") and not vpcs:
        raise errors.invalid_input(
            "When you're creating a private hosted zone (when you specify true for PrivateZone),"
            " you must also specify values for VPCId and VPCRegion."
        )
    set_id = rows.bare_id(request.get("DelegationSetId") or "")
    if set_id and vpcs:
        raise errors.invalid_input("A private hosted zone can't have a reusable delegation set.")
    zone = HostedZone(
        account=call.account,
        region=GLOBAL,
        zone_id="Z" + call.ids.hex(20).upper(),
        name=name,
        caller_reference=request["CallerReference"],
        private=bool(vpcs),
        servers=() if vpcs else _servers(call, set_id, name),
        vpcs=vpcs,
        created_at=call.now,
        comment=config.get("Comment") or None,
        delegation_set=set_id,
        linked=linked,
    )
    rows.insert_zone(call.tx, zone)
    rows.insert_reference(
        call.tx, CallerReference(call.account, GLOBAL, request["CallerReference"])
    )
    for record in default_records(zone):
        rows.put_record(call.tx, record)
    response: dict[str, Any] = {
        "HostedZone": views.hosted_zone(zone, 2),
        "ChangeInfo": submit(call),
        "Location": _LOCATION + zone.zone_id,
    }
    return response | _servers_or_vpc(zone)


def _servers(call: Call, set_id: str, name: str) -> tuple[int, ...]:
    """The set's name servers, or four that no other zone of the name has."""
    if set_id:
        return servers_for(call, set_id, name)
    taken = {n for zone in rows.list_zones_named(call.tx, name) for n in zone.servers}
    servers = free_servers(call, taken)
    if servers is None:
        raise errors.delegation_set_not_available()
    return servers


def _servers_or_vpc(zone: HostedZone) -> dict[str, Any]:
    if zone.private:
        return {"VPC": views.vpc(zone.vpcs[0])}
    return {"DelegationSet": views.delegation_set(zone)}


@operation("GetHostedZone")
def get_hosted_zone(call: Call, request: Request) -> Response:
    """A zone with its name servers, or its VPCs when it is private."""
    zone = rows.get_zone(call.tx, call.account, request["Id"])
    shown = {"HostedZone": _shown(call, zone)}
    if zone.private:
        return {**shown, "VPCs": [views.vpc(member) for member in zone.vpcs]}
    return {**shown, "DelegationSet": views.delegation_set(zone)}


@operation("GetHostedZoneCount")
def get_hosted_zone_count(call: Call, request: Request) -> Response:
    """How many zones the account has."""
    return {"HostedZoneCount": len(rows.list_zones(call.tx, call.account))}


@operation("ListHostedZones")
def list_hosted_zones(call: Call, request: Request) -> Response:
    """The account's zones, a page at a time; the marker is the next page's first zone."""
    zones = sorted(rows.list_zones(call.tx, call.account), key=lambda z: z.zone_id)
    if request.get("DelegationSetId"):
        wanted = rows.get_delegation_set(call.tx, call.account, request["DelegationSetId"])
        zones = [zone for zone in zones if zone.delegation_set == wanted.set_id]
    if request.get("HostedZoneType") == "PrivateHostedZone":
        zones = [zone for zone in zones if zone.private]
    return marker_page(request, "HostedZones", zones, attrgetter("zone_id"), partial(_shown, call))


@operation("ListHostedZonesByName")
def list_hosted_zones_by_name(call: Call, request: Request) -> Response:
    """Zones in the order of their reversed names; ``DNSName`` is where to start, not a filter."""
    if request.get("HostedZoneId") and not request.get("DNSName"):
        raise errors.invalid_input("The hosted zone ID is only valid together with a DNS name.")
    start = ("", "")
    if request.get("DNSName"):
        start = (
            names.order(_parsed(request["DNSName"])),
            rows.bare_id(request.get("HostedZoneId") or ""),
        )
    zones = sorted(
        (names.order(zone.name), zone.zone_id, zone)
        for zone in rows.list_zones(call.tx, call.account)
        if (names.order(zone.name), zone.zone_id) >= start
    )
    size = page_size(request)
    response: dict[str, Any] = {
        "HostedZones": [_shown(call, zone) for _, _, zone in zones[:size]],
        "IsTruncated": len(zones) > size,
        "MaxItems": str(size),
    }
    for member in ("DNSName", "HostedZoneId"):
        if request.get(member):
            response[member] = request[member]
    if len(zones) > size:
        response["NextDNSName"] = zones[size][2].name
        response["NextHostedZoneId"] = zones[size][2].zone_id
    return response


@operation("UpdateHostedZoneComment")
def update_hosted_zone_comment(call: Call, request: Request) -> Response:
    """Replace the comment; without one it is removed."""
    zone = rows.get_own_zone(call.tx, call.account, request["Id"])
    zone = replace(zone, comment=request.get("Comment") or None)
    rows.put_zone(call.tx, zone)
    return {"HostedZone": _shown(call, zone)}


@operation("DeleteHostedZone")
def delete_hosted_zone(call: Call, request: Request) -> Response:
    """Delete a zone that holds nothing but its apex SOA and NS."""
    return _delete(call, rows.get_own_zone(call.tx, call.account, request["Id"]))


def _delete(call: Call, zone: HostedZone) -> Response:
    for record in rows.list_records(call.tx, zone.zone_id):
        if record.name != zone.name or record.type not in {"NS", "SOA"}:
            raise errors.hosted_zone_not_empty()
    if rows.SIGNING_KEYS.list(call.tx, zone_id=zone.zone_id):
        raise errors.hosted_zone_has_keys()
    if rows.TRAFFIC_INSTANCES.list(call.tx, zone_id=zone.zone_id):
        raise errors.hosted_zone_not_empty()
    rows.QUERY_LOGGING.delete(call.tx, zone_id=zone.zone_id)
    rows.delete_zone(call.tx, zone)
    return {"ChangeInfo": submit(call)}


@operation("_CreateLinkedZone")
def create_linked_zone(call: Call, request: Request) -> Response:
    """Record another service's zone: CreateHostedZone's request with ``Owner`` (an ARN).

    A private one may have a name of a single label.
    """
    name = _parsed(request["Name"])
    return _create(
        call, request, name if request.get("VPC") else _zone_name(name), request["Owner"]
    )


@operation("_DeleteLinkedZone")
def delete_linked_zone(call: Call, request: Request) -> Response:
    """Delete another service's empty zone; ``{Id}``."""
    return _delete(call, rows.get_zone(call.tx, call.account, request["Id"]))


def _shown(call: Call, zone: HostedZone) -> dict[str, Any]:
    return views.hosted_zone(zone, rows.count_records(call.tx, zone.zone_id))


def _parsed(text: str) -> str:
    try:
        return names.stored_name(text)
    except names.BadName as error:
        raise errors.invalid_domain_name(text) from error


def _zone_name(text: str) -> str:
    name = _parsed(text)
    if name.count(".") < 2 or name.startswith("\\052."):
        raise errors.invalid_domain_name(text)
    return name
