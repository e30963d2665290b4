"""Anomaly detection of targets: how requests end at each, compared with the others of its group.

What was decided stands in rows, what has happened is asked of the collector, which counts without
the daemon. Balancers' nodes follow the rows. So a daemon that comes back goes on where it was.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.balancer.outcomes import ByGroup, from_json
from hiyoko.plane.collector.control import CollectorPlane
from hiyoko.reconcile.comparing import (
    HEALTHY_MIN,
    STEP_S,
    WINDOW_S,
    Outcome,
    Standing,
    Target,
    compare,
)
from hiyoko.reconcile.report import Report
from hiyoko.services.elbv2 import rows
from hiyoko.services.elbv2.model import TargetGroup
from hiyoko.services.elbv2.seen import ANOMALIES_SEEN, TARGETS_SEEN, AnomalySeen
from hiyoko.settings import Settings
from hiyoko.store.database import Store, Transaction

Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Peers:
    """Healthy targets that are compared with each other; they share the group's requests."""

    group: TargetGroup
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class AnomalyReconciler:
    """Holds no state of its own."""

    store: Store
    plane: CollectorPlane
    clock: Clock = field(default_factory=SystemClock)
    step_s: float = STEP_S
    window_s: float = WINDOW_S

    @classmethod
    def of(cls, store: Store, settings: Settings, clock: Clock) -> AnomalyReconciler:
        """The reconciler of a cloud, with its collector under the run directory."""
        return cls(store, CollectorPlane.below(settings.run_dir), clock)

    @property
    def name(self) -> str:
        """The module's name."""
        return "anomalies"

    async def activate(self) -> Report:
        """Compare the targets of each group that has enough; note those that stand out."""
        report = Report()
        with self.store.reading() as tx:
            compared = list(_peers(tx))
            known = {_key(row): row for row in ANOMALIES_SEEN.list(tx)}
        if not compared and not known:
            return report
        outcomes = await self._outcomes() if compared else {}
        now = self.clock.now()
        found: dict[Key, AnomalySeen] = {}
        for peers in compared:
            for seen in self._compared(peers, known, outcomes.get(peers.group.arn, {}), now):
                found[_key(seen)] = seen
        if found != known:
            self._record(known, found)
            report.saw_change = True
        report.again_s = self.step_s if compared else None
        return report

    def _compared(
        self,
        peers: Peers,
        known: Mapping[Key, AnomalySeen],
        fared: Mapping[str, Outcome],
        now: float,
    ) -> Iterator[AnomalySeen]:
        """What is to be noted of these targets."""
        arn, mitigates = peers.group.arn, peers.group.mitigates
        before = {
            (target_id, port): Standing(row.result, row.halved, row.seen_at)
            for (group_arn, target_id, port), row in known.items()
            if group_arn == arn
        }
        counts = {(id_, port): fared.get(f"{id_}:{port}", (0, 0)) for id_, port in peers.targets}
        found = compare(counts, before, now, mitigates=mitigates, step_s=self.step_s)
        for target, it in found.items():
            if not it.ordinary:
                yield AnomalySeen(arn, *target, it.result, it.halved, it.since)

    async def _outcomes(self) -> ByGroup:
        """Nobody counts, nothing is known: then everything stays as it is."""
        told = await self.plane.ask("outcomes", seconds=self.window_s)
        return from_json(told["outcomes"]) if told is not None else {}

    def _record(self, known: Mapping[Key, AnomalySeen], found: Mapping[Key, AnomalySeen]) -> None:
        with self.store.transaction() as tx:
            for seen in found.values():
                ANOMALIES_SEEN.put(tx, seen)
            for group_arn, target_id, port in known.keys() - found.keys():
                ANOMALIES_SEEN.delete(tx, group_arn=group_arn, target_id=target_id, port=port)


def _key(row: AnomalySeen) -> Key:
    return row.group_arn, row.target_id, row.port


def _peers(tx: Transaction) -> Iterator[Peers]:
    """Groups in use by their targets that every node finds healthy; by zone where zones are apart.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html#automatic-target-weights
    """
    states: dict[str, dict[Target, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in TARGETS_SEEN.list(tx):
        states[row.group_arn][row.target_id, row.port].add(row.state)
    for arn, by_target in states.items():
        healthy = [target for target, seen in by_target.items() if seen == {"healthy"}]
        if len(healthy) < HEALTHY_MIN or (group := rows.TARGET_GROUPS.find(tx, arn=arn)) is None:
            continue
        zones: dict[str | None, list[Target]] = defaultdict(list)
        for target in healthy:
            zones[None if group.cross_zone else _zone(tx, arn, target)].append(target)
        for together in zones.values():
            if len(together) >= HEALTHY_MIN:
                yield Peers(group, tuple(together))


def _zone(tx: Transaction, group_arn: str, target: Target) -> str | None:
    row = rows.find_registration(tx, group_arn, *target)
    return row.zone if row is not None else None
