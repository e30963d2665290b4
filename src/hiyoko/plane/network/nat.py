"""What the namespace of a NAT gateway's interface is given: pure text.

https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html: TCP, UDP and ICMP only,
source ports 1024-65535, no connections from outside, a RST after 350 idle seconds.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hiyoko.plane.network.names import TABLE

IDLE_S = 350
UDP_IDLE_S = 120

SYSCTLS = (
    "net.ipv4.ip_forward=1",
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.eth0.rp_filter=0",
    "net.ipv4.conf.all.send_redirects=0",
    "net.ipv4.conf.eth0.send_redirects=0",
    f"net.netfilter.nf_conntrack_tcp_timeout_established={IDLE_S}",
    f"net.netfilter.nf_conntrack_udp_timeout_stream={UDP_IDLE_S}",
    # A packet of a forgotten connection must not open a new mapping in mid-stream.
    "net.netfilter.nf_conntrack_tcp_loose=0",
)


def render_nat(address: IPv4Address, cidrs: tuple[IPv4Network, ...]) -> str:
    """The table of a NAT gateway with this private address in a VPC of these CIDRs."""
    inside = ", ".join(str(cidr) for cidr in cidrs)
    return f"""\
add table {TABLE}
delete table {TABLE}
table {TABLE} {{
    chain to_gateway {{
        type filter hook input priority 0; policy drop;
        ct state established,related accept
    }}
    chain through_gateway {{
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        ct state invalid meta l4proto tcp ip saddr {{ {inside} }} reject with tcp reset
        ct state new ip saddr {{ {inside} }} meta l4proto {{ tcp, udp, icmp }} accept
    }}
    chain translate {{
        type nat hook postrouting priority 100; policy accept;
        ip saddr != {address} meta l4proto {{ tcp, udp }} snat to {address}:1024-65535
        ip saddr != {address} meta l4proto icmp snat to {address}
    }}
}}
"""
