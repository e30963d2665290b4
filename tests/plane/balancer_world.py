"""One real HAProxy in a namespace of its own: curl and raw clients before it, targets behind it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hiyoko.blueprint.balancers import (
    BalancerNode,
    Condition,
    Forward,
    HealthCheck,
    Listener,
    Redirect,
    Rule,
    Target,
    TargetGroup,
)
from hiyoko.plane.balancer.certificates import read_certificate
from hiyoko.plane.balancer.nodes import BalancerPlane, StopNode, steps
from hiyoko.plane.balancer.observe import ServerSeen
from hiyoko.plane.balancer.paths import CertificateFile, Paths
from hiyoko.plane.balancer.render import render_haproxy, side_files
from hiyoko.plane.balancer.side_files import SideFiles, puts
from hiyoko.plane.namespaces import in_namespace
from hiyoko.plane.process import NETNS_DIR, run

ENI = "eni-0123456789abcdef0"
ADDRESS = IPv4Address("10.0.0.10")
GROUP = "arn:aws:elasticloadbalancing:r:1:targetgroup/web/0123456789abcdef"
EMPTY = "arn:aws:elasticloadbalancing:r:1:targetgroup/none/0123456789abcdef"
BACKEND = "tg.web.0123456789abcdef"
CERTIFICATES = ("arn:cert/default", "arn:cert/other")

SERVE = """
import asyncio, sys
async def serve(reader, writer):
    try:
        while True:
            said = answer((await reader.readuntil(b"\\r\\n\\r\\n")).decode("latin-1"))
            if said is None:
                break
            status, more, body = said
            writer.write(f"HTTP/1.1 {status}\\r\\n{more}"
                f"Content-Length: {len(body)}\\r\\n\\r\\n{body}".encode("latin-1"))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "10.0.0.10", int(sys.argv[1]))
    print("ready", flush=True)
    await server.serve_forever()
"""
# Says its name, what it was asked or nothing at all; its health may be a status of choice.
ANSWER = """
def answer(head):
    path = head.split()[1]
    if path == "/drop":
        return None
    if path == "/health" and len(sys.argv) > 3:
        return sys.argv[3], "Server: mine\\r\\n", "no"
    return "200 OK", "Server: mine\\r\\n", head if path == "/echo" else sys.argv[2]
"""


@contextlib.asynccontextmanager
async def target(port: int, body: str, *health: str, answer: str = ANSWER) -> AsyncIterator[None]:
    """A target in a process of its own; ``answer`` is the source of its one function."""
    source = f"{SERVE}{answer}asyncio.run(main())"
    process = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", ENI, sys.executable, "-c", source, str(port), body, *health),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield
    finally:
        process.kill()
        await process.communicate()


@dataclass
class Answer:
    """What curl got; of a header that came more than once ``headers`` has the first line."""

    status: int
    lines: dict[str, list[str]]
    body: str

    @property
    def headers(self) -> dict[str, str]:
        return {name: lines[0] for name, lines in self.lines.items()}

    @property
    def cookies(self) -> dict[str, str]:
        """Each cookie's value with its attributes."""
        return dict(line.split("=", 1) for line in self.lines.get("set-cookie", []))

    def sent(self, *names: str) -> str:
        """What a client returns of these cookies."""
        return "; ".join(f"{name}={self.cookies[name].split(';')[0]}" for name in names)


async def curl(*argv: str) -> Answer:
    out = await run(
        *("curl", "-sg", "-m", "30", "-w", "=====%{response_code} %{header_json}"),
        *argv,
        netns=ENI,
    )
    body, _, rest = out.rpartition("=====")
    status, _, headers = rest.partition(" ")
    return Answer(int(status), json.loads(headers), body)


def bundle(path: Path, name: str) -> CertificateFile:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(pem + private)
    return read_certificate(path, now.timestamp())


CHECK = HealthCheck("HTTP", None, "/health", 1, 1, 5, 2, "200")
GOOD = Target("10.0.0.10", ADDRESS, 9001, "a")


def group(*targets: Target, arn: str = GROUP, **changes: object) -> TargetGroup:
    made = TargetGroup(arn, "web", "HTTP", "HTTP1", CHECK, targets)
    return replace(made, **changes)  # type: ignore[arg-type]


def rule(priority: int, action: object, *conditions: Condition) -> Rule:
    return Rule(f"rule-{priority}", priority, conditions, action)  # type: ignore[arg-type]


