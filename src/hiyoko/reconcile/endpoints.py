"""Interface endpoints: AWS's services answer where the rows say, and the rows say where they do."""

from __future__ import annotations

from dataclasses import dataclass, field

from hiyoko.blueprint.draw_endpoints import draw_endpoints
from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.endpoints import EndpointPlane, steps
from hiyoko.reconcile.report import Report
from hiyoko.services.ec2 import rows as ec2
from hiyoko.services.ec2.seen import ENDPOINTS_SEEN, EndpointSeen
from hiyoko.store.database import Store


@dataclass(frozen=True, slots=True)
class EndpointReconciler:
    """Draws the listeners, opens them once their namespaces stand, and records which answer."""

    store: Store
    plane: EndpointPlane
    clock: Clock = field(default_factory=SystemClock)

    @property
    def name(self) -> str:
        """The module's."""
        return "endpoints"

    async def activate(self) -> Report:
        """Compare all with all; a second run does nothing."""
        report = Report()
        with self.store.reading() as tx:
            wanted = draw_endpoints(ec2.VPC_ENDPOINTS.table.list(tx))
        for step in steps(wanted, self.plane.observe(wanted)):
            with report.attempt(step):
                await self.plane.apply(step)
        answering = {e.eni_id for e in self.plane.observe(wanted).listening}
        report.saw_change = self._record(answering)
        return report

    def _record(self, answering: set[str]) -> bool:
        """Note who answers and since when; forget who does not. True when that was news."""
        with self.store.reading() as tx:
            seen = {row.eni_id for row in ENDPOINTS_SEEN.list(tx)}
        if seen == answering:
            return False
        now = self.clock.now()
        with self.store.transaction() as tx:
            for eni_id in sorted(seen - answering):
                ENDPOINTS_SEEN.delete(tx, eni_id=eni_id)
            for eni_id in sorted(answering - seen):
                ENDPOINTS_SEEN.put(tx, EndpointSeen(eni_id, now))
        return True
