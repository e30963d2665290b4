"""DNS: the world's server serves what the rows say, and the rows say what it serves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hiyoko.blueprint.draw_balancer_dns import in_dns
from hiyoko.blueprint.draw_records import ALL_HEALTHY, Drawn, Flow
from hiyoko.blueprint.draw_resolvers import ResolverRows
from hiyoko.blueprint.draw_zones import draw_zones
from hiyoko.blueprint.zones import Zones
from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.dns.dns_server import DnsServer, Served, endpoint_interfaces, steps
from hiyoko.plane.dns.zone_change import Digests
from hiyoko.plane.silent import Silent
from hiyoko.reconcile.balancers import balancer_rows, healthy_targets
from hiyoko.reconcile.health_checks import unhealthy
from hiyoko.reconcile.report import Report
from hiyoko.reconcile.zone_signing import sign_zone_keys, signing_of
from hiyoko.services.ec2 import rows as ec2
from hiyoko.services.elbv2.model import LoadBalancer
from hiyoko.services.route53 import rows as route53
from hiyoko.services.route53.seen import (
    DELEGATIONS_SEEN,
    SERVED_SEEN,
    DelegationSeen,
    ServedSeen,
)
from hiyoko.services.route53resolver import rows as resolver
from hiyoko.services.route53resolver.seen import ADDRESSES_SEEN, AddressSeen
from hiyoko.settings import Settings
from hiyoko.store.database import Kept, Store, Transaction

AGAIN_S = 10.0
"""How often the process is looked at though nothing has changed: it may have died."""
SERVED_KEY = "dns"

Balancers = Kept[tuple[LoadBalancer, ...]]
"""Load balancers as their names lead to them."""


@dataclass(slots=True)
class LastTime:
    """What the last activation drew and hashed, so that only what is new costs time.

    Nothing is decided by it: without it everything is drawn, hashed and sent anew. ``zones`` counts
    only while the process says that it serves their ``digest``.
    """

    zones: Zones = field(default_factory=Zones)
    digest: str = ""
    drawn: Drawn = field(default_factory=Drawn)
    balancers: Balancers = field(default_factory=Kept)
    digests: Digests = field(default_factory=Digests)


@dataclass(frozen=True, slots=True)
class ZoneReconciler:
    """Draws the zone set, gives it to the DNS process, and records what that serves."""

    store: Store
    server: DnsServer
    clock: Clock = field(default_factory=SystemClock)
    last: LastTime = field(default_factory=LastTime, repr=False)

    @classmethod
    def of(
        cls, store: Store, settings: Settings, wake: Callable[[], None], clock: Clock
    ) -> ZoneReconciler:
        """The reconciler of a cloud; ``wake`` is called when the DNS process ends."""
        return cls(store, DnsServer.hearing(settings, wake), clock)

    @property
    def name(self) -> str:
        """The module's."""
        return "zones"

    async def activate(self) -> Report:
        """Compare all with all; a second run does nothing."""
        report = Report(again_s=AGAIN_S)
        sign_zone_keys(self.store, self.server, self.clock.now())
        with self.store.reading() as tx:
            zones = draw(tx, self.last.drawn, self.last.balancers)
        digest = self.last.digests.of(zones)
        served = await self._observe(report)
        before = self.last.zones if served and served.digest == self.last.digest else None
        # A second round, because the first one may start the process: only then are there
        # resolvers to open. A change that did not do is followed by the whole set.
        for _ in range(2):
            wanted = tuple(steps(zones, digest, served, before))
            report.refusals.clear()
            for step in wanted:
                with report.attempt(step):
                    await self.server.apply(step)
            if not wanted:
                break
            served, before = await self.server.observe(), None
        self.last.zones, self.last.digest = zones, digest
        if served is not None and served.digest == digest:
            report.saw_change = self._record(zones, served)
            report.saw_change |= self._record_endpoints(zones, served)
        return report

    async def _observe(self, report: Report) -> Served | None:
        """What is served. A process that does not answer is ended, and none from then on."""
        try:
            return await self.server.observe()
        except Silent as silent:
            with report.attempt(f"end the DNS server, which does not answer: {silent}"):
                await self.server.end(silent.pid)
            return None

    def _record_endpoints(self, zones: Zones, served: Served) -> bool:
        """Note which interfaces of resolver endpoints have their sockets. True when it was news."""
        there = set(endpoint_interfaces(zones)) & set(served.open)
        with self.store.reading() as tx:
            seen = {row.eni_id for row in ADDRESSES_SEEN.list(tx)}
        if seen == there:
            return False
        now = self.clock.now()
        with self.store.transaction() as tx:
            for eni_id in seen - there:
                ADDRESSES_SEEN.delete(tx, eni_id=eni_id)
            for eni_id in sorted(there - seen):
                ADDRESSES_SEEN.put(tx, AddressSeen(eni_id, now))
        return True

    def _record(self, zones: Zones, served: Served) -> bool:
        """Note what is served. True when that was news.

        A note is a commit that wakes who has read it, us among them: so the revision is noted only
        when the zone set is a new one, or when somebody waits for a change to be in sync.
        """
        with self.store.reading() as tx:
            noted = SERVED_SEEN.find(tx, key=SERVED_KEY)
            waiting = max(
                route53.newest_change_revision(tx),
                *(one.revision for one in route53.TRAFFIC_INSTANCES.list(tx)),
                resolver.newest_revision(tx),
            )
            delegations = {seen.zone_id: seen.parent for seen in DELEGATIONS_SEEN.list(tx)}
        wanted = {entry.zone_id: entry.parent for entry in zones.delegations}
        news = noted is None or noted.digest != served.digest
        if not news and (noted is None or noted.revision < waiting <= zones.revision):
            news = True
        if not news and delegations == wanted:
            return False
        now = self.clock.now()
        with self.store.transaction() as tx:
            SERVED_SEEN.put(
                tx,
                ServedSeen(
                    key=SERVED_KEY, revision=zones.revision, seen_at=now, digest=served.digest
                ),
            )
            for zone_id in delegations.keys() - wanted.keys():
                DELEGATIONS_SEEN.delete(tx, zone_id=zone_id)
            for zone_id, parent in wanted.items():
                if delegations.get(zone_id) != parent:
                    DELEGATIONS_SEEN.put(tx, DelegationSeen(zone_id, parent, now))
        return True


