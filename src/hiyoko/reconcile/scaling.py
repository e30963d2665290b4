"""Scheduled actions when they are due, and the end of scaling activities.

What alarms trigger comes by ``reconcile.alarms``; the tasks are ``reconcile.ecs_services``'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hiyoko import api
from hiyoko.clock import Clock, SystemClock
from hiyoko.reconcile.report import Report
from hiyoko.services.application_autoscaling import rows
from hiyoko.store.database import Store

SERVICE = "application-autoscaling"


@dataclass(frozen=True, slots=True)
class ScalingReconciler:
    """Holds no state of its own: what was done, and when, is in the store."""

    store: Store
    clock: Clock = field(default_factory=SystemClock)

    @property
    def name(self) -> str:
        """The module's."""
        return "scaling"

    async def activate(self) -> Report:
        """Run what is due, end what is fulfilled, and say when the next action is due."""
        report = Report()
        with self.store.reading() as tx:
            if rows.SCHEDULES.find(tx) is None and not rows.any_in_progress(tx):
                return report
        ran = api.invoke(self.store, SERVICE, "_RunScheduledActions", {}, clock=self.clock)
        report.steps += [f"run scheduled action {name}" for name in ran["Ran"]]
        ended = api.invoke(self.store, SERVICE, "_EndActivities", {}, clock=self.clock)
        report.steps += [f"end scaling activity of {name}" for name in ended["Ended"]]
        if ran["Next"] is not None:
            report.again_s = max(0.0, ran["Next"] - self.clock.now())
        return report