def node(*groups: TargetGroup, rules: tuple[Rule, ...] = ()) -> BalancerNode:
    redirect = Redirect("HTTPS", "#{host}", "443", "/#{path}", "#{query}", 301)
    default = rule(0, Forward(((GROUP, 1),)))
    listeners = (
        Listener("l80", 80, "HTTP", None, (), (rule(0, redirect),)),
        Listener(
            "l443",
            443,
            "HTTPS",
            "p",
            CERTIFICATES,
            (*rules, default),
            tls_versions=("TLSv1.3", "TLSv1.2"),
            ciphers=("TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"),
        ),
        Listener("l8080", 8080, "HTTP", None, (), (*rules, default)),
    )
    return BalancerNode("lb", "web", ENI, "s", "a", ADDRESS, listeners, groups)


class Place:
    def __init__(self, tmp: Path) -> None:
        self.plane = BalancerPlane(tmp / "deep" / "balancer")
        self.paths = Paths(
            {
                CERTIFICATES[0]: bundle(tmp / "default.pem", "default.test"),
                CERTIFICATES[1]: bundle(tmp / "other.pem", "other.test"),
            },
            directory=str(tmp / "files"),
        )
        self.tmp = tmp
        self.wished: dict[str, tuple[BalancerNode, str]] = {}

    async def become(self, wish: BalancerNode) -> None:
        self.wished = {ENI: (wish, render_haproxy(wish, self.paths))}
        async with asyncio.timeout(60):
            while await self.step():
                pass

    async def step(self) -> int:
        """What a reconciler does when it is woken: a target's first success is such a moment."""
        wish = self.wished[ENI][0]
        files = SideFiles(Path(self.paths.directory))
        for put in puts(side_files(wish, self.paths), files.observe()):
            files.apply(put)
        found = steps(self.wished, await self.plane.observe())
        for step in found:
            await self.plane.apply(step)
        return len(found)

    async def server(self, port: int = 9001, backend: str = BACKEND) -> ServerSeen:
        seen = (await self.plane.observe())[ENI].servers
        return seen[backend, f"10.0.0.10:{port}"]

    async def until(self, up: bool, port: int = 9001, backend: str = BACKEND) -> ServerSeen:
        async with asyncio.timeout(60):
            while True:
                await self.step()
                seen = await self.server(port, backend)
                if seen.up == up and seen.check:
                    return seen
                await asyncio.sleep(0.05)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    await run("ip", "netns", "add", ENI)
    await run("ip", "-n", ENI, "link", "set", "lo", "up")
    await run("ip", "-n", ENI, "addr", "add", f"{ADDRESS}/32", "dev", "lo")
    made = Place(tmp_path)
    try:
        yield made
    finally:
        if await made.plane.observe():
            await made.plane.apply(StopNode(ENI))
        assert await made.plane.observe() == {}
        await run("ip", "netns", "del", ENI)


PORT = 8080
OPEN = replace(GOOD, settled=True)
"""A target that no check has found yet, but that takes part when the node fails open."""

Reply = bytes | Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What a target does on a request: these bytes, or anything, after which it closes."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"


ACCEPTED_TURNS = 5
"""Of the event loop, until who was accepted just now is known to the target."""


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
        for _ in range(ACCEPTED_TURNS):
            await asyncio.sleep(0)
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
    return socket.create_connection((str(ADDRESS), port), timeout=20)


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
        self, *parts: bytes, port: int = PORT, until: bytes = b"", timeout_s: float = 30
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
        async with asyncio.timeout(30):
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


def _engine() -> tuple[int, int]:
    said = subprocess.run(["haproxy", "-v"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"version (\d+)\.(\d+)", said)
    assert found is not None
    return int(found[1]), int(found[2])


ENGINE = _engine()
"""HAProxy's version. What 3 does otherwise than 2.6 is a section of the fidelity page."""


@pytest.fixture
async def lab(place: Place) -> AsyncIterator[Lab]:
    made = Lab(place)
    try:
        yield made
    finally:
        for writer in made.writers:
            # TLS that has lost its connection has nothing left to abort, and fails over it.
            with contextlib.suppress(AttributeError):
                writer.transport.abort()
        # Each transport's end is told in the loop's next turns.
        for _ in range(3):
            await asyncio.sleep(0)
