"""What is spoken with clients and with targets: HTTP/1, HTTP/2, gRPC, WebSocket, TLS; bad input.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import re
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from tests.plane import balancer_world
from tests.plane.balancer_world import (
    ADDRESS,
    CHECK,
    ENGINE,
    ENI,
    GET,
    GOOD,
    OK,
    OPEN,
    Lab,
    group,
    own,
    self_signed,
    undated,
)

from hiyoko.blueprint.balancers import TargetGroup, TargetTls
from hiyoko.plane.balancer.observe import describe_failure
from hiyoko.plane.process import run
from hiyoko.services.elbv2.ssl_policies import SSL_POLICIES

lab, place = balancer_world.lab, balancer_world.place

ENDS = str(Path(__file__).with_name("grpc_ends.py"))
GRPC_CALL = (("content-type", "application/grpc"), ("te", "trailers"))


@contextlib.asynccontextmanager
async def process(*argv: str, ready: bytes = b"ready") -> AsyncIterator[None]:
    """A target that is a program of its own."""
    started = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", ENI, *argv), stdout=asyncio.subprocess.PIPE
    )
    assert started.stdout is not None
    assert ready in await started.stdout.readline()
    try:
        yield
    finally:
        started.kill()
        await started.communicate()


def grpc_group(path: str = "/AWS.ALB/healthcheck", matcher: str = "12") -> TargetGroup:
    check = replace(CHECK, path=path, matcher=matcher)
    return group(GOOD, protocol_version="GRPC", health_check=check)


async def test_all_four_kinds_of_grpc_calls_pass(lab: Lab) -> None:
    async with process(sys.executable, ENDS, "serve", f"{ADDRESS}:9001"):
        await lab.become(grpc_group())
        await lab.place.until(up=True)
        ca_file = str(lab.place.tmp / "default.pem")
        called = (sys.executable, ENDS, "call", f"{ADDRESS}:443", ca_file)
        assert json.loads(await run(*called, netns=ENI)) == {
            "unary": "you said hi",
            "down": ["d", "d", "d"],
            "up": "ab",
            "both": ["0", "1", "2"],
            "Fail": ["FAILED_PRECONDITION", "why"],
            "Missing": ["UNIMPLEMENTED", "Method not found!"],
        }
        await lab.become(grpc_group(matcher="0,5-11"))
        seen = await lab.place.until(up=False)
        assert describe_failure(seen) == (
            "Target.ResponseCodeMismatch",
            "Health checks failed with these codes: [12]",
        )


async def test_an_own_answer_to_a_grpc_call_tells_its_status(lab: Lab) -> None:
    await lab.become(replace(grpc_group(), targets=(OPEN,)))
    client = await lab.http2()
    refused = await client.ask(*GRPC_CALL, method="POST", body=b"\0\0\0\0\0")
    assert (refused.headers[":status"], refused.headers["grpc-status"]) == ("502", "14")
    assert refused.headers["grpc-message"]
    plain = await client.ask(method="POST")
    assert "grpc-status" not in plain.headers
    client.writer.close()


async def test_464_where_request_and_group_speak_differently(lab: Lab) -> None:
    none = b"HTTP/1.1 464 "
    async with lab.target():
        for version in ("HTTP2", "GRPC"):
            await lab.become(group(OPEN, protocol_version=version))
            for port in (8080, 443):
                answer = await lab.raw(GET, port=port, until=b"\r\n\r\n")
                assert answer.startswith(none), version
                assert answer.endswith(b"Content-Length: 0\r\n\r\n")
        client = await lab.http2()
        assert (await client.ask(*GRPC_CALL)).headers[":status"] == "464"
        client.writer.close()
        await lab.become()
        client = await lab.http2()
        call = await client.ask(*GRPC_CALL, method="POST")
        assert call.headers[":status"] == "464"
        assert (await client.ask(method="POST")).headers[":status"] == "200"
        client.writer.close()


NGINX = """
pid {tmp}/nginx.pid; error_log stderr; daemon off; master_process off;
events {{}}
http {{
  access_log off; client_body_temp_path {tmp}; proxy_temp_path {tmp}; fastcgi_temp_path {tmp};
  uwsgi_temp_path {tmp}; scgi_temp_path {tmp};
  server {{
    listen 10.0.0.10:9001 http2; location / {{ return 200 "$server_protocol $http_x_a"; }}
  }}
  server {{
    listen 10.0.0.10:9002 http2 ssl; ssl_certificate {tmp}/other.pem;
    ssl_certificate_key {tmp}/other.pem; ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
    location / {{ return 200 "$server_protocol $ssl_protocol $ssl_server_name"; }}
  }}
}}
"""


@contextlib.asynccontextmanager
async def nginx(lab: Lab) -> AsyncIterator[None]:
    config = lab.place.tmp / "nginx.conf"
    config.write_text(NGINX.format(tmp=lab.place.tmp))
    started = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", ENI, "nginx", "-c", str(config)),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        started.terminate()
        await started.wait()


async def test_http2_groups_are_spoken_to_and_checked_over_http2(lab: Lab) -> None:
    policy = SSL_POLICIES["ELBSecurityPolicy-2016-08"]
    plain = group(GOOD, protocol_version="HTTP2")
    tls = group(
        replace(GOOD, port=9002),
        protocol="HTTPS",
        protocol_version="HTTP2",
        health_check=replace(CHECK, protocol="HTTPS"),
    )
    async with nginx(lab):
        await lab.become(plain)
        await lab.place.until(up=True)
        client = await lab.http2()
        answer = await client.ask(("x-a", "1"))
        assert answer.body == b"HTTP/2.0 1"
        client.writer.close()
        await lab.become(tls, target_tls=TargetTls(policy.versions, policy.ciphers))
        await lab.place.until(up=True, port=9002)
        client = await lab.http2()
        # No TLS 1.3 with targets, as the listener's policy has none.
        assert (await client.ask()).body == b"HTTP/2.0 TLSv1.2 default.test"
        client.writer.close()


async def test_an_https_target_gets_the_name_and_needs_no_trust(lab: Lab) -> None:
    names: list[str | None] = []
    context = self_signed(lab.place)
    context.sni_callback = lambda _, name, __: names.append(name)
    https = group(GOOD, protocol="HTTPS", health_check=replace(CHECK, protocol="HTTPS"))
    async with lab.target(tls=context):
        await lab.become(https)
        await lab.place.until(up=True)
        names.clear()
        sent = GET.replace(b"a.test", b"shop.test:8080")
        assert b"200 OK" in await lab.raw(sent, until=b"ok")
        assert "shop.test" in names


async def test_http1_clients_of_both_versions_and_reuse_of_targets_connections(lab: Lab) -> None:
    await lab.become(group(OPEN, health_check=replace(CHECK, interval_s=300)))
    async with lab.target() as target:
        kept = await lab.raw(GET * 3, until=OK * 3)
        assert kept == OK * 3
        assert len(target.heads) == 3
        assert target.connections <= 3
        asked = [head.partition(b"\r\n")[0] for head in target.heads]
        assert asked == [b"GET / HTTP/1.1"] * 3
        old = GET.replace(b"1.1", b"1.0")
        assert b"\r\nConnection: close\r\n" in await lab.raw(old)
        stays = old.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n")
        answer = await lab.raw(stays, stays, until=b"ok")
        assert b"\r\nConnection: keep-alive\r\n" in answer


async def test_chunks_and_trailers_pass_both_ways(lab: Lab) -> None:
    await lab.become()
    body = b"3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"
    chunked = (
        b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
    )
    got = bytearray()

    async def read_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.extend(await reader.readuntil(b": 1\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)

    async with lab.target() as target:
        target.reply = lambda head: read_all
        answer = await lab.raw(chunked + body, until=b": 1\r\n\r\n")
        assert target.headers()["Transfer-Encoding"] == "chunked"
    assert bytes(got).lower() == body.lower()
    assert answer.lower().endswith(body.lower())


LARGE = 100 << 20


async def test_a_hundred_megabytes_stream_both_ways(lab: Lab) -> None:
    """HAProxy keeps no more of them than its buffers hold."""
    await lab.become()
    received = 0

    async def swallow_and_send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        while received < LARGE:
            received += len(await reader.read(1 << 20))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
        for _ in range(LARGE >> 20):
            writer.write(bytes(1 << 20))
            await writer.drain()

    async with lab.target() as target, asyncio.timeout(120):
        target.reply = lambda head: swallow_and_send
        before = await worker_bytes(lab)
        reader, writer = await lab.open()
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % LARGE)
        for _ in range(LARGE >> 20):
            writer.write(bytes(1 << 20))
            await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        count = 0
        while count < LARGE:
            count += len(await reader.read(1 << 20))
        writer.close()
        after = await worker_bytes(lab)
    assert (received, count) == (LARGE, LARGE)
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert after - before < 20 << 20


async def worker_bytes(lab: Lab) -> int:
    """Resident memory of the node's worker, the master's child."""
    return resident_bytes((await lab.place.plane.observe())[ENI].pid)


def resident_bytes(master: int) -> int:
    workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    status = Path(f"/proc/{workers[-1]}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found
    return int(found[1]) << 10


async def test_a_websocket_is_a_tunnel_until_it_is_idle(lab: Lab) -> None:
    await lab.become(idle_timeout_s=2)
    key = base64.b64encode(os.urandom(16))
    accept = base64.b64encode(
        hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
    )
    asked = (
        b"GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
    )

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        while data := await reader.read(100):
            writer.write(data.upper())

    async with lab.target() as target, asyncio.timeout(30):
        target.reply = lambda head: echo
        reader, writer = await lab.open()
        writer.write(asked)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b"Sec-WebSocket-Accept: " + accept in head
        assert target.headers()["Sec-WebSocket-Key"] == key.decode()
        # Longer than the timeout in all, but never idle for so long.
        for number in range(6):
            writer.write(b"frame%d" % number)
            assert await reader.read(100) == b"FRAME%d" % number
            await asyncio.sleep(0.4)
        assert await reader.read() == b""
        writer.close()


async def test_a_client_connection_ends_with_its_time(lab: Lab) -> None:
    await lab.become(attributes=(("client_keep_alive.seconds", "1"),))
    async with lab.target(), asyncio.timeout(30):
        reader, writer = await lab.open()
        answers = []
        while True:
            writer.write(GET)
            answers.append(await reader.readuntil(b"\r\n\r\nok"))
            if b"Connection: close" in answers[-1]:
                break
            await asyncio.sleep(0.1)
        assert len(answers) > 1
        assert await reader.read() == b""
        writer.close()


async def test_http2_can_be_switched_off(lab: Lab) -> None:
    await lab.become(attributes=(("routing.http2.enabled", "false"),))
    async with lab.target():
        reader, writer = await lab.open(443, ["h2", "http/1.1"])
        secured: ssl.SSLObject = writer.get_extra_info("ssl_object")
        assert secured.selected_alpn_protocol() == "http/1.1"
        writer.write(GET)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 OK")
        writer.close()


async def test_a_thousand_slow_clients_and_garbage_leave_a_node_serving(lab: Lab) -> None:
    await lab.become()
    async with lab.target():
        before = await worker_bytes(lab)
        slow = [await lab.open() for _ in range(1000)]
        for number, (_, writer) in enumerate(slow):
            writer.write(b"GET / HTTP/1.1\r\nHost: a.test\r\nX-%d: " % number)
        garbage = (os.urandom(4096), b"\0" * 100, b"\r\n" * 100, b"GET /\r\n", b"A" * 200_000)
        hello = bytes.fromhex("160301020001000001fc0303")
        plain = b"GET / HTTP/1.1\r\n\r\n"
        to_tls = (plain, hello, hello + os.urandom(600), os.urandom(4096))
        for port, sent in [(8080, b) for b in garbage] + [(443, b) for b in to_tls]:
            reader, writer = await asyncio.open_connection(sock=unused(port))
            # It may be closed before all is said.
            with contextlib.suppress(OSError):
                writer.write(sent)
                writer.write_eof()
                await reader.read()
            writer.close()
        assert b"200 OK" in await lab.raw(GET, until=b"ok")
        assert b"200 OK" in await lab.raw(GET, port=443, until=b"ok")
        assert await worker_bytes(lab) - before < 150 << 20
        for number, (_, writer) in enumerate(slow):
            writer.write(b"%d\r\n\r\n" % number)
        answers = [await reader.readuntil(b"ok") for reader, _ in slow[::100]]
        assert all(answer.startswith(b"HTTP/1.1 200 OK") for answer in answers)
        for _, writer in slow:
            writer.close()


def unused(port: int) -> socket.socket:
    sock = balancer_world.inside(lambda: balancer_world.connection(port))
    sock.setblocking(False)
    return sock


async def test_second_requests_of_a_connection_get_their_errors_too(lab: Lab) -> None:
    await lab.become()
    wrong = own("502 Bad Gateway")
    async with lab.target() as target:
        target.reply = lambda head: OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        reader, writer = await lab.open()
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\nok")
    writer.write(GET)
    assert undated(await reader.readuntil(b"</html>\r\n")) == wrong
    writer.close()


async def test_targets_connections_are_pooled_over_clients(lab: Lab) -> None:
    async def closes(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        """Say nothing: the caller closes."""

    await lab.become()
    async with lab.target() as target:
        for _ in range(10):
            assert b" 200 OK" in await lab.raw(GET, until=b"ok")
        # As many as the balancer has threads at the most; each client alone would make it ten.
        pooled = target.connections
        assert pooled <= 2
        # The pool's risk is AWS's, too: the target ends the connection that the request came by.
        target.reply = lambda head: closes
        answer = await lab.raw(GET, until=b"</html>")
        assert b" 502 Bad Gateway" in answer or (ENGINE >= (3, 0) and answer == b"")
        assert target.connections == pooled
