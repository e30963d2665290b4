"""Balancer nodes: HAProxy as the blueprint has it, and targets' health as HAProxy sees it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import is_

from hiyoko import api
from hiyoko.blueprint.balancers import (
    BalancerNode,
    Balancers,
    HealthCheck,
    Target,
    TargetGroup,
)
from hiyoko.blueprint.draw_balancers import (
    BalancerRows,
    DrawnGroups,
    SettledTarget,
    draw_balancers,
)
from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.balancer.log_context import LogContext, log_context
from hiyoko.plane.balancer.nodes import BalancerPlane, NodeStep, StopNode, steps
from hiyoko.plane.balancer.observe import (
    NodeObserved,
    ServerSeen,
    all_certificates,
    describe_failure,
    server_key,
)
from hiyoko.plane.balancer.paths import Paths
from hiyoko.plane.balancer.render import Structure, digest_of, render_structure
from hiyoko.plane.balancer.secret import cookie_secret
from hiyoko.plane.balancer.servers import CHECK_AGAIN_S, GroupServers, KnownServers
from hiyoko.reconcile.balancer_agents import BalancerAgents
from hiyoko.reconcile.balancer_tls import BalancerTls, observe_tls
from hiyoko.reconcile.report import Report
from hiyoko.services.elbv2 import rows
from hiyoko.services.elbv2.seen import (
    ANOMALIES_SEEN,
    NODES_SEEN,
    TARGETS_SEEN,
    NodeSeen,
    TargetSeen,
    told,
)
from hiyoko.settings import Settings
from hiyoko.store.database import Store, Transaction

AGAIN_S = 10.0
"""How often nodes are looked at though they have said nothing: a datagram may get lost."""
SOON_S = 0.1
YOUNG_S = 10.0
"""How long a new target's check is repeated soon, should it fail: a container that has just been
started listens a moment later, and would wait for a whole interval."""
DRAINING = ("draining", "", "")
INITIAL = ("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
THREADS_MAX = 4
PARALLEL = 4
"""How many nodes take their step at once: a start is work for processors."""

TargetKey = tuple[str, str, int, str]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A node's configuration, and what it follows from. ``bare`` is the node without targets."""

    bare: BalancerNode
    paths: Paths
    structure: Structure
    context: LogContext
    servers: list[GroupServers]
    text: str


@dataclass(slots=True)
class Rendering:
    """Nodes' configurations. What follows from the same as before is not rendered again.

    ``structures`` counts what was: targets come and go without one.
    """

    servers: KnownServers = field(default_factory=KnownServers)
    structures: int = 0
    _known: dict[str, Rendered] = field(default_factory=dict)

    def of(
        self, nodes: Iterable[BalancerNode], paths: Paths
    ) -> dict[str, tuple[BalancerNode, str]]:
        """Each node and its text, by interface."""
        known, self._known = self._known, {}
        found = {}
        for node in nodes:
            one = self._known[node.eni_id] = self._of(node, paths, known.get(node.eni_id))
            found[node.eni_id] = node, one.text
        self.servers.keep(self._known.keys())
        return found

    def _of(self, node: BalancerNode, paths: Paths, old: Rendered | None) -> Rendered:
        servers = self.servers.of(node)
        bare = replace(node, groups=tuple(one.bare for one in servers))
        if old is None or (old.bare, old.paths) != (bare, paths):
            self.structures += 1
            structure = render_structure(node, paths)
            context = log_context(node, paths.certificates)
        elif len(old.servers) == len(servers) and all(map(is_, old.servers, servers)):
            return old
        else:
            structure, context = old.structure, old.context
        text = structure.text(self.servers.lines(node))
        return Rendered(bare, paths, structure, context, servers, text)

    def contexts(self) -> dict[str, LogContext]:
        """What the nodes' log lines mean, by interface."""
        return {eni_id: one.context for eni_id, one in self._known.items()}


