"""The fast lane: established connections take it, and whatever denies them stops them at once.

https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html
https://docs.aws.amazon.com/vpc/latest/userguide/security-group-connection-tracking.html
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from typing import cast

import pytest

from hiyoko.blueprint import example
from hiyoko.blueprint.network import (
    TCP,
    AclEntry,
    Blackhole,
    Network,
    Route,
    RouteTable,
    Vpc,
)
from hiyoko.plane.addresses import CLIENT
from hiyoko.plane.namespaces import in_namespace
from hiyoko.plane.network import NetworkPlane, prepare_internet, steps
from hiyoko.plane.network.names import interface_link, internet_link
from hiyoko.plane.process import NETNS_DIR, run

BALANCER, TASK = example.BALANCER, example.TASK_A
CLIENT_PORT = 41234
PATIENCE_S, SILENCE_S = 10.0, 0.25
"""For what comes, and for what must not come."""


PLANES = {
    "programs": NetworkPlane(),
    "nftables": NetworkPlane(programs=False),
}
"""Root's lane, and an ordinary user's."""


@pytest.fixture(params=list(PLANES.values()), ids=list(PLANES))
def plane(request: pytest.FixtureRequest) -> NetworkPlane:
    return cast(NetworkPlane, request.param)


async def settle(plane: NetworkPlane, network: Network) -> None:
    for step in steps(network, await plane.observe()):
        await plane.apply(step)
    assert steps(network, await plane.observe()) == []


@pytest.fixture
async def vpc(plane: NetworkPlane) -> AsyncIterator[Vpc]:
    await prepare_internet()
    drawn = example.example_vpc()
    await settle(plane, Network((drawn,)))
    yield drawn
    await settle(plane, Network())


def inside(netns: str | None, make: Callable[[], socket.socket]) -> socket.socket:
    return make() if netns is None else in_namespace(NETNS_DIR / netns, make)


def abort(sock: socket.socket) -> None:
    """Close with a RST: the port is free again."""
    if sock.fileno() == -1:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@dataclass(frozen=True, slots=True)
class Connection:
    client: socket.socket
    server: socket.socket

    def answers(self, patience_s: float = PATIENCE_S) -> bool:
        """Whether a byte gets there and one back."""
        ways = (self.client, self.server), (self.server, self.client)
        return all(self.sent(one, other, patience_s) for one, other in ways)

    def silent(self) -> bool:
        """Whether a byte, or the one that answers it, gets lost."""
        return not self.answers(SILENCE_S)

    @staticmethod
    def sent(one: socket.socket, other: socket.socket, patience_s: float) -> bool:
        one.send(b".")
        other.settimeout(patience_s)
        try:
            return other.recv(64) != b""
        except TimeoutError:
            return False


def connect(
    client: str | None, address: object, port: int, patience_s: float = PATIENCE_S
) -> socket.socket:
    def make() -> socket.socket:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("", CLIENT_PORT))
        made.settimeout(patience_s)
        try:
            made.connect((str(address), port))
        except TimeoutError:
            made.close()
            raise
        return made

    return inside(client, make)


@contextlib.contextmanager
def connection(
    client: str | None, server: str, address: object, port: int = 80
) -> Iterator[Connection]:
    """A connection that has been used: both of its directions are noted."""
    with inside(server, lambda: socket.create_server(("", port))) as listener:
        listener.settimeout(PATIENCE_S)
        one = connect(client, address, port)
        other, _ = listener.accept()
        made = Connection(one, other)
        try:
            assert made.answers()
            assert made.answers()
            yield made
        finally:
            abort(one)
            abort(other)


async def whole_way(vpc: Vpc) -> int:
    """How many packets met the table's first chain since it began to count."""
    said = await run("nft", "list", "chain", "ip", "hiyoko", "source_guard", netns=vpc.vpc_id)
    found = re.search(r"counter packets (\d+)", said)
    assert found, said
    return int(found[1])


