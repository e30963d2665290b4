"""Asking the kernel for whole lists: links, addresses, routes, policy rules, a set's comments.

``ip`` and ``nft`` print the same, but each is a process, and ``ip route`` asks anew for the name of
every device that it meets: with 200 interfaces they take 40 ms where this takes 5.
rtnetlink(7), netlink(7), linux/netfilter/nf_tables.h; all of it has been ABI for many years.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from hiyoko.plane.error import PlaneError

_ROUTE, _NETFILTER = socket.NETLINK_ROUTE, 12
_GETLINK, _GETADDR, _GETROUTE, _GETRULE = 18, 22, 26, 34
_GETSETELEM = 10 << 8 | 13
_REQUEST_DUMP = 0x301
_ERROR, _DONE, _INTERRUPTED = 2, 3, 0x10
_IFNAME, _IFALIAS, _EXT_MASK, _SKIP_STATS = 3, 20, 29, 8
_OF_A_LINK = frozenset((_IFNAME, _IFALIAS))
_IFA_LOCAL = 2
_RTA_DST, _RTA_OIF, _RTA_TABLE = 1, 4, 15
_FRA_DST, _FRA_SRC, _FRA_PRIORITY, _FRA_TABLE = 1, 2, 6, 15
_ELEMENTS_TABLE, _ELEMENTS_SET, _ELEMENTS, _ELEMENT_USERDATA = 1, 2, 3, 6
_TYPE_MASK = 0x3FFF
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_RECEIVE_BYTES = 1 << 18
_ATTEMPTS = 5

UP, NOARP = 0x1, 0x80
"""Flags of a link: linux/if.h."""
BLACKHOLE = 6


@dataclass(frozen=True, slots=True)
class Link:
    """A network device."""

    index: int
    name: str
    flags: int
    alias: str


@dataclass(frozen=True, slots=True)
class Route:
    """A route; ``destination`` as ip(8) prints it, ``device`` an index or 0."""

    table: int
    destination: str
    kind: int
    device: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy rule; empty CIDRs match all."""

    priority: int
    to: str
    source: str
    table: int


def links() -> list[Link]:
    """Every device of this thread's namespace. Raises PlaneError, as all here do."""
    # struct ifinfomsg, then: no counters, please.
    ask = bytes(16) + struct.pack("=HHI", 8, _EXT_MASK, _SKIP_STATS)
    found = []
    for body in _dump(_ROUTE, _GETLINK, ask):
        _, index, flags, _ = struct.unpack_from("=HxxiII", body)
        attributes = _some(body, 16, _OF_A_LINK)
        alias = attributes.get(_IFALIAS, b"")
        found.append(Link(index, _text(attributes[_IFNAME]), flags, _text(alias)))
    return found


def addresses(index: int) -> list[str]:
    """The IPv4 addresses of a device."""
    found = []
    for body in _dump(_ROUTE, _GETADDR, struct.pack("=BBBBI", socket.AF_INET, 0, 0, 0, 0)):
        if struct.unpack_from("=I", body, 4)[0] == index:
            found.append(_address(_attributes(body, 8)[_IFA_LOCAL]))
    return found


def routes() -> list[Route]:
    """Every IPv4 route of every table."""
    found = []
    for body in _dump(_ROUTE, _GETROUTE, struct.pack("=B11x", socket.AF_INET)):
        length, table, kind = body[1], body[4], body[7]
        attributes = _attributes(body, 12)
        if _RTA_TABLE in attributes:
            table = _number(attributes[_RTA_TABLE])
        destination = _cidr(attributes.get(_RTA_DST), length)
        device = _number(attributes[_RTA_OIF]) if _RTA_OIF in attributes else 0
        # A host without its length, as ip(8) prints it.
        found.append(Route(table, destination.removesuffix("/32") or "default", kind, device))
    return found


def rules() -> list[Rule]:
    """Every IPv4 policy rule."""
    found = []
    for body in _dump(_ROUTE, _GETRULE, struct.pack("=B11x", socket.AF_INET)):
        attributes = _attributes(body, 12)
        table = _number(attributes[_FRA_TABLE]) if _FRA_TABLE in attributes else body[4]
        priority = _number(attributes[_FRA_PRIORITY]) if _FRA_PRIORITY in attributes else 0
        to, source = (
            _cidr(attributes.get(key), body[place]) for key, place in ((_FRA_DST, 1), (_FRA_SRC, 2))
        )
        found.append(Rule(priority, to, source, table))
    return found


def set_comments(table: str, name: str) -> list[str]:
    """The comments of the elements of a set of the family ``ip``; none without a set."""
    ask = struct.pack("=BBH", socket.AF_INET, 0, 0)
    for kind, text in ((_ELEMENTS_TABLE, table), (_ELEMENTS_SET, name)):
        ask += _packed(kind, text.encode() + b"\0")
    found = []
    for body in _dump(_NETFILTER, _GETSETELEM, ask):
        for _, element in _nested(_attributes(body, 4).get(_ELEMENTS, b"")):
            data = dict(_nested(element)).get(_ELEMENT_USERDATA, b"")
            # Bytes of type, length, value; type 0 is the comment.
            if len(data) > 2 and data[0] == 0:
                found.append(_text(data[2 : 2 + data[1]]))
    return found


def _dump(protocol: int, kind: int, ask: bytes) -> list[bytes]:
    """The bodies of all answers. A list that changed while it was told is asked for again."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as sock:
        for number in range(1, _ATTEMPTS + 1):
            head = _HEADER.pack(_HEADER.size + len(ask), kind, _REQUEST_DUMP, number, 0)
            sock.send(head + ask)
            whole, bodies = _answer(sock, number)
            if whole:
                return bodies
    raise PlaneError(f"netlink request {kind}: the list changed {_ATTEMPTS} times meanwhile")


def _answer(sock: socket.socket, number: int) -> tuple[bool, list[bytes]]:
    whole, bodies = True, list[bytes]()
    while True:
        data = sock.recv(_RECEIVE_BYTES)
        place = 0
        while place < len(data):
            length, kind, flags, sequence, _ = _HEADER.unpack_from(data, place)
            body = data[place + _HEADER.size : place + length]
            place += (length + 3) & ~3
            if sequence != number:
                continue
            whole = whole and not flags & _INTERRUPTED
            if kind in (_ERROR, _DONE):
                error = -struct.unpack_from("=i", body)[0] if body else 0
                if error not in (0, errno.ENOENT):
                    raise PlaneError(f"netlink: {os.strerror(error)}")
                return whole, bodies
            bodies.append(body)


def _nested(data: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, place)
        yield kind & _TYPE_MASK, data[place + _ATTRIBUTE.size : place + length]
        place += (length + 3) & ~3


def _attributes(body: bytes, start: int) -> dict[int, bytes]:
    return dict(_nested(body[start:]))


def _some(body: bytes, place: int, wanted: frozenset[int]) -> dict[int, bytes]:
    """Those attributes only: a link has forty."""
    found: dict[int, bytes] = {}
    unpack, end = _ATTRIBUTE.unpack_from, len(body)
    while place < end and len(found) < len(wanted):
        length, kind = unpack(body, place)
        if kind in wanted:
            found[kind] = body[place + 4 : place + length]
        place += (length + 3) & ~3
    return found


def _packed(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def _number(value: bytes) -> int:
    return int(struct.unpack("=I", value)[0])


def _address(value: bytes) -> str:
    return str(IPv4Address(value))


def _cidr(value: bytes | None, length: int) -> str:
    return "" if value is None else f"{_address(value)}/{length}"
