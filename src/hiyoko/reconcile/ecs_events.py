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
from hiyoko.services.ecs.model import Notice
from hiyoko.store.database import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EcsEventsReconciler:
    """Tells each change of a task once, and each notice that a service's operation left."""

    store: Store
    heard: Callable[[], bool]
    """Whether anybody has used EventBridge."""
    clock: Clock = field(default_factory=SystemClock)
    _views: TaskViews = field(default_factory=TaskViews)

    @property
    def name(self) -> str:
        """The module's name."""
        return "ecs_events"

    async def activate(self) -> Report:
        """Find the tasks whose state is news, then send what there is to tell."""
        report = Report()
        heard = self.heard()
        with self.store.reading() as tx:
            told = {one.task_arn: one.told for one in rows.TOLD.list(tx)}
            views = self._views.read(tx)
            tasks = [view.task for view in views if told.get(view.task.arn) != view.fingerprint]
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
