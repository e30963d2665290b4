"""Query logging: what the name servers wrote down goes to the log groups that were asked for.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/query-logs.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hiyoko import api
from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.dns.query_log import EDGE, QueryLog
from hiyoko.reconcile.report import Report
from hiyoko.services.route53 import rows
from hiyoko.services.route53.model import QueryLoggingConfig
from hiyoko.store.database import Store

EVERY_S = 1.0
LOG_REGION = "us-east-1"
BATCH = 5000


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
                for start in range(0, len(found), BATCH):
                    self._deliver(configs[zone_id], found[start : start + BATCH], report)
        self.log.delivered()
        return report

    def _deliver(self, config: QueryLoggingConfig, lines: Sequence[str], report: Report) -> None:
        place = {
            "logGroupName": config.log_group,
            "logStreamName": f"{config.zone_id}/{EDGE}",
        }
        events = [{"timestamp": _milliseconds(line), "message": line} for line in lines]
        try:
            self._call(config, "PutLogEvents", {**place, "logEvents": events})
        except api.AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise
            try:
                self._call(config, "CreateLogStream", place)
                self._call(config, "PutLogEvents", {**place, "logEvents": events})
            except api.AwsError as gone:
                # As on AWS, queries go unlogged while their group is not there.
                report.refusals[f"log queries of {config.zone_id}"] = str(gone)

    def _call(self, config: QueryLoggingConfig, operation: str, request: api.Request) -> None:
        api.invoke(
            self.store,
            "logs",
            operation,
            request,
            account=config.account,
            region=LOG_REGION,
            clock=self.clock,
        )


def _milliseconds(line: str) -> int:
    at = datetime.fromisoformat(line.split(" ", 2)[1])
    return int(at.timestamp() * 1000)
