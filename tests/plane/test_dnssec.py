"""DNSSEC of the world: from the root's key down, judged by unbound and delv, never by us."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.api.dns_cloud import Cloud, record
from tests.plane.dns_world import RESOLVER, dig, internet, stop
from tests.plane.unbound_world import ask, needs_unbound, unbound

__all__ = ["internet"]

from hiyoko import api
from hiyoko.neighbours import Neighbours
from hiyoko.plane.dns.control import ask as control
from hiyoko.plane.dns.dns_server import DnsServer
from hiyoko.plane.dns.zone_keys import ANCHOR, ZoneKeys
from hiyoko.plane.process import run
from hiyoko.reconcile.zones import ZoneReconciler
from hiyoko.services.route53.seen import SIGNATURES_SEEN
from hiyoko.settings import Settings

pytestmark = needs_unbound


@dataclass
class World:
    """A cloud whose zones are served, and its customer managed keys."""

    cloud: Cloud
    settings: Settings
    zones: ZoneReconciler
    neighbours: Neighbours

    @property
    def anchor(self) -> Path:
        return self.settings.zone_key_dir / ANCHOR

    def key(self, **more: str) -> str:
        """A customer managed key that can sign for a zone."""
        request = {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", **more}
        made = api.ask_neighbour(
            "kms", "CreateKey", request, account="123456789012", region="us-east-1"
        )
        return str(made["KeyMetadata"]["Arn"])

    def sign(self, zone: str, name: str = "first") -> None:
        """Enable signing with a new key."""
        self.cloud(
            "route53",
            "CreateKeySigningKey",
            CallerReference=name,
            HostedZoneId=zone,
            KeyManagementServiceArn=self.key(),
            Name=name,
            Status="ACTIVE",
        )
        self.cloud("route53", "EnableHostedZoneDNSSEC", HostedZoneId=zone)

    async def settle(self) -> None:
        assert (await self.zones.activate()).refusals == {}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    neighbours = Neighbours()
    api.use_neighbours(neighbours.ask)
    settings, cloud = Settings(tmp_path), Cloud()
    cloud.clock.time = time.time()
    zones = ZoneReconciler(cloud.store, DnsServer(settings), cloud.clock)
    made = World(cloud, settings, zones, neighbours)
    await made.settle()
    yield made
    await neighbours.reset()
    await stop(settings, signal.SIGTERM)


async def delv(world: World, *question: str) -> str:
    """What delv makes of it, through the internet's resolver, from the root's key down."""
    return await run(
        *("delv", f"@{RESOLVER}", "-a", str(world.anchor), "+root=.", *question), timeout_s=20
    )


WEIGHTED = [
    {
        "Name": "w.my-project.jp",
        "Type": "A",
        "TTL": 60,
        "SetIdentifier": str(n),
        "Weight": 1,
        "ResourceRecords": [{"Value": f"198.19.0.{n}"}],
    }
    for n in (1, 2)
]


async def test_a_signed_zone_is_fully_validated_by_delv_and_unbound(world: World) -> None:
    zone = world.cloud.zone("my-project.jp")
    world.cloud.change(
        zone,
        ("CREATE", record("a.my-project.jp", "A", "198.19.0.1")),
        ("CREATE", record("c.my-project.jp", "CNAME", "a.my-project.jp")),
        ("CREATE", record("*.wild.my-project.jp", "TXT", '"star"')),
        *(("CREATE", one) for one in WEIGHTED),
    )
    world.sign(zone)
    await world.settle()
    questions = {
        ("a.my-project.jp", "A"): "198.19.0.1",
        ("c.my-project.jp", "A"): "198.19.0.1",
        ("x.y.wild.my-project.jp", "TXT"): "star",
        ("w.my-project.jp", "A"): "198.19.0.",
        ("my-project.jp", "DNSKEY"): "257 3 13",
        ("my-project.jp", "SOA"): "awsdns-hostmaster",
    }
    for question, value in questions.items():
        said = await delv(world, *question)
        assert "; fully validated" in said, question
        assert value in said
    for question in (("gone.my-project.jp", "A"), ("a.my-project.jp", "AAAA")):
        assert "; negative response, fully validated" in await delv(world, *question)
    async with unbound(world.settings.state_dir / "unbound", world.anchor):
        for question, value in questions.items():
            said = await ask(*question)
            assert "flags: qr rd ra ad;" in said, question
            assert value in said
        for name in ("gone.my-project.jp", "wild.my-project.jp", "a.gone.my-project.jp"):
            assert "flags: qr rd ra ad; QUERY: 1, ANSWER: 0" in await ask(name)


async def test_the_registry_vouches_for_the_active_key_of_a_signed_zone(world: World) -> None:
    zone = world.cloud.zone("my-project.jp")
    world.sign(zone)
    await world.settle()
    shown = world.cloud("route53", "GetDNSSEC", HostedZoneId=zone)
    (key,) = shown["KeySigningKeys"]
    assert shown["Status"] == {"ServeSignature": "SIGNING"}
    said = await dig("+short", "@198.18.0.2", "my-project.jp", "DS")
    assert said.replace(" ", "").strip() == key["DSRecord"].replace(" ", "")
    keys = await dig("+short", f"@{RESOLVER}", "my-project.jp", "DNSKEY")
    assert key["DNSKEYRecord"].replace(" ", "") in keys.replace(" ", "")
    world.cloud("route53", "DisableHostedZoneDNSSEC", HostedZoneId=zone)
    await world.settle()
    assert await dig("+short", "@198.18.0.2", "my-project.jp", "DS") == ""
    assert "; unsigned answer" in await delv(world, "my-project.jp", "SOA")


async def test_an_unsigned_zone_is_proved_to_be_unsigned(world: World) -> None:
    zone = world.cloud.zone("plain.jp")
    world.cloud.change(zone, ("CREATE", record("a.plain.jp", "A", "198.19.0.1")))
    await world.settle()
    assert "; unsigned answer" in await delv(world, "a.plain.jp", "A")
    async with unbound(world.settings.state_dir / "unbound", world.anchor):
        said = await ask("a.plain.jp", "A")
        assert "status: NOERROR" in said
        assert "flags: qr rd ra;" in said
        # The top-level domain itself is signed, and says that nothing vouches for the zone.
        assert "flags: qr rd ra ad;" in await ask("plain.jp", "DS")
        nobody = await ask("nobody.jp", "A")
        assert "status: NXDOMAIN" in nobody
        assert "flags: qr rd ra ad;" in nobody


async def test_another_root_vouches_for_nothing_here(world: World) -> None:
    zone = world.cloud.zone("my-project.jp")
    world.cloud.change(zone, ("CREATE", record("a.my-project.jp", "A", "198.19.0.1")))
    world.sign(zone)
    await world.settle()
    other = world.settings.state_dir / "other"
    ZoneKeys.open(other)
    async with unbound(world.settings.state_dir / "unbound", other / ANCHOR):
        assert "status: SERVFAIL" in await ask("a.my-project.jp", "A")
        assert "198.19.0.1" in await ask("+cd", "a.my-project.jp", "A")


async def test_a_zone_whose_key_set_was_tampered_with_is_refused(world: World) -> None:
    zone = world.cloud.zone("my-project.jp")
    world.cloud.change(zone, ("CREATE", record("a.my-project.jp", "A", "198.19.0.1")))
    world.sign(zone)
    await world.settle()
    with world.cloud.store.transaction() as tx:
        (row,) = SIGNATURES_SEEN.list(tx)
        other = tuple(text[:-20] + "A" * 18 + "==" for text in row.signatures)
        SIGNATURES_SEEN.put(tx, replace(row, signatures=other))
    await world.settle()
    async with unbound(world.settings.state_dir / "unbound", world.anchor):
        assert "status: SERVFAIL" in await ask("a.my-project.jp", "A")
        assert "198.19.0.1" in await ask("+cd", "a.my-project.jp", "A")


async def test_a_child_is_believed_only_with_the_ds_of_its_own_key(world: World) -> None:
    zone = world.cloud.zone("my-project.jp")
    world.sign(zone)
    child = world.cloud.zone("sub.my-project.jp")
    servers = world.cloud("route53", "GetHostedZone", Id=child)["DelegationSet"]["NameServers"]
    world.cloud.change(child, ("CREATE", record("a.sub.my-project.jp", "A", "198.19.0.9")))
    wrong = "12345 13 2 " + "AB" * 32
    world.cloud.change(
        zone,
        ("CREATE", record("sub.my-project.jp", "NS", *servers)),
        ("CREATE", record("sub.my-project.jp", "DS", wrong)),
    )
    await world.settle()
    async with unbound(world.settings.state_dir / "unbound", world.anchor):
        assert "status: SERVFAIL" in await ask("a.sub.my-project.jp", "A")
        assert "status: NOERROR" in await ask("+cd", "a.sub.my-project.jp", "A")
    # With the DS of its own key the child is part of the chain.
    world.sign(child, "child")
    (key,) = world.cloud("route53", "GetDNSSEC", HostedZoneId=child)["KeySigningKeys"]
    right = record("sub.my-project.jp", "DS", key["DSRecord"])
    world.cloud.change(zone, ("UPSERT", right))
    await world.settle()
    async with unbound(world.settings.state_dir / "again", world.anchor):
        assert "flags: qr rd ra ad;" in await ask("a.sub.my-project.jp", "A")
    with pytest.raises(api.AwsError) as refused:
        world.cloud("route53", "DisableHostedZoneDNSSEC", HostedZoneId=child)
    assert refused.value.code == "KeySigningKeyInParentDSRecord"


async def test_a_second_key_takes_over_without_a_broken_moment(world: World) -> None:
    zone = world.cloud.zone("my-project.jp")
    world.sign(zone)
    world.cloud(
        "route53",
        "CreateKeySigningKey",
        CallerReference="second",
        HostedZoneId=zone,
        KeyManagementServiceArn=world.key(),
        Name="second",
        Status="ACTIVE",
    )
    await world.settle()
    assert "; fully validated" in await delv(world, "my-project.jp", "SOA")
    world.cloud("route53", "DeactivateKeySigningKey", HostedZoneId=zone, Name="first")
    world.cloud("route53", "DeleteKeySigningKey", HostedZoneId=zone, Name="first")
    await world.settle()
    assert "; fully validated" in await delv(world, "my-project.jp", "SOA")
    with pytest.raises(api.AwsError) as refused:
        world.cloud("route53", "DeactivateKeySigningKey", HostedZoneId=zone, Name="second")
    assert refused.value.code == "KeySigningKeyInUse"


async def test_a_zone_lives_on_signed_while_its_key_in_kms_is_gone(world: World) -> None:
    zone = world.cloud.zone("my-project.jp")
    world.sign(zone)
    await world.settle()
    await world.neighbours.reset()
    world.cloud.clock.time += 10 * 86400  # past the day when the key set is signed anew
    await world.settle()
    shown = world.cloud("route53", "GetDNSSEC", HostedZoneId=zone)
    assert shown["Status"]["ServeSignature"] == "ACTION_NEEDED"
    assert shown["KeySigningKeys"][0]["Status"] == "ACTION_NEEDED"
    assert "; fully validated" in await delv(world, "my-project.jp", "SOA")


async def test_a_killed_server_comes_back_with_the_same_keys(world: World) -> None:
    zone = world.cloud.zone("my-project.jp")
    world.sign(zone)
    await world.settle()
    before = await dig("+short", f"@{RESOLVER}", ".", "DNSKEY")
    await stop(world.settings, signal.SIGKILL)
    await world.settle()
    assert sorted((await dig("+short", f"@{RESOLVER}", ".", "DNSKEY")).splitlines()) == sorted(
        before.splitlines()
    )
    assert "; fully validated" in await delv(world, "my-project.jp", "SOA")
    assert await control(world.settings.run_dir, "status") is not None


async def test_without_the_wish_for_signatures_nothing_of_them_is_seen(world: World) -> None:
    zone = world.cloud.zone("my-project.jp")
    world.sign(zone)
    await world.settle()
    said = await dig(f"@{RESOLVER}", "gone.my-project.jp", "A")
    assert "status: NXDOMAIN" in said
    assert "RRSIG" not in said
    signed = await dig("+dnssec", f"@{RESOLVER}", "gone.my-project.jp", "A")
    # Compact denial (RFC 9824): the name "exists", with the type that says it does not.
    assert "status: NOERROR" in signed
    assert "RRSIG NSEC TYPE128" in signed
