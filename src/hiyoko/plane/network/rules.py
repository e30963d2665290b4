"""A VPC's security as nftables text: pure, in parts that can be changed one at a time.

Each part (the base chains, a group's members, a group's rules, an ACL, an interface) carries a
fingerprint that is stored **in the kernel**, as the comment of an element of the set
``fingerprints``, and is written in the same transaction as the part itself. So the kernel can be
asked cheaply what it holds, and one changed rule costs the same with 2 and with 200 interfaces.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network

from hiyoko.blueprint.network import (
    ANY_PROTOCOL,
    ICMP,
    TCP,
    UDP,
    Acl,
    AclEntry,
    GatewayEndpoint,
    GroupPeer,
    GroupRule,
    Interface,
    PrefixList,
    PrefixListPeer,
    SecurityGroup,
    Subnet,
    Vpc,
)
from hiyoko.plane.addresses import AGENT_ADDRESS, VPC_RESOLVER_LINK_LOCAL
from hiyoko.plane.network import lane
from hiyoko.plane.network.names import (
    GATEWAY_LINK,
    TABLE,
    endpoint_mac,
    fingerprint,
    fingerprint_key,
    interface_link,
    subnet_mark,
)

_SETS = """\
add set ip hiyoko fingerprints { type ipv6_addr; }
add set ip hiyoko addresses { type ifname . ipv4_addr; }
add set ip hiyoko sources { type ifname . ether_addr . ipv4_addr; }
add set ip hiyoko forwarders { type ifname; }
add set ip hiyoko private { type ipv4_addr; }
add set ip hiyoko public { type ipv4_addr; }
add set ip hiyoko same_subnet { type ifname . mark; }
add map ip hiyoko subnet_of { type ifname : mark; }
add map ip hiyoko public_of { type ipv4_addr : ipv4_addr; }
add map ip hiyoko private_of { type ipv4_addr : ipv4_addr; }
add map ip hiyoko public_marks { type ipv4_addr : mark; }
add map ip hiyoko private_marks { type ipv4_addr : mark; }
add map ip hiyoko acl_out { type ifname : verdict; }
add map ip hiyoko acl_in { type ifname : verdict; }
add map ip hiyoko gate_out { type ifname : verdict; }
add map ip hiyoko gate_in { type ifname : verdict; }
"""

_CHAINS = (
    ("source_guard", "filter hook prerouting priority -300; policy drop;"),
    ("from_internet", "nat hook prerouting priority -100; policy accept;"),
    ("to_router", "filter hook input priority 0; policy drop;"),
    ("destination_guard", "filter hook forward priority -20; policy drop;"),
    ("acls_out", "filter hook forward priority -10; policy drop;"),
    ("acls_in", "filter hook forward priority -5; policy drop;"),
    ("gates_out", "filter hook forward priority 0; policy drop;"),
    ("gates_in", "filter hook forward priority 5; policy drop;"),
    ("marks", "filter hook forward priority 10; policy accept;"),
    ("to_internet", "nat hook postrouting priority 100; policy accept;"),
)
"""Base chains in the order that a packet meets them. All that judge drop what they do not know."""


_KNOWN = (
    "ct state established,related tcp flags & (syn | ack) != syn accept",
    "ct state established,related meta l4proto != tcp accept",
)
"""What needs no judgement. A SYN always does: tracking takes one on the ports of a connection
whose end it did not understand for a part of that connection."""


@dataclass(frozen=True, slots=True)
class Part:
    """Text that puts one part in place (also over an older one).

    ``print`` is what the kernel keeps for it: the body's fingerprint and the keys under which the
    part is listed in shared sets and maps, so that it can be taken out without its blueprint.
    """

    name: str
    body: str
    print: str

    @classmethod
    def of(cls, name: str, body: str, *keys: str) -> Part:
        """The part with this text."""
        return cls(name, body, ";".join((fingerprint(body), *keys)))


def parts(vpc: Vpc) -> tuple[Part, ...]:
    """Every part of a VPC's table, in an order in which each refers only to earlier ones."""
    members = _members(vpc)
    subnets = {subnet.subnet_id: subnet for subnet in vpc.subnets}
    known = frozenset((*members, *(each.prefix_list_id for each in vpc.prefix_lists)))
    return (
        _base(vpc),
        *(_group_members(group, members[group.group_id]) for group in vpc.groups),
        *(_prefix_list(each) for each in vpc.prefix_lists),
        *(_acl(acl) for acl in vpc.acls),
        *(_group_rules(group, known) for group in vpc.groups),
        *(_interface(each, subnets[each.subnet_id], known) for each in vpc.interfaces),
        *(_endpoint(each) for each in vpc.gateway_endpoints),
    )


