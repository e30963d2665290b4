"""Raw clients and scripted targets around one real HAProxy in a namespace of its own."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import pytest
from tests.plane.test_balancer import ADDRESS, ENI, GOOD, Place, group, node
from tests.plane.test_balancer import place as place

from hiyoko.blueprint.balancers import BalancerNode, TargetGroup
from hiyoko.plane.namespaces import in_namespace
from hiyoko.plane.process import NETNS_DIR

PORT = 8080
OPEN = replace(GOOD, settled=True)
"""A target that no check has found yet, but that takes part when the node fails open."""

Reply = bytes | Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What a target does on a request: these bytes, or anything, after which it closes."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"


@dataclass
class Scripted:
    """A target that keeps what it was sent and answers as it is told."""

    reply: Callable[[bytes], Reply] = lambda head: OK
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await self._answer(reader, writer)
        finally:
            writer.transport.abort() if task.cancelling() else writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET /health "):
                    writer.write(OK)
                    continue
                self.heads.append(head)
                reply = self.reply(head)
                if not isinstance(reply, bytes):
                    await reply(reader, writer)
                    break
                writer.write(reply)
                await writer.drain()

    async def end(self) -> None:
        """Nobody is left who could wake when the test is over."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def headers(self) -> dict[str, str]:
        """The headers of the last request, names as they came."""
        lines = self.heads[-1].decode("latin-1").split("\r\n")[1:-2]
        return {name: value for name, _, value in (line.partition(": ") for line in lines)}


def inside(make: Callable[[], socket.socket]) -> socket.socket:
    """A socket of the node's namespace, used from here."""
    return in_namespace(NETNS_DIR / ENI, make)


def connection(port: int) -> socket.socket:
    return socket.create_connection((str(ADDRESS), port), timeout=5)


@dataclass
class Lab:
    """The node, its clients and its targets."""

    place: Place
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def become(self, *groups: TargetGroup, **changes: object) -> None:
        """A node with these groups, or one group with one target that is used at once."""
        wish: BalancerNode = node(*(groups or (group(OPEN),)))
        await self.place.become(replace(wish, **changes))  # type: ignore[arg-type]

    @contextlib.asynccontextmanager
    async def target(
        self, port: int = 9001, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[Scripted]:
        scripted = Scripted()
        listening = inside(lambda: socket.create_server((str(ADDRESS), port)))
        server = await asyncio.start_server(scripted.serve, sock=listening, ssl=tls, limit=1 << 20)
        try:
            yield scripted
        finally:
            server.close()
            await scripted.end()

    async def open(
        self, port: int = PORT, alpn: Sequence[str] = ()
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = None
        if port == 443:
            context = ssl.create_default_context(cafile=self.place.tmp / "default.pem")
            context.set_alpn_protocols(list(alpn) or ["http/1.1"])
        sock = inside(lambda: connection(port))
        sock.setblocking(False)
        reader, writer = await asyncio.open_connection(
            sock=sock,
            ssl=context,
            server_hostname="default.test" if context else None,
            limit=1 << 22,
        )

        self.writers.append(writer)
        return reader, writer

    async def raw(
        self, *parts: bytes, port: int = PORT, until: bytes = b"", timeout_s: float = 10
    ) -> bytes:
        """What comes back until these bytes, or until the node closes. Each part is a packet."""
        reader, writer = await self.open(port)
        out = b""
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            async with asyncio.timeout(timeout_s):
                while not until or until not in out:
                    data = await reader.read(1 << 16)
                    if not data:
                        break
                    out += data
        except ConnectionError:
            pass
        except TimeoutError as error:
            raise AssertionError(f"after {timeout_s} s only {out!r}") from error
        finally:
            writer.close()
        return out

    async def http2(self) -> Http2:
        reader, writer = await self.open(443, ["h2"])
        client = Http2(reader, writer)
        client.connection.initiate_connection()
        client.flush()
        return client


@dataclass
class Stream:
    """What has come on one stream of HTTP/2."""

    headers: dict[str, str] = field(default_factory=dict)
    trailers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    reset: int | None = None
    ended: bool = False


class Http2:
    """One client connection over HTTP/2, frame by frame."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self.connection = h2.connection.H2Connection(config)
        self.reader, self.writer = reader, writer
        self.streams: dict[int, Stream] = {}

    def flush(self) -> None:
        self.writer.write(self.connection.data_to_send())

    def send(self, *headers: tuple[str, str], method: str = "GET", body: bytes = b"") -> int:
        number = self.connection.get_next_available_stream_id()
        first = [(":method", method), (":scheme", "https"), (":authority", "default.test")]
        self.connection.send_headers(
            number, [*first, (":path", "/"), *headers], end_stream=not body
        )
        if body:
            self.connection.send_data(number, body, end_stream=True)
        self.flush()
        self.streams[number] = Stream()
        return number

    async def ask(
        self, *headers: tuple[str, str], method: str = "GET", body: bytes = b""
    ) -> Stream:
        number = self.send(*headers, method=method, body=body)
        async with asyncio.timeout(10):
            while not self.streams[number].ended:
                data = await self.reader.read(1 << 16)
                if not data:
                    break
                for event in self.connection.receive_data(data):
                    self._note(event)
                self.flush()
        return self.streams[number]

    def _note(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived(stream_id=number, headers=headers):
                self.streams[number].headers = {str(k): str(v) for k, v in headers or ()}
            case h2.events.TrailersReceived(stream_id=number, headers=headers):
                self.streams[number].trailers = {str(k): str(v) for k, v in headers or ()}
            case h2.events.DataReceived(stream_id=number, data=data):
                self.streams[number].body += data or b""
                self.connection.acknowledge_received_data(event.flow_controlled_length or 0, number)
            case h2.events.StreamReset(stream_id=number):
                self.streams[number].reset = int(event.error_code or 0)
                self.streams[number].ended = True
            case h2.events.StreamEnded(stream_id=number):
                self.streams[number].ended = True
            case _:
                pass


def page(title: str) -> bytes:
    """AWS's body for a status."""
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    ).encode()


def own(title: str, *more: str, body: bytes | None = None) -> bytes:
    """An answer of the balancer's own, byte for byte but for its date; ``more`` comes last."""
    body = page(title) if body is None else body
    lines = [
        f"HTTP/1.1 {title}",
        "Server: awselb/2.0",
        "Date: DATE",
        "Content-Type: text/html",
        f"Content-Length: {len(page(title))}",
        *more,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def undated(answer: bytes) -> bytes:
    return re.sub(rb"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", b"Date: DATE", answer)


def self_signed(place: Place) -> ssl.SSLContext:
    """A target's TLS with a certificate that nobody would trust for its name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(place.tmp / "other.pem"))
    return context


@pytest.fixture
async def lab(place: Place) -> AsyncIterator[Lab]:
    made = Lab(place)
    try:
        yield made
    finally:
        for writer in made.writers:
            writer.transport.abort()
        # Each transport's end is told in the loop's next turns.
        for _ in range(3):
            await asyncio.sleep(0)
