"""Attributes: their defaults, and which ones act here.

An attribute that has no effect here can be set to its default, which changes nothing, and is
refused by name otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hiyoko.api import Request, unsupported
from hiyoko.services.elbv2.errors import invalid_configuration, validation


@dataclass(frozen=True, slots=True)
class Attribute:
    """``values`` is the pattern of what may be set, None when only the default may.

    ``low`` and ``high`` bound a number.
    """

    key: str
    default: str
    values: str | None = None
    low: int = 0
    high: int = 0


_BOOLEAN = "true|false"
_NUMBER = r"\d{1,7}"
_COUNT = r"[1-9]\d{0,2}|1000"
_COUNT_OFF = rf"off|{_COUNT}"
_PERCENT = r"off|[1-9]\d?|100"


def _log_attributes(kind: str) -> tuple[Attribute, ...]:
    """Where logs of a kind are delivered; see ``log_delivery``."""
    return (
        Attribute(f"{kind}.s3.enabled", "false", _BOOLEAN),
        Attribute(f"{kind}.s3.bucket", "", r"[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]"),
        Attribute(f"{kind}.s3.prefix", "", r"[A-Za-z0-9!_.*'()\-/]{0,512}"),
    )


# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html
LOAD_BALANCER = (
    *_log_attributes("access_logs"),
    Attribute("client_keep_alive.seconds", "3600", _NUMBER, 60, 604800),
    *_log_attributes("connection_logs"),
    Attribute("deletion_protection.enabled", "false", _BOOLEAN),
    *_log_attributes("health_check_logs"),
    Attribute("idle_timeout.timeout_seconds", "60", _NUMBER, 1, 4000),
    Attribute("ipv6.deny_all_igw_traffic", "false"),
    Attribute("load_balancing.cross_zone.enabled", "true"),
    Attribute("routing.http.desync_mitigation_mode", "defensive", "monitor|defensive|strictest"),
    Attribute("routing.http.drop_invalid_header_fields.enabled", "false", _BOOLEAN),
    Attribute("routing.http.preserve_host_header.enabled", "false", _BOOLEAN),
    Attribute("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false", _BOOLEAN),
    Attribute("routing.http.xff_client_port.enabled", "false", _BOOLEAN),
    Attribute("routing.http.xff_header_processing.mode", "append", "append|preserve|remove"),
    Attribute("routing.http2.enabled", "true", _BOOLEAN),
    Attribute("waf.fail_open.enabled", "false"),
    Attribute("zonal_shift.config.enabled", "false"),
)

# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html
TARGET_GROUP = (
    Attribute("deregistration_delay.timeout_seconds", "300", _NUMBER, 0, 3600),
    Attribute("load_balancing.algorithm.anomaly_mitigation", "off", "on|off"),
    Attribute(
        "load_balancing.algorithm.type",
        "round_robin",
        "round_robin|least_outstanding_requests|weighted_random",
    ),
    Attribute(
        "load_balancing.cross_zone.enabled",
        "use_load_balancer_configuration",
        "true|false|use_load_balancer_configuration",
    ),
    Attribute("slow_start.duration_seconds", "0", _NUMBER, 0, 900),
    # A cookie's name is a token (RFC 6265, 4.1.1).
    Attribute("stickiness.app_cookie.cookie_name", "", "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}"),
    Attribute("stickiness.app_cookie.duration_seconds", "86400", _NUMBER, 1, 604800),
    Attribute("stickiness.enabled", "false", _BOOLEAN),
    Attribute("stickiness.lb_cookie.duration_seconds", "86400", _NUMBER, 1, 604800),
    Attribute("stickiness.type", "lb_cookie", "lb_cookie|app_cookie"),
    Attribute("target_group_health.dns_failover.minimum_healthy_targets.count", "1", _COUNT_OFF),
    Attribute(
        "target_group_health.dns_failover.minimum_healthy_targets.percentage", "off", _PERCENT
    ),
    Attribute(
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1", _COUNT
    ),
    Attribute(
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
        "off",
        _PERCENT,
    ),
)

# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ListenerAttribute.html
_HEADER_NAME = "[A-Za-z0-9_-]{1,40}"
_CLIENT_CERTIFICATE = ("", "-Serial-Number", "-Issuer", "-Subject", "-Validity", "-Leaf")

LISTENER = (
    *(
        Attribute(
            "routing.http.request.x_amzn_mtls_clientcert"
            f"{part.lower().replace('-', '_')}.header_name",
            f"X-Amzn-Mtls-Clientcert{part}",
            _HEADER_NAME,
        )
        for part in _CLIENT_CERTIFICATE
    ),
    *(
        Attribute(
            f"routing.http.request.x_amzn_tls_{part.lower().replace('-', '_')}.header_name",
            f"X-Amzn-Tls-{part}",
            _HEADER_NAME,
        )
        for part in ("Cipher-Suite", "Version")
    ),
    Attribute("routing.http.response.server.enabled", "true", _BOOLEAN),
    *(
        Attribute(f"routing.http.response.{name}.header_value", "", "[ -~]{0,1024}")
        for name in (
            "strict_transport_security",
            "access_control_allow_origin",
            "access_control_allow_methods",
            "access_control_allow_headers",
            "access_control_allow_credentials",
            "access_control_expose_headers",
            "access_control_max_age",
            "content_security_policy",
            "x_content_type_options",
            "x_frame_options",
        )
    ),
)


def merged(
    what: str, known: Sequence[Attribute], now: Mapping[str, str], given: Sequence[Request]
) -> dict[str, str]:
    """The attributes that differ from their defaults, after a Modify call."""
    by_key = {attribute.key: attribute for attribute in known}
    wanted = dict(now)
    for item in given:
        key, value = item["Key"], item.get("Value") or ""
        attribute = by_key.get(key)
        if attribute is None:
            raise invalid_configuration(f"{what} attribute key '{key}' is not recognized")
        _check(attribute, value)
        if value == attribute.default:
            wanted.pop(key, None)
        else:
            wanted[key] = value
    return dict(sorted(wanted.items()))


def _check(attribute: Attribute, value: str) -> None:
    if value == attribute.default:
        return
    if attribute.values is None:
        raise unsupported(attribute.key, value)
    if not re.fullmatch(attribute.values, value):
        raise validation(f"The value '{value}' of attribute '{attribute.key}' is not valid")
    if attribute.high and not attribute.low <= int(value) <= attribute.high:
        raise validation(
            f"The value of attribute '{attribute.key}' must be between "
            f"{attribute.low} and {attribute.high}"
        )
    if attribute.key == "stickiness.app_cookie.cookie_name" and value.startswith("AWSALB"):
        # AWSALB, AWSALBAPP and AWSALBTG are the load balancer's.
        raise validation(f"The cookie name '{value}' is reserved: it cannot begin with 'AWSALB'")
    if attribute.key == "slow_start.duration_seconds" and int(value) < 30:
        raise validation(f"The value of attribute '{attribute.key}' must be 0 or at least 30")


def view(known: Sequence[Attribute], now: Mapping[str, str]) -> list[dict[str, str]]:
    """All attributes with their values, as Describe answers."""
    return [{"Key": a.key, "Value": now.get(a.key, a.default)} for a in known]
