"""CreateTargetGroup and its kin: groups of IP addresses, checked over HTTP or HTTPS."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, operation, unsupported
from hiyoko.services.elbv2 import attributes, errors, rows, views
from hiyoko.services.elbv2.forwards import check_target_stickiness
from hiyoko.services.elbv2.matchers import FIRST_CHECKS, parse_matcher
from hiyoko.services.elbv2.model import HealthCheck, TargetGroup
from hiyoko.services.elbv2.requests import check_arn, check_name, only, page, parse_tags
from hiyoko.store.database import Transaction

_CHECK = frozenset(
    [
        "HealthCheckProtocol",
        "HealthCheckPort",
        "HealthCheckEnabled",
        "HealthCheckPath",
        "Matcher",
        "HealthCheckIntervalSeconds",
        "HealthCheckTimeoutSeconds",
        "HealthyThresholdCount",
        "UnhealthyThresholdCount",
    ]
)
_CREATE = _CHECK | frozenset(
    [
        "Name",
        "Protocol",
        "ProtocolVersion",
        "Port",
        "VpcId",
        "TargetType",
        "Tags",
        "IpAddressType",
    ]
)


def view(tx: Transaction, row: TargetGroup) -> dict[str, Any]:
    """The API's shape of a target group."""
    users = rows.listeners_using(tx, row.arn)
    return views.target_group(row, list(dict.fromkeys(user.balancer_arn for user in users)))


@operation("CreateTargetGroup")
def create_target_group(call: Call, request: Request) -> Response:
    """Record the group. The same settings again return the first one."""
    only(request, _CREATE)
    wanted = _wanted(call, request)
    existing = rows.find_target_group(call.tx, call.account, call.region, wanted.name)
    if existing is None:
        rows.TARGET_GROUPS.insert(call.tx, wanted)
        return {"TargetGroups": [view(call.tx, wanted)]}
    same = replace(
        wanted,
        arn=existing.arn,
        created_at=existing.created_at,
        attributes=existing.attributes,
        tags=tuple(sorted(wanted.tags)),
    ) == replace(existing, tags=tuple(sorted(existing.tags)))
    if not same:
        raise errors.duplicate_target_group(wanted.name)
    return {"TargetGroups": [view(call.tx, existing)]}


def _wanted(call: Call, request: Request) -> TargetGroup:
    name = request["Name"]
    check_name("Target group", name)
    # The API's default is instance; there are no instances here, so ip must be asked for.
    if (kind := request.get("TargetType") or "instance") != "ip":
        raise unsupported("TargetType", kind)
    protocol, port = request.get("Protocol"), request.get("Port")
    if protocol is None:
        raise errors.validation("A protocol must be specified")
    if protocol not in ("HTTP", "HTTPS"):
        raise unsupported("Protocol", protocol)
    if port is None:
        raise errors.validation("A port must be specified")
    vpc_id = request.get("VpcId")
    if not vpc_id:
        raise errors.validation("A VPC ID must be specified")
    version = request.get("ProtocolVersion") or "HTTP1"
    if version not in ("HTTP1", "HTTP2", "GRPC"):
        raise errors.validation(f"Protocol version '{version}' must be one of 'GRPC, HTTP1, HTTP2'")
    if (family := request.get("IpAddressType") or "ipv4") != "ipv4":
        raise unsupported("IpAddressType", family)
    check = _health_check(request, FIRST_CHECKS.get(version, HealthCheck()), version)
    tags = parse_tags(request.get("Tags") or [])
    _check_vpc(call, vpc_id)
    return TargetGroup(
        arn=call.arn("elasticloadbalancing", f"targetgroup/{name}/{call.ids.hex(16)}"),
        account=call.account,
        region=call.region,
        name=name,
        protocol=protocol,
        port=port,
        vpc_id=vpc_id,
        created_at=call.now,
        protocol_version=version,
        health_check=check,
        tags=tags,
    )


def _check_vpc(call: Call, vpc_id: str) -> None:
    try:
        call.invoke("ec2", "DescribeVpcs", {"VpcIds": [vpc_id]})
    except AwsError as error:
        if "Vpc" in error.code:
            raise errors.validation(f"The VPC ID '{vpc_id}' is not found") from error
        raise


def _health_check(request: Request, now: HealthCheck, version: str) -> HealthCheck:
    if request.get("HealthCheckEnabled") is False:
        raise errors.validation("Health check enabled must be true for target groups of type 'ip'")
    protocol = request.get("HealthCheckProtocol") or now.protocol
    if protocol not in ("HTTP", "HTTPS"):
        raise errors.validation(f"Health check protocol '{protocol}' must be one of 'HTTPS, HTTP'")
    check = HealthCheck(
        protocol=protocol,
        port=request.get("HealthCheckPort") or now.port,
        path=request.get("HealthCheckPath") or now.path,
        interval_s=request.get("HealthCheckIntervalSeconds") or now.interval_s,
        timeout_s=request.get("HealthCheckTimeoutSeconds") or now.timeout_s,
        healthy_threshold=request.get("HealthyThresholdCount") or now.healthy_threshold,
        unhealthy_threshold=request.get("UnhealthyThresholdCount") or now.unhealthy_threshold,
        matcher=parse_matcher(request.get("Matcher") or {}, version) or now.matcher,
    )
    if check.timeout_s >= check.interval_s:
        raise errors.validation("Health check interval must be greater than the timeout.")
    if check.port != "traffic-port" and not (
        check.port.isdigit() and 1 <= int(check.port) <= 65535
    ):
        raise errors.validation(f"Health check port '{check.port}' must be 1-65535 or traffic-port")
    if version == "GRPC" and check.path != FIRST_CHECKS["GRPC"].path:
        # HAProxy's checks cannot send the empty message that a known method waits for.
        raise unsupported("HealthCheckPath", check.path)
    if not re.fullmatch(r"/[!-~]{0,1023}", check.path):
        raise errors.validation(f"Health check path '{check.path}' must be a valid path")
    return check


