"""Our name servers as strangers see them: an independent resolver, odd clients, broken packets."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rdataclass
import pytest
from tests.api.dns_cloud import Cloud, record
from tests.plane.dns_world import RESOLVER, internet, stop
from tests.plane.unbound_world import ask, needs_unbound, unbound

__all__ = ["internet"]

from hiyoko.plane.dns.control import ask as control
from hiyoko.plane.dns.dns_server import DnsServer
from hiyoko.reconcile.zones import ZoneReconciler
from hiyoko.services.route53 import rows
from hiyoko.services.route53.model import HostedZone
from hiyoko.settings import Settings

FUZZED = 10_000
GROWTH_BYTES_MAX = 48 << 20
"""Caches fill up while they are asked for what nobody has asked before; they have an end."""


@dataclass
class Site:
    """A zone that is served."""

    settings: Settings
    server: str
    cloud: Cloud
    zones: ZoneReconciler

    @property
    def log(self) -> str:
        return (self.settings.log_dir / "dns.log").read_text()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture
async def site(directory: Path) -> AsyncIterator[Site]:
    cloud, settings = Cloud(), Settings(directory)
    zone = cloud.zone("my-project.jp")
    other = cloud.zone("other.com")
    child = cloud.zone("child.my-project.jp")
    servers = cloud("route53", "GetHostedZone", Id=child)["DelegationSet"]["NameServers"]
    cloud.change(
        zone,
        ("CREATE", record("my-project.jp", "A", "198.19.0.1")),
        ("CREATE", record("my-project.jp", "MX", "10 mail.my-project.jp")),
        ("CREATE", record("mail.my-project.jp", "A", "198.19.0.25")),
        ("CREATE", record("www.my-project.jp", "CNAME", "web.other.com")),
        ("CREATE", record("loop.my-project.jp", "CNAME", "loop.other.com")),
        ("CREATE", record("*.wild.my-project.jp", "A", "198.19.0.7")),
        ("CREATE", record("a.b.c.my-project.jp", "A", "198.19.0.8")),
        ("CREATE", record("many.my-project.jp", "A", *(f"198.19.1.{n}" for n in range(4)))),
        (
            "CREATE",
            record("big.my-project.jp", "TXT", *(f'"{n:03d}{"x" * 200}"' for n in range(30))),
        ),
        ("CREATE", record("child.my-project.jp", "NS", *servers)),
    )
    cloud.change(
        other,
        ("CREATE", record("web.other.com", "A", "198.19.0.2")),
        ("CREATE", record("loop.other.com", "CNAME", "loop.my-project.jp")),
    )
    cloud.change(child, ("CREATE", record("x.child.my-project.jp", "A", "198.19.0.3")))
    with cloud.store.reading() as tx:
        number = rows.get_zone(tx, "123456789012", zone).servers[0]
    zones = ZoneReconciler(cloud.store, DnsServer(settings))
    assert (await zones.activate()).refusals == {}
    yield Site(settings, f"198.18.{8 + number // 256}.{number % 256}", cloud, zones)
    await stop(settings, signal.SIGTERM)


async def udp(query: dns.message.Message, server: str) -> dns.message.Message:
    return await asyncio.to_thread(dns.query.udp, query, server, 20.0)


async def tcp(server: str, *pieces: bytes, count: int = 1, shut: bool = False) -> list[bytes]:
    """The answers to what is sent in these pieces, each in a segment of its own."""
    reader, writer = await asyncio.open_connection(server, 53)
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if shut:
            writer.write_eof()
        answers = []
        async with asyncio.timeout(20):
            for _ in range(count):
                size = int.from_bytes(await reader.readexactly(2))
                answers.append(await reader.readexactly(size))
        return answers
    finally:
        writer.close()


def framed(query: dns.message.Message) -> bytes:
    wire = query.to_wire()
    return len(wire).to_bytes(2) + wire


@needs_unbound
async def test_an_independent_resolver_finds_the_site_from_the_root(site: Site) -> None:
    async with unbound(site.settings.state_dir / "unbound"):
        for question, value in (
            (("my-project.jp", "A"), "198.19.0.1"),
            (("www.my-project.jp", "A"), "198.19.0.2"),
            (("any.thing.wild.my-project.jp", "A"), "198.19.0.7"),
            (("a.b.c.my-project.jp", "A"), "198.19.0.8"),
            (("x.child.my-project.jp", "A"), "198.19.0.3"),
            (("big.my-project.jp", "TXT"), "029xxx"),
            (("my-project.jp", "MX"), "mail.my-project.jp"),
            (("a.gtld-servers.net", "A"), "198.18.0.2"),
            (("s3.ap-northeast-1.amazonaws.com", "A"), "198.18.16.1"),
            (("bucket.s3.ap-northeast-1.amazonaws.com", "A"), "198.18.16.1"),
            (("api.ecr.ap-northeast-1.amazonaws.com", "A"), "198.18.0.80"),
            (("streams.dynamodb.us-east-1.amazonaws.com", "A"), "198.18.0.80"),
        ):
            said = await ask(*question)
            assert "status: NOERROR" in said, question
            assert value in said, question
        # An empty non-terminal is not "no such name", or what is below it would vanish.
        assert "status: NOERROR" in await ask("b.c.my-project.jp", "A")
        for name in ("gone.my-project.jp", "gone.b.c.my-project.jp", "gone.jp", "gone"):
            assert "status: NXDOMAIN" in await ask(name)
        assert "status: SERVFAIL" in await ask("loop.my-project.jp", "A")


async def test_edns_is_negotiated_and_unknown_things_are_named_so(site: Site) -> None:
    name = "my-project.jp."
    plain = await udp(dns.message.make_query(name, "A", use_edns=False), site.server)
    assert plain.edns == -1
    newer = await udp(dns.message.make_query(name, "A", use_edns=7), site.server)
    assert (newer.rcode(), newer.edns) == (dns.rcode.BADVERS, 0)
    option = dns.edns.GenericOption(dns.edns.OptionType.make(65001), b"whatever")
    strange = await udp(dns.message.make_query(name, "A", options=[option]), site.server)
    assert (strange.rcode(), len(strange.answer)) == (dns.rcode.NOERROR, 1)
    subnet = dns.edns.ECSOption("203.0.113.0", 24)
    placed = await udp(dns.message.make_query(name, "A", options=[subnet]), site.server)
    assert placed.rcode() == dns.rcode.NOERROR
    for size, cut in ((None, True), (512, True), (1232, True)):
        query = dns.message.make_query("big.my-project.jp.", "TXT", use_edns=False)
        if size is not None:
            query.use_edns(0, payload=size)
        said = await udp(query, site.server)
        assert bool(said.flags & dns.flags.TC) == cut


@pytest.mark.parametrize(
    ("opcode", "rcode"),
    [
        (dns.opcode.NOTIFY, dns.rcode.NOTIMP),
        (dns.opcode.UPDATE, dns.rcode.NOTIMP),
        (dns.opcode.STATUS, dns.rcode.NOTIMP),
        (dns.opcode.IQUERY, dns.rcode.NOTIMP),
        (9, dns.rcode.NOTIMP),
    ],
)
async def test_other_opcodes_are_not_implemented(
    site: Site, opcode: dns.opcode.Opcode, rcode: dns.rcode.Rcode
) -> None:
    query = dns.message.make_query("my-project.jp.", "SOA")
    wire = bytearray(query.to_wire())
    wire[2] = int(opcode) << 3
    said = await asyncio.to_thread(exchange, bytes(wire), site.server)
    assert said[3] & 15 == rcode
    assert (said[2] >> 3) & 15 == opcode


def exchange(wire: bytes, server: str) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(20)
        client.sendto(wire, (server, 53))
        return client.recv(4096)


async def test_transfers_other_classes_and_several_questions_are_refused(site: Site) -> None:
    for kind in ("AXFR", "IXFR"):
        query = dns.message.make_query("my-project.jp.", kind)
        (wire,) = await tcp(site.server, framed(query))
        assert dns.message.from_wire(wire).rcode() == dns.rcode.REFUSED
    chaos = dns.message.make_query("version.bind.", "TXT", rdclass=dns.rdataclass.CH)
    assert (await udp(chaos, site.server)).rcode() == dns.rcode.REFUSED
    two = dns.message.make_query("my-project.jp.", "A")
    two.question.append(dns.message.make_query("mail.my-project.jp.", "A").question[0])
    said = await asyncio.to_thread(exchange, two.to_wire(), site.server)
    assert said[3] & 15 == dns.rcode.FORMERR


async def test_any_is_answered_and_the_case_of_a_question_comes_back(site: Site) -> None:
    said = await udp(dns.message.make_query("mY-pRoJeCt.Jp.", "ANY"), site.server)
    assert said.rcode() == dns.rcode.NOERROR
    assert {dns.rdatatype.to_text(r.rdtype) for r in said.answer} == {"A", "MX", "NS", "SOA"}
    assert str(said.question[0].name) == "mY-pRoJeCt.Jp."


async def test_values_take_turns_on_the_wire(site: Site) -> None:
    firsts = set()
    for _ in range(8):
        said = await udp(dns.message.make_query("many.my-project.jp.", "A"), site.server)
        firsts.add(said.answer[0].to_text().split()[4])
    assert len(firsts) == 4


async def test_tcp_clients_may_pipeline_dawdle_and_close_their_half(site: Site) -> None:
    names = ("my-project.jp.", "mail.my-project.jp.", "gone.my-project.jp.")
    queries = [dns.message.make_query(name, "A") for name in names]
    answers = await tcp(site.server, b"".join(map(framed, queries)), count=3)
    assert [dns.message.from_wire(wire).id for wire in answers] == [q.id for q in queries]
    (slowly,) = await tcp(site.server, *(bytes([byte]) for byte in framed(queries[0])))
    assert dns.message.from_wire(slowly).answer
    (shut,) = await tcp(site.server, framed(queries[0]), shut=True)
    assert dns.message.from_wire(shut).answer


async def test_silent_tcp_clients_do_not_keep_others_waiting(site: Site) -> None:
    silent = [await asyncio.open_connection(site.server, 53) for _ in range(250)]
    try:
        query = dns.message.make_query("my-project.jp.", "A")
        (answer,) = await tcp(site.server, framed(query))
        assert dns.message.from_wire(answer).answer
    finally:
        for _, writer in silent:
            writer.close()


def packets(chance: random.Random) -> Iterator[bytes]:
    """Noise, and good questions with a few bytes turned, cut off or added."""
    names = ("my-project.jp.", "www.my-project.jp.", "x.wild.my-project.jp.", "big.my-project.jp.")
    for number in range(FUZZED):
        if number % 4 == 0:
            yield chance.randbytes(chance.randrange(600))
            continue
        query = dns.message.make_query(
            chance.choice(names),
            chance.choice(("A", "TXT", "ANY", "DNSKEY", "SOA")),
            use_edns=chance.choice((False, 0)),
            want_dnssec=chance.random() < 0.5,
        )
        wire = bytearray(query.to_wire())
        for _ in range(chance.randrange(1, 6)):
            wire[chance.randrange(len(wire))] = chance.randrange(256)
        if chance.random() < 0.2:
            del wire[chance.randrange(len(wire)) :]
        elif chance.random() < 0.2:
            wire += chance.randbytes(chance.randrange(40))
        yield bytes(wire)


def resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.timeout(120)
async def test_ten_thousand_broken_packets_harm_nobody(site: Site) -> None:
    status = await control(site.settings.run_dir, "status")
    assert status is not None
    before = resident(status["pid"])
    chance = random.Random(4592)
    query = dns.message.make_query("my-project.jp.", "A")
    targets = (site.server, "198.18.0.1", "198.18.0.2", RESOLVER)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        for number, wire in enumerate(packets(chance)):
            client.sendto(wire, (targets[number % len(targets)], 53))
            if number % 500 == 499:
                # The server keeps up, or this would time out.
                assert (await udp(query, site.server)).answer
    for wire in list(packets(chance))[::50]:
        _, writer = await asyncio.open_connection(site.server, 53)
        writer.write(len(wire).to_bytes(2) + wire)
        await writer.drain()
        writer.close()
    assert (await udp(query, site.server)).answer
    (answer,) = await tcp(site.server, framed(query))
    assert dns.message.from_wire(answer).answer
    assert "Traceback" not in site.log
    assert resident(status["pid"]) - before < GROWTH_BYTES_MAX


async def test_a_change_travels_alone_and_survives_a_kill(site: Site) -> None:
    cloud, zones = site.cloud, site.zones
    zone = next(z.zone_id for z in _zones(cloud) if z.name == "my-project.jp.")
    for number in range(3):
        change = record(f"new{number}.my-project.jp", "A", "198.19.9.9")
        cloud.change(zone, ("CREATE", change))
        (step,) = (await zones.activate()).steps
        assert "1 changed records" in str(step)
    query = dns.message.make_query("new2.my-project.jp.", "A")
    assert (await udp(query, site.server)).answer
    whole = (site.settings.run_dir / "zones.json").read_bytes()
    assert b"new2.my-project.jp" not in whole  # it is in the journal beside it
    await stop(site.settings, signal.SIGKILL)
    with (site.settings.run_dir / "zones.journal").open("ab") as journal:
        journal.write(b'{"base":"')  # whoever wrote was killed, too
    server = DnsServer(site.settings)
    restarted = ZoneReconciler(cloud.store, server)
    report = await restarted.activate()
    assert report.refusals == {}
    assert (await udp(query, site.server)).answer
    cloud.change(zone, ("DELETE", record("new2.my-project.jp", "A", "198.19.9.9")))
    assert (await restarted.activate()).refusals == {}
    assert (await udp(query, site.server)).rcode() == dns.rcode.NXDOMAIN
    assert (await restarted.activate()).quiet


def _zones(cloud: Cloud) -> list[HostedZone]:
    with cloud.store.reading() as tx:
        return rows.list_all_zones(tx)
