"""What the balancer answers by itself: cause, status, headers in their order, body.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import replace
from ipaddress import IPv4Address

from tests.plane import balancer_world
from tests.plane.balancer_world import (
    ADDRESS,
    ENGINE,
    GET,
    OK,
    OPEN,
    PORT,
    Lab,
    Reply,
    group,
    inside,
    node,
    own,
    rule,
    self_signed,
    undated,
)

from hiyoko.blueprint.balancers import FixedResponse, Listener, Redirect
from hiyoko.plane.balancer.paths import Paths
from hiyoko.plane.balancer.render import render_haproxy

lab, place = balancer_world.lab, balancer_world.place

CLOSE = "Connection: close"


def request(*lines: str, start: str = "GET / HTTP/1.1", host: str | None = "a.test") -> bytes:
    named = [start, *([f"Host: {host}"] if host else []), *lines, "", ""]
    return "\r\n".join(named).encode()


async def test_a_refused_request_gets_awss_bytes(lab: Lab) -> None:
    await lab.become()
    bad = own("400 Bad Request", CLOSE)
    large = [f"X-{number}: {'a' * 8000}" for number in range(9)]
    refused = {
        "no Host": (request(host=None), bad),
        "TRACE": (request(start="TRACE / HTTP/1.1"), own("405 Not Allowed")),
        "a request line over 16 K": (
            request(start=f"GET /{'a' * 16384} HTTP/1.1"),
            own("414 Request-URI Too Large", CLOSE),
        ),
        "a header line of 16 K": (request(f"X: {'a' * 16381}"), bad),
        "headers over 64 K": (request(*large[:8], "X: " + "a" * 2000), bad),
    }
    async with lab.target() as target:
        for cause, (sent, answer) in refused.items():
            assert undated(await lab.raw(sent, until=b"</html>\r\n")) == answer, cause
        # Just below each limit.
        for passed in (
            request(start=f"GET /{'a' * 16300} HTTP/1.1"),
            request(f"X: {'a' * 16300}"),
            request(*large[:7]),
            request(start="GET / HTTP/1.0", host=None),
        ):
            assert b"200 OK" in await lab.raw(passed, until=b"ok"), passed[:40]
        assert len(target.heads) == 4


async def test_what_is_no_http_is_400_and_the_end(lab: Lab) -> None:
    await lab.become()
    for garbage in (
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    ):
        answer = await lab.raw(garbage)
        assert answer.startswith(b"HTTP/1.1 400 Bad "), garbage
        assert b"Connection: close" in answer


async def test_http2_is_spoken_over_tls_only_and_elsewhere_505(lab: Lab) -> None:
    await lab.become(attributes=(("routing.http2.enabled", "false"),))
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    answer = own("505 HTTP Version Not Supported", CLOSE)
    for port in (PORT, 443):
        assert undated(await lab.raw(preface, port=port)) == answer, port


async def test_an_answer_to_head_has_no_body(lab: Lab) -> None:
    await lab.become(group())
    answer = await lab.raw(request(start="HEAD / HTTP/1.1"), until=b"\r\n\r\n")
    assert undated(answer) == own("503 Service Temporarily Unavailable", body=b"")
    tail = await lab.raw(request(CLOSE, start="HEAD / HTTP/1.1"))
    assert tail.endswith(b"\r\n\r\n")


async def test_redirects_and_fixed_responses_have_awss_order(lab: Lab) -> None:
    tea = FixedResponse(418, "text/plain", "tea")
    listeners = (
        Listener("l1", 8080, "HTTP", None, (), (rule(0, tea),)),
        Listener(
            "l2",
            8081,
            "HTTP",
            None,
            (),
            (rule(0, Redirect("HTTPS", "b.test", "443", "/", "", 302)),),
        ),
        Listener("l3", 8082, "HTTP", None, (), (rule(0, FixedResponse(204, "", "")),)),
    )
    await lab.become(group(), listeners=listeners)
    fixed = undated(await lab.raw(GET, until=b"tea"))
    assert fixed.split(b"\r\n")[1:] == [
        b"Server: awselb/2.0",
        b"Date: DATE",
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Length: 3",
        b"",
        b"tea",
    ]
    moved = own("302 Found", "Location: https://b.test:443/").partition(b"\r\n")[2]
    answer = undated(await lab.raw(GET, port=8081, until=b"</html>\r\n"))
    assert answer == b"HTTP/1.1 302 Moved Temporarily\r\n" + moved
    empty = undated(await lab.raw(GET, port=8082, until=b"\r\n\r\n"))
    assert b"Server: awselb/2.0\r\nDate: DATE\r\n" in empty
    assert b"x-own-answer" not in fixed + empty


async def test_over_http2_an_answer_has_no_connection_header(lab: Lab) -> None:
    await lab.become()
    client = await lab.http2()
    answer = await client.ask(method="TRACE")
    assert list(answer.headers) == [":status", "server", "date", "content-type", "content-length"]
    assert (answer.headers[":status"], answer.headers["server"]) == ("405", "awselb/2.0")
    assert answer.body == balancer_world.page("405 Not Allowed")
    refused = await client.ask()
    assert (refused.headers[":status"], refused.body) == (
        "502",
        balancer_world.page("502 Bad Gateway"),
    )
    long = await client.ask(("x", "a" * 17000))
    assert long.headers[":status"] == "400"
    assert "connection" not in long.headers
    client.writer.close()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    del reader
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    del reader, writer


async def part_of_an_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    del reader
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Len")
    await writer.drain()


def headers_of(count: int) -> bytes:
    lines = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 8000) for number in range(count))
    return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + lines + b"\r\nok"


async def test_a_target_that_breaks_off_or_babbles_is_502(lab: Lab) -> None:
    await lab.become()
    replies: dict[str, Reply] = {
        "RST": reset,
        "FIN": close,
        "FIN inside the headers": part_of_an_answer,
        "no HTTP": b"hello\r\n\r\n",
        "a header without a colon": b"HTTP/1.1 200 OK\r\nfoo\r\n\r\n",
        "headers over 32 K": headers_of(5),
        "headers over what a buffer holds": headers_of(12),
    }
    answer = own("502 Bad Gateway")
    async with lab.target() as target:
        for cause, reply in replies.items():
            target.reply = lambda head, reply=reply: reply  # type: ignore[misc]
            assert undated(await lab.raw(GET, until=b"</html>\r\n")) == answer, cause
        target.reply = lambda head: headers_of(3)
        assert b"200 OK" in await lab.raw(GET, until=b"\r\nok")
    refused = undated(await lab.raw(GET, until=b"</html>\r\n"))
    if ENGINE >= (3, 0) and refused == b"":  # the pooled connection's end was not yet seen
        refused = undated(await lab.raw(GET, until=b"</html>\r\n"))
    assert refused == answer
    head = undated(await lab.raw(GET.replace(b"GET", b"HEAD"), until=b"\r\n\r\n"))
    assert head == own("502 Bad Gateway", body=b"")


async def test_a_target_whose_tls_fails_is_502(lab: Lab) -> None:
    await lab.become(group(OPEN, protocol="HTTPS"))
    plain = inside(lambda: socket.create_server((str(ADDRESS), 9001)))

    async def speak_no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(speak_no_tls, sock=plain):
        answer = await lab.raw(GET, until=b"</html>\r\n")
        assert undated(answer) == own("502 Bad Gateway")
    async with lab.target(tls=self_signed(lab.place)):
        assert b"200 OK" in await lab.raw(GET, until=b"ok")


async def test_what_a_target_says_is_never_reworded(lab: Lab) -> None:
    await lab.become()
    said = b"HTTP/1.1 503 Mine\r\nServer: awselb/2.0\r\nContent-Length: 2\r\n\r\nno"
    async with lab.target() as target:
        target.reply = lambda head: said
        assert await lab.raw(GET, until=b"no") == said


async def test_silence_is_504_408_or_the_end(lab: Lab) -> None:
    """One idle timeout of a second for all."""
    await lab.become(idle_timeout_s=1)
    async with lab.target() as target:
        target.reply = lambda head: b""
        posted = request("Content-Length: 4", start="POST / HTTP/1.1")
        expected = request("Expect: 100-continue", "Content-Length: 4", start="POST / HTTP/1.1")
        (answer, stalled, never, half, silent) = await asyncio.gather(
            lab.raw(GET, until=b"</html>\r\n"),
            lab.raw(posted + b"ab", until=b"</html>\r\n"),
            lab.raw(expected, until=b"</html>\r\n"),
            lab.raw(b"GET / HTTP/1.1\r\nHos"),
            lab.raw(b""),
        )
    assert undated(answer) == own("504 Gateway Time-out")
    assert stalled.startswith(b"HTTP/1.1 400 " if ENGINE >= (3, 0) else b"HTTP/1.1 504 ")
    late = own("408 Request Time-out", CLOSE)
    assert undated(never) == b"HTTP/1.1 100 Continue\r\n\r\n" + late
    assert half.startswith(b"HTTP/1.1 408 Request Time-out\r\n")
    assert silent == b""


async def test_an_answer_cut_short_ends_the_connection(lab: Lab) -> None:
    await lab.become(idle_timeout_s=1)
    async with lab.target() as target:
        target.reply = lambda head: b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"
        assert (await lab.raw(GET)).endswith(b"\r\n\r\nhalf")


async def test_a_client_that_leaves_harms_nobody(lab: Lab) -> None:
    """AWS notes 460 in its log; one that ends its own half of the connection counts as gone."""
    await lab.become()
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        asked.set()
        await answer.wait()
        writer.write(OK)
        await writer.drain()

    async with lab.target() as target, asyncio.timeout(30):
        target.reply = lambda head: slowly
        _, gone = await lab.open()
        gone.write(GET)
        await asked.wait()
        gone.transport.abort()
        asked.clear()
        reader, half = await lab.open()
        half.write(GET)
        half.write_eof()
        await asked.wait()
        # HAProxy still says something to the half that listens, where AWS says nothing.
        assert (await reader.read()).startswith(b"HTTP/1.1 400")
        answer.set()
        half.close()


def test_a_connection_to_a_target_has_ten_seconds() -> None:
    wish = node(group(replace(OPEN, address=IPv4Address(ADDRESS))))
    plain = replace(wish, listeners=wish.listeners[2:])
    assert "\n  timeout connect 10s\n" in render_haproxy(plain, Paths())
