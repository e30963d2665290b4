"""RegisterTargets, DeregisterTargets and the health of targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.elbv2 import errors, rows
from hiyoko.services.elbv2.health import HealthReader
from hiyoko.services.elbv2.model import Registration, TargetGroup
from hiyoko.services.elbv2.requests import only
from hiyoko.services.elbv2.seen import ANOMALIES_SEEN, told

TARGETS_MAX = 1000
# A zonal shift overrides; there is none here.
_NO_OVERRIDE = {
    "State": "no_override",
    "Reason": "AdministrativeOverride.NoOverride",
    "Description": "No override is currently active on target",
}
_OUTSIDE = tuple(
    IPv4Network(cidr) for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)


@operation("RegisterTargets")
def register_targets(call: Call, request: Request) -> Response:
    """Register addresses. One that drains is taken back into service.

    AWS makes an ip target finish draining first; addresses are reused much sooner here than in
    its subnets, so a new task would fail for the sake of an old one.
    """
    group = rows.get_target_group(call.tx, request["TargetGroupArn"])
    for target in request["Targets"]:
        only(target, {"Id", "Port", "AvailabilityZone"})
        row = _registration(call, group, target)
        old = rows.find_registration(call.tx, group.arn, row.target_id, row.port)
        if old is None or old.deregistered_at is not None or old.zone != row.zone:
            rows.REGISTRATIONS.put(call.tx, row)
    live = [r for r in rows.list_registrations(call.tx, group.arn) if r.deregistered_at is None]
    if len(live) > TARGETS_MAX:
        raise errors.too_many(
            "TooManyTargets", f"The limit of {TARGETS_MAX} targets is reached for '{group.arn}'"
        )
    return {}


def _registration(call: Call, group: TargetGroup, target: Request) -> Registration:
    target_id, given = target["Id"], target.get("AvailabilityZone")
    try:
        address = IPv4Address(target_id)
    except AddressValueError as error:
        raise errors.validation(
            f"The IP address '{target_id}' is not a valid IPv4 address"
        ) from error
    zone = _zone_of(call, group.vpc_id, address)
    if zone is not None:
        if given not in (None, zone):
            raise errors.validation(
                f"The IP address '{target_id}' is within the VPC, and cannot have its "
                f"Availability Zone overridden to '{given}' from '{zone}'"
            )
    elif not any(address in network for network in _OUTSIDE):
        raise errors.validation(f"The IP address '{target_id}' is not within a valid range")
    elif given is None:
        raise errors.validation(
            "You must specify a valid Availability Zone or select 'all' for all enabled "
            f"Availability zones, since the IP address '{target_id}' is outside the VPC"
        )
    if zone is None and not group.cross_zone:
        raise errors.validation(
            f"The IP address '{target_id}' cannot be registered with the Availability Zone 'all' "
            "because cross-zone load balancing is off for the target group"
        )
    return Registration(
        group_arn=group.arn,
        account=call.account,
        region=call.region,
        target_id=target_id,
        port=target.get("Port") or group.port,
        zone=zone,
        registered_at=call.now,
    )


def _zone_of(call: Call, vpc_id: str, address: IPv4Address) -> str | None:
    filters = [{"Name": "vpc-id", "Values": [vpc_id]}]
    for subnet in call.invoke("ec2", "DescribeSubnets", {"Filters": filters})["Subnets"]:
        if address in IPv4Network(subnet["CidrBlock"]):
            zone: str = subnet["AvailabilityZone"]
            return zone
    return None


def _named(
    call: Call, group: TargetGroup, targets: Sequence[Request]
) -> list[tuple[str, int, Registration | None]]:
    """The rows of the named targets; without a port, every port of the address is meant."""
    found: list[tuple[str, int, Registration | None]] = []
    for target in targets:
        target_id, port = target["Id"], target.get("Port")
        if port is not None:
            row = rows.find_registration(call.tx, group.arn, target_id, port)
            found.append((target_id, port, row))
            continue
        mine = [r for r in rows.list_registrations(call.tx, group.arn) if r.target_id == target_id]
        found.extend((target_id, row.port, row) for row in mine)
        if not mine:
            found.append((target_id, group.port, None))
    return found


@operation("DeregisterTargets")
def deregister_targets(call: Call, request: Request) -> Response:
    """Begin to drain targets: no new request, until the group's delay is over."""
    group = rows.get_target_group(call.tx, request["TargetGroupArn"])
    in_use = bool(rows.listeners_using(call.tx, group.arn))
    for target_id, port, row in _named(call, group, request["Targets"]):
        if row is None or row.deregistered_at is not None:
            continue
        if in_use:
            rows.REGISTRATIONS.put(call.tx, replace(row, deregistered_at=call.now))
        else:
            rows.REGISTRATIONS.delete(call.tx, group_arn=group.arn, target_id=target_id, port=port)
    return {}


@operation("DescribeTargetHealth")
def describe_target_health(call: Call, request: Request) -> Response:
    """The health of all registered and draining targets, or of the named ones."""
    only(request, {"TargetGroupArn", "Targets", "Include"})
    group = rows.get_target_group(call.tx, request["TargetGroupArn"])
    reader = HealthReader.of(call.tx, group, call.now)
    wanted = request.get("Targets") or []
    if wanted:
        named = _named(call, group, wanted)
    else:
        named = [
            (row.target_id, row.port, row)
            for row in rows.list_registrations(call.tx, group.arn)
            if not told(call.tx, row).expired(group, call.now)
        ]
    check_port = group.health_check.port
    shown = []
    for target_id, port, row in named:
        target: dict[str, object] = {"Id": target_id, "Port": port}
        if row is not None:
            target["AvailabilityZone"] = row.zone or "all"
        shape: dict[str, object] = {
            "Target": target,
            "HealthCheckPort": str(port) if check_port == "traffic-port" else check_port,
            "TargetHealth": reader.health(row).view(),
        }
        if row is not None:
            shape["AdministrativeOverride"] = _NO_OVERRIDE
            if request.get("Include"):  # of the two that there are, the other one is "All"
                shape["AnomalyDetection"] = _anomaly(call, row)
        shown.append(shape)
    return {"TargetHealthDescriptions": shown}


def _anomaly(call: Call, row: Registration) -> dict[str, str]:
    seen = ANOMALIES_SEEN.find(
        call.tx, group_arn=row.group_arn, target_id=row.target_id, port=row.port
    )
    return {
        "Result": "normal" if seen is None else seen.result,
        "MitigationInEffect": "yes" if seen is not None and seen.halved else "no",
    }


@operation("_TargetHealth")
def target_health(call: Call, request: Request) -> Response:
    """The state of targets of one group, for neighbours: ``State``, ``Reason``, ``Description``."""
    group = rows.get_target_group(call.tx, request["TargetGroupArn"])
    reader = HealthReader.of(call.tx, group, call.now)
    healths = []
    for target in request["Targets"]:
        port = target.get("Port") or group.port
        health = reader.health(rows.find_registration(call.tx, group.arn, target["Id"], port))
        healths.append(
            {"State": health.state, "Reason": health.reason, "Description": health.description}
        )
    return {"Healths": healths}


@operation("_ExpireTargets")
def expire_targets(call: Call, request: Request) -> Response:
    """Forget targets whose deregistration delay is over."""
    for row in rows.REGISTRATIONS.list(call.tx):
        group = rows.TARGET_GROUPS.find(call.tx, arn=row.group_arn)
        if group is None or told(call.tx, row).expired(group, call.now):
            rows.REGISTRATIONS.delete(
                call.tx, group_arn=row.group_arn, target_id=row.target_id, port=row.port
            )
    return {}