@dataclass(frozen=True, slots=True)
class BalancerReconciler:
    """Holds no state of its own: what it saw last is in the store.

    What it keeps is what was drawn and rendered of rows that are still the same.
    """

    store: Store
    plane: BalancerPlane
    settings: Settings
    clock: Clock = field(default_factory=SystemClock)
    _drawn: DrawnGroups = field(default_factory=DrawnGroups)
    _rendering: Rendering = field(default_factory=Rendering)

    @classmethod
    def of(cls, store: Store, settings: Settings, wake: Callable[[], None]) -> BalancerReconciler:
        """The reconciler of a cloud with its plane under the run directory.

        ``wake`` is called when HAProxy has news.
        """
        return cls(store, BalancerPlane.hearing(settings.run_dir / "balancer", wake), settings)

    @property
    def name(self) -> str:
        """The module's name."""
        return "balancers"

    async def activate(self) -> Report:
        """Compare all nodes with all HAProxys, take the steps, record what is there."""
        report = Report()
        now = self.clock.now()
        with self.store.reading() as tx:
            wishes = balancer_rows(tx)
            known = {_key(row): row for row in TARGETS_SEEN.list(tx)}
            wishes = replace(
                wishes, registrations=tuple(told(tx, row) for row in wishes.registrations)
            )
            wished_before = {row.eni_id: row for row in NODES_SEEN.list(tx)}
            halved = {
                (row.group_arn, row.target_id, row.port): row.halved
                for row in ANOMALIES_SEEN.list(tx)
            }
        observed = await self.plane.observe()
        before = {key: row for key, row in known.items() if _knows(observed, key)}
        settled = {key for key, row in before.items() if row.state in ("healthy", "unhealthy")}
        young = {key for key, row in before.items() if _is_young(row, now)}
        drawn = draw_balancers(wishes, settled, now, halved, young, self._drawn)
        paths = await observe_tls(self.store, self.settings, drawn, _threads(), now, report)
        secret = cookie_secret(self.settings) if drawn.nodes else b""
        paths = replace(paths, secret=secret)
        complete = []
        for node in drawn.nodes:
            missing = all_certificates([node]) - paths.certificates.keys()
            if missing:
                report.refusals[f"render balancer {node.name} on {node.eni_id}"] = (
                    f"no certificate file yet: {', '.join(sorted(missing))}"
                )
                continue
            complete.append(node)
        wished = self._rendering.of(complete, paths)
        held = {node.eni_id for node in drawn.nodes} - wished.keys()
        tls = BalancerTls(wished, paths)
        tls.put_files(report)
        agents = BalancerAgents(self.settings, self.plane.directory, drawn.nodes)
        await agents.put(report)
        there = {k: v for k, v in observed.items() if k not in held}
        todo = steps(wished, there, self._rendering.servers)
        todo = [step for step in todo if self.plane.possible(step)]
        self._tell_contexts()  # before a line is written that needs one
        await self._take(todo, report)
        if todo:
            self._tell_contexts()  # a node that was started has a place for it
        await tls.swap_certificates(self.plane, report)
        if not held:
            tls.drop_files(report)
        await agents.drop(report)
        if todo:
            observed = await self.plane.observe()
        nodes = _nodes_seen(wished, observed, wished_before, now)
        targets = _targets_seen([node for node, _ in wished.values()], observed, before, now)
        # A node that waits for a certificate goes on as it is, and so does what was seen of it.
        nodes |= {eni: row for eni, row in wished_before.items() if eni in held and eni in observed}
        targets |= {key: row for key, row in before.items() if row.eni_id in held}
        if (nodes, targets) != (wished_before, known):
            report.saw_change |= self._record(nodes, targets, wished_before, known)
        self._expire(wishes, now)
        report.again_s = _again(wishes, drawn, targets, now)
        return report

    async def _take(self, todo: Sequence[NodeStep], report: Report) -> None:
        """Puts at once, as each is another node's; then what ends."""
        limit = asyncio.Semaphore(PARALLEL)

        async def take(step: NodeStep) -> None:
            async with limit:
                with report.attempt(step):
                    await self.plane.apply(step)

        await asyncio.gather(*(take(one) for one in todo if not isinstance(one, StopNode)))
        await asyncio.gather(*(take(one) for one in todo if isinstance(one, StopNode)))

    def _tell_contexts(self) -> None:
        for eni_id, context in self._rendering.contexts().items():
            self.plane.write_context(eni_id, context)

    def _record(
        self,
        nodes: Mapping[str, NodeSeen],
        targets: Mapping[TargetKey, TargetSeen],
        nodes_before: Mapping[str, NodeSeen],
        targets_before: Mapping[TargetKey, TargetSeen],
    ) -> bool:
        """Write what differs from the rows that were there before, which nobody else writes."""
        changed = False
        with self.store.transaction() as tx:
            for eni_id, node in nodes.items():
                if nodes_before.get(eni_id) != node:
                    changed |= NODES_SEEN.put(tx, node)
            for eni_id in nodes_before.keys() - nodes.keys():
                changed |= NODES_SEEN.delete(tx, eni_id=eni_id) > 0
            for key, target in targets.items():
                if targets_before.get(key) != target:
                    changed |= TARGETS_SEEN.put(tx, target)
            for group_arn, target_id, port, eni_id in targets_before.keys() - targets.keys():
                gone = TARGETS_SEEN.delete(
                    tx, group_arn=group_arn, target_id=target_id, port=port, eni_id=eni_id
                )
                changed |= gone > 0
        return changed

    def _expire(self, wishes: BalancerRows, now: float) -> None:
        groups = {group.arn: group for group in wishes.target_groups}
        if any(
            row.group_arn not in groups or row.expired(groups[row.group_arn], now)
            for row in wishes.registrations
        ):
            api.invoke(self.store, "elbv2", "_ExpireTargets", {}, clock=self.clock)


