"""Interfaces, addresses, routes and policy rules of a VPC, as values and ip(8) lines: pure.

No address resolution happens anywhere: both ends of a veth pair carry the interface's MAC address
and have ARP off, so the kernel addresses each frame to that MAC. There is no neighbour to poison,
to spoof or to wait for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address

from hiyoko.blueprint.network import (
    Blackhole,
    Route,
    ToGatewayEndpoint,
    ToInterface,
    ToInternetGateway,
    Vpc,
)
from hiyoko.plane.addresses import (
    AGENT_ADDRESS,
    CLIENT,
    ENI_GATEWAY,
    MARK,
    VPC_RESOLVER_LINK_LOCAL,
)
from hiyoko.plane.network.names import (
    GATEWAY_LINK,
    GATEWAY_MAC,
    LOCAL_PRIORITY,
    LOCAL_TABLE,
    SUBNET_PRIORITY,
    endpoint_mac,
    fingerprint,
    interface_link,
    internet_link,
    table_number,
)
from hiyoko.plane.network.nat import render_nat

MTU = 9001
"""Of interfaces; the internet gateway's link keeps Ethernet's 1500.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/network_mtu.html
"""

ROUTER_SYSCTLS = (
    "net.ipv4.ip_forward=1",
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
    "net.ipv4.conf.all.send_redirects=0",
    "net.ipv4.conf.default.send_redirects=0",
    "net.ipv4.conf.all.accept_redirects=0",
    "net.ipv4.conf.default.accept_redirects=0",
    # A packet that says itself which way it takes would be judged by another address.
    "net.ipv4.conf.all.accept_source_route=0",
    "net.ipv4.conf.default.accept_source_route=0",
    "net.ipv6.conf.all.disable_ipv6=1",
    "net.ipv6.conf.default.disable_ipv6=1",
)


@dataclass(frozen=True)
class Wire:
    """An interface: the veth pair between its namespace and the router.

    A gateway endpoint has one too, with the service's address and the endpoint's id as ``eni_id``.
    ``nat`` is the nftables text of a NAT gateway's namespace, empty for all others. ``of_task``:
    the namespace lies in a user namespace of its own, where there can be one.
    """

    eni_id: str
    address: IPv4Address
    mac: str
    nat: str = ""
    of_task: bool = False

    @cached_property
    def link(self) -> str:
        """The router's end."""
        return interface_link(self.eni_id)

    @cached_property
    def alias(self) -> str:
        """The mark that the link carries once both ends are complete."""
        return f"{MARK} {fingerprint(f'{self.inside}{self.mac}{self.nat}')}"

    @cached_property
    def new_alias(self) -> str:
        """Its mark as long as its packets take no fast lane yet; a NAT gateway's never do."""
        return self.alias if self.nat else f"{self.alias} new"

    @property
    def inside(self) -> str:
        """ip(8) lines for the interface's own namespace."""
        return (
            "link set lo up\n"
            f"link set eth0 mtu {MTU} arp off addrgenmode none\n"
            "link set eth0 up\n"
            f"address replace {self.address}/32 dev eth0\n"
            f"route replace default via {ENI_GATEWAY} dev eth0 onlink\n"
        )

    @property
    def create(self) -> str:
        """The ip(8) line, for the router's namespace, that makes the pair, still down."""
        return (
            f"link add {self.link} address {self.mac} type veth"
            f" peer name eth0 address {self.mac} netns {self.eni_id}\n"
        )

    @property
    def finish(self) -> str:
        """The ip(8) line that lets packets in, and says that the interface is complete."""
        return (
            f"link set {self.link} mtu {MTU} arp off addrgenmode none\n"
            f'link set {self.link} alias "{self.new_alias}"\n'
            f"link set {self.link} up\n"
        )


@dataclass(frozen=True, slots=True, order=True)
class KernelRoute:
    """A route of a router: ``device`` is empty for a blackhole."""

    table: int
    destination: str
    device: str

    @property
    def text(self) -> str:
        """The route as ip(8) takes it."""
        if not self.device:
            return f"blackhole {self.destination} table {self.table}"
        return f"{self.destination} dev {self.device} table {self.table}"


@dataclass(frozen=True, slots=True, order=True)
class KernelRule:
    """A policy rule: traffic ``to`` or ``from`` a CIDR looks up a table."""

    priority: int
    side: str
    cidr: str
    table: int

    @property
    def text(self) -> str:
        """The rule as ip(8) takes it."""
        return f"{self.side} {self.cidr} lookup {self.table} priority {self.priority}"


