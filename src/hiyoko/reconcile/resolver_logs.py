"""What VPCs' resolvers wrote down goes to the log groups that were asked for.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-query-logs.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.dns.vpc_query_log import VpcQueryLog
from hiyoko.reconcile.log_delivery import Destination, Event, deliver
from hiyoko.reconcile.report import Report
from hiyoko.services.route53resolver import rows
from hiyoko.services.route53resolver.model import INBOUND, QueryLogConfig, ResolverEndpoint
from hiyoko.store.database import Store

EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class ResolverLogReconciler:
    """Holds nothing: the file says what has not been delivered yet."""

    store: Store
    log: VpcQueryLog
    clock: Clock = field(default_factory=SystemClock)

    @property
    def name(self) -> str:
        """The module's."""
        return "resolver_logs"

    async def activate(self) -> Report:
        """Deliver what is there; where no VPC is logged nothing is looked at."""
        report = Report()
        with self.store.reading() as tx:
            associations = rows.QUERY_LOG_ASSOCIATIONS.list(tx)
            configs = {one.config_id: one for one in rows.QUERY_LOG_CONFIGS.list(tx)}
            endpoints = rows.ENDPOINTS.list(tx)
        if not associations:
            return report
        report.again_s = EVERY_S
        lines: list[str] = []
        with report.refusing("read what resolvers were asked"):
            lines = self.log.take()
        found = [json.loads(line) for line in lines]
        for one in associations:
            mine = [line for line in found if line["vpc_id"] == one.vpc_id]
            if mine:
                self._deliver(configs[one.config_id], one.vpc_id, mine, endpoints, report)
        self.log.delivered()
        return report

    def _deliver(
        self,
        config: QueryLogConfig,
        vpc_id: str,
        lines: Iterable[dict[str, Any]],
        endpoints: Iterable[ResolverEndpoint],
        report: Report,
    ) -> None:
        to = Destination(config.account, config.region, config.log_group, vpc_id)
        events = [_event(line, config.account, endpoints) for line in lines]
        if refusal := deliver(self.store, self.clock, to, events):
            report.refusals[f"log what the resolver of {vpc_id} is asked"] = refusal


def _event(line: dict[str, Any], account: str, endpoints: Iterable[ResolverEndpoint]) -> Event:
    """The line as AWS has it. A task has no instance's id, so its questions have no source's."""
    told = {key: value for key, value in line.items() if key not in ("at", "outlet")}
    message = {
        "version": told.pop("version"),
        "account_id": account,
        **told,
        "srcids": _passed(line, endpoints),
    }
    at = datetime.fromisoformat(line["query_timestamp"])
    return int(at.timestamp() * 1000), json.dumps(message, separators=(",", ":"))


def _passed(line: dict[str, Any], endpoints: Iterable[ResolverEndpoint]) -> dict[str, str]:
    """The endpoint that a question came in by, or else the one that it was handed on through."""
    outward = {}
    for endpoint in endpoints:
        for address in endpoint.addresses:
            here = (endpoint.vpc_id, address.ip) == (line["vpc_id"], line["at"])
            if endpoint.direction == INBOUND and here:
                return {
                    "resolver_endpoint": endpoint.endpoint_id,
                    "resolver_network_interface": address.ip_id,
                }
            if address.eni_id == line["outlet"]:
                outward = {"resolver_endpoint": endpoint.endpoint_id}
    return outward