def balancer_rows(tx: Transaction) -> BalancerRows:
    """Everything that nodes follow from."""
    listeners = tuple(rows.LISTENERS.list(tx))
    verifying = any(row.mutual is not None and row.mutual.mode == "verify" for row in listeners)
    return BalancerRows(
        load_balancers=tuple(rows.LOAD_BALANCERS.list(tx)),
        listeners=listeners,
        rules=tuple(rows.RULES.list(tx)),
        target_groups=tuple(rows.TARGET_GROUPS.list(tx)),
        registrations=tuple(rows.REGISTRATIONS.list(tx)),
        trust_stores=tuple(rows.TRUST_STORES.list(tx)) if verifying else (),
        # A list may have fifty megabytes: it is read only if somebody is judged by it.
        revocations=tuple(rows.REVOCATIONS.list(tx)) if verifying else (),
    )


def healthy_targets(tx: Transaction) -> frozenset[SettledTarget]:
    """The targets that a node has found healthy."""
    return frozenset(_key(row) for row in TARGETS_SEEN.list(tx) if row.state == "healthy")


def _key(row: TargetSeen) -> SettledTarget:
    return row.group_arn, row.target_id, row.port, row.eni_id


def _knows(observed: Mapping[str, NodeObserved], key: TargetKey) -> bool:
    """False after a node's process was replaced: what was seen by another one does not count."""
    group_arn, target_id, port, eni_id = key
    there = observed.get(eni_id)
    name = server_key(group_arn, target_id, port)
    return there is not None and name in there.servers


def _is_young(row: TargetSeen, now: float) -> bool:
    return row.state == "initial" and now - row.seen_at < YOUNG_S


def _threads() -> int:
    return min(os.cpu_count() or 1, THREADS_MAX)


