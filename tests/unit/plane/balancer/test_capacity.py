"""Load balancer capacity units, by AWS's four dimensions.

https://aws.amazon.com/elasticloadbalancing/pricing/
"""

from __future__ import annotations

import pytest

from hiyoko.plane.balancer.capacity import Values, consumed, units
from hiyoko.plane.balancer.counting import Metric, Tally


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        ({}, 0.0),
        ({"NewConnectionCount": {1500.0: 2}}, 2.0),
        ({"ActiveConnectionCount": {1500.0: 1, 3000.0: 1}}, 1.5),
        ({"ProcessedBytes": {1e9 / 60: 3}}, 3.0),
        # 60 requests a second: of 5 rules free of charge, of 110 a hundred are paid for.
        ({"RuleEvaluations": {5.0: 3600}}, 0.0),
        ({"RuleEvaluations": {110.0: 3600}}, 6.0),
        ({"NewConnectionCount": {1500.0: 1}, "ProcessedBytes": {1e9 / 60: 2}}, 2.0),
    ],
)
def test_the_largest_share_counts(counted: dict[str, Values], expected: float) -> None:
    assert units(counted) == pytest.approx(expected)


def test_each_load_balancer_has_its_own() -> None:
    tally = Tally()
    for name, count in (("app/a/1", 1500.0), ("app/b/2", 3000.0)):
        whole = ("LoadBalancer", name)
        for place in ((whole,), (("AvailabilityZone", "z"), whole)):
            tally.add(Metric("1", "r", "NewConnectionCount", "Count", place), count, 1)
    found = {metric.dimensions: value for metric, value in consumed(tally)}
    assert found == {(("LoadBalancer", "app/a/1"),): 1.0, (("LoadBalancer", "app/b/2"),): 2.0}
