"""Anomaly detection's rows: which targets are compared, and what is noted of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.golden.golden import FixedClock

from hiyoko import services
from hiyoko.plane.collector.control import CollectorPlane
from hiyoko.reconcile.anomalies import AnomalyReconciler
from hiyoko.services.elbv2 import rows
from hiyoko.services.elbv2.model import Registration, TargetGroup
from hiyoko.services.elbv2.seen import ANOMALIES_SEEN, TARGETS_SEEN, AnomalySeen, TargetSeen
from hiyoko.store.database import Store

GROUP = "arn:aws:elasticloadbalancing:ap-northeast-1:123456789012:targetgroup/web/2"
PLACE = ("123456789012", "ap-northeast-1")
MITIGATING = {
    "load_balancing.algorithm.type": "weighted_random",
    "load_balancing.algorithm.anomaly_mitigation": "on",
}


@dataclass(frozen=True, slots=True)
class Told(CollectorPlane):
    """A collector that tells what it was told."""

    outcomes: dict[str, list[int]] = field(default_factory=dict)
    away: list[bool] = field(default_factory=list)

    async def ask(self, do: str, timeout_s: float = 1, **more: Any) -> dict[str, Any] | None:
        assert (do, more) == ("outcomes", {"seconds": 15.0})
        return None if self.away else {"outcomes": {GROUP: self.outcomes}}


@dataclass
class World:
    store: Store
    told: Told
    clock: FixedClock = field(default_factory=FixedClock)

    def turn(self) -> list[AnomalySeen]:
        """A reconciler that knows nothing looks once; what stands there then."""
        asyncio.run(AnomalyReconciler(self.store, self.told, self.clock).activate())
        with self.store.reading() as tx:
            return ANOMALIES_SEEN.list(tx)

    def put(self, number: int, state: str = "healthy", zone: str = "a") -> None:
        place = (GROUP, f"10.0.1.{number}", 80)
        with self.store.transaction() as tx:
            rows.REGISTRATIONS.put(tx, Registration(GROUP, *PLACE, place[1], 80, zone, 0.0))
            for eni in ("eni-a", "eni-b"):
                TARGETS_SEEN.put(tx, TargetSeen(*place, eni, state, "", "", 0.0))

    def set(self, **attributes: str) -> None:
        with self.store.transaction() as tx:
            group = rows.get_target_group(tx, GROUP)
            rows.TARGET_GROUPS.put(tx, replace(group, attributes=attributes))


@pytest.fixture
def world(tmp_path: Path) -> World:
    services.load()
    made = World(Store.open(":memory:"), Told(tmp_path, tmp_path))
    with made.store.transaction() as tx:
        group = TargetGroup(GROUP, *PLACE, "web", "HTTP", 80, "vpc", 0.0, attributes=MITIGATING)
        rows.TARGET_GROUPS.insert(tx, group)
    for number in range(1, 4):
        made.put(number)
        made.told.outcomes[f"10.0.1.{number}:80"] = [100, 0]
    return made


FAILING = "10.0.1.2"


def test_a_failing_target_is_noted_and_its_share_falls_and_rises(world: World) -> None:
    assert world.turn() == []
    world.told.outcomes[f"{FAILING}:80"] = [100, 90]
    begun = world.clock.time
    seen = AnomalySeen(GROUP, FAILING, 80, "anomalous", 1, begun)
    assert world.turn() == [seen]
    assert world.turn() == [seen]
    world.clock.time += 5
    assert world.turn() == [replace(seen, halved=2, seen_at=begun + 5)]
    world.told.outcomes[f"{FAILING}:80"] = [100, 0]
    world.clock.time += 5
    assert world.turn() == [replace(seen, result="normal", seen_at=begun + 10)]
    world.clock.time += 5
    assert world.turn() == []


def test_without_anybody_who_counts_everything_stays(world: World) -> None:
    world.told.outcomes[f"{FAILING}:80"] = [100, 90]
    noted = world.turn()
    world.told.away.append(True)
    assert world.turn() == noted


def test_it_takes_three_healthy_targets(world: World) -> None:
    world.told.outcomes[f"{FAILING}:80"] = [100, 90]
    assert len(world.turn()) == 1
    world.put(3, "unhealthy")
    assert world.turn() == []


def test_where_mitigation_is_off_the_result_is_noted_all_the_same(world: World) -> None:
    world.set()
    world.told.outcomes[f"{FAILING}:80"] = [100, 90]
    assert [(row.result, row.halved) for row in world.turn()] == [("anomalous", 0)]


def test_where_zones_are_apart_each_compares_its_own(world: World) -> None:
    # Both of zone b fail: with all five they would stand out, among three they do not.
    for number in (4, 5, 6):
        world.put(number, zone="b")
        world.told.outcomes[f"10.0.1.{number}:80"] = [100, 0 if number == 6 else 90]
    assert len(world.turn()) == 2
    world.set(**{"load_balancing.cross_zone.enabled": "false"})
    assert world.turn() == []