@operation("DescribeTargetGroups")
def describe_target_groups(call: Call, request: Request) -> Response:
    """All, or those of a load balancer, or of the given ARNs or names."""
    arns, names = request.get("TargetGroupArns") or [], request.get("Names") or []
    balancer_arn = request.get("LoadBalancerArn")
    if sum(bool(filter_) for filter_ in (arns, names, balancer_arn)) > 1:
        raise errors.validation(
            "Target group names, target group ARNs, and a load balancer ARN cannot be "
            "specified at the same time"
        )
    for arn in arns:
        check_arn("target group", arn)
    found = rows.list_target_groups(call.tx, call.account, call.region)
    if arns or names:
        found = [row for row in found if row.arn in arns or row.name in names]
        if len(found) < len({*arns, *names}):
            raise errors.target_group_not_found()
    shapes = [view(call.tx, row) for row in found]
    if balancer_arn:
        rows.get_load_balancer(call.tx, balancer_arn)
        shapes = [shape for shape in shapes if balancer_arn in shape["LoadBalancerArns"]]
    shown, more = page("TargetGroups", shapes, request)
    return {"TargetGroups": list(shown), **more}


@operation("ModifyTargetGroup")
def modify_target_group(call: Call, request: Request) -> Response:
    """Change the health check; nothing else of a group can change."""
    only(request, _CHECK | {"TargetGroupArn"})
    row = rows.get_target_group(call.tx, request["TargetGroupArn"])
    row = replace(row, health_check=_health_check(request, row.health_check, row.protocol_version))
    rows.TARGET_GROUPS.put(call.tx, row)
    return {"TargetGroups": [view(call.tx, row)]}


@operation("DeleteTargetGroup")
def delete_target_group(call: Call, request: Request) -> Response:
    """Delete a group that nothing forwards to, with its targets; a missing one is no error."""
    arn = request["TargetGroupArn"]
    check_arn("target group", arn)
    if rows.listeners_using(call.tx, arn):
        raise errors.group_in_use(arn)
    rows.REGISTRATIONS.delete(call.tx, group_arn=arn)
    rows.TARGET_GROUPS.delete(call.tx, arn=arn)
    return {}


@operation("DescribeTargetGroupAttributes")
def describe_target_group_attributes(call: Call, request: Request) -> Response:
    """Every attribute with its value."""
    row = rows.get_target_group(call.tx, request["TargetGroupArn"])
    return {"Attributes": attributes.view(attributes.TARGET_GROUP, row.attributes)}


@operation("ModifyTargetGroupAttributes")
def modify_target_group_attributes(call: Call, request: Request) -> Response:
    """Set attributes; answers the full list."""
    row = rows.get_target_group(call.tx, request["TargetGroupArn"])
    wanted = attributes.merged(
        "Target group", attributes.TARGET_GROUP, row.attributes, request["Attributes"]
    )
    algorithm = wanted.get("load_balancing.algorithm.type", "round_robin")
    if "slow_start.duration_seconds" in wanted and algorithm != "round_robin":
        raise errors.invalid_configuration(
            "Slow start can be used with the load balancing algorithm 'round_robin' only"
        )
    row = replace(row, attributes=wanted)
    if row.mitigates and algorithm != "weighted_random":
        raise errors.invalid_configuration(
            "Anomaly mitigation can be used with the load balancing algorithm 'weighted_random' "
            "only"
        )
    _check_zones_and_minima(call, row)
    if row.sticky:
        _check_stickiness(call, row)
    rows.TARGET_GROUPS.put(call.tx, row)
    return {"Attributes": attributes.view(attributes.TARGET_GROUP, wanted)}


def _check_zones_and_minima(call: Call, row: TargetGroup) -> None:
    """Refuse what AWS does not let go together."""
    if not row.cross_zone and row.sticky:
        raise errors.invalid_configuration(
            "Stickiness cannot be enabled when cross-zone load balancing is off for a target group"
        )
    if not row.cross_zone and any(
        target.zone is None for target in rows.list_registrations(call.tx, row.arn)
    ):
        raise errors.invalid_configuration(
            "Cross-zone load balancing cannot be off for a target group with a target whose "
            "Availability Zone is 'all'"
        )
    dns, routing = row.dns_minimum, row.routing_minimum
    for below, least in ((dns.count, routing.count), (dns.percent, routing.percent)):
        # Off is no threshold, so nothing that could be lower than the other one.
        if below and least and below < least:
            raise errors.invalid_configuration(
                "The healthy threshold for DNS failover must be greater than or equal to the "
                "healthy threshold for routing failover"
            )


def _check_stickiness(call: Call, group: TargetGroup) -> None:
    kind = group.attributes.get("stickiness.type", "lb_cookie")
    if kind == "app_cookie" and not group.attributes.get("stickiness.app_cookie.cookie_name"):
        raise errors.invalid_configuration(
            "You must set an application cookie name to enable stickiness of type 'app_cookie'"
        )
    check_target_stickiness(call.tx, group.arn)
