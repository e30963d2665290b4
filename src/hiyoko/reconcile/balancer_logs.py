"""Metrics and logs of load balancers: what the collector has counted, and files for S3."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hiyoko import api
from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.balancer.capacity import consumed
from hiyoko.plane.balancer.counting import from_json
from hiyoko.plane.collector.control import CollectorPlane
from hiyoko.plane.silent import Silent
from hiyoko.reconcile.report import Report
from hiyoko.reconcile.samples import MINUTE_S, record_samples, sample, to_next_minute_s
from hiyoko.services.elbv2 import rows
from hiyoko.services.elbv2.model import LoadBalancer, used_groups
from hiyoko.services.elbv2.seen import ANOMALIES_SEEN, NODES_SEEN, TARGETS_SEEN, TargetSeen
from hiyoko.settings import Settings
from hiyoko.store.database import Store, Transaction

log = logging.getLogger(__name__)

NAMESPACE = "AWS/ApplicationELB"
Place = tuple[str, str]
"""Account and region."""


@dataclass(frozen=True, slots=True)
class BalancerLogsReconciler:
    """Holds no state of its own: the collector gives a batch until it is known to be stored."""

    store: Store
    plane: CollectorPlane
    clock: Clock = field(default_factory=SystemClock)

    @classmethod
    def of(
        cls, store: Store, settings: Settings, wake: Callable[[], None]
    ) -> BalancerLogsReconciler:
        """The reconciler of a cloud, with its collector under the run directory.

        ``wake`` is called when the collector ends: HAProxy's pipes are full after a moment.
        """
        return cls(store, CollectorPlane.below(settings.run_dir, wake))

    @property
    def name(self) -> str:
        """The module's name."""
        return "balancer_logs"

    async def activate(self) -> Report:
        """See that a collector runs while there are nodes, and take what it has."""
        report = Report()
        with self.store.reading() as tx:
            nodes = {row.eni_id for row in NODES_SEEN.list(tx)}
        seen = await self._observe(report)
        if seen is None and not nodes:
            return report
        if seen is None:
            with report.attempt("start the collector"):
                await self.plane.start()
        elif not nodes <= set(seen["nodes"]) or set(seen["nodes"]) - nodes:
            await self.plane.ask("watch")
        await self.take(report, unfinished=not nodes)
        self._deliver(report)
        if not nodes and not self.plane.ready():
            with report.attempt("end the collector"):
                await self.plane.ask("end")
            return report
        self._record_health()
        report.again_s = to_next_minute_s(self.clock.now())
        return report

    async def _observe(self, report: Report) -> dict[str, Any] | None:
        """What the collector says. One that does not answer is ended, and none from then on."""
        try:
            return await self.plane.status()
        except Silent as silent:
            with report.attempt(f"end the collector, which does not answer: {silent}"):
                await self.plane.end()
            return None

    async def take(self, report: Report, *, unfinished: bool = False) -> None:
        """Store the collector's batches of counts; ``unfinished`` also the minute that runs."""
        batch = await self.plane.ask("take", unfinished=unfinished)
        while batch is not None and batch["minutes"]:
            targets = self._targets()
            for place, samples in _by_place(batch["minutes"], targets).items():
                self._record(place, batch["instance"], batch["sequence"], samples)
            await self.plane.ask("done", sequence=batch["sequence"])
            report.saw_change = True  # alarms look again
            # A batch that was given out before may have come first: there may be more.
            batch = await self.plane.ask("take")

    def _targets(self) -> dict[str, int]:
        """How many targets requests are shared by, for each target group by its name in metrics."""
        with self.store.reading() as tx:
            found: dict[str, set[tuple[str, int]]] = defaultdict(set)
            for row in TARGETS_SEEN.list(tx):
                if row.state == "healthy":
                    name = row.group_arn.rsplit(":", 1)[1]
                    found[name].add((row.target_id, row.port))
        return {name: len(targets) for name, targets in found.items()}

    def _record(
        self, place: Place, source: str, sequence: int, samples: Iterable[Mapping[str, Any]]
    ) -> None:
        once = f"{source}/{place[0]}/{place[1]}", sequence
        record_samples(self.store, self.clock, place, NAMESPACE, samples, once)

    def _record_health(self) -> None:
        """Once a minute: how many targets are healthy, by zone, of every group in use."""
        minute = int(self.clock.now()) // MINUTE_S
        with self.store.reading() as tx:
            found: dict[Place, list[dict[str, Any]]] = defaultdict(list)
            for balancer in rows.LOAD_BALANCERS.list(tx):
                found[balancer.account, balancer.region] += _health(tx, balancer, minute * MINUTE_S)
        for place, samples in found.items():
            if samples:
                self._record(place, "health", minute, samples)

    def _deliver(self, report: Report) -> None:
        """Put finished log files into their buckets; what a bucket refuses is told and let go."""
        for note in self.plane.ready():
            told, file = json.loads(note.read_text()), note.with_suffix(".gz")
            request = {"Bucket": told["bucket"], "Key": told["key"], "Body": file.read_bytes()}
            try:
                api.ask_neighbour(
                    "s3", "PutObject", request, account=told["account"], region=told["region"]
                )
            except api.AwsError as error:
                log.warning("%s: not delivered to %s: %s", told["key"], told["bucket"], error)
            report.steps.append(f"deliver {told['key']} to {told['bucket']}")
            note.unlink()
            file.unlink()


