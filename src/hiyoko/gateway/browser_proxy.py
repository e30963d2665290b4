"""The way from the user's browser into the simulated internet.

An HTTP proxy on 127.0.0.1: CONNECT for https, absolute requests for http (RFC 9110 section 9.3.6,
RFC 9112 section 3.2.2). Names are asked of the simulated internet's resolver, so the address bar
reads the site's own name and nothing in /etc changes. It only ever dials from inside the world:
the real internet cannot be reached through it.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import dns.exception
import dns.message
import dns.rcode

DIAL_S = 10.0
DNS_PORT = 53
DATAGRAM_BYTES_MAX = 65_535
HEAD_BYTES_MAX = 65_536
PIECE_BYTES = 65_536
_PORT_MAX = 65_535


@dataclass(frozen=True, slots=True)
class BrowserProxy:
    """Dials from ``source`` with names answered by ``resolver`` (addresses of the world)."""

    resolver: str
    source: str

    async def serve(self, listener: socket.socket) -> asyncio.Server:
        """Answer on an already bound socket."""
        return await asyncio.start_server(self._client, sock=listener, limit=HEAD_BYTES_MAX)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await self._request(head, reader, writer)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _request(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        line, _, rest = head.partition(b"\r\n")
        words = line.split(b" ")
        if len(words) != 3:
            return await _refuse(writer, "400 Bad Request", "This is no proxy request.")
        method, target, version = words
        try:
            host, port = _where(method, target.decode("ascii"))
        except (ValueError, UnicodeDecodeError):
            text = "This is hiyoko's proxy into the simulated internet; set it as an HTTP proxy."
            return await _refuse(writer, "400 Bad Request", text)
        try:
            far_reader, far_writer = await self._dial(host, port)
        except (OSError, TimeoutError, dns.exception.DNSException) as error:
            said = f"{host}:{port} on the simulated internet: {str(error) or 'no answer in time'}"
            return await _refuse(writer, "502 Bad Gateway", said)
        if method == b"CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            far_writer.write(_origin_form(method, target, version, rest))
        await _pipe_both(reader, writer, far_reader, far_writer)
        return None

    async def _dial(
        self, host: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(DIAL_S):
            address = host if _is_address(host) else await self._look_up(host)
            return await asyncio.open_connection(address, port, local_addr=(self.source, 0))

    async def _look_up(self, host: str) -> str:
        """The name's first address. One datagram does: inside the world none is lost.

        dnspython's own resolver would cost megabytes (HTTPS, QUIC) to ask one server one question.
        """
        question = dns.message.make_query(host, "A", use_edns=True)
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, (self.resolver, DNS_PORT))
            await loop.sock_sendall(sock, question.to_wire())
            answer = dns.message.from_wire(await loop.sock_recv(sock, DATAGRAM_BYTES_MAX))
        if not question.is_response(answer):
            raise OSError("the resolver answered another question")
        if answer.rcode() != dns.rcode.NOERROR:
            raise OSError(f"the name is not known ({dns.rcode.to_text(answer.rcode())})")
        assert isinstance(answer, dns.message.QueryMessage)
        found = answer.resolve_chaining().answer
        if found is None:
            raise OSError("the name has no address (A record)")
        return str(found[0].to_text())


def _where(method: bytes, target: str) -> tuple[str, int]:
    if method == b"CONNECT":
        host, _, text = target.rpartition(":")
        port = int(text)
        if not host or not 0 < port <= _PORT_MAX:
            raise ValueError(target)
        return host.strip("[]"), port
    parts = urlsplit(target)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(target)
    return parts.hostname, parts.port or 80


def _is_address(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET, host)
    except OSError:
        return False
    return True


def _origin_form(method: bytes, target: bytes, version: bytes, rest: bytes) -> bytes:
    """The request as an origin server expects it; one request a connection keeps this simple."""
    parts = urlsplit(target)
    path = (parts.path or b"/") + (b"?" + parts.query if parts.query else b"")
    kept = [
        line
        for line in rest.split(b"\r\n")
        if line and not line.lower().startswith((b"proxy-", b"connection:"))
    ]
    return b"\r\n".join([b" ".join((method, path, version)), *kept, b"Connection: close", b"", b""])


async def _refuse(writer: asyncio.StreamWriter, status: str, text: str) -> None:
    body = f"{text}\n".encode()
    writer.write(
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        + body
    )
    await writer.drain()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(PIECE_BYTES):
        writer.write(piece)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def _pipe_both(
    near_reader: asyncio.StreamReader,
    near_writer: asyncio.StreamWriter,
    far_reader: asyncio.StreamReader,
    far_writer: asyncio.StreamWriter,
) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pipe(near_reader, far_writer))
            group.create_task(_pipe(far_reader, near_writer))
    except* OSError:
        pass  # one end went away: ConnectionError, or "not connected" when we close our half
    finally:
        far_writer.close()
