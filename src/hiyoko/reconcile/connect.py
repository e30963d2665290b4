"""Service Connect: each task's proxy runs before its containers, and knows where others are.

Only this module writes ``ecs_proxy_seen``; ``connect_metrics`` counts what they count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hiyoko.blueprint.draw_proxies import draw_proxies
from hiyoko.blueprint.proxies import Proxy
from hiyoko.blueprint.shares import Share, draw_shares, shifts
from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.connect.plane import ProxyObserved, ProxyPlane, steps
from hiyoko.plane.connect.servers import SPARE, drains, follows
from hiyoko.reconcile.connect_metrics import ConnectMetrics
from hiyoko.reconcile.report import Report
from hiyoko.reconcile.samples import to_next_minute_s
from hiyoko.reconcile.task_views import TaskViews
from hiyoko.services.ec2.seen import INTERFACES_SEEN
from hiyoko.services.ecs.rows import SERVICES, TASKS
from hiyoko.services.ecs.seen import PROXIES_SEEN, ProxySeen
from hiyoko.services.servicediscovery import rows as discovery
from hiyoko.settings import Settings
from hiyoko.store.database import Store, Transaction

DRAIN_LOOK_S = 0.2
"""How often a proxy is asked whether a server that goes has ended what it began."""


def load_proxies(tx: Transaction) -> dict[str, Proxy]:
    """The proxies that shall run, by interface: those whose namespace stands."""
    if not any(task.proxy and task.ended_at is None for task in TASKS.list(tx)):
        return {}
    views = [view for view in TaskViews().read(tx) if view.task.proxy]
    wanted = {one.registry.rpartition("/")[2] for view in views for one in view.task.endpoints}
    instances = {one: discovery.list_instances(tx, one) for one in wanted}
    standing = {row.eni_id for row in INTERFACES_SEEN.list(tx)}
    drawn = draw_proxies(views, instances, load_shares(tx))
    return {proxy.eni_id: proxy for proxy in drawn if proxy.eni_id in standing}


def load_shares(tx: Transaction) -> dict[str, Share]:
    """The shares of the tasks whose service is between two deployments, by their ids."""
    found: dict[str, Share] = {}
    for service in SERVICES.list(tx):
        if service.deleted_at is None and shifts(service) and service.primary.connect is not None:
            found |= draw_shares(service, TASKS.list(tx, service=service.arn))
    return found


def load_followed(tx: Transaction) -> dict[str, str]:
    """By Cloud Map's service, the shares that proxies have to follow where traffic is shifted."""
    return {
        one.registry.rpartition("/")[2]: service.primary.shares
        for service in SERVICES.list(tx)
        if service.deleted_at is None and shifts(service) and service.primary.connect is not None
        for one in service.primary.connect.services
    }


@dataclass(frozen=True, slots=True)
class ConnectReconciler:
    """Holds no state of its own: processes and files are the memory."""

    store: Store
    plane: ProxyPlane
    clock: Clock = field(default_factory=SystemClock)

    @classmethod
    def of(
        cls, store: Store, settings: Settings, wake: Callable[[], None], clock: Clock
    ) -> ConnectReconciler:
        """The reconciler of a cloud; ``wake`` is called on news of a proxy."""
        return cls(store, ProxyPlane.hearing(settings, wake), clock)

    @property
    def name(self) -> str:
        """The module's name."""
        return "connect"

    async def activate(self) -> Report:
        """Compare all with all, take the steps, record what runs."""
        report = Report()
        with self.store.reading() as tx:
            wished = load_proxies(tx)
            shares = load_followed(tx) if wished else {}
        observed = await self.plane.observe()
        taken = steps(wished, observed)
        # Before anything goes that has counted.
        report.saw_change |= ConnectMetrics(self.store, self.clock).take(wished, observed, taken)
        for step in taken:
            with report.attempt(step):
                await self.plane.apply(step)
        if taken:
            observed = await self.plane.observe()
        if any(
            drains(wished[one], seen.servers) for one, seen in observed.items() if one in wished
        ):
            report.again_s = DRAIN_LOOK_S
        elif wished:
            report.again_s = to_next_minute_s(self.clock.now())
        self._record(wished, shares, observed, report)
        return report

    def _record(
        self,
        wished: Mapping[str, Proxy],
        shares: Mapping[str, str],
        observed: Mapping[str, ProxyObserved],
        report: Report,
    ) -> None:
        """Write what was seen, in one transaction, when it differs from what is written."""
        with self.store.reading() as tx:
            known = {row.eni_id: row for row in PROXIES_SEEN.list(tx)}
        now = self.clock.now()
        seen = {
            eni_id: _seen(wished[eni_id], one, shares, now)
            for eni_id, one in observed.items()
            if eni_id in wished and one.digest
        }
        news = [row for row in seen.values() if _told(known.get(row.eni_id)) != _told(row)]
        gone = known.keys() - seen.keys()
        if not news and not gone:
            return
        with self.store.transaction() as tx:
            for row in news:
                PROXIES_SEEN.put(tx, row)
            for eni_id in gone:
                PROXIES_SEEN.delete(tx, eni_id=eni_id)
        report.saw_change = True


def _told(row: ProxySeen | None) -> object:
    return None if row is None else (row.pid, row.servers, row.shares)


def _seen(
    proxy: Proxy, observed: ProxyObserved, shares: Mapping[str, str], now: float
) -> ProxySeen:
    done = follows(proxy, observed.servers)
    registries = sorted({one.registry for one in proxy.listeners})
    followed = tuple((one, shares.get(one, "") if done else "") for one in registries)
    return ProxySeen(proxy.eni_id, observed.pid, _servers(proxy, observed), now, followed)


def _servers(proxy: Proxy, seen: ProxyObserved) -> tuple[tuple[str, str], ...]:
    """Cloud Map's services and the places that the proxy may still send to for them."""
    registries = {backend: one.registry for one in proxy.listeners for backend, _ in one.backends}
    found = {
        (registries[backend], name.removeprefix(SPARE))
        for backend, name in seen.servers
        if backend in registries
    }
    return tuple(sorted(found))