def render_rules(vpc: Vpc) -> str:
    """The whole table from nothing, as one transaction that replaces any older one."""
    return render_whole(parts(vpc))


def render_whole(every: tuple[Part, ...]) -> str:
    """The whole table of these parts."""
    body = "".join(part.body + _note(part) for part in every)
    return f"add table {TABLE}\ndelete table {TABLE}\nadd table {TABLE}\n{lane.WHOLE}{body}"


def render_changes(wished: tuple[Part, ...], seen: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    """The transaction that turns what was seen into what is wished, and the parts it names."""
    lines: list[str] = []
    names: list[str] = []
    for part in wished:
        old = seen.get(part.name)
        if old == part.print:
            continue
        names.append(f"+{part.name}")
        if old is not None:
            lines += [*_unlist(part.name, old), _forget(part.name)]
        lines += [part.body, _note(part)]
    wanted = {part.name for part in wished}
    for name in sorted(seen.keys() - wanted, key=_drop_order):
        names.append(f"-{name}")
        lines += [*_unlist(name, seen[name]), *_drop(name), _forget(name)]
    if any(_cuts(name) for name in names):
        lines.append(lane.FORGET)
    return "".join(lines), tuple(names)


def _cuts(name: str) -> bool:
    """Whether a change of this part may end an established connection: a group's never does."""
    return name[1:].partition("/")[0] not in ("members", "prefixes", "rules")


def public_of(seen: str) -> str:
    """The public address in what the kernel keeps for an interface; ``-`` for none."""
    return seen.split(";")[2]


def _note(part: Part) -> str:
    key = fingerprint_key(part.name)
    return f'add element {TABLE} fingerprints {{ {key} comment "{part.name}={part.print}" }}\n'


def _forget(name: str) -> str:
    return f"delete element {TABLE} fingerprints {{ {fingerprint_key(name)} }}\n"


def _drop_order(name: str) -> tuple[int, str]:
    """Interfaces first: they jump to groups' chains, which in turn refer to sets."""
    return ("eni", "rules", "acl", "members", "prefixes").index(name.partition("/")[0]), name


def _drop(name: str) -> Iterator[str]:
    kind, _, owner = name.partition("/")
    if kind in ("members", "prefixes"):
        yield f"delete set {TABLE} {owner}\n"
        return
    for chain in (f"{owner}-in", f"{owner}-out"):
        yield f"flush chain {TABLE} {chain}\ndelete chain {TABLE} {chain}\n"
    if kind == "eni":
        yield lane.drop_lane(interface_link(owner))


def _unlist(name: str, seen: str) -> Iterator[str]:
    """Take an interface out of the shared sets and maps, by the keys kept in the kernel."""
    kind, _, owner = name.partition("/")
    if kind != "eni":
        return
    link = f'"{interface_link(owner)}"'
    # Before the hardware address was enforced, it was not noted.
    _, address, public, mark, forwards, *macs = seen.split(";")
    for each in ("gate_in", "gate_out", "acl_in", "acl_out", "subnet_of"):
        yield f"delete element {TABLE} {each} {{ {link} }}\n"
    yield f"delete element {TABLE} same_subnet {{ {link} . {mark} }}\n"
    yield f"delete element {TABLE} addresses {{ {link} . {address} }}\n"
    for mac in macs:
        yield f"delete element {TABLE} sources {{ {link} . {mac} . {address} }}\n"
    if forwards == "forwards":
        yield f"delete element {TABLE} forwarders {{ {link} }}\n"
    if public != "-":
        yield f"delete element {TABLE} public_of {{ {address} }}\n"
        yield f"delete element {TABLE} private_of {{ {public} }}\n"
        yield f"delete element {TABLE} public_marks {{ {address} }}\n"
        yield f"delete element {TABLE} private_marks {{ {address} }}\n"
        yield f"delete element {TABLE} private {{ {address} }}\n"
        yield f"delete element {TABLE} public {{ {public} }}\n"
        yield lane.unlist_lane(address, public)


def _chain(name: str, rules: list[str]) -> str:
    head = f"add chain {TABLE} {name}\nflush chain {TABLE} {name}\n"
    return head + "".join(f"add rule {TABLE} {name} {rule}\n" for rule in rules)


def _base(vpc: Vpc) -> Part:
    cidrs = ", ".join(str(cidr) for cidr in vpc.cidrs)
    igw = f'"{GATEWAY_LINK}"'
    resolvers = f"{{ {vpc.resolver}, {VPC_RESOLVER_LINK_LOCAL} }}"
    rules: dict[str, list[str]] = {
        # Before conntrack sees it. The gateway takes only packets for a public address that is
        # mapped, an interface sends only from its own addresses, of Ethernet and of IP.
        "source_guard": [
            'iifname "lo" accept',
            f"iifname {igw} ip saddr {{ {cidrs} }} drop",
            f"iifname {igw} ip daddr @public accept",
            f"iifname {igw} drop",
            "iifname . ether saddr . ip saddr @sources accept",
            "iifname @forwarders accept",
        ],
        "from_internet": [f"iifname {igw} dnat to ip daddr map @private_of"],
        # Neither groups nor ACLs judge traffic to the VPC's resolver and to a task's own agent,
        # as on AWS.
        "to_router": ['iifname "lo" accept', "ct state established,related accept"]
        + [f"ip daddr {AGENT_ADDRESS} tcp dport 80 accept"]
        + (
            [f"ip daddr {resolvers} {proto} dport 53 accept" for proto in ("udp", "tcp")]
            if vpc.resolver
            else []
        ),
        "destination_guard": [
            "ct state invalid drop",
            f"oifname {igw} ip saddr @private accept",
            "oifname . ip daddr @addresses accept",
            "oifname @forwarders accept",
        ],
        # Stateless: no ct state here. Inside a subnet an ACL does not judge; nftables cannot
        # compare two look-ups, so the sender's subnet travels in the mark and is looked up
        # together with the receiver's interface. What the gateway lets in has no subnet.
        "acls_out": [
            f"iifname {igw} accept",
            "meta mark set iifname map @subnet_of",
            "oifname . meta mark @same_subnet accept",
            "iifname vmap @acl_out",
        ],
        "acls_in": [
            f"oifname {igw} accept",
            "oifname . meta mark @same_subnet accept",
            "oifname vmap @acl_in",
        ],
        "gates_out": [
            *_KNOWN,
            f"iifname {igw} accept",
            "iifname vmap @gate_out",
        ],
        "gates_in": [
            *_KNOWN,
            f"oifname {igw} accept",
            "oifname vmap @gate_in",
        ],
        "marks": list(lane.MARKS),
        "to_internet": [f"oifname {igw} snat to ip saddr map @public_of"],
    }
    declared = "".join(f"add chain {TABLE} {name} {{ type {kind} }}\n" for name, kind in _CHAINS)
    filled = "".join(_chain(name, rules[name]) for name, _ in _CHAINS)
    return Part.of("base", _SETS + declared + filled + lane.BASE)


def _members(vpc: Vpc) -> dict[str, list[str]]:
    members: dict[str, list[str]] = {group.group_id: [] for group in vpc.groups}
    for interface in vpc.interfaces:
        for group_id in interface.groups or ():
            if group_id in members:
                members[group_id].append(str(interface.address))
    return members


def _group_members(group: SecurityGroup, members: list[str]) -> Part:
    name = group.group_id
    text = f"add set {TABLE} {name} {{ type ipv4_addr; }}\nflush set {TABLE} {name}\n"
    if members:
        text += f"add element {TABLE} {name} {{ {', '.join(members)} }}\n"
    return Part.of(f"members/{name}", text)


def _prefix_list(prefixes: PrefixList) -> Part:
    name = prefixes.prefix_list_id
    text = f"add set {TABLE} {name} {{ type ipv4_addr; flags interval; }}\n"
    text += f"flush set {TABLE} {name}\n"
    if prefixes.cidrs:
        text += f"add element {TABLE} {name} {{ {', '.join(map(str, prefixes.cidrs))} }}\n"
    return Part.of(f"prefixes/{name}", text)


def _group_rules(group: SecurityGroup, known: frozenset[str]) -> Part:
    name = group.group_id
    ingress = [line for rule in group.ingress for line in _group_rule(rule, "saddr", known)]
    egress = [line for rule in group.egress for line in _group_rule(rule, "daddr", known)]
    return Part.of(f"rules/{name}", _chain(f"{name}-in", ingress) + _chain(f"{name}-out", egress))


def _group_rule(rule: GroupRule, side: str, known: frozenset[str]) -> Iterator[str]:
    match rule.peer:
        case GroupPeer(name) | PrefixListPeer(name):
            # A rule may outlive the group that it names ("stale"): it matches nobody then.
            if name in known:
                yield f"ip {side} @{name} {_protocol(rule)}accept"
        case cidr:
            yield f"{_address(cidr, side)}{_protocol(rule)}accept"


def _acl(acl: Acl) -> Part:
    ingress = [_acl_entry(entry, "saddr") for entry in acl.ingress]
    egress = [_acl_entry(entry, "daddr") for entry in acl.egress]
    return Part.of(
        f"acl/{acl.acl_id}",
        _chain(f"{acl.acl_id}-in", [*ingress, "drop"])
        + _chain(f"{acl.acl_id}-out", [*egress, "drop"]),
    )


def _acl_entry(entry: AclEntry, side: str) -> str:
    verdict = "accept" if entry.allow else "drop"
    return f"{_address(entry.cidr, side)}{_protocol(entry)}{verdict}"


def _address(cidr: IPv4Network, side: str) -> str:
    return "" if cidr.prefixlen == 0 else f"ip {side} {cidr} "


def _protocol(rule: GroupRule | AclEntry) -> str:
    match rule.protocol:
        case value if value == ANY_PROTOCOL:
            return ""
        case value if value in (TCP, UDP):
            name = "tcp" if value == TCP else "udp"
            if rule.low == -1 or (rule.low, rule.high) == (0, 65535):
                return f"meta l4proto {name} "
            ports = str(rule.low) if rule.low == rule.high else f"{rule.low}-{rule.high}"
            return f"{name} dport {ports} "
        case value if value == ICMP:
            if rule.low == -1:
                return "meta l4proto icmp "
            code = "" if rule.high == -1 else f"icmp code {rule.high} "
            return f"icmp type {rule.low} {code}"
        case value:
            return f"meta l4proto {value} "


@lru_cache(maxsize=4096)
@lru_cache(maxsize=4096)
def _interface(interface: Interface, subnet: Subnet, known: frozenset[str]) -> Part:
    eni, link = interface.eni_id, f'"{interface_link(interface.eni_id)}"'
    address, mark = str(interface.address), subnet_mark(subnet.cidr)
    text = ""
    for way in ("in", "out"):
        gate = "accept"
        if interface.groups is not None:
            gate = f"goto {eni}-{way}"
            jumps = [f"jump {group}-{way}" for group in interface.groups if group in known]
            text += _chain(f"{eni}-{way}", [*jumps, "drop"])
        else:
            text += _chain(f"{eni}-{way}", [])
        text += f"add element {TABLE} gate_{way} {{ {link} : {gate} }}\n"
        text += f"add element {TABLE} acl_{way} {{ {link} : goto {subnet.acl_id}-{way} }}\n"
    text += f"add element {TABLE} subnet_of {{ {link} : {mark} }}\n"
    text += f"add element {TABLE} same_subnet {{ {link} . {mark} }}\n"
    text += f"add element {TABLE} addresses {{ {link} . {address} }}\n"
    text += f"add element {TABLE} sources {{ {link} . {interface.mac} . {address} }}\n"
    if interface.forwards:
        text += f"add element {TABLE} forwarders {{ {link} }}\n"
    public = str(interface.public_address) if interface.public_address else "-"
    if interface.public_address:
        text += f"add element {TABLE} public_of {{ {address} : {public} }}\n"
        text += f"add element {TABLE} private_of {{ {public} : {address} }}\n"
        for side, of in (("public", interface.public_address), ("private", interface.address)):
            text += f"add element {TABLE} {side}_marks {{ {address} : {lane.mark_of(of)} }}\n"
        text += f"add element {TABLE} private {{ {address} }}\n"
        text += f"add element {TABLE} public {{ {public} }}\n"
    text += lane.lane_of(
        interface_link(eni),
        interface.mac,
        interface.address,
        interface.public_address,
        forwards=interface.forwards,
    )
    forwards = "forwards" if interface.forwards else "-"
    return Part.of(f"eni/{eni}", text, address, public, mark, forwards, interface.mac)


@lru_cache(maxsize=256)
def _endpoint(endpoint: GatewayEndpoint) -> Part:
    """Listed as an interface is, but nothing judges it: it has neither groups nor an ACL.

    It lies in no subnet; its own address stands where a subnet's mark does.
    """
    name, link = endpoint.endpoint_id, f'"{interface_link(endpoint.endpoint_id)}"'
    address, mac = str(endpoint.address), endpoint_mac(name)
    mark = subnet_mark(IPv4Network(endpoint.address))
    text = ""
    for way in ("in", "out"):
        text += _chain(f"{name}-{way}", [])
        text += f"add element {TABLE} gate_{way} {{ {link} : accept }}\n"
        text += f"add element {TABLE} acl_{way} {{ {link} : accept }}\n"
    text += f"add element {TABLE} subnet_of {{ {link} : {mark} }}\n"
    text += f"add element {TABLE} same_subnet {{ {link} . {mark} }}\n"
    text += f"add element {TABLE} addresses {{ {link} . {address} }}\n"
    text += f"add element {TABLE} sources {{ {link} . {mac} . {address} }}\n"
    text += lane.lane_of(interface_link(name), mac, endpoint.address, None, forwards=False)
    return Part.of(f"eni/{name}", text, address, "-", mark, "-", mac)
