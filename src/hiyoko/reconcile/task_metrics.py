"""What services use of what their tasks were given, for CloudWatch, once a minute.

Processor time is counted by the kernel and divided by the time that really went by (the monotonic
clock), so a clock that is set changes no percentage.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service_utilization.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.containers.usage import TaskUsage
from hiyoko.reconcile.report import Report
from hiyoko.reconcile.samples import MINUTE_S, record_samples, to_next_minute_s
from hiyoko.reconcile.task_views import TaskViews
from hiyoko.services.ecs.model import Task
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
        with self.store.reading() as tx:
            last = USAGE_LOOKS.find(tx)
            looked = last is not None and last.minute == minute
            running = [] if looked else _running(tx)
            known = {} if looked else {row.task_arn: row for row in USAGE_SEEN.list(tx)}
        if running or known:
            self._look(running, known, minute, report)
        if looked or running:
            report.again_s = to_next_minute_s(self.clock.now())
        return report

    def _look(
        self,
        tasks: list[Task],
        known: dict[str, UsageSeen],
        minute: int,
        report: Report,
    ) -> None:
        samples: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        news = []
        for task in tasks:
            used = self.usage(task.arn)
            if used is None:
                continue
            news.append(UsageSeen(task.arn, used.cpu_ns, used.at_s))
            before = known.get(task.arn)
            if before is not None:
                at = (minute - 1) * MINUTE_S
                samples[task.account, task.region] += _samples(task, before, used, at)
        with self.store.transaction() as tx, tx.unobserved():
            USAGE_LOOKS.put(tx, UsageLook(minute))
            for row in news:
                USAGE_SEEN.put(tx, row)
            for arn in known.keys() - {task.arn for task in tasks}:
                USAGE_SEEN.delete(tx, task_arn=arn)
        for place, found in samples.items():
            record_samples(self.store, self.clock, place, NAMESPACE, found)
            report.saw_change = True  # alarms look again


def _running(tx: Transaction) -> list[Task]:
    """The tasks of services that run."""
    views = TaskViews().read(tx)
    return [view.task for view in views if view.task.service and view.status == "RUNNING"]


def _samples(task: Task, before: UsageSeen, used: TaskUsage, at: int) -> list[dict[str, Any]]:
    """A task's two samples for its service; none when its counters began anew meanwhile."""
    seconds, spent_ns = used.at_s - before.at_s, used.cpu_ns - before.cpu_ns
    if seconds <= 0 or spent_ns < 0:
        return []
    values = {
        "CPUUtilization": spent_ns / 1e9 / seconds / (int(task.cpu) / CPU_UNITS) * 100,
        "MemoryUtilization": used.memory_bytes / (int(task.memory) * MIB) * 100,
    }
    cluster, service = task.service.split("/")[-2:]
    return [
        {
            "MetricName": name,
            "Unit": "Percent",
            "Dimensions": [("ClusterName", cluster), ("ServiceName", service)],
            "Timestamp": at,
            "Values": {value: 1.0},
        }
        for name, value in values.items()
    ]
