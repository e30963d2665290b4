r"""Draws a hosted zone's record sets: aliases become what they stand for, groups become choices.

Route 53 writes odd bytes as octal escapes (``\052``), master files as decimal ones (``\042``):
texts are translated here, so that a plane never meets the former.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hiyoko.blueprint.places import REGION_TOWNS
from hiyoko.blueprint.zones import Choice, Policy, RecordSet
from hiyoko.services.elbv2.model import LoadBalancer
from hiyoko.services.route53.model import (
    CidrCollection,
    CidrRouting,
    GeoLocation,
    GeoProximity,
    HostedZone,
    TrafficBranch,
    TrafficNode,
    TrafficPolicy,
    TrafficPolicyInstance,
)
from hiyoko.services.route53.model import RecordSet as Wished

BALANCER_TTL_S = 60
"""https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resource-record-sets-values-alias-common.html"""
ADDRESSES_MAX = 8
ALIAS_HOPS_MAX = 8

Groups = Mapping[tuple[str, str], Sequence[Wished]]

_OCTAL = re.compile(r"\\([0-3][0-7]{2})|\\.", re.DOTALL)
_POLICIES = {
    "simple": Policy.SIMPLE,
    "weighted": Policy.WEIGHTED,
    "latency": Policy.LATENCY,
    "failover": Policy.FAILOVER,
    "geolocation": Policy.GEOLOCATION,
    "geoproximity": Policy.GEOPROXIMITY,
    "multivalue answer": Policy.MULTIVALUE,
    "CIDR": Policy.CIDR,
}
EVERYBODY = ("0.0.0.0/0", "::/0")
"""A CIDR group's default: the widest networks there are."""
_NOWHERE = GeoLocation()


@dataclass(frozen=True, slots=True)
class Unhealthy:
    """What is known to be unhealthy: health checks by id, load balancers by ARN."""

    checks: frozenset[str] = frozenset()
    balancers: frozenset[str] = frozenset()


ALL_HEALTHY = Unhealthy()


def master_text(text: str) -> str:
    """The text with Route 53's octal escapes as a master file's decimal ones (RFC 1035, 5.1)."""
    return _OCTAL.sub(lambda m: f"\\{int(m[1], 8):03d}" if m[1] else m[0], text)


def balancer_addresses(balancer: LoadBalancer) -> tuple[str, ...]:
    """A balancer's public addresses; private ones when it is internal, also in public DNS."""
    internal = balancer.scheme == "internal"
    found = (n.private_ip if internal else n.public_ip for n in balancer.nodes)
    return tuple(sorted(address for address in found if address))[:ADDRESSES_MAX]


def _set_id(record: Wished) -> str:
    return record.set_id


def _coordinates(at: GeoProximity | None) -> tuple[float, float]:
    """Where on the globe a set's resource is."""
    if at is None:
        return 0.0, 0.0
    if at.region is not None:
        return REGION_TOWNS[at.region]
    return float(at.latitude or 0), float(at.longitude or 0)


@dataclass(slots=True)
class Drawn:
    """Plain sets as they were drawn before, by the identity of their rows.

    The same row gives the same object again, so that a zone of thousands is compared in no time.
    """

    sets: dict[int, tuple[Wished, RecordSet]] = field(default_factory=dict)


def _absolute(dns_name: str) -> str:
    return dns_name.lower().rstrip(".") + "."


@dataclass(frozen=True, slots=True)
class Flow:
    """What answers go by beside record sets: traffic policies at work, and CIDR collections."""

    policies: Sequence[TrafficPolicy] = ()
    instances: Sequence[TrafficPolicyInstance] = ()
    collections: Sequence[CidrCollection] = ()
    logged: frozenset[str] = frozenset()
    """Zones whose queries are written down, by id."""


NO_FLOW = Flow()


