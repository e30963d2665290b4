"""From the rows of load balancers to the nodes that must exist."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address
from socket import inet_aton

from hiyoko.blueprint import balancers as b
from hiyoko.blueprint.draw_mutual_tls import draw_mutual_tls
from hiyoko.blueprint.draw_stickiness import group_stickiness, without_vain_stickiness
from hiyoko.services.elbv2 import model as m

SettledTarget = tuple[str, str, int, str]
"""Group ARN, target id, port, and the interface of the node that found it healthy or unhealthy."""
TargetName = tuple[str, str, int]
"""Group ARN, target id and port."""
NOT_HALVED: Mapping[TargetName, int] = {}


@dataclass(frozen=True, slots=True)
class BalancerRows:
    """Everything that the nodes follow from, of every account and region."""

    load_balancers: tuple[m.LoadBalancer, ...] = ()
    listeners: tuple[m.Listener, ...] = ()
    rules: tuple[m.Rule, ...] = ()
    target_groups: tuple[m.TargetGroup, ...] = ()
    registrations: tuple[m.Registration, ...] = ()
    trust_stores: tuple[m.TrustStore, ...] = ()
    revocations: tuple[m.TrustStoreRevocation, ...] = ()


_Source = tuple[m.TargetGroup, frozenset[str], tuple[tuple[m.Registration, bool, int, bool], ...]]
"""What a node's group is drawn from: its row, the zones, and of each target the row, whether it is
settled, how often its share was halved, and whether it is young."""


@dataclass(slots=True)
class DrawnGroups:
    """Groups by interface and ARN as they were drawn, each with what it was drawn from.

    ``drawn`` counts those that were drawn, not only looked at.
    """

    drawn: int = 0
    _known: dict[tuple[str, str], tuple[_Source, b.TargetGroup]] = field(default_factory=dict)

    def of(self, eni_id: str, source: _Source) -> b.TargetGroup:
        """A node's group, drawn from this."""
        key = eni_id, source[0].arn
        known = self._known.get(key)
        if known is None or known[0] != source:
            known = self._known[key] = source, _group(source)
            self.drawn += 1
        return known[1]

    def keep(self, nodes: Iterable[b.BalancerNode]) -> None:
        """Forget what is of none of these nodes."""
        there = {(node.eni_id, group.arn) for node in nodes for group in node.groups}
        for gone in self._known.keys() - there:
            del self._known[gone]


def draw_balancers(
    rows: BalancerRows,
    settled: Collection[SettledTarget] = (),
    now: float = 0.0,
    halved: Mapping[TargetName, int] = NOT_HALVED,
    young: Collection[SettledTarget] = (),
    before: DrawnGroups | None = None,
) -> b.Balancers:
    """One node per load balancer and enabled subnet, sorted by interface.

    ``before``: a group that follows from the same as before is the same object again; what is
    drawn now is left there.
    """
    before = DrawnGroups() if before is None else before
    groups = {group.arn: group for group in rows.target_groups}
    # A load balancer's address is no target in its own VPC.
    unusable = {(lb.vpc_id, node.private_ip) for lb in rows.load_balancers for node in lb.nodes}
    registered: dict[str, list[m.Registration]] = {}
    for row in rows.registrations:
        group = groups.get(row.group_arn)
        if group is not None and (group.vpc_id, row.target_id) not in unusable:
            registered.setdefault(row.group_arn, []).append(row)
    nodes = []
    for balancer in rows.load_balancers:
        mine = sorted(
            (row for row in rows.listeners if row.balancer_arn == balancer.arn),
            key=lambda row: row.port,
        )
        listeners = tuple(_listener(row, rows) for row in mine)
        used = _used(listeners)
        zones = frozenset(node.zone for node in balancer.nodes)
        for node in balancer.nodes:
            sources = (
                _source(
                    groups[arn],
                    registered.get(arn, ()),
                    zones if groups[arn].cross_zone else frozenset((node.zone,)),
                    node.eni_id,
                    settled,
                    now,
                    halved,
                    young,
                )
                for arn in used
                if arn in groups
            )
            nodes.append(
                b.BalancerNode(
                    balancer_arn=balancer.arn,
                    name=balancer.name,
                    eni_id=node.eni_id,
                    subnet_id=node.subnet_id,
                    zone=node.zone,
                    address=IPv4Address(node.private_ip),
                    listeners=listeners,
                    groups=tuple(before.of(node.eni_id, source) for source in sources),
                    idle_timeout_s=int(
                        balancer.attributes.get("idle_timeout.timeout_seconds", "60")
                    ),
                    attributes=tuple(sorted(balancer.attributes.items())),
                    target_tls=_target_tls(mine),
                    public_address=IPv4Address(node.public_ip) if node.public_ip else None,
                )
            )
    before.keep(nodes)
    steady = (without_vain_stickiness(node) for node in nodes)
    return b.Balancers(tuple(sorted(steady, key=lambda node: node.eni_id)))


