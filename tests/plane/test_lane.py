"""The fast lane: established connections take it, and whatever denies them stops them at once.

https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html
https://docs.aws.amazon.com/vpc/latest/userguide/security-group-connection-tracking.html
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network

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
from hiyoko.plane.network.names import internet_link
from hiyoko.plane.process import NETNS_DIR, run

BALANCER, TASK = example.BALANCER, example.TASK_A
CLIENT_PORT = 41234
PATIENCE_S, SILENCE_S = 10.0, 0.25
"""For what comes, and for what must not come."""


async def settle(network: Network) -> None:
    plane = NetworkPlane()
    for step in steps(network, await plane.observe()):
        await plane.apply(step)
    assert steps(network, await plane.observe()) == []


@pytest.fixture
async def vpc() -> AsyncIterator[Vpc]:
    await prepare_internet()
    drawn = example.example_vpc()
    await settle(Network((drawn,)))
    yield drawn
    await settle(Network())


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
    vpc: Vpc, way: tuple[str | None, str, object], deny: Callable[[Vpc], Vpc]
) -> None:
    with connection(*way) as made:
        await settle(Network((deny(vpc),)))
        assert made.silent()


async def test_a_connection_goes_on_when_the_acl_lets_it_again(vpc: Vpc) -> None:
    with connection(*OUTSIDE) as made:
        await settle(Network((denied(vpc, outward=False, cidr=INTERNET),)))
        assert made.silent()
        await settle(Network((vpc,)))
        made.server.settimeout(PATIENCE_S)  # the sender tries again in its own time
        assert made.server.recv(64)
        assert made.answers()


async def test_a_revoked_group_rule_lets_it_live_but_not_a_new_one_on_its_ports(vpc: Vpc) -> None:
    (balancer, tasks) = vpc.groups
    closed = replace(vpc, groups=(replace(balancer, ingress=balancer.ingress[1:]), tasks))
    with connection(*OUTSIDE) as made:
        await settle(Network((closed,)))
        assert made.answers()
        abort(made.server)
        abort(made.client)
        with pytest.raises(TimeoutError):
            connect(None, BALANCER.public_address, 80, SILENCE_S)


async def test_without_the_lane_it_takes_the_whole_way(vpc: Vpc) -> None:
    with connection(*OUTSIDE) as made:
        await run("nft", "delete", "table", "netdev", "hiyoko", netns=vpc.vpc_id)
        for _ in range(3):
            assert made.answers()
    # A change that finds it missing puts the whole table anew, with the lane.
    await settle(Network((denied(vpc, outward=False, cidr=PRIVATE),)))
    assert "arrivals" in await run("nft", "list", "table", "netdev", "hiyoko", netns=vpc.vpc_id)


FORGED_TTL = 33


def forged(source: IPv4Address, target: IPv4Address, sport: int, dport: int) -> bytes:
    """A TCP segment with ACK set; the kernel fills in the IP header's checksum and length."""
    tcp = struct.pack("!HHIIBBHHH", sport, dport, 1, 1, 5 << 4, 0x10, 1024, 0, 0)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0, FORGED_TTL, TCP, 0)
    return head + source.packed + target.packed + tcp


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
