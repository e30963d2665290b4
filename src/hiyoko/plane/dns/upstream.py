"""Questions to servers: UDP with a time limit and further tries, TCP when the answer was cut."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

PORT = 53
TRY_S = 0.8
ROUNDS = 2
TCP_S = 3.0
SUBNET_BITS = 24
"""How much of a client's address is told (RFC 7871, section 11.1)."""
PAYLOAD = 1232
"""https://www.dnsflagday.net/2020/"""


class NoAnswer(Exception):
    """No server gave a usable answer."""


@dataclass(slots=True)
class Upstream(asyncio.DatagramProtocol):
    """One socket for all questions; answers are matched by id, address and question."""

    source: str | None = None
    _transport: asyncio.DatagramTransport | None = None
    _waiting: dict[tuple[int, str], asyncio.Future[bytes]] = field(default_factory=dict)

    async def open(self) -> None:
        """Open the socket."""
        loop = asyncio.get_running_loop()
        local = (self.source or "0.0.0.0", 0)
        await loop.create_datagram_endpoint(lambda: self, local_addr=local)

    def close(self) -> None:
        """Close the socket; whoever waits is told."""
        if self._transport is not None:
            self._transport.close()
        for waiting in self._waiting.values():
            waiting.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # asyncio's own datagram transport does not inherit from DatagramTransport.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Give an answer to whoever waits for it."""
        if addr[1] != PORT or len(data) < 12:
            return
        waiting = self._waiting.get((int.from_bytes(data[:2]), addr[0]))
        if waiting is not None and not waiting.done():
            waiting.set_result(data)

    def error_received(self, exc: Exception) -> None:
        """An ICMP error: the try's time limit moves on to the next server."""

    async def ask(
        self,
        servers: Sequence[str],
        name: dns.name.Name,
        rdtype: dns.rdatatype.RdataType,
        subnet: str = "",
        signed: bool = False,
    ) -> dns.message.Message:
        """The first usable answer. Raises NoAnswer.

        ``subnet``: on behalf of these clients. ``signed``: with the signatures that there are.
        """
        options = [dns.edns.ECSOption(subnet, SUBNET_BITS)] if subnet else []
        for _ in range(ROUNDS):
            for server in servers:
                response = await self._try(server, name, rdtype, options, signed)
                if response is not None:
                    return response
        raise NoAnswer(f"{name} {dns.rdatatype.to_text(rdtype)}: no answer from {list(servers)}")

    async def _try(
        self,
        server: str,
        name: dns.name.Name,
        rdtype: dns.rdatatype.RdataType,
        options: Sequence[dns.edns.Option],
        signed: bool,
    ) -> dns.message.Message | None:
        assert self._transport is not None, "open() comes first"
        query = dns.message.make_query(
            name, rdtype, use_edns=0, want_dnssec=signed, payload=PAYLOAD, options=[*options]
        )
        query.flags &= ~dns.flags.RD
        query.id = secrets.randbelow(65536)
        while (query.id, server) in self._waiting:
            query.id = secrets.randbelow(65536)
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[query.id, server] = waiting
        try:
            self._transport.sendto(query.to_wire(), (server, PORT))
            async with asyncio.timeout(TRY_S):
                response = usable(query, await waiting)
            if response is not None and response.flags & dns.flags.TC:
                response = usable(query, await _ask_tcp(server, query.to_wire()))
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            return None
        finally:
            del self._waiting[query.id, server]
        return response


def usable(query: dns.message.Message, wire: bytes) -> dns.message.Message | None:
    """The response to this query, if it is one, and says yes or no."""
    try:
        response = dns.message.from_wire(wire)
    except dns.exception.DNSException:
        return None
    if not query.is_response(response):
        return None
    said = response.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
    return response if said else None


async def _ask_tcp(server: str, wire: bytes) -> bytes:
    async with asyncio.timeout(TCP_S):
        return await converse(*await asyncio.open_connection(server, PORT), wire)


async def converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wire: bytes
) -> bytes:
    """The answer to a question over TCP; the connection is closed then."""
    try:
        writer.write(len(wire).to_bytes(2) + wire)
        await writer.drain()
        size = int.from_bytes(await reader.readexactly(2))
        return await reader.readexactly(size)
    finally:
        writer.close()