WAYS = {
    "from the internet to the balancer": (None, BALANCER.eni_id, BALANCER.public_address),
    "from the balancer to a task": (BALANCER.eni_id, TASK.eni_id, TASK.address),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
async def test_an_established_connection_meets_no_chain(
    vpc: Vpc, way: tuple[str | None, str, object]
) -> None:
    with connection(*way) as made:
        counter = "insert rule ip hiyoko source_guard meta l4proto tcp counter\n"
        await run("nft", "-f", "-", stdin=counter, netns=vpc.vpc_id)
        before = await whole_way(vpc)
        for _ in range(20):
            assert made.answers()
        # Now and then one packet of each direction is judged again.
        assert await whole_way(vpc) - before <= 4


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
async def test_but_now_and_then_it_does(vpc: Vpc, way: tuple[str | None, str, object]) -> None:
    """So tracking keeps seeing the connection."""
    with connection(*way) as made:
        counter = "insert rule ip hiyoko source_guard meta l4proto tcp counter\n"
        await run("nft", "-f", "-", stdin=counter, netns=vpc.vpc_id)
        async with asyncio.timeout(30):
            while await whole_way(vpc) < 2:
                assert made.answers()


def denied(vpc: Vpc, *, outward: bool, cidr: IPv4Network) -> Vpc:
    """The ACL with a first entry against a network."""
    (acl,) = vpc.acls
    entry = AclEntry(50, TCP, 0, 65535, cidr, allow=False)
    changed = (
        replace(acl, egress=(entry, *acl.egress))
        if outward
        else replace(acl, ingress=(entry, *acl.ingress))
    )
    return replace(vpc, acls=(changed,))


def without(vpc: Vpc, eni_id: str) -> Vpc:
    return replace(vpc, interfaces=tuple(each for each in vpc.interfaces if each.eni_id != eni_id))


def without_public_address(vpc: Vpc) -> Vpc:
    bare = replace(BALANCER, public_address=None)
    return replace(
        vpc, interfaces=tuple(bare if each is BALANCER else each for each in vpc.interfaces)
    )


def without_route(vpc: Vpc) -> Vpc:
    gone = RouteTable(example.PUBLIC_TABLE, (Route(example.EVERYWHERE, Blackhole(example.IGW_ID)),))
    return replace(vpc, route_tables=(gone, vpc.route_tables[1]))


PUBLIC, PRIVATE, INTERNET = (
    example.PUBLIC_A.cidr,
    example.PRIVATE_A.cidr,
    IPv4Network("198.18.0.0/16"),
)
OUTSIDE, BETWEEN = WAYS.values()
DENIALS: dict[str, tuple[tuple[str | None, str, object], Callable[[Vpc], Vpc]]] = {
    "an ACL against what comes from the internet": (
        OUTSIDE,
        lambda vpc: denied(vpc, outward=False, cidr=INTERNET),
    ),
    "an ACL against what goes there": (
        OUTSIDE,
        lambda vpc: denied(vpc, outward=True, cidr=INTERNET),
    ),
    "an ACL against requests between subnets": (
        BETWEEN,
        lambda vpc: denied(vpc, outward=False, cidr=PUBLIC),
    ),
    "an ACL against answers between subnets": (
        BETWEEN,
        lambda vpc: denied(vpc, outward=True, cidr=PUBLIC),
    ),
    "a route that has gone": (OUTSIDE, without_route),
    "a gateway that has gone": (OUTSIDE, lambda vpc: replace(vpc, internet_gateway_id=None)),
    "a public address that has gone": (OUTSIDE, without_public_address),
    "an interface that has gone": (BETWEEN, lambda vpc: without(vpc, TASK.eni_id)),
}


@pytest.mark.parametrize(("way", "deny"), DENIALS.values(), ids=DENIALS.keys())
async def test_whatever_denies_it_stops_it_at_once(
    plane: NetworkPlane,
    vpc: Vpc,
    way: tuple[str | None, str, object],
    deny: Callable[[Vpc], Vpc],
) -> None:
    with connection(*way) as made:
        await settle(plane, Network((deny(vpc),)))
        assert made.silent()


async def test_a_connection_goes_on_when_the_acl_lets_it_again(
    plane: NetworkPlane, vpc: Vpc
) -> None:
    with connection(*OUTSIDE) as made:
        await settle(plane, Network((denied(vpc, outward=False, cidr=INTERNET),)))
        assert made.silent()
        await settle(plane, Network((vpc,)))
        made.server.settimeout(PATIENCE_S)  # the sender tries again in its own time
        assert made.server.recv(64)
        assert made.answers()


async def test_a_revoked_group_rule_lets_it_live_but_not_a_new_one_on_its_ports(
    plane: NetworkPlane, vpc: Vpc
) -> None:
    (balancer, tasks) = vpc.groups
    closed = replace(vpc, groups=(replace(balancer, ingress=balancer.ingress[1:]), tasks))
    with connection(*OUTSIDE) as made:
        await settle(plane, Network((closed,)))
        assert made.answers()
        abort(made.server)
        abort(made.client)
        with pytest.raises(TimeoutError):
            connect(None, BALANCER.public_address, 80, SILENCE_S)


@pytest.mark.parametrize("plane", [PLANES["nftables"]], ids=["nftables"], indirect=True)
async def test_without_the_lane_it_takes_the_whole_way(plane: NetworkPlane, vpc: Vpc) -> None:
    with connection(*OUTSIDE) as made:
        await run("nft", "delete", "table", "netdev", "hiyoko", netns=vpc.vpc_id)
        for _ in range(3):
            assert made.answers()
    # A change that finds it missing puts the whole table anew, with the lane.
    await settle(plane, Network((denied(vpc, outward=False, cidr=PRIVATE),)))
    assert "arrivals" in await run("nft", "list", "table", "netdev", "hiyoko", netns=vpc.vpc_id)


@pytest.mark.parametrize("plane", [PLANES["nftables"]], ids=["nftables"], indirect=True)
async def test_an_audit_sees_that_it_lets_everybody_in(plane: NetworkPlane, vpc: Vpc) -> None:
    network, chain = Network((vpc,)), f"{interface_link(TASK.eni_id)}-from"
    rule = f"insert rule netdev hiyoko {chain} fwd ip to ip daddr device igw\n"
    await run("nft", "-f", "-", stdin=rule, netns=vpc.vpc_id)
    for step in steps(network, await plane.audit(network, await plane.observe())):
        await plane.apply(step)
    assert steps(network, await plane.audit(network, await plane.observe())) == []
    assert "igw" not in await run(
        "nft", "list", "chain", "netdev", "hiyoko", chain, netns=vpc.vpc_id
    )


FORGED_TTL = 33


def forged(source: IPv4Address, target: IPv4Address, sport: int, dport: int) -> bytes:
    """A TCP segment with ACK set; the kernel fills in the IP header's checksum and length."""
    tcp = struct.pack("!HHIIBBHHH", sport, dport, 1, 1, 5 << 4, 0x10, 1024, 0, 0)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0, FORGED_TTL, TCP, 0)
    return head + source.packed + target.packed + tcp


