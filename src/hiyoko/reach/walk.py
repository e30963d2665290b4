"""A packet's way there, pass by pass through routers, and its answer's way back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network

from hiyoko.blueprint.network import (
    ICMP,
    TCP,
    UDP,
    Blackhole,
    GatewayEndpoint,
    Interface,
    Network,
    Subnet,
    ToGatewayEndpoint,
    ToInterface,
    ToInternetGateway,
    Vpc,
)
from hiyoko.reach.match import acl_allows, best_route, groups_allow
from hiyoko.reach.question import Answer, Finding, Hop, Packet, Question

_LINK_LOCAL_RESOLVER = IPv4Address("169.254.169.253")
_LOWEST_NAT_PORT = 1024
_UNROUTED = tuple(
    IPv4Network(cidr) for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)


@dataclass(frozen=True, slots=True)
class _Pass:
    """One crossing of a VPC's router; None stands for the internet's or an endpoint's side."""

    vpc: Vpc
    sender: Interface | None
    receiver: Interface | None
    packet: Packet
    endpoint: GatewayEndpoint | None = None

    @property
    def far(self) -> str:
        """What the answer comes from."""
        if self.receiver is not None:
            return self.receiver.eni_id
        return self.endpoint.endpoint_id if self.endpoint else str(self.vpc.internet_gateway_id)


@dataclass(slots=True)
class _Walk:
    network: Network
    forward: list[Hop] = field(default_factory=list)
    back: list[Hop] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    passes: list[_Pass] = field(default_factory=list)

    def refuse(self, code: str, component: str, detail: str) -> None:
        """Note why the packet does not pass."""
        finding = Finding(code, component, detail)
        if finding not in self.findings:
            self.findings.append(finding)


def ask(network: Network, question: Question) -> Answer:
    """Answer a question; raises KeyError when the source interface does not exist."""
    walk = _Walk(network)
    ports = question.protocol in (TCP, UDP)
    packet = Packet(
        source=question.source
        if isinstance(question.source, IPv4Address)
        else _find(network, question.source)[1].address,
        destination=question.destination,
        protocol=question.protocol,
        source_port=question.source_port if ports else 0,
        port=question.port if ports else 0,
    )
    if isinstance(question.source, IPv4Address):
        _from_internet(walk, packet)
    else:
        vpc, interface = _find(network, question.source)
        _from_interface(walk, vpc, interface, packet)
    for each in reversed(walk.passes):
        _answer(walk, each)
    return Answer(
        reachable=not walk.findings,
        forward=tuple(walk.forward),
        back=tuple(walk.back),
        codes=tuple(walk.findings),
    )


def _find(network: Network, eni_id: str) -> tuple[Vpc, Interface]:
    for vpc in network.vpcs:
        for interface in vpc.interfaces:
            if interface.eni_id == eni_id:
                return vpc, interface
    raise KeyError(eni_id)


def _subnet(vpc: Vpc, interface: Interface) -> Subnet:
    return next(each for each in vpc.subnets if each.subnet_id == interface.subnet_id)


def _local(vpc: Vpc, address: IPv4Address) -> bool:
    return any(address in cidr for cidr in vpc.cidrs)


def _from_interface(walk: _Walk, vpc: Vpc, sender: Interface, packet: Packet) -> None:
    """An interface sends: its subnet's table decides who receives."""
    walk.forward.append(Hop(sender.eni_id, packet))
    if packet.destination == sender.address:
        return
    if packet.destination in (vpc.resolver, _LINK_LOCAL_RESOLVER):
        # Neither groups nor ACLs judge traffic to the VPC's resolver.
        if vpc.resolver is None or packet.protocol not in (TCP, UDP) or packet.port != 53:
            walk.refuse("UNKNOWN_DESTINATION", vpc.vpc_id, "the resolver answers DNS only")
        return
    table_id = _subnet(vpc, sender).route_table_id
    match _target(walk, vpc, sender, packet.destination):
        case None:
            return
        case "internet":
            _to_internet(walk, vpc, sender, packet, table_id)
        case GatewayEndpoint() as endpoint:
            walk.forward.append(Hop(table_id, packet))
            _to_endpoint(walk, vpc, sender, packet, endpoint)
        case Interface() as receiver:
            walk.forward.append(Hop(table_id, packet))
            _judge(walk, vpc, sender, receiver, packet)
            walk.passes.append(_Pass(vpc, sender, receiver, packet))
            _deliver(walk, vpc, receiver, packet)


