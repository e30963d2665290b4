"""ECR's promises that come with time: lifecycle policies act, and EventBridge hears of images.

A policy acts at once when it is put and on every push; here it acts when time alone has passed.
While nobody has used EventBridge there is no rule that an event could match, so nothing is sent.
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
from hiyoko.services.ecr import rows
from hiyoko.services.ecr.model import Notice
from hiyoko.store.database import Store

log = logging.getLogger(__name__)

EVALUATE_S = 3600.0
"""AWS evaluates a policy within a day; ages are counted in days."""


@dataclass(frozen=True, slots=True)
class RegistryReconciler:
    """Runs lifecycle policies that were not run for an hour, and sends notices."""

    store: Store
    heard: Callable[[], bool]
    """Whether anybody has used EventBridge."""
    clock: Clock = field(default_factory=SystemClock)

    @property
    def name(self) -> str:
        """The module's name."""
        return "registry"

    async def activate(self) -> Report:
        """Let policies act, then send what there is to tell."""
        report = Report()
        now = self.clock.now()
        with self.store.reading() as tx:
            governed = [one for one in rows.REPOSITORIES.list(tx) if one.policy]
        for one in governed:
            # A clock that went back must not stop a policy for good.
            left = one.policy_at + EVALUATE_S - now if one.policy_at <= now else 0.0
            if left > 0:
                report.again_s = min(left, report.again_s or left)
                continue
            request = {"repositoryName": one.name}
            self._invoke("_RunLifecyclePolicy", request, one.account, one.region)
            report.steps.append(f"run the lifecycle policy of {one.name}")
        await self._tell(report)
        return report

    async def _tell(self, report: Report) -> None:
        with self.store.reading() as tx:
            notices = rows.NOTICES.list(tx)
        for notice in notices if self.heard() else ():
            self._send(notice)
            report.steps.append(f"tell {notice.kind} {notice.sequence}")
            await asyncio.sleep(0)  # let requests in between two events
        if notices:
            last = notices[-1]
            self._invoke("_ForgetNotices", {"Last": last.sequence}, last.account, last.region)

    @staticmethod
    def _send(notice: Notice) -> None:
        place = notice.account, notice.region
        try:
            put_event("aws.ecr", notice.kind, notice.detail, notice.created_at, place)
        except api.AwsError as error:
            # A rule's target that the neighbour cannot reach. AWS does not tell the sender either.
            log.warning("an event of ECR was dropped: %s", error.message)

    def _invoke(self, operation: str, request: api.Request, account: str, region: str) -> None:
        api.invoke(
            self.store, "ecr", operation, request, account=account, region=region, clock=self.clock
        )
