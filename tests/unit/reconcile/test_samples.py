"""Samples of one metric in one minute are one sample."""

from __future__ import annotations

from typing import Any

from hiyoko.reconcile.samples import merged


def sample(name: str, values: dict[float, float], *, service: str = "web") -> dict[str, Any]:
    dimensions = [("ClusterName", "c"), ("ServiceName", service)]
    return {
        "MetricName": name,
        "Unit": "Percent",
        "Dimensions": dimensions,
        "Timestamp": 60.0,
        "Values": values,
    }


def test_how_often_each_value_came_is_added_up_by_metric() -> None:
    given = [
        sample("CPUUtilization", {1.0: 1.0}),
        sample("MemoryUtilization", {1.0: 1.0}),
        sample("CPUUtilization", {1.0: 1.0, 2.0: 3.0}),
        sample("CPUUtilization", {5.0: 1.0}, service="api"),
        sample("CPUUtilization", {2.0: 1.0}) | {"Timestamp": 120.0},
    ]
    assert merged(given) == [
        sample("CPUUtilization", {1.0: 2.0, 2.0: 3.0}),
        sample("MemoryUtilization", {1.0: 1.0}),
        sample("CPUUtilization", {5.0: 1.0}, service="api"),
        sample("CPUUtilization", {2.0: 1.0}) | {"Timestamp": 120.0},
    ]
    assert given[0]["Values"] == {1.0: 1.0}
