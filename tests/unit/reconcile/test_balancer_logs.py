"""Health of targets as metrics, and what happens without any load balancer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.golden.golden import FixedClock

from hiyoko import api, services
from hiyoko.plane.balancer.counting import Metric, Tally, as_json
from hiyoko.plane.collector.control import CollectorPlane
from hiyoko.reconcile.balancer_logs import BalancerLogsReconciler, _by_place
from hiyoko.services.elbv2 import rows
from hiyoko.services.elbv2.model import Action, Listener, LoadBalancer, Node, WeightedGroup
from hiyoko.services.elbv2.seen import (
    ANOMALIES_SEEN,
    NODES_SEEN,
    TARGETS_SEEN,
    AnomalySeen,
    NodeSeen,
    TargetSeen,
)
from hiyoko.store.database import Store

PREFIX = "arn:aws:elasticloadbalancing:ap-northeast-1:123456789012"
BALANCER = f"{PREFIX}:loadbalancer/app/web/1"
GROUP = f"{PREFIX}:targetgroup/web/2"


class Empty(CollectorPlane):
    """A collector that has counted nothing."""

    async def ask(self, do: str, timeout_s: float = 1, **more: Any) -> dict[str, Any]:
        return {"nodes": ["eni-a", "eni-b"], "minutes": []}


@pytest.fixture
def store() -> Store:
    services.load()
    made = Store.open(":memory:")
    nodes = tuple(Node("subnet", f"zone-{x}", f"eni-{x}", "10.0.0.1") for x in "ab")
    action = Action("forward", groups=(WeightedGroup(GROUP),))
    with made.transaction() as tx:
        rows.LOAD_BALANCERS.insert(
            tx,
            LoadBalancer(
                BALANCER, "123456789012", "ap-northeast-1", "web", "d", "internal", "vpc", (),
                nodes, 0.0,
            ),
        )  # fmt: skip
        rows.LISTENERS.insert(
            tx,
            Listener(
                "l", "123456789012", "ap-northeast-1", BALANCER, 80, "HTTP", "rule", (action,)
            ),
        )
        for x in "ab":
            NODES_SEEN.put(tx, NodeSeen(f"eni-{x}", BALANCER, (80,), "d", "d", 0.0))
            TARGETS_SEEN.put(
                tx, TargetSeen(GROUP, "10.0.1.1", 80, f"eni-{x}", "healthy", "", "", 0)
            )
            state = "unhealthy" if x == "a" else "initial"
            TARGETS_SEEN.put(tx, TargetSeen(GROUP, "10.0.1.2", 80, f"eni-{x}", state, "", "", 0))
        ANOMALIES_SEEN.put(tx, AnomalySeen(GROUP, "10.0.1.1", 80, "anomalous", 0, 0.0))
        ANOMALIES_SEEN.put(tx, AnomalySeen(GROUP, "10.0.1.2", 80, "normal", 2, 0.0))
    return made


def test_healthy_and_unhealthy_targets_are_counted_once_a_minute(
    store: Store, tmp_path: Path
) -> None:
    clock = FixedClock()
    reconciler = BalancerLogsReconciler(store, Empty(tmp_path, tmp_path), clock)
    asyncio.run(reconciler.activate())
    report = asyncio.run(reconciler.activate())
    assert report.again_s is not None
    assert 0 < report.again_s <= 61

    def value(name: str, statistic: str, *zone: str) -> list[float]:
        dimensions = [
            {"Name": "LoadBalancer", "Value": "app/web/1"},
            {"Name": "TargetGroup", "Value": "targetgroup/web/2"},
            *({"Name": "AvailabilityZone", "Value": one} for one in zone),
        ]
        asked = {
            "Namespace": "AWS/ApplicationELB", "MetricName": name, "Dimensions": dimensions,
            "StartTime": clock.time - 60, "EndTime": clock.time + 60, "Period": 60,
            "Statistics": [statistic],
        }  # fmt: skip
        found = api.invoke(store, "cloudwatch", "GetMetricStatistics", asked, clock=clock)
        return [point[statistic] for point in found["Datapoints"]]

    assert value("HealthyHostCount", "Sum", "zone-a") == [1]
    assert value("UnHealthyHostCount", "Sum", "zone-a") == [1]
    assert value("UnHealthyHostCount", "Sum", "zone-b") == [0]
    assert value("HealthyHostCount", "Average") == [1]
    assert value("HealthyStateDNS", "SampleCount") == [2]
    assert value("AnomalousHostCount", "Maximum", "zone-a") == [1]
    assert value("MitigatedHostCount", "Average") == [1]


def test_capacity_is_told_with_the_counts_of_its_minute() -> None:
    tally, place = Tally(), (("LoadBalancer", "app/web/1"),)
    tally.add(Metric("1", "r", "ProcessedBytes", "Bytes", place), 25e6, 2)
    [(_, samples)] = _by_place([(60, as_json(tally))], {}).items()
    told = {sample["MetricName"]: sample for sample in samples}
    assert told["ConsumedLCUs"]["Values"] == {3.0: 1}
    assert told["ConsumedLCUs"]["Dimensions"] == list(place)


@dataclass(frozen=True, slots=True)
class Counting(CollectorPlane):
    """A collector that has counted six requests of one minute, until that is stored."""

    stored: list[bool] = field(default_factory=list)

    async def ask(self, do: str, timeout_s: float = 1, **more: Any) -> dict[str, Any]:
        if do == "done":
            self.stored.append(True)
        place = ("123456789012", "ap-northeast-1", "RequestCountPerTarget", "Count")
        tally = Tally()
        tally.add(Metric(*place, (("TargetGroup", "targetgroup/web/2"),)), 1.0, 6)
        minutes = [] if self.stored else [(1_699_999_980, as_json(tally))]
        return {"nodes": ["eni-a", "eni-b"], "minutes": minutes, "instance": "i", "sequence": 1}


def test_requests_per_target_are_shared_by_the_healthy_ones(store: Store, tmp_path: Path) -> None:
    with store.transaction() as tx:
        for x in "ab":
            TARGETS_SEEN.put(
                tx, TargetSeen(GROUP, "10.0.1.3", 80, f"eni-{x}", "healthy", "", "", 0)
            )
    clock = FixedClock()
    plane = Counting(tmp_path, tmp_path)
    asyncio.run(BalancerLogsReconciler(store, plane, clock).activate())
    asked = {
        "Namespace": "AWS/ApplicationELB",
        "MetricName": "RequestCountPerTarget",
        "Dimensions": [{"Name": "TargetGroup", "Value": "targetgroup/web/2"}],
        "StartTime": clock.time - 600,
        "EndTime": clock.time + 60,
        "Period": 60,
        "Statistics": ["Sum"],
    }
    found = api.invoke(store, "cloudwatch", "GetMetricStatistics", asked, clock=clock)
    assert [point["Sum"] for point in found["Datapoints"]] == [3]


def test_without_load_balancers_nothing_runs_and_nobody_looks_again(tmp_path: Path) -> None:
    plane = CollectorPlane(tmp_path, tmp_path / "collector")
    report = asyncio.run(BalancerLogsReconciler(Store.open(":memory:"), plane).activate())
    assert report.quiet
    assert report.again_s is None
    assert not (tmp_path / "collector").exists()
