"""Port 53: one socket for all addresses of the world, and a pair of them in each VPC's router."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hiyoko.plane.error import PlaneError
from hiyoko.plane.namespaces import IP_FREEBIND, in_namespace

PORT = 53
BACKLOG = 256
IP_PKTINFO = 8
"""linux/in.h: Python 3.11 does not name it."""
RECEIVE_BUFFER = 4 << 20


@dataclass(frozen=True, slots=True)
class Pair:
    """A UDP and a TCP socket of one address."""

    udp: socket.socket
    tcp: socket.socket

    def close(self) -> None:
        """Close both."""
        self.udp.close()
        self.tcp.close()


def open_pair(address: str) -> Pair:
    """Sockets on port 53 of an address, which may still be without an interface.

    For ``0.0.0.0`` each UDP packet comes with the address that it was sent to.
    """
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        udp.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for each in (udp, tcp):
            each.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
            each.bind((address, PORT))
        tcp.listen(BACKLOG)
    except OSError as error:
        udp.close()
        tcp.close()
        raise PlaneError(f"listen on port {PORT} of {address}: {error}") from error
    return Pair(udp, tcp)


def open_pairs_in(namespace: Path, addresses: Iterable[str]) -> tuple[Pair, ...]:
    """Sockets made inside a named network namespace. Raises PlaneError."""
    pairs: list[Pair] = []
    try:
        in_namespace(namespace, lambda: pairs.extend(map(open_pair, addresses)))
    except PlaneError:
        for pair in pairs:
            pair.close()
        raise
    return tuple(pairs)
