"""The fast lane: packets of connections that were judged go from device to device: pure text.

A second table, of the family ``netdev``, hooked to the router's devices. A packet that has passed
every gate and belongs to an established TCP connection leaves a mark (``marks``, the last chain of
the packet's way through the table ``ip``); the device that it leaves by notes its addresses, ports
and that device in a map. The next packet of the same addresses and ports, coming in by the
interface that owns the source address, is handed to the noted device at once: no connection
tracking, no look-up of routes, no chain but this one. Each direction is noted by itself.

What keeps it true to the gates:

- A note lasts ``NOTED_S``. Then one packet takes the whole way again; that keeps the connection
  tracked, too.
- Whatever can change a verdict on a tracked connection (an ACL, an interface, a gateway, a route)
  forgets all notes: ``FORGET`` is in the same transaction as the change, and comes once more after
  it, for a packet that was on its way meanwhile. A security group does not: AWS lets a tracked
  connection live when its rule is revoked.
  https://docs.aws.amazon.com/vpc/latest/userguide/security-group-connection-tracking.html
- SYN, FIN and RST, fragments, a TTL that ends here, and everything but TCP always take the whole
  way. So does a source that is not the interface's own, or that the internet may not have.
- The gateway's translation is 1:1, so it is done by address alone where the packet leaves.

Where the kernel takes programs, they are the lane (``lane_programs``), and of all this only
``MARKS`` is loaded. A kernel that lacks a part of it (``netdev`` egress came with Linux 5.16)
refuses the hooks; then every packet takes the whole way. Lines of this table name it, so that they
can be left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from hiyoko.plane.addresses import MARK
from hiyoko.plane.network.names import GATEWAY_LINK

LANE = f"netdev {MARK}"
"""The table. Its device chains are made with the devices, everything else with the rules."""
NOTED_S = 2

SYSCTLS = (
    # Tracking sees one packet in many: what it thinks of the window is out of date.
    "net.netfilter.nf_conntrack_tcp_be_liberal=1",
    "net.netfilter.nf_conntrack_tcp_ignore_invalid_rst=1",
)

MSS_OUTSIDE = 1460
"""What fits into the internet gateway's 1500 bytes: RFC 9293, section 3.7.1."""

_FLOW = "ip saddr . tcp sport . ip daddr . tcp dport"
_PLAIN = "tcp flags & (fin|syn|rst) == 0 ip frag-off & 0x3fff == 0 ip ttl > 1"
_NOTES = f"{{ typeof {_FLOW} : meta oif; flags dynamic,timeout; timeout {NOTED_S}s; size 65535; }}"
INSIDE = 1
"""The mark of a judged packet that keeps its addresses. That of another is the address which the
gateway gives or gave another one for: how the packet came in, nothing else in it tells any more."""

FORGET = f"flush map {LANE} arrivals\nflush map {LANE} flows\n"

MARKS = (
    # Where a path is narrower than its ends, TCP shall know it from the first packet on: the lane
    # tells nobody that a segment is too long.
    f'oifname "{GATEWAY_LINK}" tcp flags & syn == syn tcp option maxseg size set {MSS_OUTSIDE}',
    "meta mark set 0",
    "meta l4proto != tcp accept",
    "ct state != established accept",
    "ct status & assured == 0 accept",
    "iifname @forwarders accept",
    "oifname @forwarders accept",
    f'iifname "{GATEWAY_LINK}" meta mark set ip daddr map @public_marks accept',
    f'iifname "{GATEWAY_LINK}" accept',
    f'oifname "{GATEWAY_LINK}" meta mark set ip saddr map @private_marks accept',
    f'oifname "{GATEWAY_LINK}" accept',
    f"meta mark set {INSIDE}",
)
"""Rules of the last chain in the table ``ip``. Marks do not survive the way into a namespace."""