def _used(listeners: Iterable[b.Listener]) -> list[str]:
    """The target groups that some rule leads to."""
    return sorted(
        {
            arn
            for listener in listeners
            for rule in listener.rules
            if isinstance(rule.action, b.Forward)
            for arn, _ in rule.action.groups
        }
    )


_address = lru_cache(maxsize=1 << 16)(IPv4Address)
"""As many as a VPC has: were there fewer than are drawn, each drawing would make all anew."""


def _target_tls(listeners: Iterable[m.Listener]) -> b.TargetTls:
    policy = m.target_ssl_policy(row.ssl_policy for row in listeners if row.ssl_policy)
    return b.TargetTls(policy.versions, policy.ciphers)


def _listener(row: m.Listener, rows: BalancerRows) -> b.Listener:
    mine = sorted(
        (rule for rule in rows.rules if rule.listener_arn == row.arn),
        key=lambda rule: rule.priority,
    )
    drawn = [
        b.Rule(
            rule.arn,
            rule.priority,
            tuple(
                b.Condition(c.field, c.values, c.key, c.pairs, c.regexes) for c in rule.conditions
            ),
            _action(rule.actions[-1]),
            tuple(b.Transform(t.type, t.regex, t.replace) for t in rule.transforms),
            _guards(rule.actions),
        )
        for rule in mine
    ]
    last, guards = _action(row.default_actions[-1]), _guards(row.default_actions)
    drawn.append(b.Rule(row.default_rule_arn, 0, (), last, guards=guards))
    policy = m.find_ssl_policy(row.ssl_policy) if row.ssl_policy else None
    return b.Listener(
        arn=row.arn,
        port=row.port,
        protocol=row.protocol,
        ssl_policy=row.ssl_policy,
        certificate_arns=tuple(dict.fromkeys(row.certificates)),
        rules=tuple(drawn),
        tls_versions=policy.versions if policy else (),
        ciphers=policy.ciphers if policy else (),
        attributes=tuple(sorted(row.attributes.items())),
        groups=policy.groups if policy else (),
        mutual=draw_mutual_tls(row.mutual, rows.trust_stores, rows.revocations),
    )


def _guards(actions: Iterable[m.Action]) -> tuple[b.Oidc | b.Jwt, ...]:
    found = (action.oidc or action.jwt for action in actions)
    return tuple(guard for guard in found if guard is not None)


def _action(action: m.Action) -> b.Action:
    if action.redirect is not None:
        r = action.redirect
        return b.Redirect(r.protocol, r.host, r.port, r.path, r.query, r.status)
    if action.fixed_response is not None:
        f = action.fixed_response
        return b.FixedResponse(f.status, f.content_type, f.body)
    sticky = action.stickiness
    return b.Forward(
        tuple((group.group_arn, group.weight) for group in action.groups),
        sticky.duration_s if sticky.enabled else None,
    )


def _source(
    group: m.TargetGroup,
    registrations: Iterable[m.Registration],
    zones: frozenset[str],
    eni_id: str,
    settled: Collection[SettledTarget],
    now: float,
    halved: Mapping[TargetName, int],
    young: Collection[SettledTarget],
) -> _Source:
    targets = []
    for row in registrations:
        if (row.zone is None or row.zone in zones) and not row.expired(group, now):
            key = (group.arn, row.target_id, row.port, eni_id)
            share = halved.get(key[:3], 0) if group.mitigates and halved else 0
            targets.append((row, key in settled, share, key in young))
    return group, zones, tuple(targets)


def _group(source: _Source) -> b.TargetGroup:
    group, _, registrations = source
    targets = tuple(
        b.Target(
            target_id=row.target_id,
            address=_address(row.target_id),
            port=row.port,
            zone=row.zone,
            draining=row.deregistered_at is not None,
            settled=settled,
            halved=halved,
            young=young,
        )
        for row, settled, halved, young in sorted(
            registrations, key=lambda each: (inet_aton(each[0].target_id), each[0].port)
        )
    )
    check = group.health_check
    attributes = group.attributes
    return b.TargetGroup(
        arn=group.arn,
        name=group.name,
        protocol=group.protocol,
        protocol_version=group.protocol_version,
        health_check=b.HealthCheck(
            protocol=check.protocol,
            port=None if check.port == "traffic-port" else int(check.port),
            path=check.path,
            interval_s=check.interval_s,
            timeout_s=check.timeout_s,
            healthy_threshold=check.healthy_threshold,
            unhealthy_threshold=check.unhealthy_threshold,
            matcher=check.matcher,
        ),
        targets=targets,
        stickiness=group_stickiness(group),
        algorithm=attributes.get("load_balancing.algorithm.type", "round_robin"),
        slow_start_s=int(attributes.get("slow_start.duration_seconds", "0")),
        healthy_count_min=group.routing_minimum.count,
        healthy_percent_min=group.routing_minimum.percent,
    )
