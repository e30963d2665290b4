"""ECS's news becomes events on EventBridge's default bus.

EventBridge is a neighbour that keeps its rules in memory: while nobody has spoken to it there is no
rule that an event could match, so nothing is sent and the neighbour is not even loaded.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from hiyoko import api
from hiyoko.clock import Clock, SystemClock
from hiyoko.reconcile.event_bus import put_event
from hiyoko.reconcile.report import Report
from hiyoko.reconcile.task_views import TaskViews
from hiyoko.services.ecs import rows
from hiyoko.services.ecs.model import Notice, TaskView
from hiyoko.store.database import Store, Transaction
from hiyoko.store.table import Mark

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Kept:
    """What followed from rows that are still the same ones.

    ``due``: tasks of which a row was written, until what was told of them is their state.
    """

    views: TaskViews = field(default_factory=TaskViews)
    told: Mark | None = None
    due: set[str] = field(default_factory=set)

    def refresh(self, tx: Transaction) -> list[TaskView]:
        """The tasks that there is something to tell of, oldest first."""
        self.due.update(self.views.refresh(tx))
        self.told, written = rows.TOLD.changed(tx, self.told)
        if written is None:
            self.due.update(view.task.arn for view in self.views.all())
        else:
            self.due.update(str(arn) for (arn,) in written)
        found = []
        for arn in self.due:
            view, told = self.views.find(arn), rows.TOLD.find(tx, task_arn=arn)
            if view is not None and (told is None or told.told != view.fingerprint):
                found.append(view)
        self.due = {view.task.arn for view in found}
        return sorted(found, key=lambda view: (view.task.created_at, view.task.arn))


@dataclass(slots=True)
class EcsEventsReconciler:
    """Tells each change of a task once, and each notice that a service's operation left."""

    store: Store
    heard: Callable[[], bool]
    """Whether anybody has used EventBridge."""
    clock: Clock = field(default_factory=SystemClock)
    _kept: _Kept = field(default_factory=_Kept)

    @property
    def name(self) -> str:
        """The module's name."""
        return "ecs_events"

    async def activate(self) -> Report:
        """Find the tasks whose state is news, then send what there is to tell."""
        report = Report()
        heard = self.heard()
        # A refresh that did not come to its end is no knowledge: the next one begins anew.
        kept, self._kept = self._kept, _Kept()
        with self.store.reading() as tx:
            tasks = [view.task for view in kept.refresh(tx)]
        self._kept = kept
        for task in tasks:
            request = {"Task": task.arn, "Quiet": not heard}
            self._invoke("_TellTask", request, task.account, task.region)
        with self.store.reading() as tx:
            notices = rows.NOTICES.list(tx)
        for notice in notices if heard else ():
            self._send(notice)
            report.steps.append(f"tell {notice.kind} of {notice.resource.rsplit('/', 1)[-1]}")
            await asyncio.sleep(0)  # let requests in between two events
        if notices:
            last = notices[-1]
            self._invoke("_ForgetNotices", {"Last": last.sequence}, last.account, last.region)
        return report

    def _send(self, notice: Notice) -> None:
        place, about = (notice.account, notice.region), [notice.resource]
        try:
            put_event("aws.ecs", notice.kind, notice.detail, notice.created_at, place, about)
        except api.AwsError as error:
            # A rule's target that the neighbour cannot reach. AWS does not tell the sender either.
            log.warning("an event of %s was dropped: %s", notice.resource, error.message)

    def _invoke(self, operation: str, request: api.Request, account: str, region: str) -> None:
        api.invoke(
            self.store,
            "ecs",
            operation,
            request,
            account=account,
            region=region,
            clock=self.clock,
        )