BASE = f"""\
add table {LANE}
add map {LANE} arrivals {_NOTES}
add map {LANE} flows {_NOTES}
add map {LANE} public_of {{ type ipv4_addr : ipv4_addr; }}
add map {LANE} departures {{ type ipv4_addr : verdict; }}
add chain {LANE} {GATEWAY_LINK}-from
flush chain {LANE} {GATEWAY_LINK}-from
add rule {LANE} {GATEWAY_LINK}-from {_PLAIN} fwd ip to ip daddr device {_FLOW} map @arrivals
add chain {LANE} {GATEWAY_LINK}-to
flush chain {LANE} {GATEWAY_LINK}-to
add rule {LANE} {GATEWAY_LINK}-to meta mark 0 meta l4proto tcp ip saddr set ip saddr map @public_of accept
add rule {LANE} {GATEWAY_LINK}-to meta mark != 0 ip saddr vmap @departures
"""  # noqa: E501 - one line each
WHOLE = f"add table {LANE}\ndelete table {LANE}\n"


def mark_of(address: IPv4Address) -> str:
    """An address as the mark of packets that came with it."""
    return f"{int(address):#010x}"


def lane_of(
    link: str, mac: str, address: IPv4Address, public: IPv4Address | None, *, forwards: bool
) -> str:
    """What an interface's packets do. One that forwards others' packets has no lane."""
    rules: list[tuple[str, str]] = []
    if not forwards:
        own = f"ether saddr {mac} ip saddr {address}"
        fast = f"{own} {_PLAIN} fwd ip to ip daddr device {_FLOW} map @flows"
        rules.append(("from", fast))
        if public:
            arrived = f"ip saddr . tcp sport . {public} . tcp dport"
            mark = mark_of(public)
            left = f"{address} . tcp sport . ip daddr . tcp dport"
            rules += [
                ("to", f"meta mark 0 ip daddr {public} meta l4proto tcp ip daddr set {address}"),
                ("to", "meta mark 0 accept"),
                (
                    "to",
                    f"meta mark {mark} update @arrivals {{ {arrived} : meta oif }} accept",
                ),
                ("away", f"update @flows {{ {left} : meta oif }}"),
            ]
        rules.append(("to", f"meta mark {INSIDE} update @flows {{ {_FLOW} : meta oif }}"))
    chains = "".join(
        f"add chain {LANE} {link}-{way}\nflush chain {LANE} {link}-{way}\n"
        for way in ("from", "to", "away")
    )
    text = chains + "".join(f"add rule {LANE} {link}-{way} {rule}\n" for way, rule in rules)
    if public:
        text += f"add element {LANE} public_of {{ {address} : {public} }}\n"
        text += f"add element {LANE} departures {{ {public} : goto {link}-away }}\n"
    return text


def unlist_lane(address: str, public: str) -> str:
    """Take an interface with a public address out of the shared maps."""
    return (
        f"delete element {LANE} public_of {{ {address} }}\n"
        f"delete element {LANE} departures {{ {public} }}\n"
    )


def drop_lane(link: str) -> str:
    """Drop an interface's chains, whether its device chains are still there or not."""
    return "".join(
        f"add chain {LANE} {link}-{way}\n"
        f"flush chain {LANE} {link}-{way}\n"
        f"delete chain {LANE} {link}-{way}\n"
        for way in ("ingress", "egress", "from", "to", "away")
    )


def hook_lane(links: Iterable[str]) -> str:
    """Hook devices, which must be there, to their chains."""
    lines = []
    for link in links:
        for hook, way in (("ingress", "from"), ("egress", "to")):
            chain = f"{LANE} {link}-{hook}"
            spec = f'type filter hook {hook} device "{link}" priority 0; policy accept;'
            # Made anew: what was hooked to an earlier device of this name may have gone with it.
            lines += [f"add chain {chain}\n", f"flush chain {chain}\n", f"delete chain {chain}\n"]
            lines += [f"add chain {chain} {{ {spec} }}\n"]
            lines += [f"add rule {chain} goto {link}-{way}\n"]
    return "".join(lines)


def without_lane(text: str) -> str:
    """The same rules for a kernel that knows no such table."""
    lines = (line for line in text.splitlines(keepends=True) if f" {LANE}" not in line)
    return "".join(lines)
