"""Query logging: what the name servers wrote down goes to the log groups that were asked for.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/query-logs.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.dns.query_log import EDGE, QueryLog
from hiyoko.reconcile.log_delivery import Destination, deliver
from hiyoko.reconcile.report import Report
from hiyoko.services.route53 import rows
from hiyoko.services.route53.model import QueryLoggingConfig
from hiyoko.store.database import Store

EVERY_S = 1.0
LOG_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class QueryLogReconciler:
    """Holds nothing: the file says what has not been delivered yet."""

    store: Store
    log: QueryLog
    clock: Clock = field(default_factory=SystemClock)

    @property
    def name(self) -> str:
        """The module's."""
        return "query_logs"

    async def activate(self) -> Report:
        """Deliver what is there; without a configuration nothing is looked at."""
        report = Report()
        with self.store.reading() as tx:
            configs = {config.zone_id: config for config in rows.QUERY_LOGGING.list(tx)}
        if not configs:
            return report
        report.again_s = EVERY_S
        lines: list[str] = []
        with report.refusing("read the query log"):
            lines = self.log.take()
        by_zone: dict[str, list[str]] = {}
        for line in lines:
            by_zone.setdefault(line.split(" ", 3)[2], []).append(line)
        for zone_id, found in by_zone.items():
            if zone_id in configs:
                self._deliver(configs[zone_id], found, report)
        self.log.delivered()
        return report

    def _deliver(self, config: QueryLoggingConfig, lines: Sequence[str], report: Report) -> None:
        stream = f"{config.zone_id}/{EDGE}"
        to = Destination(config.account, LOG_REGION, config.log_group, stream)
        events = [(_milliseconds(line), line) for line in lines]
        if refusal := deliver(self.store, self.clock, to, events):
            report.refusals[f"log queries of {config.zone_id}"] = refusal


def _milliseconds(line: str) -> int:
    at = datetime.fromisoformat(line.split(" ", 2)[1])
    return int(at.timestamp() * 1000)