def draw(tx: Transaction, drawn: Drawn | None = None, balancers: Balancers | None = None) -> Zones:
    """The zone set of this store. Checks' health is looked at only where a policy goes by it.

    ``drawn`` and ``balancers`` are what the last drawing can save this one.
    """
    balancers = Kept() if balancers is None else balancers
    records = route53.list_all_records(tx)
    flow = Flow(
        route53.TRAFFIC_POLICIES.list(tx),
        route53.TRAFFIC_INSTANCES.list(tx),
        route53.CIDR_COLLECTIONS.list(tx),
        frozenset(config.zone_id for config in route53.QUERY_LOGGING.list(tx)),
    )
    routed = any(record.set_id for record in records) or bool(flow.instances)
    return draw_zones(
        revision=tx.revision,
        hosted_zones=route53.list_all_zones(tx),
        records=records,
        balancers=balancers.of(tx, lambda: tuple(in_dns(balancer_rows(tx), healthy_targets(tx)))),
        vpcs=ec2.VPCS.table.list(tx),
        interfaces=ec2.INTERFACES.table.list(tx),
        addresses=ec2.ADDRESSES.table.list(tx),
        unhealthy=unhealthy(tx) if routed else ALL_HEALTHY,
        endpoints=ec2.VPC_ENDPOINTS.table.list(tx),
        flow=flow,
        drawn=drawn,
        signing=signing_of(tx),
        signing_keys=route53.SIGNING_KEYS.list(tx),
        resolver_rows=ResolverRows(
            tuple(resolver.ENDPOINTS.list(tx)),
            tuple(resolver.RULES.list(tx)),
            tuple(resolver.ASSOCIATIONS.list(tx)),
            tuple(resolver.DNSSEC_CONFIGS.list(tx)),
            tuple(resolver.QUERY_LOG_ASSOCIATIONS.list(tx)),
            tuple(resolver.REVERSE_CONFIGS.list(tx)),
        ),
    )