@dataclass(frozen=True, slots=True)
class Frame:
    """Ethernet, IPv4 without options, TCP without options."""

    macs: bytes
    source: IPv4Address
    target: IPv4Address
    ports: tuple[int, int]
    ttl: int = 64
    payload: bytes = b"payload"
    raw: bytes = field(default=b"", compare=False)

    @classmethod
    def read(cls, raw: bytes) -> Frame | None:
        """A frame as it came; None for what is no TCP."""
        if len(raw) < 54 or raw[12:15] != b"\x08\x00\x45" or raw[23] != TCP:
            return None
        ports = struct.unpack_from("!HH", raw, 34)
        payload = raw[34 + (raw[46] >> 4) * 4 : 14 + int.from_bytes(raw[16:18])]
        addresses = IPv4Address(raw[26:30]), IPv4Address(raw[30:34])
        return cls(raw[:12], *addresses, ports, raw[22], payload, raw)

    def written(self) -> bytes:
        """The frame with true checksums and "don't fragment"."""
        tcp = struct.pack("!HHIIBBHHH", *self.ports, 1, 1, 5 << 4, 0x10, 1024, 0, 0) + self.payload
        addresses = self.source.packed + self.target.packed
        tcp = tcp[:16] + checksum(pseudo(addresses, len(tcp)) + tcp) + tcp[18:]
        flags, length = 0x4000, 20 + len(tcp)
        head = struct.pack("!BBHHHBBH", 0x45, 0, length, 0, flags, self.ttl, TCP, 0)
        head = head[:10] + checksum(head + addresses)
        return self.macs + b"\x08\x00" + head + addresses + tcp

    @property
    def sound(self) -> bool:
        """Whether its checksums are true. TCP's may be left to a device: the sum so far."""
        head, tcp = self.raw[14:34], self.raw[34 : 14 + int.from_bytes(self.raw[16:18])]
        before = pseudo(head[12:], len(tcp))
        so_far = bytes(255 - each for each in checksum(before))
        return checksum(head) == b"\0\0" and (
            checksum(before + tcp) == b"\0\0" or tcp[16:18] == so_far
        )


