"""Record sets: changed in batches, listed in Route 53's order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.elbv2 import rows as elbv2
from hiyoko.services.elbv2.model import canonical_hosted_zone_id
from hiyoko.services.route53 import errors, names, rows, views
from hiyoko.services.route53.batch import Batch, Wanted
from hiyoko.services.route53.changes import submit
from hiyoko.services.route53.model import GLOBAL, AliasTarget, HostedZone, RecordSet
from hiyoko.services.route53.pages import page_size
from hiyoko.services.route53.routing import parse_routing
from hiyoko.services.route53.values import SINGLE_VALUE_TYPES, VALUE_MAX

PAGE = 300
ELEMENTS_MAX = 1000
CHARACTERS_MAX = 32000
VALUES_MAX = 400
TTL_MAX = 2147483647
"""https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html#limits-api-requests-changeresourcerecordsets"""

_ALIAS_TYPES = frozenset({"A", "AAAA"})


@operation("ChangeResourceRecordSets")
def change_resource_record_sets(call: Call, request: Request) -> Response:
    """Apply the batch: every change or none."""
    return _change(call, rows.get_own_zone(call.tx, call.account, request["HostedZoneId"]), request)


@operation("_ChangeLinkedRecordSets")
def change_linked_record_sets(call: Call, request: Request) -> Response:
    """ChangeResourceRecordSets by the service that a zone belongs to."""
    return _change(call, rows.get_zone(call.tx, call.account, request["HostedZoneId"]), request)


def _change(call: Call, zone: HostedZone, request: Request) -> Response:
    batch = request["ChangeBatch"]
    changes = [_wanted(zone, change) for change in batch["Changes"]]
    _check_health_checks(call, changes)
    _check_locations(call, changes)
    _check_size(changes)
    before = {r.key: r for r in rows.RECORDS.list(call.tx, zone_id=zone.zone_id)}
    work = Batch(zone, dict(before), lambda alias: _alias_wrong(call, zone, alias))
    work.apply(changes)
    work.messages += _taken_by_policies(call, zone, changes)
    if work.messages:
        raise errors.invalid_change_batch(work.messages)
    for key, record in before.items():
        if key not in work.records:
            rows.delete_record(call.tx, record)
    for key, record in work.records.items():
        old = before.get(key)
        if old is not record and old != record:
            rows.put_record(call.tx, record)
    return {"ChangeInfo": submit(call, batch.get("Comment"))}


@operation("ListResourceRecordSets")
def list_resource_record_sets(call: Call, request: Request) -> Response:
    """The zone's sets from a start position (inclusive), a page at a time."""
    zone = rows.get_zone(call.tx, call.account, request["HostedZoneId"])
    start_name, start_type = request.get("StartRecordName"), request.get("StartRecordType") or ""
    start_set = request.get("StartRecordIdentifier") or ""
    if start_set and not start_type:
        raise errors.invalid_input("The input is not valid: an identifier needs a type.")
    if start_type and not start_name:
        raise errors.invalid_input("The input is not valid: a type needs a name to start at.")
    size = page_size(request, PAGE)
    records = rows.list_records(call.tx, zone.zone_id)
    if start_name:
        start = (names.order(_name(start_name)), start_type, start_set)
        records = [r for r in records if (names.order(r.name), r.type, r.set_id) >= start]
    response: dict[str, Any] = {
        "ResourceRecordSets": [views.record_set(record) for record in records[:size]],
        "IsTruncated": len(records) > size,
        "MaxItems": str(size),
    }
    if len(records) > size:
        response["NextRecordName"] = records[size].name
        response["NextRecordType"] = records[size].type
        if records[size].set_id:
            response["NextRecordIdentifier"] = records[size].set_id
    return response


def _name(text: str) -> str:
    try:
        return names.stored_name(text)
    except names.BadName as error:
        raise errors.invalid_change_batch([str(error)]) from error


def _wanted(zone: HostedZone, change: Mapping[str, Any]) -> Wanted:
    given = change["ResourceRecordSet"]
    name, kind = _name(given["Name"]), given["Type"]
    where = (
        f"[Action={change['Action']}, Name={name}, Type={kind},"
        f" SetIdentifier={given.get('SetIdentifier') or 'null'}]"
    )
    _check_one_of(where, given)
    routing = parse_routing(where, given)
    if zone.private and routing.get("proximity"):
        raise errors.invalid_input("Private zones have no geoproximity routing.")
    if zone.private and routing.get("cidr"):
        raise errors.invalid_input("Private zones have no IP-based routing.")
    if given.get("AliasTarget"):
        if kind not in _ALIAS_TYPES:
            raise unsupported("AliasTarget with Type", kind)
        ttl, values, alias = None, (), _alias(given["AliasTarget"])
    else:
        ttl, alias = int(given["TTL"]), None
        values = tuple(record["Value"] for record in given["ResourceRecords"])
        _check_values(kind, ttl, values)
    record = RecordSet(
        zone.account,
        GLOBAL,
        zone.zone_id,
        name,
        kind,
        ttl_s=ttl,
        values=values,
        alias=alias,
        **routing,
    )
    return Wanted(change["Action"], record)


