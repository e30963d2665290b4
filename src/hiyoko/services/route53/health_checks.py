"""Health checks: what the world's checkers shall ask, and what they said.

A status is what checkers saw. Route 53 gives no aggregate, so neither do we; the zone set is drawn
from it.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Any

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.cloudwatch.model import Alarm
from hiyoko.services.route53 import errors, rows, views
from hiyoko.services.route53.alarm_checks import ALARM_TYPE, LAST_KNOWN, followed, identifier
from hiyoko.services.route53.model import (
    CHECKER_ADDRESSES,
    CHECKER_REGIONS,
    GLOBAL,
    CallerReference,
    HealthCheck,
    HealthCheckConfig,
)
from hiyoko.services.route53.pages import marker_page
from hiyoko.services.route53.seen import HEALTH_CHECKS_SEEN, CheckerSeen

HTTP_TYPES = frozenset({"HTTP", "HTTP_STR_MATCH"})
HTTPS_TYPES = frozenset({"HTTPS", "HTTPS_STR_MATCH"})
CHILDREN_MAX = 255
CHECKS_MAX = 200
INTERVALS_S = (10, 30)

_TYPES = HTTP_TYPES | HTTPS_TYPES | {"TCP", "CALCULATED", ALARM_TYPE}
_REFUSED = ("RoutingControlArn", "HealthCheckSourceId")
_CALCULATED_ONLY = ("HealthThreshold", "ChildHealthChecks")
_ALARM_ONLY = ("AlarmIdentifier", "InsufficientDataHealthStatus")
_ENDPOINT_ONLY = (
    "IPAddress",
    "Port",
    "ResourcePath",
    "FullyQualifiedDomainName",
    "SearchString",
    "RequestInterval",
    "FailureThreshold",
    "EnableSNI",
    "Regions",
    "MeasureLatency",
)
_FOREIGN = {
    "CALCULATED": (*_ENDPOINT_ONLY, *_ALARM_ONLY),
    ALARM_TYPE: (*_ENDPOINT_ONLY, *_CALCULATED_ONLY),
}
"""What is not for a type; an endpoint's has neither what is calculated nor an alarm."""
_RESET: dict[str, tuple[str, Any]] = {
    "FullyQualifiedDomainName": ("domain", None),
    "Regions": ("regions", CHECKER_REGIONS),
    "ResourcePath": ("path", None),
    "ChildHealthChecks": ("children", ()),
}
_UPDATED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "IPAddress": ("address", str),
    "Port": ("port", int),
    "ResourcePath": ("path", str),
    "FullyQualifiedDomainName": ("domain", str),
    "SearchString": ("search", str),
    "FailureThreshold": ("failure_threshold", int),
    "Inverted": ("inverted", bool),
    "Disabled": ("disabled", bool),
    "HealthThreshold": ("health_threshold", int),
    "ChildHealthChecks": ("children", tuple),
    "EnableSNI": ("sni", bool),
    "Regions": ("regions", tuple),
    "AlarmIdentifier": ("alarm", identifier),
    "InsufficientDataHealthStatus": ("insufficient_data", str),
}


@operation("CreateHealthCheck")
def create_health_check(call: Call, request: Request) -> Response:
    """A new check; the same request again finds the one that it made."""
    reference = request["CallerReference"]
    config = _config(request["HealthCheckConfig"])
    alarm = _checked(call, config)
    mine = rows.list_checks(call.tx, call.account)
    for check in mine:
        if check.caller_reference == reference and check.config == config:
            return _created(check)
    if rows.check_reference_used(call.tx, call.account, reference):
        raise errors.health_check_already_exists()
    if len(mine) >= CHECKS_MAX:
        raise errors.too_many_health_checks(CHECKS_MAX)
    check = HealthCheck(
        account=call.account,
        region=GLOBAL,
        check_id=call.ids.uuid(),
        caller_reference=reference,
        version=1,
        config=config,
        created_at=call.now,
        followed=alarm,
    )
    rows.insert_check_reference(call.tx, CallerReference(call.account, GLOBAL, reference))
    rows.put_check(call.tx, check)
    return _created(check)


@operation("GetHealthCheck")
def get_health_check(call: Call, request: Request) -> Response:
    """One check."""
    check = rows.get_check(call.tx, call.account, request["HealthCheckId"])
    return {"HealthCheck": views.health_check(check)}


@operation("ListHealthChecks")
def list_health_checks(call: Call, request: Request) -> Response:
    """The account's checks, a page at a time; the marker is the first id of the next page."""
    found = rows.list_checks(call.tx, call.account)
    return marker_page(request, "HealthChecks", found, attrgetter("check_id"), views.health_check)


@operation("GetHealthCheckCount")
def get_health_check_count(call: Call, request: Request) -> Response:
    """How many checks the account has."""
    return {"HealthCheckCount": len(rows.list_checks(call.tx, call.account))}


@operation("GetCheckerIpRanges")
def get_checker_ip_ranges(call: Call, request: Request) -> Response:
    """What a security group must let in for health checks to pass."""
    return {"CheckerIpRanges": [f"{address}/32" for address in CHECKER_ADDRESSES]}


@operation("UpdateHealthCheck")
def update_health_check(call: Call, request: Request) -> Response:
    """Change what is given, reset what is named; refused when the version is an old one."""
    check = rows.get_check(call.tx, call.account, request["HealthCheckId"])
    if request.get("HealthCheckVersion") not in (None, check.version):
        raise errors.health_check_version_mismatch()
    _refuse(request)
    _check_members(check.config.type, request)
    changes: dict[str, Any] = {}
    for element in request.get("ResetElements") or ():
        name, default = _RESET[element]
        changes[name] = default
    for member, (name, kind) in _UPDATED.items():
        if request.get(member) is not None:
            changes[name] = kind(request[member])
    config = replace(check.config, **changes)
    check = replace(
        check, config=config, version=check.version + 1, followed=_checked(call, config)
    )
    rows.put_check(call.tx, check)
    return {"HealthCheck": views.health_check(check)}