def _target(
    walk: _Walk, vpc: Vpc, sender: Interface, destination: IPv4Address
) -> Interface | GatewayEndpoint | str | None:
    """The receiving interface or endpoint, "internet", or None with a finding."""
    interfaces = {each.eni_id: each for each in vpc.interfaces}
    endpoints = {each.endpoint_id: each for each in vpc.gateway_endpoints}
    table_id = _subnet(vpc, sender).route_table_id
    if _local(vpc, destination):
        found = next((each for each in vpc.interfaces if each.address == destination), None)
        if found is None:
            walk.refuse("NO_POSSIBLE_DESTINATION", vpc.vpc_id, f"no interface has {destination}")
        return found
    table = next((each for each in vpc.route_tables if each.route_table_id == table_id), None)
    route = best_route(table.routes if table else (), destination)
    if route is None:
        walk.refuse("NO_ROUTE_TO_DESTINATION", table_id, f"no route applies to {destination}")
        return None
    match route.target:
        case ToInternetGateway(gateway_id) if gateway_id == vpc.internet_gateway_id:
            return "internet"
        case ToInterface(eni_id) if eni_id in interfaces:
            return interfaces[eni_id]
        case ToGatewayEndpoint(endpoint_id) if endpoint_id in endpoints:
            return endpoints[endpoint_id]
        case ToInternetGateway(was) | ToInterface(was) | ToGatewayEndpoint(was) | Blackhole(was):
            walk.refuse(
                "BAD_STATE_ROUTE",
                table_id,
                f"{was}, target of {route.destination}, is gone",
            )
            return None


def _deliver(walk: _Walk, vpc: Vpc, receiver: Interface, packet: Packet) -> None:
    """The receiver takes the packet, translates it, or cannot do anything with it."""
    nat = next((each for each in vpc.nat_gateways if each.eni_id == receiver.eni_id), None)
    if packet.destination == receiver.address:
        walk.forward.append(Hop(receiver.eni_id, packet))
        if nat is not None:
            walk.refuse(
                "NO_POSSIBLE_DESTINATION", nat.nat_gateway_id, "a NAT gateway takes no connections"
            )
    elif not receiver.forwards:
        walk.refuse(
            "ENI_SOURCE_DEST_CHECK_RESTRICTION", receiver.eni_id, "takes only its own address"
        )
    elif nat is None:
        walk.refuse("UNSUPPORTED_COMPONENT", receiver.eni_id, "forwards nothing")
    elif packet.protocol not in (TCP, UDP, ICMP):
        walk.refuse("PROTOCOL_RESTRICTION", nat.nat_gateway_id, "TCP, UDP and ICMP only")
    elif packet.source == receiver.address:
        walk.refuse(
            "NO_ROUTE_TO_DESTINATION",
            _subnet(vpc, receiver).route_table_id,
            f"{nat.nat_gateway_id} lies in a subnet that sends {packet.destination} back to it",
        )
    else:
        walk.forward.append(Hop(nat.nat_gateway_id, packet))
        port = max(packet.source_port, _LOWEST_NAT_PORT) if packet.source_port else 0
        translated = replace(packet, source=receiver.address, source_port=port)
        if sum(each.receiver is receiver for each in walk.passes) > 1:
            walk.refuse("NO_POSSIBLE_DESTINATION", nat.nat_gateway_id, "the packet goes in circles")
            return
        _from_interface(walk, vpc, receiver, translated)


def _to_internet(walk: _Walk, vpc: Vpc, sender: Interface, packet: Packet, table_id: str) -> None:
    gateway = str(vpc.internet_gateway_id)
    walk.forward.append(Hop(table_id, packet))
    _judge(walk, vpc, sender, None, packet)
    walk.passes.append(_Pass(vpc, sender, None, packet))
    if sender.public_address is None:
        walk.refuse(
            "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS",
            gateway,
            f"{sender.eni_id} has none",
        )
        return
    walk.forward.append(Hop(gateway, packet))
    if any(packet.destination in cidr for cidr in _UNROUTED):
        walk.refuse(
            "NO_POSSIBLE_DESTINATION", gateway, f"the internet does not route {packet.destination}"
        )
        return
    _on_internet(walk, replace(packet, source=sender.public_address))