def _taken_by_policies(call: Call, zone: HostedZone, changes: list[Wanted]) -> list[str]:
    """The sets whose name and type a traffic policy answers for."""
    taken = {(i.name, i.type) for i in rows.TRAFFIC_INSTANCES.list(call.tx, zone_id=zone.zone_id)}
    return [
        f"RRSet with DNS name {change.record.name}, type {change.record.type} cannot be changed"
        " as a traffic policy instance made it."
        for change in changes
        if (change.record.name, change.record.type) in taken
    ]


def _check_health_checks(call: Call, changes: list[Wanted]) -> None:
    for change in changes:
        if change.action != "DELETE" and change.record.health_check_id:
            rows.get_check(call.tx, call.account, change.record.health_check_id)


def _check_locations(call: Call, changes: list[Wanted]) -> None:
    for change in changes:
        cidr = change.record.cidr
        if change.action == "DELETE" or cidr is None:
            continue
        collection = rows.get_collection(call.tx, call.account, cidr.collection_id)
        if cidr.location != "*" and not collection.blocks(cidr.location):
            raise errors.no_such_cidr_location(cidr.location)


def _check_one_of(where: str, given: Mapping[str, Any]) -> None:
    has_records = given.get("TTL") is not None and bool(given.get("ResourceRecords"))
    has_part = given.get("TTL") is not None or bool(given.get("ResourceRecords"))
    has_alias = given.get("AliasTarget") is not None
    if has_alias and has_part:
        found = "more than one"
    elif not has_alias and not has_records:
        found = "none"
    else:
        return
    raise errors.invalid_input(
        "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords],"
        f" or TrafficPolicyInstanceId], but found {found} in Change with {where}"
    )


def _alias(given: Mapping[str, Any]) -> AliasTarget:
    return AliasTarget(
        zone_id=rows.bare_id(given["HostedZoneId"]),
        dns_name=_name(given["DNSName"]),
        evaluate_health=bool(given["EvaluateTargetHealth"]),
    )


def _check_values(kind: str, ttl: int, values: tuple[str, ...]) -> None:
    if not 0 <= ttl <= TTL_MAX:
        raise errors.invalid_input(f"Invalid TTL: {ttl}")
    if len(values) > VALUES_MAX or (kind in SINGLE_VALUE_TYPES and len(values) != 1):
        raise errors.invalid_input(f"Too many values for a record set of type {kind}.")
    if any(len(value) > VALUE_MAX for value in values):
        raise errors.invalid_input(f"A value is longer than {VALUE_MAX} characters.")
    if len(set(values)) != len(values):
        raise errors.invalid_change_batch(["Duplicate Resource Record: '" + values[0] + "'"])


def _check_size(changes: list[Wanted]) -> None:
    """An UPSERT counts twice: it may delete and create."""
    elements = characters = 0
    for change in changes:
        times = 2 if change.action == "UPSERT" else 1
        elements += times * max(1, len(change.record.values))
        characters += times * sum(len(value) for value in change.record.values)
    if elements > ELEMENTS_MAX:
        raise errors.invalid_change_batch([f"Number of records limit of {ELEMENTS_MAX} exceeded."])
    if characters > CHARACTERS_MAX:
        raise errors.invalid_change_batch(
            [f"Number of characters limit of {CHARACTERS_MAX} exceeded."]
        )


def _alias_wrong(call: Call, zone: HostedZone, alias: AliasTarget) -> str | None:
    """What is wrong with an alias whose target zone is another one: a load balancer's Region."""
    if not alias.dns_name.endswith(".amazonaws.com."):
        if rows.ZONES.find(call.tx, zone_id=alias.zone_id, account=zone.account) is None:
            return "that target was not found"
        raise unsupported("AliasTarget in another hosted zone", alias.dns_name)
    name = alias.dns_name.removeprefix("dualstack.").rstrip(".")
    balancers = elbv2.LOAD_BALANCERS.list(call.tx)
    balancer = next((b for b in balancers if b.dns_name.lower() == name), None)
    if balancer is None:
        return "that target was not found"
    if canonical_hosted_zone_id(balancer.region) != alias.zone_id:
        return "the alias target name does not lie within the target zone"
    return None