@operation("DeleteHealthCheck")
def delete_health_check(call: Call, request: Request) -> Response:
    """Delete a check, also one that record sets name: they count as unchecked from then on."""
    check = rows.get_check(call.tx, call.account, request["HealthCheckId"])
    for other in rows.list_checks(call.tx, call.account):
        if check.check_id in other.config.children:
            raise errors.health_check_in_use(check.check_id)
    rows.delete_check(call.tx, check)
    return {}


@operation("GetHealthCheckStatus")
def get_health_check_status(call: Call, request: Request) -> Response:
    """The last result of each checker."""
    checkers = _checkers(call, request["HealthCheckId"])
    return {"HealthCheckObservations": [_observed(c, c.status, c.checked_at) for c in checkers]}


@operation("GetHealthCheckLastFailureReason")
def get_health_check_last_failure_reason(call: Call, request: Request) -> Response:
    """The last failure that each checker saw."""
    checkers = _checkers(call, request["HealthCheckId"])
    failed = [c for c in checkers if c.failure]
    return {"HealthCheckObservations": [_observed(c, c.failure, c.failed_at) for c in failed]}


def _checkers(call: Call, check_id: str) -> tuple[CheckerSeen, ...]:
    check = rows.get_check(call.tx, call.account, check_id)
    if check.config.type == "CALCULATED":
        raise errors.invalid_input("Calculated health checks have no checkers of their own.")
    seen = HEALTH_CHECKS_SEEN.find(call.tx, check_id=check_id)
    return seen.checkers if seen is not None else ()


def _observed(checker: CheckerSeen, status: str, at: float) -> dict[str, Any]:
    return {
        "Region": checker.region,
        "IPAddress": checker.address,
        "StatusReport": {"Status": status, "CheckedTime": at},
    }


def _created(check: HealthCheck) -> Response:
    location = f"https://route53.amazonaws.com/2013-04-01/healthcheck/{check.check_id}"
    return {"HealthCheck": views.health_check(check), "Location": location}


def _refuse(given: Mapping[str, Any]) -> None:
    for member in _REFUSED:
        if given.get(member) is not None:
            raise unsupported(member)


def _config(given: Mapping[str, Any]) -> HealthCheckConfig:
    """A new check's settings with Route 53's defaults filled in."""
    kind = given["Type"]
    if kind not in _TYPES:
        raise unsupported("Type", kind)
    _refuse(given)
    if given.get("MeasureLatency"):
        raise unsupported("MeasureLatency")
    if given.get("EndpointType", "PUBLIC") != "PUBLIC":
        raise unsupported("EndpointType", given["EndpointType"])
    _check_members(kind, given)
    settings = {
        name: convert(given[member])
        for member, (name, convert) in _UPDATED.items()
        if given.get(member) is not None
    }
    if kind == ALARM_TYPE:
        settings.setdefault("insufficient_data", LAST_KNOWN)
    elif kind != "CALCULATED":
        ports = {"port": 443 if kind in HTTPS_TYPES else 80} if kind != "TCP" else {}
        settings = {**ports, "regions": CHECKER_REGIONS, **settings}
        settings["interval_s"] = int(given.get("RequestInterval") or 30)
        settings.setdefault("sni", kind in HTTPS_TYPES)
    return HealthCheckConfig(type=kind, **settings)


def _check_members(kind: str, given: Mapping[str, Any]) -> None:
    for name in _FOREIGN.get(kind, (*_CALCULATED_ONLY, *_ALARM_ONLY)):
        if given.get(name) is not None:
            raise errors.invalid_input(f"{name} is not allowed for health checks of type {kind}.")


def _checked(call: Call, config: HealthCheckConfig) -> Alarm | None:
    """The alarm that the check follows, if it does. Raises for settings that don't fit."""
    if config.type == ALARM_TYPE:
        return followed(call, config)
    wrong = _wrong_calculated(config) if config.type == "CALCULATED" else _wrong_endpoint(config)
    if wrong:
        raise errors.invalid_input(wrong)
    for child in config.children:
        if rows.get_check(call.tx, call.account, child).config.type == "CALCULATED":
            raise unsupported("ChildHealthChecks of Type", "CALCULATED")
    return None


def _wrong_calculated(config: HealthCheckConfig) -> str | None:
    if len(config.children) > CHILDREN_MAX:
        return f"A calculated health check has at most {CHILDREN_MAX} children."
    return None


def _wrong_endpoint(config: HealthCheckConfig) -> str | None:
    if config.interval_s not in INTERVALS_S:
        return "RequestInterval must be 10 or 30."
    if config.address is None and not config.domain:
        return "Either IPAddress or FullyQualifiedDomainName must be specified."
    if config.address is not None:
        address = ipaddress.ip_address(config.address)
        if address.version == 6:
            raise unsupported("IPAddress", config.address)
        if not _reachable(address):
            return f"The IP address {address} is not routable from Route 53's health checkers."
    if config.type == "TCP" and config.port is None:
        return "Port must be specified for health checks of type TCP."
    if config.type == "TCP" and config.path is not None:
        return "ResourcePath is not allowed for health checks of type TCP."
    if config.type.endswith("_STR_MATCH") != bool(config.search):
        return "SearchString must be specified for, and only for, string matching health checks."
    return None


def _reachable(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """False for what no checker on the internet could reach: private, loopback, multicast..."""
    if address in ipaddress.ip_network("198.18.0.0/15"):
        return True  # this cloud's internet
    return address.is_global and not address.is_multicast
