"""The agents of balancer nodes: there before a HAProxy asks them, gone after the last one has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hiyoko.blueprint.balancers import BalancerNode
from hiyoko.plane.balancer.agents import AgentPlane, drops, puts
from hiyoko.plane.balancer.guards import Trust, guards_of, render_agent
from hiyoko.plane.balancer.secret import cookie_secret
from hiyoko.plane.balancer.signing import signing_key
from hiyoko.plane.ca.authority import root_certificate_path
from hiyoko.reconcile.report import Report
from hiyoko.settings import Settings


@dataclass(frozen=True, slots=True)
class BalancerAgents:
    """What the nodes' rules ask for, and what runs. ``directory`` is the nodes' own."""

    settings: Settings
    directory: Path
    nodes: Iterable[BalancerNode]

    async def put(self, report: Report) -> None:
        """Start or configure, before HAProxy gets a configuration that needs it."""
        plane = AgentPlane.beside(self.directory)
        for step in puts(self._wished(), await plane.observe()):
            with report.attempt(step):
                await plane.apply(step)

    async def drop(self, report: Report) -> None:
        """Stop, once no HAProxy asks."""
        plane = AgentPlane.beside(self.directory)
        for step in drops({node.eni_id for node in self._asking()}, await plane.observe()):
            with report.attempt(step):
                await plane.apply(step)

    def _asking(self) -> list[BalancerNode]:
        return [node for node in self.nodes if guards_of(node)]

    def _wished(self) -> dict[str, str]:
        asking = self._asking()
        if not asking:
            return {}
        trust = Trust(
            secret=cookie_secret(self.settings),
            signing=signing_key(self.settings),
            bundle=root_certificate_path(self.settings),
        )
        return {node.eni_id: render_agent(node, trust) for node in asking}
