"""CloudWatch Logs as a task reaches it: its resolver, its packets, its role's keys.

A client of its own, of a hundred lines, because an HTTP library would be most of the process.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import ssl
import struct
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from hiyoko.plane.error import PlaneError
from hiyoko.plane.log_driver.order import CloudWatchOrder
from hiyoko.plane.log_driver.sender import Away, Denied
from hiyoko.plane.log_driver.signing import signed_headers
from hiyoko.plane.namespaces import socket_in

CONNECT_TIMEOUT_S = 4.0
"""The kernel repeats a SYN after 1 and 3 seconds (RFC 6298, section 2): two may be lost."""
ANSWER_TIMEOUT_S = 10.0
DNS_TIMEOUT_S = 2.0
DNS_ATTEMPTS = 2
_TYPE_A = 1


@lru_cache(maxsize=4)
def _context(trust: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=trust)


@dataclass(slots=True)
class Answer:
    """A response: its status, and the body if that is JSON."""

    status: int
    body: dict[str, Any]

    @property
    def code(self) -> str:
        """The error's name, without its namespace."""
        return str(self.body.get("__type", "")).rpartition("#")[2]


@dataclass(slots=True)
class LogsClient:
    """One container's connection, which is opened when it is needed."""

    _reader: asyncio.StreamReader | None = field(default=None)
    _writer: asyncio.StreamWriter | None = field(default=None)

    async def call(self, order: CloudWatchOrder, operation: str, request: dict[str, Any]) -> Answer:
        """Ask the service. Raises Denied or Away."""
        body = json.dumps(request, ensure_ascii=False).encode()
        headers = signed_headers(
            "logs",
            order.region,
            f"Logs_20140328.{operation}",
            body,
            order.access_key,
            order.secret_key,
            order.token,
            time.time(),
        )
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST / HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n"
        kept = self._writer is not None
        try:
            return await self._ask(order, head.encode() + body)
        except Away:
            if not kept:
                raise
        # A connection that was kept open may have been closed meanwhile: that says nothing yet.
        return await self._ask(order, head.encode() + body)

    async def _ask(self, order: CloudWatchOrder, request: bytes) -> Answer:
        if self._writer is None:
            await self._connect(order)
        assert self._writer is not None
        assert self._reader is not None
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                self._writer.write(request)
                await self._writer.drain()
                return await _read_answer(self._reader)
        except TimeoutError as error:
            self.close()
            raise Denied("no answer") from error
        except (OSError, EOFError, ValueError) as error:
            self.close()
            raise Away(f"{type(error).__name__}: {error}") from error

    async def _connect(self, order: CloudWatchOrder) -> None:
        host = f"logs.{order.region}.amazonaws.com"
        address = await look_up(order.netns, order.resolver, host)
        sock = _socket(order.netns, socket.SOCK_STREAM)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await asyncio.get_running_loop().sock_connect(sock, (address, 443))
                self._reader, self._writer = await asyncio.open_connection(
                    sock=sock, ssl=_context(order.trust), server_hostname=host
                )
        except ConnectionRefusedError as error:
            sock.close()
            raise Away(f"connect to {address}: {error}") from error
        except (OSError, TimeoutError) as error:
            sock.close()
            raise Denied(f"connect to {address}: {str(error) or 'timeout'}") from error

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None


def _socket(netns: str, kind: socket.SocketKind) -> socket.socket:
    try:
        return socket_in(netns, kind)
    except PlaneError as error:
        raise Denied(str(error)) from error


async def _read_answer(reader: asyncio.StreamReader) -> Answer:
    """An HTTP response with a length. Raises EOFError or ValueError for anything else."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split(" ", 2)[1])
    headers = dict(line.lower().split(":", 1) for line in head[1:] if ":" in line)
    body = await reader.readexactly(int(headers["content-length"]))
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = {}
    return Answer(status, parsed if isinstance(parsed, dict) else {})


async def look_up(netns: str, resolver: str, name: str) -> str:
    """The first IPv4 address of a name, asked from inside the namespace. Raises Denied."""
    number = secrets.randbelow(1 << 16)
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    question = struct.pack("!6H", number, 0x100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"
    loop = asyncio.get_running_loop()
    problem: Exception | None = None
    for _ in range(DNS_ATTEMPTS):
        with _socket(netns, socket.SOCK_DGRAM) as sock:
            try:
                sock.connect((resolver, 53))
                async with asyncio.timeout(DNS_TIMEOUT_S):
                    await loop.sock_sendall(sock, question)
                    found = address_in(await loop.sock_recv(sock, 4096), number, len(question))
            except (OSError, TimeoutError) as error:
                problem = error
                continue
        if found is not None:
            return found
    raise Denied(f"look up {name} at {resolver}: {problem or 'no address'}")


def address_in(answer: bytes, number: int, at: int) -> str | None:
    """The first address of a response to our question, whose records begin ``at``."""
    if len(answer) < 12 or struct.unpack_from("!H", answer)[0] != number:
        return None
    count = struct.unpack_from("!H", answer, 6)[0]
    try:
        for _ in range(count):
            while answer[at] and answer[at] < 0xC0:
                at += 1 + answer[at]
            at += 2 if answer[at] else 1
            kind, _, _, length = struct.unpack_from("!HHIH", answer, at)
            at += 10
            if kind == _TYPE_A and length == 4:
                return socket.inet_ntoa(answer[at : at + 4])
            at += length
    except (IndexError, struct.error, OSError):
        return None
    return None
