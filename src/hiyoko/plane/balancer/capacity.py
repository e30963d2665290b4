"""ConsumedLCUs: what of a load balancer's capacity a minute has used, from the minute's counts.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
https://aws.amazon.com/elasticloadbalancing/pricing/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hiyoko.plane.balancer.counting import COUNT, Metric, Tally

MINUTE_S, HOUR_MINUTES = 60, 60
NEW_CONNECTIONS_A_SECOND = 25
ACTIVE_CONNECTIONS = 3000
BYTES_AN_HOUR = 10**9
RULES_A_SECOND = 1000
RULES_FREE = 10
"""So many rules of a request cost nothing."""

Values = Mapping[float, int]


def consumed(tally: Tally) -> Iterator[tuple[Metric, float]]:
    """The metric of each load balancer that a whole minute's tally tells of, with its value."""
    by_balancer: dict[tuple[str, str, str], dict[str, Values]] = {}
    for metric, values in tally.values.items():
        if [name for name, _ in metric.dimensions] == ["LoadBalancer"]:
            place = (metric.account, metric.region, metric.dimensions[0][1])
            by_balancer.setdefault(place, {})[metric.name] = values
    for (account, region, balancer), counted in by_balancer.items():
        metric = Metric(account, region, "ConsumedLCUs", COUNT, (("LoadBalancer", balancer),))
        yield metric, units(counted)


def units(counted: Mapping[str, Values]) -> float:
    """The largest of four shares: an hour of each 1.0 is what one unit pays for."""
    rules = counted.get("RuleEvaluations", {})
    charged = sum(max(0.0, looked_at - RULES_FREE) * times for looked_at, times in rules.items())
    return max(
        _sum(counted, "NewConnectionCount") / MINUTE_S / NEW_CONNECTIONS_A_SECOND,
        # Each node has told once in the minute how many there are.
        _sum(counted, "ActiveConnectionCount") / ACTIVE_CONNECTIONS,
        _sum(counted, "ProcessedBytes") * HOUR_MINUTES / BYTES_AN_HOUR,
        charged / MINUTE_S / RULES_A_SECOND,
    )


def _sum(counted: Mapping[str, Values], name: str) -> float:
    return sum(value * times for value, times in counted.get(name, {}).items())
