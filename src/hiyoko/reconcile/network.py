"""The network: the kernel holds what ec2's rows say, and the rows say what the kernel holds."""

from __future__ import annotations

from dataclasses import dataclass, field

from hiyoko.blueprint.draw_network import DrawnBefore, draw_network
from hiyoko.blueprint.network import Network
from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.network import NetworkPlane, Rendered, standing, steps
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
        for step in steps(network, observed, self._rendered):
            with report.attempt(step):
                await self.plane.apply(step)
        self.audited = not report.refusals
        if report.steps or report.refusals:
            observed = await self.plane.observe()
        routers, interfaces = standing(network, observed, self._rendered)
        report.saw_change = self._record(network, routers, interfaces)
        return report

    def _record(self, network: Network, routers: set[str], interfaces: set[str]) -> bool:
        """Note what stands and since when; forget what does not. True when that was news."""
        nats = {
            nat.nat_gateway_id
            for vpc in network.vpcs
            for nat in vpc.nat_gateways
            if nat.eni_id in interfaces
        }
        with self.store.reading() as tx:
            seen_routers = {row.vpc_id for row in VPCS_SEEN.list(tx)}
            seen_interfaces = {row.eni_id for row in INTERFACES_SEEN.list(tx)}
            seen_nats = {row.nat_gateway_id for row in NAT_GATEWAYS_SEEN.list(tx)}
        if (seen_routers, seen_interfaces, seen_nats) == (routers, interfaces, nats):
            return False
        now = self.clock.now()
        with self.store.transaction() as tx:
            for vpc_id in seen_routers - routers:
                VPCS_SEEN.delete(tx, vpc_id=vpc_id)
            for eni_id in seen_interfaces - interfaces:
                INTERFACES_SEEN.delete(tx, eni_id=eni_id)
            for nat_id in seen_nats - nats:
                NAT_GATEWAYS_SEEN.delete(tx, nat_gateway_id=nat_id)
            for vpc_id in sorted(routers - seen_routers):
                VPCS_SEEN.put(tx, VpcSeen(vpc_id, now))
            for eni_id in sorted(interfaces - seen_interfaces):
                INTERFACES_SEEN.put(tx, InterfaceSeen(eni_id, now))
            for nat_id in sorted(nats - seen_nats):
                NAT_GATEWAYS_SEEN.put(tx, NatGatewaySeen(nat_id, now))
        return True