@dataclass(frozen=True, slots=True)
class Draft:
    """All that record sets are drawn from."""

    by_zone: Mapping[str, Groups]
    balancers: Mapping[str, LoadBalancer]
    unhealthy: Unhealthy
    collections: Mapping[str, CidrCollection] = field(default_factory=dict)
    traffic: Mapping[str, Sequence[tuple[TrafficPolicyInstance, TrafficNode]]] = field(
        default_factory=dict
    )
    before: Mapping[int, tuple[Wished, RecordSet]] = field(default_factory=dict)
    drawn: Drawn = field(default_factory=Drawn)
    logged: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        zones: Iterable[HostedZone],
        records: Iterable[Wished],
        balancers: Iterable[LoadBalancer],
        unhealthy: Unhealthy,
        flow: Flow = NO_FLOW,
        drawn: Drawn | None = None,
    ) -> Draft:
        """Sort the rows by zone and group. ``drawn`` is of the last time, and of this one after."""
        by_zone: dict[str, dict[tuple[str, str], list[Wished]]] = {z.zone_id: {} for z in zones}
        for record in records:
            if record.zone_id in by_zone:
                group = by_zone[record.zone_id].setdefault((record.name, record.type), [])
                group.append(record)
                if len(group) > 1:
                    group.sort(key=_set_id)
        starts = {(policy.policy_id, policy.version): policy.start for policy in flow.policies}
        traffic: dict[str, list[tuple[TrafficPolicyInstance, TrafficNode]]] = {}
        for instance in sorted(flow.instances, key=lambda one: (one.name, one.type)):
            start = starts[instance.policy_id, instance.policy_version]
            traffic.setdefault(instance.zone_id, []).append((instance, start))
        drawn = drawn or Drawn()
        before, drawn.sets = drawn.sets, {}
        return cls(
            by_zone,
            {b.dns_name.lower(): b for b in balancers},
            unhealthy,
            {collection.collection_id: collection for collection in flow.collections},
            traffic,
            before,
            drawn,
            flow.logged,
        )

    def served(self, zone_id: str) -> tuple[RecordSet, ...]:
        """A zone's sets as they are answered."""
        return (
            *self._sets(self.by_zone[zone_id].values()),
            *(self._flow(one, start) for one, start in self.traffic.get(zone_id, ())),
        )

    def _sets(self, groups: Iterable[Sequence[Wished]]) -> Iterator[RecordSet]:
        """Each group's set; a plain one depends on nothing but its row."""
        before, sets = self.before, self.drawn.sets
        for group in groups:
            first = group[0]
            known = before.get(id(first))
            if known is None:
                if first.set_id or first.alias is not None:
                    yield self._group(group, ALIAS_HOPS_MAX)
                    continue
                known = (first, self._record(first, 0))
            sets[id(first)] = known
            yield known[1]

    def _group(self, group: Sequence[Wished], hops: int) -> RecordSet:
        first = group[0]
        policy = _POLICIES[first.policy]
        if policy is Policy.SIMPLE:
            return self._record(first, hops)
        return RecordSet(
            name=master_text(first.name),
            type=first.type,
            ttl_s=0,
            values=(),
            policy=policy,
            choices=tuple(self._choice(record, hops) for record in group),
        )

    def _choice(self, wished: Wished, hops: int) -> Choice:
        record = self._record(wished, hops)
        place = wished.geo or _NOWHERE
        latitude, longitude = _coordinates(wished.proximity)
        return Choice(
            set_id=wished.set_id,
            record=record,
            healthy=self._healthy(wished, hops),
            weight=wished.weight or 0,
            region=wished.latency_region or "",
            primary=wished.failover == "PRIMARY",
            continent=place.continent or "",
            country=place.country or "",
            subdivision=place.subdivision or "",
            latitude=latitude,
            longitude=longitude,
            bias=wished.proximity.bias if wished.proximity else 0,
            cidrs=self._cidrs(wished.cidr),
        )

    def _cidrs(self, cidr: CidrRouting | None) -> tuple[str, ...]:
        if cidr is None:
            return ()
        collection = self.collections.get(cidr.collection_id)
        if cidr.location == "*":
            return EVERYBODY
        return collection.blocks(cidr.location) if collection else ()

    def _flow(self, instance: TrafficPolicyInstance, node: TrafficNode) -> RecordSet:
        """A traffic policy's tree as nested choices."""
        name = master_text(instance.name)
        endpoint = node.endpoint
        if endpoint is not None:
            balancer = self._balancer(_absolute(endpoint.value))
            if balancer is not None:
                values = balancer_addresses(balancer) if instance.type == "A" else ()
                return RecordSet(name, instance.type, BALANCER_TTL_S, values)
            values = (master_text(endpoint.value),) if endpoint.type == "value" else ()
            return RecordSet(name, instance.type, instance.ttl_s, values)
        return RecordSet(
            name,
            instance.type,
            0,
            (),
            policy=_POLICIES[node.policy],
            choices=tuple(
                self._branch(instance, number, branch)
                for number, branch in enumerate(node.branches)
            ),
        )

    def _branch(
        self, instance: TrafficPolicyInstance, number: int, branch: TrafficBranch
    ) -> Choice:
        place = branch.geo or _NOWHERE
        latitude, longitude = _coordinates(branch.proximity)
        return Choice(
            set_id=str(number),
            record=self._flow(instance, branch.node),
            healthy=self._branch_healthy(branch),
            weight=branch.weight or 0,
            region=branch.latency_region or "",
            primary=branch.failover == "PRIMARY",
            continent=place.continent or "",
            country=place.country or "",
            subdivision=place.subdivision or "",
            latitude=latitude,
            longitude=longitude,
            bias=branch.proximity.bias if branch.proximity else 0,
        )

    def _branch_healthy(self, branch: TrafficBranch) -> bool:
        """A rule is as healthy as any branch of it, as an alias that evaluates its target."""
        if branch.health_check_id in self.unhealthy.checks:
            return False
        endpoint = branch.node.endpoint
        if endpoint is None:
            return any(self._branch_healthy(below) for below in branch.node.branches)
        balancer = self._balancer(_absolute(endpoint.value))
        if balancer is None or not branch.evaluate_health:
            return True
        return balancer.arn not in self.unhealthy.balancers

    def _record(self, wished: Wished, hops: int) -> RecordSet:
        """One set. Without values: the name exists, the type does not."""
        name = master_text(wished.name)
        alias = wished.alias
        if alias is None:
            values = tuple(master_text(value) for value in wished.values)
            return RecordSet(name, wished.type, wished.ttl_s or 0, values)
        balancer = self._balancer(alias.dns_name)
        if balancer is not None:
            values = balancer_addresses(balancer) if wished.type == "A" else ()
            return RecordSet(name, wished.type, BALANCER_TTL_S, values)
        target = self._target(wished)
        if target is None or hops == 0:
            return RecordSet(name, wished.type, BALANCER_TTL_S, ())
        return replace(self._group(target, hops - 1), name=name)

    def _healthy(self, wished: Wished, hops: int) -> bool:
        """No check: healthy. An alias that evaluates its target is as healthy as any of it is."""
        if wished.health_check_id in self.unhealthy.checks:
            return False
        alias = wished.alias
        if alias is None or not alias.evaluate_health:
            return True
        balancer = self._balancer(alias.dns_name)
        if balancer is not None:
            return balancer.arn not in self.unhealthy.balancers
        target = self._target(wished)
        if target is None:
            return False
        return hops == 0 or any(self._healthy(record, hops - 1) for record in target)

    def _balancer(self, dns_name: str) -> LoadBalancer | None:
        return self.balancers.get(dns_name.removeprefix("dualstack.").rstrip("."))

    def _target(self, wished: Wished) -> Sequence[Wished] | None:
        """The group that an alias inside a hosted zone points to."""
        alias = wished.alias
        if alias is None:
            return None
        return self.by_zone.get(alias.zone_id, {}).get((alias.dns_name, wished.type))
