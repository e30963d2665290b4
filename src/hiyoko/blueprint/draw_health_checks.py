"""Draws what the checkers must ask, and what follows from all that was found.   (pure)

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from ipaddress import IPv4Address

from hiyoko.blueprint.health_checks import Probe
from hiyoko.services.elbv2.model import Listener, LoadBalancer, Registration, Rule, used_groups
from hiyoko.services.route53.model import HealthCheck

HEALTHY_SHARE = 0.18
"""An endpoint is healthy when more than this share of its checkers says so."""

HTTP_PORT, HTTPS_PORT = 80, 443
UNASKED = frozenset({"CALCULATED", "CLOUDWATCH_METRIC"})
"""Types of checks that no checker asks an endpoint for."""
TargetKey = tuple[str, str, int]
"""A target: its group's ARN, its id and port."""


def draw_probes(checks: Iterable[HealthCheck]) -> tuple[Probe, ...]:
    """What each checker of each endpoint check asks, by id. A disabled check asks nothing."""
    return tuple(_probe(c) for c in checks if c.config.type not in UNASKED and not disabled(c))


def _probe(check: HealthCheck) -> Probe:
    config = check.config
    https, http = config.type.startswith("HTTPS"), config.type.startswith("HTTP")
    return Probe(
        check_id=check.check_id,
        http=http,
        tls=https,
        sni=https and config.sni,
        address=IPv4Address(config.address) if config.address else None,
        domain=config.domain or "",
        port=config.port or (HTTPS_PORT if https else HTTP_PORT),
        path=config.path or "/",
        search=config.search or "",
        interval_s=config.interval_s,
        threshold=config.failure_threshold,
        regions=config.regions,
    )


def disabled(check: HealthCheck) -> bool:
    """True when nobody checks: the endpoint counts as healthy."""
    return check.config.disabled


def unhealthy_checks(
    checks: Iterable[HealthCheck], verdicts: Mapping[str, tuple[bool, ...]]
) -> frozenset[str]:
    """The unhealthy checks, from each checker's verdict. Nobody has checked yet: healthy."""
    by_id = {check.check_id: check for check in checks}
    return frozenset(c for c, check in by_id.items() if not _healthy(check, by_id, verdicts))


def _healthy(
    check: HealthCheck,
    by_id: Mapping[str, HealthCheck],
    verdicts: Mapping[str, tuple[bool, ...]],
) -> bool:
    config = check.config
    if config.disabled:
        found = True
    elif config.type == "CALCULATED":
        children = (by_id.get(child) for child in config.children)
        good = sum(child is None or _healthy(child, by_id, verdicts) for child in children)
        found = good >= config.health_threshold
    else:
        said = verdicts.get(check.check_id, ())
        found = not said or sum(said) > HEALTHY_SHARE * len(said)
    return found != config.inverted


def unhealthy_balancers(
    balancers: Iterable[LoadBalancer],
    listeners: Iterable[Listener],
    rules: Iterable[Rule],
    registrations: Iterable[Registration],
    healthy: Set[TargetKey],
) -> frozenset[str]:
    """Balancers that an alias with EvaluateTargetHealth counts as unhealthy.

    Every group with targets must have a healthy one, and one group at least must have targets. A
    balancer that forwards to no group at all answers by itself, and is healthy.
    """
    groups: dict[str, set[str]] = {balancer.arn: set() for balancer in balancers}
    owner = {}
    for listener in listeners:
        owner[listener.arn] = listener.balancer_arn
        groups.setdefault(listener.balancer_arn, set()).update(
            used_groups(listener.default_actions)
        )
    for rule in rules:
        if rule.listener_arn in owner:
            groups[owner[rule.listener_arn]].update(used_groups(rule.actions))
    targets: dict[str, list[bool]] = {}
    for entry in registrations:
        if entry.deregistered_at is None:
            key = (entry.group_arn, entry.target_id, entry.port)
            targets.setdefault(entry.group_arn, []).append(key in healthy)
    return frozenset(
        arn
        for arn, used in groups.items()
        if used and not _serves([targets[group] for group in used if group in targets])
    )


def _serves(groups: list[list[bool]]) -> bool:
    return bool(groups) and all(any(group) for group in groups)