def _nodes_seen(
    wished: Mapping[str, tuple[BalancerNode, str]],
    observed: Mapping[str, NodeObserved],
    before: Mapping[str, NodeSeen],
    now: float,
) -> dict[str, NodeSeen]:
    seen: dict[str, NodeSeen] = {}
    for eni_id, (node, text) in wished.items():
        there = observed.get(eni_id)
        if there is None or not there.digest:
            continue
        old = before.get(eni_id)
        wish = digest_of(text)
        same = old is not None and (old.ports, old.digest, old.wished) == (
            there.ports,
            there.digest,
            wish,
        )
        seen[eni_id] = (
            old
            if same and old is not None
            else NodeSeen(eni_id, node.balancer_arn, there.ports, there.digest, wish, now)
        )
    return seen


def _targets_seen(
    nodes: list[BalancerNode],
    observed: Mapping[str, NodeObserved],
    before: Mapping[TargetKey, TargetSeen],
    now: float,
) -> dict[TargetKey, TargetSeen]:
    """A target that drains is seen too: until its server takes no more requests, it does not."""
    seen: dict[TargetKey, TargetSeen] = {}
    for node in nodes:
        there = observed.get(node.eni_id)
        if there is None:
            continue
        for group, target in _targets(node):
            server = there.servers.get(server_key(group.arn, target.target_id, target.port))
            key = (group.arn, target.target_id, target.port, node.eni_id)
            old = before.get(key)
            if target.draining and (server is None or server.maintenance):
                verdict = DRAINING
            elif server is None:
                continue
            else:
                old = None if old is not None and old.state == "draining" else old
                verdict = judge(server, group.health_check, old, now)
            same = old is not None and (old.state, old.reason, old.description) == verdict
            seen[key] = old if same and old is not None else TargetSeen(*key, *verdict, now)
    return seen


def _targets(node: BalancerNode) -> list[tuple[TargetGroup, Target]]:
    return [(group, target) for group in node.groups for target in group.targets]


def patience_s(check: HealthCheck) -> int:
    """How long as many checks as make an unhealthy target take to fail."""
    return (check.unhealthy_threshold - 1) * check.interval_s + 1


def judge(
    server: ServerSeen, check: HealthCheck, before: TargetSeen | None, now: float
) -> tuple[str, str, str]:
    """State, reason and description of a target, from what HAProxy says and what it was before.

    A new target is ``initial`` until its first success, or until as many checks as make an
    unhealthy one have had the time to fail.
    """
    if server.up:
        return "healthy", "", ""
    if before is None:
        return INITIAL
    if before.state == "initial":
        waited_s = now - before.seen_at
        if not server.check or server.check == "L7OK" or waited_s < patience_s(check):
            return INITIAL
    if server.check in ("", "L7OK"):
        # Failed before, passes now, not yet often enough; or not checked since a reload.
        known = before.state == "unhealthy"
        reason = (before.reason, before.description) if known else describe_failure(server)
        return "unhealthy", *reason
    return "unhealthy", *describe_failure(server)


def _again(
    wishes: BalancerRows, drawn: Balancers, targets: Mapping[TargetKey, TargetSeen], now: float
) -> float | None:
    """When something is due that nobody will tell us of: all else is an event."""
    if not wishes.load_balancers:
        return None
    groups = {group.arn: group for group in wishes.target_groups}
    delays = {arn: group.deregistration_delay_s for arn, group in groups.items()}
    due = [
        row.deregistered_at + delays[row.group_arn]
        for row in wishes.registrations
        if row.deregistered_at is not None and row.group_arn in delays
    ]
    checks = {group.arn: group.health_check for node in drawn.nodes for group in node.groups}
    due += [
        row.seen_at + patience_s(checks[row.group_arn])
        for row in targets.values()
        if row.state == "initial" and row.group_arn in checks
    ]
    if any(_is_young(row, now) for row in targets.values()):
        due.append(now + CHECK_AGAIN_S)
    return max(SOON_S, min([AGAIN_S, *(at - now for at in due if at > now - AGAIN_S)]))
