"""Sockets, names and TLS as a task has them: made inside its network namespace.

A socket keeps the namespace that it was made in (setns(2) concerns only what comes after), so the
daemon can talk with a task's own packets without a process there.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import ssl
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
from aiohttp.abc import AbstractCookieJar, AbstractResolver, ResolveResult

from hiyoko.plane.error import PlaneError
from hiyoko.plane.namespaces import socket_in

DNS_TIMEOUT_S = 2.0
DNS_ATTEMPTS = 2
"""A task's own resolv.conf says the same (``etc_files.resolv_conf``)."""
REFUSED_S = 1.0
REFUSED_AGAIN_S = 0.02
"""A resolver where nobody listens yet is about to be there, as after a power cut. It belongs to
another process and tells nobody, so it is asked again, for less time than a silent one has."""


class LookupFailed(Exception):
    """A name was not resolved; the text is Go's, whose resolver AWS's agent uses."""


async def look_up(netns: str, resolver: IPv4Address, name: str) -> list[str]:
    """The IPv4 addresses of a name, asked over port 53 from inside the namespace."""
    question = dns.message.make_query(name, dns.rdatatype.A, id=secrets.randbelow(1 << 16))
    wire = question.to_wire()
    loop = asyncio.get_running_loop()
    server = f"{resolver}:53"
    problem = f"lookup {name} on {server}: i/o timeout"
    left, patience = DNS_ATTEMPTS, monotonic() + REFUSED_S
    while left:
        left -= 1
        with socket_in(netns, socket.SOCK_DGRAM) as sock:
            try:
                sock.connect((str(resolver), 53))
                async with asyncio.timeout(DNS_TIMEOUT_S):
                    await loop.sock_sendall(sock, wire)
                    answer = dns.message.from_wire(await loop.sock_recv(sock, 4096))
            except TimeoutError:
                continue
            except ConnectionRefusedError as error:
                problem = f"lookup {name} on {server}: {error}"
                if monotonic() < patience:
                    left += 1
                    await asyncio.sleep(REFUSED_AGAIN_S)
                continue
            except (OSError, dns.exception.DNSException) as error:
                problem = f"lookup {name} on {server}: {error}"
                continue
        if not question.is_response(answer):
            continue
        if answer.rcode() == dns.rcode.SERVFAIL:
            problem = f"lookup {name} on {server}: server misbehaving"
            continue
        found = [
            str(record)
            for rrset in answer.answer
            if rrset.rdtype == dns.rdatatype.A
            for record in rrset
        ]
        if not found:
            raise LookupFailed(f"lookup {name} on {server}: no such host")
        return found
    raise LookupFailed(problem)


@dataclass
class TaskResolver(AbstractResolver):
    """aiohttp's resolver interface over :func:`look_up`. ``found`` is what it answered last."""

    netns: str
    resolver: IPv4Address
    found: dict[str, str] = field(default_factory=dict)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of ``host``. Raises OSError, as aiohttp expects."""
        try:
            addresses = await look_up(self.netns, self.resolver, host)
        except LookupFailed as error:
            raise OSError(str(error)) from error
        self.found[host] = addresses[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is held open."""


async def dial(names: TaskResolver, host: str, port: int, timeout_s: float) -> None:
    """Open a connection from inside the namespace and close it. Raises OSError in Go's words."""
    (first, *_) = await names.resolve(host)
    address = first["host"]
    with socket_in(names.netns, socket.SOCK_STREAM) as sock:
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.get_running_loop().sock_connect(sock, (address, port))
        except TimeoutError as error:
            raise OSError(f"dial tcp {address}:{port}: i/o timeout") from error
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            raise OSError(f"dial tcp {address}:{port}: connect: {reason}") from error


@lru_cache(maxsize=4)
def _context(trust: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(trust))


def session(
    netns: str,
    names: TaskResolver,
    trust: Path,
    connect_timeout_s: float,
    cookies: AbstractCookieJar | None = None,
) -> aiohttp.ClientSession:
    """An HTTP client whose names, packets and trust are the task's."""
    if not trust.is_file():
        raise PlaneError(f"no certificate authority to trust at {trust}")

    def make(_: Any) -> socket.socket:
        return socket_in(netns, socket.SOCK_STREAM)

    connector = aiohttp.TCPConnector(
        resolver=names,
        ssl=_context(trust),
        family=socket.AF_INET,
        use_dns_cache=True,
        socket_factory=make,
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s),
        headers={"User-Agent": "hiyoko"},
        cookie_jar=cookies,
    )
