"""Names and numbers in the kernel, computed from AWS's ids: nothing is allocated or remembered."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address

from hiyoko.plane.addresses import MARK

TABLE = f"ip {MARK}"
"""Our nftables table, in every namespace that has one."""

LOCAL_TABLE = 100
"""Kernel routing table of a VPC's ``local`` routes: one /32 per interface."""
LOCAL_PRIORITY = 1000
SUBNET_PRIORITY = 2000

GATEWAY_LINK = "igw"
"""The router's end of the link to the internet."""
GATEWAY_MAC = "02:68:79:00:00:02"


def interface_link(eni_id: str) -> str:
    """The router's end of an interface's veth pair (IFNAMSIZ leaves 15 characters)."""
    return "e-" + eni_id[-12:]


def endpoint_mac(endpoint_id: str) -> str:
    """The MAC address of a gateway endpoint's link; locally administered (IEEE 802)."""
    digest = hashlib.sha256(endpoint_id.encode()).hexdigest()
    return ":".join(["02", *(digest[i : i + 2] for i in range(0, 10, 2))])


def internet_link(vpc_id: str) -> str:
    """The internet's end of a VPC's gateway link."""
    return "w-" + vpc_id[-12:]


def table_number(route_table_id: str) -> int:
    """The kernel routing table of a route table: 30 bits of its id's digest, above all others."""
    digest = hashlib.sha256(route_table_id.encode()).digest()
    return 0x40000000 | (int.from_bytes(digest[:4]) & 0x3FFFFFFF)


def subnet_mark(cidr: IPv4Network) -> str:
    """A subnet as a packet mark: its network address, which is unique in its VPC."""
    return f"0x{int(cidr.network_address):08x}"


def fingerprint(text: str) -> str:
    """Sixteen digits that change when the text does."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@lru_cache(maxsize=4096)
def fingerprint_key(part: str) -> str:
    """Where a part's fingerprint lies in the kernel: 128 bits, written as an IPv6 address.

    nftables has no string keys longer than an interface name; a digest this wide never collides.
    """
    return str(IPv6Address(hashlib.sha256(part.encode()).digest()[:16]))
