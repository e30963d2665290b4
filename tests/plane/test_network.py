"""The network in a real kernel: packets obey, and any leftover state becomes the blueprint."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from hiyoko.blueprint import example
from hiyoko.blueprint.network import (
    TCP,
    Blackhole,
    Network,
    Route,
    RouteTable,
    SecurityGroup,
    ToInterface,
    Vpc,
)
from hiyoko.plane.network import NetworkPlane, prepare_internet, standing, steps
from hiyoko.plane.network.names import interface_link
from hiyoko.plane.network.steps import ChangeRules
from hiyoko.plane.process import NETNS_DIR, in_namespace, run

BALANCER, TASK_A, TASK_C, NAT = (
    example.BALANCER,
    example.TASK_A,
    example.TASK_C,
    example.NAT_INTERFACE,
)
INTERNET_HOST = "198.18.0.80"
PATIENCE_S, SILENCE_S = 10.0, 0.5
"""For what comes, and for what must not come."""


async def settle(network: Network) -> list[str]:
    plane = NetworkPlane()
    taken = []
    for step in steps(network, await plane.observe()):
        await plane.apply(step)
        taken.append(str(step))
    left = steps(network, await plane.observe())
    assert left == [], [str(step) for step in left]
    return taken


@pytest.fixture
async def vpc() -> AsyncIterator[Vpc]:
    """The example stands in the kernel; it is gone without a trace afterwards."""
    await prepare_internet()
    drawn = example.example_vpc()
    await settle(Network((drawn,)))
    yield drawn
    await settle(Network())
    assert not [each.name for each in NETNS_DIR.iterdir()]
    assert "w-" not in await run("ip", "link", "show")
    assert "198.19.0." not in await run("ip", "route", "show")


Listen = Callable[[str | None, int], None]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Start a server in a namespace that echoes on one TCP port."""
    with ExitStack() as stack:

        def start(netns: str | None, port: int) -> None:
            script = str(Path(__file__).with_name("probe_agent.py"))
            process = subprocess.Popen(
                in_namespace((sys.executable, "-S", script, str(port), ""), netns),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"

        yield start


async def reaches(
    netns: str | None, address: object, port: int, patience_s: float = PATIENCE_S
) -> bool:
    """Whether a TCP connection is made; the script is the differential test's prober."""
    script = str(Path(__file__).with_name("probe_agent.py"))
    asked = json.dumps([patience_s, [[TCP, str(address), port]]])
    printed = await run(sys.executable, "-S", script, "", "", stdin=asked + "\n", netns=netns)
    (answer,) = json.loads(printed.splitlines()[1])
    return bool(answer)


async def silent(netns: str | None, address: object, port: int) -> bool:
    """Whether no TCP connection is made, within a time that is ample on a calm machine."""
    return not await reaches(netns, address, port, SILENCE_S)


def with_group(vpc: Vpc, group: SecurityGroup) -> Vpc:
    others = [each for each in vpc.groups if each.group_id != group.group_id]
    return replace(vpc, groups=tuple(sorted([*others, group], key=lambda each: each.group_id)))


async def test_a_second_look_finds_nothing_to_do_and_everything_stands(vpc: Vpc) -> None:
    plane = NetworkPlane()
    network = Network((vpc,))
    observed = await plane.observe()
    assert steps(network, observed) == []
    assert steps(network, await plane.audit(network, observed)) == []
    routers, interfaces = standing(network, observed)
    assert routers == {vpc.vpc_id}
    assert interfaces == {each.eni_id for each in vpc.interfaces}


async def test_tcp_paces_itself_as_on_aws_whatever_the_host_does(vpc: Vpc) -> None:
    for netns in (None, TASK_A.eni_id):
        said = await run("sysctl", "-n", "net.ipv4.tcp_congestion_control", netns=netns)
        assert said.strip() in ("cubic", "reno")


async def test_frames_are_long_inside_and_short_at_the_gateway(vpc: Vpc) -> None:
    """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/network_mtu.html"""
    (group, tasks) = vpc.groups
    anything = replace(group, egress=(example.allow(example.EVERYWHERE),))
    pinged = replace(tasks, ingress=(example.allow(example.BALANCER_GROUP),))
    await settle(Network((replace(vpc, groups=(anything, pinged)),)))
    ping = "ping -c 1 -W 10 -M do -s 4000 {}; true"
    inside = await run("sh", "-c", ping.format(TASK_A.address), netns=BALANCER.eni_id)
    assert "1 received" in inside
    outside = await run("sh", "-c", ping.format(INTERNET_HOST), netns=BALANCER.eni_id)
    assert "mtu = 1500" in outside
    large = ("ping", "-c", "1", "-W", "10", "-s", "4000", INTERNET_HOST)
    in_parts = await run(*large, netns=BALANCER.eni_id)
    assert "1 received" in in_parts


async def test_the_site_is_reached_as_the_groups_say(vpc: Vpc, listen: Listen) -> None:
    for eni_id in (BALANCER.eni_id, TASK_A.eni_id):
        listen(eni_id, 80)
    listen(BALANCER.eni_id, 22)
    assert await reaches(None, BALANCER.public_address, 80)
    assert await silent(None, BALANCER.public_address, 22)
    assert await reaches(BALANCER.eni_id, TASK_A.address, 80)
    assert await silent(TASK_C.eni_id, TASK_A.address, 80)
    assert await silent(None, TASK_A.address, 80)  # silent: no answer, no error


async def test_a_private_task_goes_out_through_the_nat_gateway_on_443_only(
    vpc: Vpc, listen: Listen
) -> None:
    listen(None, 443)
    listen(None, 8443)
    assert await reaches(TASK_A.eni_id, INTERNET_HOST, 443)
    assert await silent(TASK_A.eni_id, INTERNET_HOST, 8443)
    limit = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established"
    assert await run("cat", limit, netns=NAT.eni_id) == "350\n"


async def test_a_nat_gateway_in_a_private_subnet_translates_nothing(
    vpc: Vpc, listen: Listen
) -> None:
    listen(None, 443)
    inside = replace(
        example.example_interface(5, example.PRIVATE_A, None, "198.19.0.5"), forwards=True
    )
    moved = replace(
        vpc,
        interfaces=(BALANCER, inside, TASK_A, TASK_C),
        nat_gateways=(replace(vpc.nat_gateways[0], eni_id=inside.eni_id),),
        route_tables=(
            vpc.route_tables[0],
            RouteTable(
                example.PRIVATE_TABLE,
                (Route(example.EVERYWHERE, ToInterface(inside.eni_id, example.NAT_ID)),),
            ),
        ),
    )
    await settle(Network((moved,)))
    assert await silent(TASK_A.eni_id, INTERNET_HOST, 443)


async def test_a_blackhole_is_silent_and_a_new_route_heals(vpc: Vpc, listen: Listen) -> None:
    listen(None, 443)
    gone = RouteTable(
        example.PRIVATE_TABLE, (Route(example.EVERYWHERE, Blackhole(example.NAT_ID)),)
    )
    await settle(Network((replace(vpc, route_tables=(vpc.route_tables[0], gone)),)))
    assert await silent(TASK_A.eni_id, INTERNET_HOST, 443)
    await settle(Network((vpc,)))
    assert await reaches(TASK_A.eni_id, INTERNET_HOST, 443)


async def test_revoking_a_rule_stops_new_connections_and_changes_one_part(
    vpc: Vpc, listen: Listen
) -> None:
    listen(BALANCER.eni_id, 443)
    assert await reaches(None, BALANCER.public_address, 443)
    (group,) = [each for each in vpc.groups if each.group_id == example.BALANCER_GROUP]
    revoked = with_group(vpc, replace(group, ingress=group.ingress[:1]))
    plane = NetworkPlane()
    (step,) = steps(Network((revoked,)), await plane.observe())
    assert isinstance(step, ChangeRules)
    assert step.names == (f"+rules/{example.BALANCER_GROUP}",)
    await plane.apply(step)
    assert await silent(None, BALANCER.public_address, 443)
    await settle(Network((vpc,)))
    assert await reaches(None, BALANCER.public_address, 443)


async def test_rules_that_name_a_group_follow_its_members(vpc: Vpc, listen: Listen) -> None:
    listen(TASK_A.eni_id, 80)
    newcomer = example.example_interface(9, example.PUBLIC_A, (example.BALANCER_GROUP,))
    await settle(Network((example.example_vpc((newcomer,)),)))
    assert await reaches(newcomer.eni_id, TASK_A.address, 80)
    left = replace(newcomer, groups=(example.TASK_GROUP,))
    await settle(Network((example.example_vpc((left,)),)))
    assert await silent(newcomer.eni_id, TASK_A.address, 80)


async def test_neighbours_in_one_subnet_are_filtered_too(vpc: Vpc, listen: Listen) -> None:
    neighbour = example.example_interface(9, example.PRIVATE_A, (example.TASK_GROUP,))
    await settle(Network((example.example_vpc((neighbour,)),)))
    listen(neighbour.eni_id, 80)
    assert await silent(TASK_A.eni_id, neighbour.address, 80)


async def test_a_forged_source_address_is_dropped(vpc: Vpc, listen: Listen) -> None:
    """TASK_C takes the balancer's address: the group rule must not let it in."""
    listen(TASK_A.eni_id, 80)
    forge = f"address add {BALANCER.address}/32 dev eth0\n"
    await run("ip", "-n", TASK_C.eni_id, "-batch", "-", stdin=forge)
    router = ("nft", "-j", "list", "chain", "ip", "hiyoko", "source_guard")
    assert "drop" in await run(*router, netns=vpc.vpc_id)
    counted = "add rule ip hiyoko destination_guard ip saddr {} iifname {} counter\n"
    line = counted.format(BALANCER.address, interface_link(TASK_C.eni_id)).replace(
        "add rule", "insert rule"
    )
    await run("nft", "-f", "-", stdin=line, netns=vpc.vpc_id)
    ping = f"ping -c 1 -W 0.3 -I {BALANCER.address} {TASK_A.address} || true"
    await run("sh", "-c", ping, netns=TASK_C.eni_id)
    seen = await run("nft", "list", "chain", "ip", "hiyoko", "destination_guard", netns=vpc.vpc_id)
    assert "counter packets 0 bytes 0" in seen


async def test_a_new_owner_of_an_address_does_not_inherit_connections(
    vpc: Vpc, listen: Listen
) -> None:
    tracked = ("conntrack", "-L", "-r", str(TASK_A.address))
    listen(TASK_A.eni_id, 80)
    assert await reaches(BALANCER.eni_id, TASK_A.address, 80)
    assert str(TASK_A.address) in await run(*tracked, netns=vpc.vpc_id)
    without = tuple(each for each in vpc.interfaces if each is not TASK_A)
    await settle(Network((replace(vpc, interfaces=without),)))
    await settle(Network((vpc,)))
    assert str(TASK_A.address) not in await run(*tracked, netns=vpc.vpc_id)


async def test_two_vpcs_of_one_cidr_meet_on_the_internet_only(vpc: Vpc, listen: Listen) -> None:
    twin = replace(
        BALANCER, eni_id="eni-0b000000000000006", public_address=IPv4Address("198.19.9.6")
    )
    other = replace(
        vpc,
        vpc_id="vpc-0b000000000000002",
        interfaces=(twin,),
        nat_gateways=(),
        groups=(
            SecurityGroup(
                example.BALANCER_GROUP,
                ingress=(example.allow(IPv4Network("198.19.0.6/32"), 80),),
                egress=(example.allow(example.EVERYWHERE),),
            ),
        ),
    )
    (group, tasks) = vpc.groups
    caller = replace(group, egress=(example.allow(example.EVERYWHERE, 80),))
    await settle(Network((replace(vpc, groups=(caller, tasks)), other)))
    listen(twin.eni_id, 80)
    listen(BALANCER.eni_id, 443)
    # The other side sees the public address of the first: its rule names it.
    assert await reaches(BALANCER.eni_id, twin.public_address, 80)
    assert await silent(None, twin.public_address, 80)
    assert await reaches(twin.eni_id, BALANCER.public_address, 443)
    assert await silent(BALANCER.eni_id, BALANCER.public_address, 80)


async def test_connections_end_with_their_public_address(vpc: Vpc, listen: Listen) -> None:
    tracked = ("conntrack", "-L", "-d", str(BALANCER.public_address))
    listen(BALANCER.eni_id, 80)
    assert await reaches(None, BALANCER.public_address, 80)
    assert "198.19.0.6" in await run(*tracked, netns=vpc.vpc_id)
    moved = replace(BALANCER, public_address=IPv4Address("198.19.0.60"))
    interfaces = tuple(moved if each is BALANCER else each for each in vpc.interfaces)
    await settle(Network((replace(vpc, interfaces=interfaces),)))
    assert "198.19.0.6" not in await run(*tracked, netns=vpc.vpc_id)
    assert await reaches(None, moved.public_address, 80)
    assert await silent(None, BALANCER.public_address, 80)


async def test_whoever_is_killed_between_two_steps_is_succeeded_by_one_who_converges() -> None:
    await prepare_internet()
    plane, network = NetworkPlane(), Network((example.example_vpc(),))
    count = len(steps(network, await plane.observe()))
    for survived in range(count):
        for step in steps(network, await plane.observe())[:survived]:
            await plane.apply(step)
        await settle(network)
        for step in steps(Network(), await plane.observe())[: survived % 4]:
            await plane.apply(step)
        await settle(Network())
    assert not list(NETNS_DIR.iterdir())


BREAKAGES = {
    "a name is no namespace": (
        f"ip netns delete {TASK_A.eni_id} && touch {NETNS_DIR / TASK_A.eni_id}"
    ),
    "a link was cut": f"ip -n {example.VPC_ID} link delete {interface_link(TASK_A.eni_id)}",
    "a link is down": f"ip -n {example.VPC_ID} link set {interface_link(TASK_A.eni_id)} down",
    "an interface's namespace has gone": f"ip netns delete {TASK_A.eni_id}",
    "the router has gone": f"ip netns delete {example.VPC_ID}",
    "a route has gone": f"ip -n {example.VPC_ID} route delete {TASK_A.address} table 100",
    "a policy rule has gone": f"ip -n {example.VPC_ID} rule delete from 10.0.10.0/24",
    "the router does not forward": (
        f"nsenter --net=/run/netns/{example.VPC_ID} sysctl -qw net.ipv4.ip_forward=0"
    ),
    "the table has gone": (f"nsenter --net=/run/netns/{example.VPC_ID} nft delete table ip hiyoko"),
    "the gateway link has gone": "ip link delete w-000000000001",
    "a public address is not routed": f"ip route delete {BALANCER.public_address}",
    "a public address goes astray": "ip route add 198.19.0.77 dev w-000000000001",
    "a stranger's namespace is marked as ours": "ip netns add eni-0fffffffffffffff0",
}


@pytest.mark.parametrize("breakage", BREAKAGES.values(), ids=BREAKAGES.keys())
async def test_what_was_broken_is_whole_again(vpc: Vpc, listen: Listen, breakage: str) -> None:
    await run("sh", "-c", breakage)
    assert await settle(Network((vpc,)))
    listen(TASK_A.eni_id, 80)
    listen(BALANCER.eni_id, 80)
    listen(None, 443)
    assert await reaches(None, BALANCER.public_address, 80)
    assert await reaches(BALANCER.eni_id, TASK_A.address, 80)
    assert await reaches(TASK_A.eni_id, INTERNET_HOST, 443)


AUDITED = {
    "a group's rules were flushed": (
        f"nsenter --net=/run/netns/{example.VPC_ID}"
        f" nft flush chain ip hiyoko {example.TASK_GROUP}-in"
    ),
    "a member was taken out": (
        f"nsenter --net=/run/netns/{example.VPC_ID}"
        f" nft flush set ip hiyoko {example.BALANCER_GROUP}"
    ),
    "an interface lost its address": f"ip -n {TASK_A.eni_id} address flush dev eth0",
    "an interface lost its way out": f"ip -n {TASK_A.eni_id} route flush table main",
    "a NAT gateway lost its table": (f"nsenter --net=/run/netns/{NAT.eni_id} nft flush ruleset"),
}


@pytest.mark.parametrize("breakage", AUDITED.values(), ids=AUDITED.keys())
async def test_an_audit_sees_what_fingerprints_hide(
    vpc: Vpc, listen: Listen, breakage: str
) -> None:
    plane, network = NetworkPlane(), Network((vpc,))
    await run("sh", "-c", breakage)
    for step in steps(network, await plane.audit(network, await plane.observe())):
        await plane.apply(step)
    assert steps(network, await plane.audit(network, await plane.observe())) == []
    listen(TASK_A.eni_id, 80)
    listen(None, 443)
    assert await reaches(BALANCER.eni_id, TASK_A.address, 80)
    assert await reaches(TASK_A.eni_id, INTERNET_HOST, 443)


async def test_a_refused_change_replaces_the_whole_table(vpc: Vpc) -> None:
    """Someone took an interface's gate out: the change that would replace it cannot delete it."""
    link = interface_link(TASK_A.eni_id)
    await run(
        "nft", "delete", "element", "ip", "hiyoko", "gate_in", f'{{ "{link}" }}', netns=vpc.vpc_id
    )
    moved = replace(TASK_A, groups=(example.BALANCER_GROUP,))
    changed = replace(
        vpc, interfaces=tuple(moved if each is TASK_A else each for each in vpc.interfaces)
    )
    await settle(Network((changed,)))
    plane, network = NetworkPlane(), Network((changed,))
    assert steps(network, await plane.audit(network, await plane.observe())) == []
