"""The network: the kernel holds what ec2's rows say, and the rows say what the kernel holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hiyoko.blueprint.draw_network import DrawnBefore, draw_network
from hiyoko.blueprint.network import Network
from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.network import (
    LATER,
    NetworkPlane,
    NetworkStep,
    Observed,
    Rendered,
    standing,
    steps,
)
from hiyoko.reconcile.report import Report
from hiyoko.services.ec2 import rows as ec2
from hiyoko.services.ec2.seen import (
    INTERFACES_SEEN,
    NAT_GATEWAYS_SEEN,
    VPCS_SEEN,
    InterfaceSeen,
    NatGatewaySeen,
    VpcSeen,
)
from hiyoko.store.database import Store


@dataclass(slots=True)
class NetworkReconciler:
    """Draws the network, makes it stand in the kernel, and records what stands.

    ``audited`` is no memory of the world: it only saves asking again what the kernel's own
    fingerprints tell. A new process does not trust them, so its first activation reads everything.
    What it keeps beside that is what followed from rows that are still the same ones.
    """

    store: Store
    plane: NetworkPlane = field(default_factory=NetworkPlane)
    clock: Clock = field(default_factory=SystemClock)
    audited: bool = False
    _drawn: DrawnBefore = field(default_factory=DrawnBefore)
    _rendered: Rendered = field(default_factory=Rendered)

    @property
    def name(self) -> str:
        """The module's."""
        return "network"

    async def activate(self) -> Report:
        """Compare all with all; a second run does nothing."""
        report = Report()
        with self.store.reading() as tx:
            network = draw_network(ec2.network_rows(tx), self._drawn)
        observed = await self.plane.observe()
        if not self.audited:
            observed = await self.plane.audit(network, observed)
        # What another world held is no sight of this one, and nobody may use what is half made.
        there = self._noted()
        report.saw_change = self._record(there - _missing(network, observed))
        todo = steps(network, observed, self._rendered)
        puts = [step for step in todo if not isinstance(step, LATER)]
        await self._take(puts, report)
        if 0 < len(puts) < len(todo):
            # Who waits for what was put does not wait until the rest has gone, too.
            stands = self._standing(network, await self.plane.observe())
            report.saw_change |= self._record(self._noted() | stands)
        await self._take([step for step in todo if isinstance(step, LATER)], report)
        self.audited = not report.refusals
        if report.steps or report.refusals:
            observed = await self.plane.observe()
        report.saw_change |= self._record(self._standing(network, observed))
        return report

    async def _take(self, todo: Sequence[NetworkStep], report: Report) -> None:
        for step in todo:
            with report.attempt(step):
                await self.plane.apply(step)

    def _standing(self, network: Network, observed: Observed) -> set[str]:
        routers, interfaces = standing(network, observed, self._rendered)
        return _with_nats(network, routers | interfaces)

    def _noted(self) -> set[str]:
        """The ids of what is noted as standing."""
        with self.store.reading() as tx:
            return {
                *(row.vpc_id for row in VPCS_SEEN.list(tx)),
                *(row.eni_id for row in INTERFACES_SEEN.list(tx)),
                *(row.nat_gateway_id for row in NAT_GATEWAYS_SEEN.list(tx)),
            }

    def _record(self, stands: set[str]) -> bool:
        """Note what stands and since when; forget what does not. True when that was news."""
        noted = self._noted()
        if noted == stands:
            return False
        now = self.clock.now()
        with self.store.transaction() as tx:
            for gone in noted - stands:
                VPCS_SEEN.delete(tx, vpc_id=gone)
                INTERFACES_SEEN.delete(tx, eni_id=gone)
                NAT_GATEWAYS_SEEN.delete(tx, nat_gateway_id=gone)
            for new in sorted(stands - noted):
                match new.partition("-")[0]:
                    case "vpc":
                        VPCS_SEEN.put(tx, VpcSeen(new, now))
                    case "nat":
                        NAT_GATEWAYS_SEEN.put(tx, NatGatewaySeen(new, now))
                    case _:
                        INTERFACES_SEEN.put(tx, InterfaceSeen(new, now))
        return True


def _missing(network: Network, observed: Observed) -> set[str]:
    """What is wished and has no namespace at all, as everything in a new world."""
    wished = {vpc.vpc_id for vpc in network.vpcs}
    wished |= {each.eni_id for vpc in network.vpcs for each in vpc.interfaces}
    return _with_nats(network, wished - observed.namespaces)


def _with_nats(network: Network, ids: set[str]) -> set[str]:
    """The ids, and those of NAT gateways whose interface is among them."""
    gateways = (nat for vpc in network.vpcs for nat in vpc.nat_gateways)
    return ids | {nat.nat_gateway_id for nat in gateways if nat.eni_id in ids}
