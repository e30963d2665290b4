"""The analyser and real packets are asked the same questions and must give the same answers.

Hypothesis draws rules, ACLs, routes, public addresses; the plane applies them; then every interface
and a host on the internet probe every address, and ``reach`` answers from the same blueprint.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from hiyoko.blueprint import example
from hiyoko.blueprint.network import (
    ANY_PROTOCOL,
    TCP,
    UDP,
    Acl,
    AclEntry,
    Blackhole,
    GatewayEndpoint,
    GroupPeer,
    GroupRule,
    Network,
    PrefixList,
    PrefixListPeer,
    Route,
    RouteTable,
    RouteTarget,
    SecurityGroup,
    Subnet,
    ToGatewayEndpoint,
    ToInterface,
    ToInternetGateway,
    Vpc,
)
from hiyoko.plane.addresses import CLIENT
from hiyoko.plane.network import NetworkPlane, prepare_internet, steps
from hiyoko.plane.process import in_namespace
from hiyoko.reach import Question, ask

TCP_PORTS, UDP_PORTS = (80, 8080), (5000,)
INTERNET = "internet"
SUBNETS = (example.PUBLIC_A, example.PRIVATE_A, example.PRIVATE_C)
GROUPS = tuple(f"sg-0a00000000000001{number}" for number in range(3))
ACLS = tuple(f"acl-0a00000000000001{number}" for number in range(2))
S3 = IPv4Network("198.18.16.0/26")
ENDPOINT = GatewayEndpoint("vpce-0a000000000000001", S3.network_address + 1)
PREFIXES = PrefixList(
    "pl-0a000001", (S3, IPv4Network("10.0.10.0/24"), IPv4Network("198.18.0.100/32"))
)
SHORT_S, LONG_S = 0.2, 1.5
NAT = example.NAT_INTERFACE
INTERFACES = (
    example.example_interface(20, example.PUBLIC_A, ()),
    example.example_interface(21, example.PUBLIC_A, ()),
    example.example_interface(22, example.PRIVATE_A, ()),
    example.example_interface(23, example.PRIVATE_C, ()),
)

cidrs = st.sampled_from(
    [
        IPv4Network("0.0.0.0/0"),
        IPv4Network("0.0.0.0/0"),
        IPv4Network("10.0.0.0/16"),
        IPv4Network("198.18.0.0/15"),
        IPv4Network("198.18.0.100/32"),
        *(subnet.cidr for subnet in SUBNETS),
        *(IPv4Network(each.address) for each in INTERFACES[:2]),
    ]
)
protocols_and_ports = st.sampled_from(
    [
        (ANY_PROTOCOL, -1, -1),
        (ANY_PROTOCOL, -1, -1),
        (TCP, 0, 65535),
        (TCP, 80, 80),
        (TCP, 1, 1023),
        (TCP, 1024, 65535),
        (UDP, 5000, 5000),
        (UDP, 1024, 65535),
    ]
)

mostly = st.sampled_from((True, True, True, True, True, False))
"""Most of what is drawn lets packets through, or nearly every answer would be a plain no."""


@st.composite
def group_rules(draw: st.DrawFn) -> GroupRule:
    peers: list[GroupPeer | PrefixListPeer] = [GroupPeer(group) for group in GROUPS]
    peers.append(PrefixListPeer(PREFIXES.prefix_list_id))
    peer = draw(cidrs | st.sampled_from(peers))
    return GroupRule("sgr-0a000000000000001", *draw(protocols_and_ports), peer)


@st.composite
def acls(draw: st.DrawFn, acl_id: str) -> Acl:
    def entries() -> tuple[AclEntry, ...]:
        drawn = [
            AclEntry(number, *draw(protocols_and_ports), draw(cidrs), draw(st.booleans()))
            for number in range(draw(st.sampled_from((0, 0, 1, 2))))
        ]
        if draw(mostly):
            open_entry = (ANY_PROTOCOL, -1, -1, example.EVERYWHERE, True)
            drawn.append(AclEntry(100, *open_entry))
        return tuple(drawn)

    return Acl(acl_id, entries(), entries())


@st.composite
def route_tables(draw: st.DrawFn, table_id: str) -> RouteTable:
    targets: list[RouteTarget] = [
        ToInternetGateway(example.IGW_ID),
        ToInterface(NAT.eni_id, example.NAT_ID),
        Blackhole("nat-0a00000000000000f"),
    ]
    likely = targets[0] if table_id == example.PUBLIC_TABLE else targets[1]
    strategy = st.sampled_from(
        [likely, likely, likely, *targets, ToInterface(INTERFACES[0].eni_id)]
    )
    routes = [Route(example.EVERYWHERE, draw(strategy))] if draw(mostly) else []
    if draw(st.booleans()):
        routes.append(Route(IPv4Network("198.18.0.0/24"), draw(strategy)))
    if draw(mostly):
        to_endpoint = st.just(ToGatewayEndpoint(ENDPOINT.endpoint_id))
        routes.append(Route(S3, draw(to_endpoint | to_endpoint | strategy)))
    return RouteTable(table_id, tuple(routes))


@st.composite
def networks(draw: st.DrawFn) -> Network:
    everything = GroupRule("sgr-0a000000000000002", ANY_PROTOCOL, -1, -1, example.EVERYWHERE)
    rule_sets = st.sampled_from((1, 0)).flatmap(
        lambda count: st.lists(
            group_rules() if count == 0 else st.just(everything) | group_rules(),
            min_size=count,
            max_size=3,
        ).map(tuple)
    )
    interfaces = tuple(
        replace(
            each,
            groups=tuple(
                draw(
                    st.lists(
                        st.sampled_from(GROUPS), min_size=draw(mostly), max_size=2, unique=True
                    )
                )
            ),
            public_address=IPv4Address(f"198.19.1.{number}") if draw(st.booleans()) else None,
        )
        for number, each in enumerate(INTERFACES)
    )
    nat = replace(NAT, public_address=NAT.public_address if draw(mostly) else None)
    vpc = example.example_vpc()
    return Network(
        (
            replace(
                vpc,
                internet_gateway_id=example.IGW_ID if draw(mostly) else None,
                subnets=tuple(_with_acl(each, draw(st.sampled_from(ACLS))) for each in SUBNETS),
                route_tables=tuple(
                    draw(route_tables(each))
                    for each in (example.PUBLIC_TABLE, example.PRIVATE_TABLE)
                ),
                acls=tuple(draw(acls(each)) for each in ACLS),
                groups=tuple(
                    SecurityGroup(each, draw(rule_sets), draw(rule_sets)) for each in GROUPS
                ),
                interfaces=(nat, *interfaces),
                gateway_endpoints=(ENDPOINT,),
                prefix_lists=(PREFIXES,),
            ),
        )
    )


def _with_acl(subnet: Subnet, acl_id: str) -> Subnet:
    return replace(subnet, acl_id=acl_id)


class Agent:
    """A probe agent in one namespace."""

    def __init__(self, netns: str | None) -> None:
        script = str(Path(__file__).with_name("probe_agent.py"))
        ports = [",".join(str(port) for port in group) for group in (TCP_PORTS, UDP_PORTS)]
        self.process = subprocess.Popen(
            in_namespace((sys.executable, "-S", script, *ports), netns),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "ready\n"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def ask(self, timeout_s: float, questions: list[tuple[int, str, int]]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([timeout_s, questions]) + "\n")
        self.process.stdin.flush()

    def answer(self) -> list[bool]:
        answers: list[bool] = json.loads(self._line())
        return answers

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


async def settle(network: Network) -> None:
    """Apply the blueprint; a second look must find nothing to do."""
    plane = NetworkPlane()
    for step in steps(network, await plane.observe()):
        await plane.apply(step)
    left = steps(network, await plane.observe())
    assert left == [], [str(step) for step in left]


@pytest.fixture(scope="module")
def agents() -> Iterator[dict[str, Agent]]:
    vpc = replace(
        example.example_vpc(), interfaces=(NAT, *INTERFACES), gateway_endpoints=(ENDPOINT,)
    )

    async def begin() -> None:
        await prepare_internet()
        await settle(Network((vpc,)))

    asyncio.run(begin())
    everyone = {each.eni_id: Agent(each.eni_id) for each in INTERFACES} | {INTERNET: Agent(None)}
    service = Agent(ENDPOINT.endpoint_id)  # answers only
    yield everyone
    for agent in (*everyone.values(), service):
        agent.close()
    asyncio.run(settle(Network()))


def questions(vpc: Vpc, source: str) -> list[tuple[int, str, int]]:
    addresses = [str(each.address) for each in vpc.interfaces]
    addresses += [str(each.public_address) for each in vpc.interfaces if each.public_address]
    addresses.append("198.19.200.1")
    tcp_only = []
    if source != INTERNET:
        addresses.append(str(CLIENT))
        # On the internet this address is one of many of one host, which answers UDP by another.
        tcp_only = [(TCP, str(ENDPOINT.address), port) for port in TCP_PORTS]
    ports = [(TCP, port) for port in TCP_PORTS] + [(UDP, port) for port in UDP_PORTS]
    return [
        *((protocol, address, port) for address in addresses for protocol, port in ports),
        *tcp_only,
    ]


def expected(network: Network, source: str, question: tuple[int, str, int]) -> bool:
    protocol, address, port = question
    if address == "198.19.200.1":
        return False  # nobody has it: the internet is silent
    asked = Question(CLIENT if source == INTERNET else source, IPv4Address(address), protocol, port)
    return ask(network, asked).reachable


def forget_connections(vpc: Vpc) -> None:
    """A connection that was let in stays: forget those of the example before."""
    for netns in (vpc.vpc_id, NAT.eni_id):
        subprocess.run(in_namespace(("conntrack", "-F"), netns), check=True, capture_output=True)


@given(network=networks())
@settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_analyser_and_real_packets_agree(agents: dict[str, Agent], network: Network) -> None:
    (vpc,) = network.vpcs
    asyncio.run(settle(network))
    forget_connections(vpc)
    asked = {source: questions(vpc, source) for source in agents}
    for source, agent in agents.items():
        agent.ask(SHORT_S, asked[source])
    wrong: dict[str, list[tuple[int, str, int]]] = {}
    for source, agent in agents.items():
        for question, real in zip(asked[source], agent.answer(), strict=True):
            if real != expected(network, source, question):
                wrong.setdefault(source, []).append(question)
    # A loaded machine may have been slow: those that differ are asked again, with patience.
    for source, again in wrong.items():
        agents[source].ask(LONG_S, again)
        for question, real in zip(again, agents[source].answer(), strict=True):
            protocol, address, port = question
            told = Question(
                CLIENT if source == INTERNET else source, IPv4Address(address), protocol, port
            )
            note(f"{source} → {question}: packet {real}, {ask(network, told)}")
            assert real == expected(network, source, question)