def _to_endpoint(
    walk: _Walk, vpc: Vpc, sender: Interface, packet: Packet, endpoint: GatewayEndpoint
) -> None:
    """A gateway endpoint has no group and no ACL of its own; the service answers at one address."""
    _judge(walk, vpc, sender, None, packet)
    walk.passes.append(_Pass(vpc, sender, None, packet, endpoint))
    walk.forward.append(Hop(endpoint.endpoint_id, packet))
    if packet.destination != endpoint.address:
        walk.refuse(
            "NO_POSSIBLE_DESTINATION",
            endpoint.endpoint_id,
            f"the service does not answer at {packet.destination}",
        )


def _on_internet(walk: _Walk, packet: Packet) -> None:
    """On the internet: an interface's public address, or some host that takes everything."""
    for vpc in walk.network.vpcs:
        if any(packet.destination == each.public_address for each in vpc.interfaces):
            _from_internet(walk, packet)
            return
    walk.forward.append(Hop("internet", packet))


def _from_internet(walk: _Walk, packet: Packet) -> None:
    walk.forward.append(Hop("internet", packet))
    for vpc in walk.network.vpcs:
        for receiver in vpc.interfaces:
            if vpc.internet_gateway_id and receiver.public_address == packet.destination:
                walk.forward.append(Hop(vpc.internet_gateway_id, packet))
                if _local(vpc, packet.source):
                    walk.refuse(
                        "GATEWAY_REJECTS_SPOOFED_TRAFFIC",
                        vpc.internet_gateway_id,
                        f"{packet.source} is inside {vpc.vpc_id}",
                    )
                inside = replace(packet, destination=receiver.address)
                _judge(walk, vpc, None, receiver, inside)
                walk.passes.append(_Pass(vpc, None, receiver, inside))
                _deliver(walk, vpc, receiver, inside)
                return
    walk.refuse(
        "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS",
        "internet",
        f"{packet.destination} is no interface's public address",
    )


def _judge(
    walk: _Walk, vpc: Vpc, sender: Interface | None, receiver: Interface | None, packet: Packet
) -> None:
    """ACLs of both subnets, then both gates, as the router asks them."""
    _judge_acls(walk, vpc, sender, receiver, packet, reply=False)
    for interface, ingress in ((sender, False), (receiver, True)):
        if interface is not None and not groups_allow(vpc, interface, packet, ingress=ingress):
            way = "in" if ingress else "out"
            walk.refuse(
                "ENI_SG_RULES_MISMATCH",
                interface.eni_id,
                f"no rule of {', '.join(interface.groups or ()) or 'no group'} lets {packet} {way}",
            )


def _judge_acls(
    walk: _Walk,
    vpc: Vpc,
    sender: Interface | None,
    receiver: Interface | None,
    packet: Packet,
    *,
    reply: bool,
) -> None:
    """Stateless, and only where the packet crosses a subnet's border."""
    if sender and receiver and sender.subnet_id == receiver.subnet_id:
        return
    for interface, ingress in ((sender, False), (receiver, True)):
        if interface is None:
            continue
        acl_id = _subnet(vpc, interface).acl_id
        acl = next(each for each in vpc.acls if each.acl_id == acl_id)
        entries = acl.ingress if ingress else acl.egress
        other = packet.source if ingress else packet.destination
        if not acl_allows(entries, other, packet, reply=reply):
            way = "in" if ingress else "out"
            what = "the answer " if reply else ""
            walk.refuse("SUBNET_ACL_RESTRICTION", acl_id, f"denies {what}{packet} {way}")


def _answer(walk: _Walk, there: _Pass) -> None:
    """The answer crosses the same router: groups remember the connection, others do not."""
    packet = there.packet
    reply = Packet(
        source=packet.destination,
        destination=packet.source,
        protocol=packet.protocol,
        source_port=packet.port,
        port=packet.source_port,
    )
    walk.back.append(Hop(there.far, reply))
    if there.sender is None and there.receiver is not None:
        target = _target(walk, there.vpc, there.receiver, reply.destination)
        if isinstance(target, Interface | GatewayEndpoint):
            name = target.eni_id if isinstance(target, Interface) else target.endpoint_id
            walk.refuse(
                "NGW_REQUIRES_SOURCE_IN_VPC",
                _subnet(there.vpc, there.receiver).route_table_id,
                f"sends the answer to {name}, not to the internet gateway",
            )
            return
        if target is None:
            return
    _judge_acls(walk, there.vpc, there.receiver, there.sender, reply, reply=True)
