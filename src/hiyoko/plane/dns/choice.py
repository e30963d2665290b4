"""Which of several record sets a question gets: Route 53's routing policies.   (pure)

Every policy first looks among the healthy sets; when none is, all count as healthy.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import accumulate
from random import Random
from typing import assert_never

from hiyoko.blueprint.places import HOME, Place, distance_km, globe_km
from hiyoko.blueprint.zones import Choice, Policy, RecordSet

MULTIVALUE_MAX = 8
DEFAULT_COUNTRY = "*"
_DEFAULT_NETWORK = "0.0.0.0/0"


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: the place (None is nowhere known), the chance that this question has, and the
    address (the client's where its resolver tells, else the resolver's; empty is unknown).
    """

    place: Place | None = HOME
    chance: Random = field(default_factory=Random)
    address: str = ""


def choose(record: RecordSet, asker: Asker) -> list[RecordSet]:
    """The simple sets that are answered now: several for multivalue, none for "no answer"."""
    if record.policy is Policy.SIMPLE:
        return [record] if record.values else []
    picked = _pick(record.policy, record.choices, asker)
    return [leaf for choice in picked for leaf in choose(choice.record, asker)]


def chooser(record: RecordSet) -> Callable[[Asker], tuple[RecordSet, ...]]:
    """What :func:`choose` does for this record, with all that is the same each time done once."""
    plain = all(choice.record.policy is Policy.SIMPLE for choice in record.choices)
    if record.policy is not Policy.WEIGHTED or not plain:
        return lambda asker: tuple(choose(record, asker))
    living = _living(record.choices)
    leaves = [(choice.record,) if choice.record.values else () for choice in living]
    weights = [choice.weight for choice in living]
    totals = list(accumulate(weights if any(weights) else [1] * len(weights)))
    total, last = float(totals[-1]), len(totals) - 1

    def by_weight(asker: Asker) -> tuple[RecordSet, ...]:
        return leaves[bisect_right(totals, asker.chance.random() * total, 0, last)]

    return by_weight


def _pick(policy: Policy, group: Sequence[Choice], asker: Asker) -> Sequence[Choice]:
    match policy:
        case Policy.WEIGHTED:
            return [_by_weight(_living(group), asker.chance)]
        case Policy.LATENCY:
            at = asker.place or HOME
            return [min(_living(group), key=lambda choice: distance_km(at, choice.region))]
        case Policy.GEOPROXIMITY:
            at = asker.place or HOME
            return [min(_living(group), key=lambda choice: _biased_km(at, choice))]
        case Policy.FAILOVER:
            ordered = sorted(group, key=lambda choice: not choice.primary)
            return _living(ordered)[:1]
        case Policy.GEOLOCATION:
            return _living(_by_place(group, asker.place))[:1]
        case Policy.MULTIVALUE:
            living = _living(group)
            return asker.chance.sample(living, min(len(living), MULTIVALUE_MAX))
        case Policy.CIDR:
            return _living(_by_network(group, asker.address))[:1]
        case Policy.SIMPLE:
            return group
        case _:
            assert_never(policy)


def _living(group: Sequence[Choice]) -> Sequence[Choice]:
    return [choice for choice in group if choice.healthy] or group


def _by_weight(group: Sequence[Choice], chance: Random) -> Choice:
    """A set by its share of the weights; those of weight 0 only where there is no other."""
    weights = [choice.weight for choice in group]
    if not any(weights):
        return chance.choice(group)
    return chance.choices(group, weights)[0]


def _biased_km(place: Place, choice: Choice) -> float:
    """The distance as its bias bends it.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/routing-policy-geoproximity.html
    """
    distance = globe_km(place, choice.latitude, choice.longitude)
    share = choice.bias / 100
    return distance * (1 - share) if share >= 0 else distance / (1 + share)


def _by_place(group: Sequence[Choice], place: Place | None) -> Sequence[Choice]:
    """The sets that a place may get, the most specific one first, the default last."""
    wanted = [("", DEFAULT_COUNTRY, "")]
    if place is not None:
        country = ("", place.country, "")
        wanted = [(place.continent, "", ""), *wanted]
        wanted = [("", place.country, place.subdivision), country, *wanted]
    by_place = {(c.continent, c.country, c.subdivision): c for c in group}
    return [by_place[key] for key in dict.fromkeys(wanted) if key in by_place]


def _by_network(group: Sequence[Choice], address: str) -> Sequence[Choice]:
    """The sets whose networks hold the address, the closest network first.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/routing-policy-ipbased.html
    """
    if not address:
        # Nobody knows who asks: the default, if there is one.
        return [choice for choice in group if _DEFAULT_NETWORK in choice.cidrs]
    asking = ip_address(address)
    found = []
    for choice in group:
        lengths = [n.prefixlen for n in map(_network, choice.cidrs) if asking in n]
        if lengths:
            found.append((-max(lengths), choice.set_id, choice))
    return [choice for _, _, choice in sorted(found, key=lambda item: item[:2])]


@cache
def _network(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text)
