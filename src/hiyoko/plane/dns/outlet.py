"""Questions that leave through an interface of an outbound endpoint.

Each has a socket, and so a source port, of its own (RFC 5452, section 9.2): a group that was
changed judges the next question, because no older flow lets it pass.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from dataclasses import dataclass

import dns.flags
import dns.message

from hiyoko.blueprint.resolvers import Outlet
from hiyoko.plane.dns.upstream import TCP_S, TRY_S, converse, usable
from hiyoko.plane.error import PlaneError
from hiyoko.plane.namespaces import socket_in

PACKET_MAX = 65535


@dataclass(frozen=True, slots=True)
class Exit:
    """Asks servers from the interface's address, in its namespace."""

    outlet: Outlet

    async def exchange(
        self, query: dns.message.Message, server: str, port: int
    ) -> dns.message.Message | None:
        """The server's answer, if a usable one comes in time; the query gets a new id."""
        query.id = secrets.randbelow(65536)
        wire = query.to_wire()
        try:
            async with asyncio.timeout(TRY_S):
                response = usable(query, await self._ask_udp(wire, server, port))
            if response is not None and response.flags & dns.flags.TC:
                async with asyncio.timeout(TCP_S):
                    response = usable(query, await self._ask_tcp(wire, server, port))
        except (TimeoutError, OSError, PlaneError, asyncio.IncompleteReadError):
            return None
        return response

    def new_socket(self, kind: socket.SocketKind) -> socket.socket:
        """A socket at the interface's address. Raises PlaneError."""
        made = socket_in(self.outlet.eni_id, kind)
        try:
            made.bind((str(self.outlet.address), 0))
        except OSError as error:
            made.close()
            raise PlaneError(f"send from {self.outlet.address}: {error}") from error
        return made

    async def _ask_udp(self, wire: bytes, server: str, port: int) -> bytes:
        loop = asyncio.get_running_loop()
        with self.new_socket(socket.SOCK_DGRAM) as asking:
            await loop.sock_connect(asking, (server, port))
            await loop.sock_sendall(asking, wire)
            return await loop.sock_recv(asking, PACKET_MAX)

    async def _ask_tcp(self, wire: bytes, server: str, port: int) -> bytes:
        with self.new_socket(socket.SOCK_STREAM) as asking:
            await asyncio.get_running_loop().sock_connect(asking, (server, port))
            # The streams close the socket: they have one of their own.
            streams = await asyncio.open_connection(sock=asking.dup())
        return await converse(*streams, wire)
