from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from tests.api.dns_cloud import Cloud, record

from hiyoko.plane.dns import zone_change
from hiyoko.plane.dns.dns_server import (
    ChangeZones,
    DnsServer,
    DnsStep,
    PushZones,
    Served,
    StartServer,
)
from hiyoko.plane.error import PlaneError
from hiyoko.reconcile.zones import ZoneReconciler
from hiyoko.services.route53.seen import DELEGATIONS_SEEN


@dataclass
class FakeServer:
    """Serves what it is given, in memory; ``refusing`` refuses every step."""

    served: Served | None = None
    refusing: bool = False
    steps: list[str] = field(default_factory=list)

    async def observe(self) -> Served | None:
        return self.served

    async def apply(self, step: DnsStep) -> None:
        if self.refusing:
            raise PlaneError("no")
        self.steps.append(type(step).__name__)
        if isinstance(step, StartServer):
            self.served = Served("", 0, (), {})
        elif isinstance(step, PushZones | ChangeZones):
            self.served = Served(zone_change.digest(step.zones), step.zones.revision, (), {})


def reconciler(cloud: Cloud, server: FakeServer) -> ZoneReconciler:
    return ZoneReconciler(cloud.store, cast(DnsServer, server), cloud.clock)


def status(cloud: Cloud, change: dict[str, Any]) -> str:
    shown = cloud("route53", "GetChange", Id=change["ChangeInfo"]["Id"])
    return str(shown["ChangeInfo"]["Status"])


async def test_it_starts_pushes_and_is_then_quiet() -> None:
    cloud, server = Cloud(), FakeServer()
    zones = reconciler(cloud, server)
    assert len((await zones.activate()).steps) == 2
    assert (await zones.activate()).quiet


async def test_a_commit_that_changes_no_zone_is_not_noted() -> None:
    # A note is a commit and wakes who has read it: noting each revision would never end.
    cloud = Cloud()
    zones = reconciler(cloud, FakeServer())
    await zones.activate()
    cloud("ec2", "DescribeVpcs")
    cloud.vpc()
    assert (await zones.activate()).quiet


async def test_a_change_that_alters_nothing_gets_in_sync_too() -> None:
    cloud = Cloud()
    zones = reconciler(cloud, FakeServer())
    zone = cloud.zone()
    wanted = record("a.example.com", "A", "192.0.2.1")
    cloud.change(zone, ("UPSERT", wanted))
    await zones.activate()
    again = cloud.change(zone, ("UPSERT", wanted))
    assert status(cloud, again) == "PENDING"
    report = await zones.activate()
    assert report.steps == []
    assert status(cloud, again) == "INSYNC"
    assert (await zones.activate()).quiet


async def test_what_the_server_refuses_stays_pending_until_it_takes_it() -> None:
    cloud, server = Cloud(), FakeServer()
    zones = reconciler(cloud, server)
    await zones.activate()
    change = cloud.change(cloud.zone(), ("CREATE", record("a.example.com", "A", "192.0.2.1")))
    server.refusing = True
    report = await zones.activate()
    assert list(report.refusals.values()) == ["no"]
    assert status(cloud, change) == "PENDING"
    with cloud.store.reading() as tx:
        assert DELEGATIONS_SEEN.list(tx) == []
    server.refusing = False
    assert (await zones.activate()).refusals == {}
    assert status(cloud, change) == "INSYNC"


async def test_a_delegation_is_no_longer_seen_when_its_zone_is_gone() -> None:
    cloud = Cloud()
    zones = reconciler(cloud, FakeServer())
    zone = cloud.zone()
    await zones.activate()
    cloud("route53", "DeleteHostedZone", Id=zone)
    await zones.activate()
    with cloud.store.reading() as tx:
        assert DELEGATIONS_SEEN.list(tx) == []