def _by_place(
    minutes: Iterable[tuple[int, list[list[object]]]], targets: Mapping[str, int]
) -> dict[Place, list[Any]]:
    found: dict[Place, list[Any]] = defaultdict(list)
    for at, raw in minutes:
        tally = from_json(raw)
        for metric, used in list(consumed(tally)):
            tally.add(metric, used, 1)
        for metric, values in tally.values.items():
            if metric.name == "RequestCountPerTarget":
                share = max(1, targets.get(dict(metric.dimensions)["TargetGroup"], 1))
                values = {value / share: times for value, times in values.items()}
            found[metric.account, metric.region].append(
                sample(metric.name, metric.unit, metric.dimensions, at, values)
            )
    return found


def _health(tx: Transaction, balancer: LoadBalancer, at: float) -> list[dict[str, Any]]:
    samples: list[dict[str, Any]] = []
    zone_of = {node.eni_id: node.zone for node in balancer.nodes}
    for arn in sorted(_groups(tx, balancer)):
        standing_out = {
            (row.target_id, row.port): row for row in ANOMALIES_SEEN.list(tx, group_arn=arn)
        }
        by_zone: dict[str, list[TargetSeen]] = {zone: [] for zone in zone_of.values()}
        for row in TARGETS_SEEN.list(tx, group_arn=arn):
            if row.eni_id in zone_of:
                by_zone[zone_of[row.eni_id]].append(row)
        target, whole = ("TargetGroup", arn.rsplit(":", 1)[1]), ("LoadBalancer", balancer.full_name)
        for zone, seen in by_zone.items():
            healthy = sum(row.state == "healthy" for row in seen)
            unhealthy = sum(row.state == "unhealthy" for row in seen)
            worse = [
                standing_out[row.target_id, row.port]
                for row in seen
                if (row.target_id, row.port) in standing_out
            ]
            state = "Healthy" if healthy else "Unhealthy"
            values = {
                "HealthyHostCount": healthy,
                "UnHealthyHostCount": unhealthy,
                "AnomalousHostCount": sum(row.result == "anomalous" for row in worse),
                "MitigatedHostCount": sum(row.halved > 0 for row in worse),
                f"{state}StateDNS": 1,
                f"{state}StateRouting": 1,
            }
            for name, value in values.items():
                counted = {float(value): 1.0}
                place = (("AvailabilityZone", zone), whole, target)
                samples.append(sample(name, "Count", place, at, counted))
                samples.append(sample(name, "Count", (whole, target), at, counted))
    return samples


def _groups(tx: Transaction, balancer: LoadBalancer) -> set[str]:
    found: set[str] = set()
    for listener in rows.list_listeners(tx, balancer.arn):
        found.update(used_groups(listener.default_actions))
        for rule in rows.list_rules(tx, listener.arn):
            found.update(used_groups(rule.actions))
    return found