@dataclass(frozen=True, slots=True)
class Wiring:
    """Everything of a VPC that is not nftables."""

    vpc_id: str
    gateway: bool
    resolvers: frozenset[str]
    wires: tuple[Wire, ...]
    routes: frozenset[KernelRoute]
    rules: frozenset[KernelRule]
    public: frozenset[str]


def wiring(vpc: Vpc) -> Wiring:
    """The wiring of a VPC. A route whose target does not exist becomes a blackhole."""
    nat = {gateway.eni_id for gateway in vpc.nat_gateways}
    wires = tuple(
        Wire(
            each.eni_id,
            each.address,
            each.mac,
            render_nat(each.address, vpc.cidrs) if each.eni_id in nat else "",
            each.of_task,
        )
        for each in vpc.interfaces
    ) + tuple(
        Wire(each.endpoint_id, each.address, endpoint_mac(each.endpoint_id))
        for each in vpc.gateway_endpoints
    )
    resolvers = {str(AGENT_ADDRESS)} | (
        {str(vpc.resolver), str(VPC_RESOLVER_LINK_LOCAL)} if vpc.resolver is not None else set()
    )
    gateway = vpc.internet_gateway_id is not None
    return Wiring(
        vpc_id=vpc.vpc_id,
        gateway=gateway,
        resolvers=frozenset(resolvers),
        wires=wires,
        routes=frozenset(_routes(vpc)),
        rules=frozenset(_rules(vpc)),
        public=frozenset(
            str(each.public_address)
            for each in vpc.interfaces
            if gateway and each.public_address is not None
        ),
    )


def _routes(vpc: Vpc) -> set[KernelRoute]:
    routes = {
        KernelRoute(LOCAL_TABLE, str(each.address), interface_link(each.eni_id))
        for each in vpc.interfaces
    }
    # Longest prefix wins: an address in the VPC that nobody has must not take a default route.
    routes |= {KernelRoute(LOCAL_TABLE, str(cidr), "") for cidr in vpc.cidrs}
    used = {subnet.route_table_id for subnet in vpc.subnets}
    for table in vpc.route_tables:
        if table.route_table_id not in used:
            continue
        number = table_number(table.route_table_id)
        routes.add(KernelRoute(number, "default", ""))
        for route in table.routes:
            destination = "default" if route.destination.prefixlen == 0 else _cidr(route)
            routes.discard(KernelRoute(number, destination, ""))
            routes.add(KernelRoute(number, destination, _device(vpc, route)))
    return routes


def _cidr(route: Route) -> str:
    """A destination as ip(8) prints it: a host without its length."""
    cidr = route.destination
    return str(cidr.network_address) if cidr.prefixlen == 32 else str(cidr)


def _device(vpc: Vpc, route: Route) -> str:
    endpoints = vpc.gateway_endpoints
    match route.target:
        case ToInternetGateway(gateway_id) if gateway_id == vpc.internet_gateway_id:
            return GATEWAY_LINK
        case ToInterface(eni_id) if any(each.eni_id == eni_id for each in vpc.interfaces):
            return interface_link(eni_id)
        case ToGatewayEndpoint(key) if any(each.endpoint_id == key for each in endpoints):
            return interface_link(key)
        case ToInternetGateway() | ToInterface() | ToGatewayEndpoint() | Blackhole():
            return ""


def _rules(vpc: Vpc) -> set[KernelRule]:
    local = {KernelRule(LOCAL_PRIORITY, "to", str(cidr), LOCAL_TABLE) for cidr in vpc.cidrs}
    return local | {
        KernelRule(SUBNET_PRIORITY, "from", str(subnet.cidr), table_number(subnet.route_table_id))
        for subnet in vpc.subnets
    }


def gateway_lines(vpc_id: str) -> str:
    """ip(8) lines, for the world's namespace, that link a router to the internet."""
    link = internet_link(vpc_id)
    return (
        f"link add {link} address {GATEWAY_MAC} type veth"
        f" peer name {GATEWAY_LINK} address {GATEWAY_MAC} netns {vpc_id}\n"
        f"link set {link} arp off addrgenmode none\n"
        f'link set {link} alias "{MARK}"\n'
        f"link set {link} up\n"
    )


def gateway_inside_lines() -> str:
    """ip(8) lines for the router's end of that link."""
    return (
        f"link set {GATEWAY_LINK} arp off addrgenmode none\n"
        f'link set {GATEWAY_LINK} alias "{MARK}"\n'
        f"link set {GATEWAY_LINK} up\n"
    )


def public_route(address: str, vpc_id: str) -> str:
    """The world's route to a public address."""
    return f"{address} dev {internet_link(vpc_id)} src {CLIENT}"