def pseudo(addresses: bytes, length: int) -> bytes:
    return addresses + struct.pack("!HH", TCP, length)


def checksum(data: bytes) -> bytes:
    """RFC 1071."""
    data += bytes(len(data) % 2)
    total = sum(int.from_bytes(data[place : place + 2]) for place in range(0, len(data), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2)


def tap(netns: str | None, device: str) -> socket.socket:
    """A device's frames, coming and going."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        made.bind((device, 0x0800))
        made.settimeout(SILENCE_S)
        return made

    return inside(netns, make)


def arrived(device: socket.socket) -> list[Frame]:
    """What has come in by now."""
    found = []
    with contextlib.suppress(TimeoutError):
        while True:
            raw, where = device.recvfrom(65536)
            frame = Frame.read(raw)
            if frame is not None and where[2] != socket.PACKET_OUTGOING:
                found.append(frame)
    return found


async def test_who_gets_a_packet_cannot_tell_which_way_it_took(vpc: Vpc) -> None:
    client, server = tap(None, internet_link(vpc.vpc_id)), tap(BALANCER.eni_id, "eth0")
    with client, server, connection(*OUTSIDE) as made:
        for _ in range(5):
            assert made.answers()
        for device in (client, server):
            frames = arrived(device)
            assert len(frames) > 7
            assert all(frame.sound for frame in frames)
            same = {(each.macs, each.source, each.target, each.ports, each.ttl) for each in frames}
            assert len(same) == 1, same


OWN_MAC = bytes.fromhex(BALANCER.mac.replace(":", ""))
OWN = Frame(2 * OWN_MAC, BALANCER.address, CLIENT, (80, CLIENT_PORT))
STRANGE = {
    "from another's Ethernet address": replace(OWN, macs=OWN_MAC + bytes.fromhex("0a0000000001")),
    "its time has come": replace(OWN, ttl=1),
    "too long for the internet": replace(OWN, payload=bytes(1600)),
}


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE.keys())
async def test_what_is_not_plain_does_not_take_it(vpc: Vpc, strange: Frame) -> None:
    """As if it belonged to the connection, sent by the interface that has it."""
    client, balancer = tap(None, internet_link(vpc.vpc_id)), tap(BALANCER.eni_id, "eth0")
    with client, balancer, connection(*OUTSIDE):
        arrived(client)
        balancer.send(strange.written())
        balancer.send(OWN.written())
        ours = (strange.payload, OWN.payload)
        (plain,) = [each for each in arrived(client) if each.payload in ours]
    assert (plain.source, plain.ttl, plain.sound) == (BALANCER.public_address, OWN.ttl - 1, True)
    assert plain.payload == OWN.payload


async def test_the_internet_cannot_take_the_lane_of_others(vpc: Vpc) -> None:
    """A segment from outside in the name of a task: as if it belonged to its connection."""
    count = (
        "table ip probe { chain seen { type filter hook input priority 0;"
        f" ip ttl {FORGED_TTL} counter; ip ttl {FORGED_TTL - 1} counter\n}}\n}}"
    )
    await run("nft", count, netns=TASK.eni_id)
    await run("ip", "route", "add", str(TASK.address), "dev", internet_link(vpc.vpc_id))
    with connection(*BETWEEN):
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            for source in (BALANCER.address, CLIENT):
                segment = forged(source, TASK.address, CLIENT_PORT, 80)
                raw.sendto(segment, (str(TASK.address), 0))
        seen = await run("nft", "list", "chain", "ip", "probe", "seen", netns=TASK.eni_id)
    assert re.findall(r"packets (\d+)", seen) == ["0", "0"]
