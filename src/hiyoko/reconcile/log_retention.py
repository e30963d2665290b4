"""Log events that have expired go away by the clock.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hiyoko import api
from hiyoko.clock import Clock, SystemClock
from hiyoko.reconcile.report import Report
from hiyoko.services.logs.rows import GROUPS
from hiyoko.store.database import Store

PERIOD_S = 3600.0
"""Expired events are not shown in any case. AWS removes them within 72 hours."""


@dataclass(slots=True)
class LogRetention:
    """Remembers nothing but when it looked last."""

    store: Store
    clock: Clock = field(default_factory=SystemClock)
    _looked_at: float | None = None

    @property
    def name(self) -> str:
        """The module's."""
        return "log_retention"

    async def activate(self) -> Report:
        """Remove what has expired, once in a while."""
        report, now = Report(), self.clock.now()
        # A clock that was set back does not keep us from looking.
        if self._looked_at is not None and 0 <= now - self._looked_at < PERIOD_S:
            return report
        self._looked_at = now
        with self.store.reading() as tx:
            groups = GROUPS.list(tx)
        for account, region in sorted({(one.account, one.region) for one in groups}):
            api.invoke(
                self.store,
                "logs",
                "_ExpireLogEvents",
                {},
                account=account,
                region=region,
                clock=self.clock,
            )
        return report
