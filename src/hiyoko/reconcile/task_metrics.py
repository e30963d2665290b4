"""What services use of what their tasks were given, for CloudWatch, once a minute.

And Container Insights, of clusters that ask for it.

Processor time is counted by the kernel and divided by the time that really went by (the monotonic
clock), so a clock that is set changes no percentage.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service_utilization.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.containers.usage import TaskUsage
from hiyoko.reconcile.container_insights import NAMESPACE as INSIGHTS
from hiyoko.reconcile.container_insights import count_samples, usage_samples
from hiyoko.reconcile.report import Report
from hiyoko.reconcile.samples import MINUTE_S, record_samples, sample, to_next_minute_s
from hiyoko.reconcile.task_views import TaskViews
from hiyoko.services.ecs.model import Cluster, Task, TaskView
from hiyoko.services.ecs.rows import CLUSTERS, SERVICES
from hiyoko.services.ecs.seen import USAGE_LOOKS, USAGE_SEEN, UsageLook, UsageSeen
from hiyoko.store.database import Store, Transaction

NAMESPACE = "AWS/ECS"
CPU_UNITS, MIB = 1024, 1024 * 1024

Usage = Callable[[str], TaskUsage | None]
"""What the task of an ARN uses; None where the host gives no control groups."""


@dataclass(frozen=True, slots=True)
class TaskMetricsReconciler:
    """Holds no state of its own: the last counters are in the store."""

    store: Store
    usage: Usage
    clock: Clock = field(default_factory=SystemClock)

    @property
    def name(self) -> str:
        """The module's name."""
        return "task_metrics"

    async def activate(self) -> Report:
        """Look at each running task of a service once a minute, and record what it used."""
        report = Report()
        minute = int(self.clock.now()) // MINUTE_S
        at = (minute - 1) * MINUTE_S
        with self.store.reading() as tx:
            last = USAGE_LOOKS.find(tx)
            looked = last is not None and last.minute == minute
            told = frozenset[str]() if looked else _told_clusters(tx)
            views = [] if looked else list(TaskViews().read(tx))
            known = {} if looked else {row.task_arn: row for row in USAGE_SEEN.list(tx)}
            counted = [] if looked else _counts(tx, told, views, at)
        running = [view.task for view in views if _measured(view, told)]
        if running or known:
            samples = self._look(running, known, minute, told)
            for cluster, found in counted:
                samples[cluster.account, cluster.region, INSIGHTS] += found
            for (account, region, namespace), found in samples.items():
                record_samples(self.store, self.clock, (account, region), namespace, found)
                report.saw_change = True  # alarms look again
        if looked or running:
            report.again_s = to_next_minute_s(self.clock.now())
        return report

    def _look(
        self,
        tasks: list[Task],
        known: dict[str, UsageSeen],
        minute: int,
        told: Collection[str],
    ) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
        samples: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
        news = []
        for task in tasks:
            used = self.usage(task.arn)
            if used is None:
                continue
            news.append(UsageSeen(task.arn, used.cpu_ns, used.at_s))
            before = known.get(task.arn)
            units = _cpu_units(before, used) if before is not None else None
            if units is None:
                continue
            at, memory_mib = (minute - 1) * MINUTE_S, used.memory_bytes / MIB
            if task.service:
                shares = _samples(task, units, memory_mib, at)
                samples[task.account, task.region, NAMESPACE] += shares
            if task.cluster in told:
                amounts = usage_samples(task, units, memory_mib, at)
                samples[task.account, task.region, INSIGHTS] += amounts
        with self.store.transaction() as tx, tx.unobserved():
            USAGE_LOOKS.put(tx, UsageLook(minute))
            for row in news:
                USAGE_SEEN.put(tx, row)
            for arn in known.keys() - {task.arn for task in tasks}:
                USAGE_SEEN.delete(tx, task_arn=arn)
        return samples


def _told_clusters(tx: Transaction) -> frozenset[str]:
    """The clusters (their ARNs) that have Container Insights."""
    return frozenset(
        one.arn
        for one in CLUSTERS.list(tx)
        if one.deleted_at is None and one.container_insights == "enabled"
    )


def _counts(
    tx: Transaction, told: Collection[str], views: Sequence[TaskView], at: int
) -> list[tuple[Cluster, list[dict[str, Any]]]]:
    services = SERVICES.list(tx) if told else []
    return [
        (one, list(count_samples(one.arn, services, views, at)))
        for one in CLUSTERS.list(tx)
        if one.arn in told
    ]


def _measured(view: TaskView, told: Collection[str]) -> bool:
    """Whether a task runs, and somebody is told what it uses."""
    return view.status == "RUNNING" and (bool(view.task.service) or view.task.cluster in told)


def _cpu_units(before: UsageSeen, used: TaskUsage) -> float | None:
    """What it has used since, in 1,024ths of a processor; None when its counters began anew."""
    seconds, spent_ns = used.at_s - before.at_s, used.cpu_ns - before.cpu_ns
    if seconds <= 0 or spent_ns < 0:
        return None
    return spent_ns / 1e9 / seconds * CPU_UNITS


def _samples(task: Task, cpu_units: float, memory_mib: float, at: int) -> list[dict[str, Any]]:
    """A task's two samples for its service."""
    values = {
        "CPUUtilization": cpu_units / int(task.cpu) * 100,
        "MemoryUtilization": memory_mib / int(task.memory) * 100,
    }
    cluster, service = task.service.split("/")[-2:]
    whose = [("ClusterName", cluster), ("ServiceName", service)]
    return [sample(name, "Percent", whose, at, {value: 1.0}) for name, value in values.items()]
