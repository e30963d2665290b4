"""What a target gets of a request, and a client of an answer: header by header.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html
"""

from __future__ import annotations

import re

import pytest
from tests.plane import balancer_world
from tests.plane.balancer_world import ADDRESS, ENGINE, GET, GROUP, OK, Lab, node, rule

from hiyoko.blueprint.balancers import Forward, Listener

lab, place = balancer_world.lab, balancer_world.place

PEER = str(ADDRESS)
FORWARD = (rule(0, Forward(((GROUP, 1),))),)


def request(*lines: str, host: str = "a.test", start: str = "GET / HTTP/1.1") -> bytes:
    return "\r\n".join((start, f"Host: {host}", *lines, "", "")).encode()


def attributes(**values: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"routing.http.{name}", value) for name, value in values.items())


def xff(mode: str, port: bool = False) -> tuple[tuple[str, str], ...]:
    named = (("routing.http.xff_client_port.enabled", "true"),) if port else ()
    return (*named, ("routing.http.xff_header_processing.mode", mode))


OLD = "X-Forwarded-For: 203.0.113.7"
MANY = "X-Forwarded-For: " + ", ".join(f"203.0.113.{number}" for number in range(31))


@pytest.mark.parametrize(
    ("mode", "port", "sent", "got"),
    [
        ("append", False, [], PEER),
        ("append", False, [OLD], f"203.0.113.7, {PEER}"),
        ("append", True, [], rf"{PEER}:\d+"),
        ("append", True, [OLD], rf"203.0.113.7, {PEER}:\d+"),
        ("preserve", True, [], None),
        ("preserve", False, [OLD], "203.0.113.7"),
        ("remove", True, [], None),
        ("remove", False, [OLD], None),
    ],
)
async def test_x_forwarded_for_by_mode(
    lab: Lab, mode: str, port: bool, sent: list[str], got: str | None
) -> None:
    await lab.become(attributes=xff(mode, port))
    async with lab.target() as target:
        await lab.raw(request(*sent), until=b"ok")
        found = target.headers().get("X-Forwarded-For")
        if got is None:
            assert found is None
        else:
            assert re.fullmatch(got, found or "")
        # AWS takes at most thirty addresses, in every mode; its status is no standard's.
        refused = await lab.raw(request(MANY), until=b"\r\n\r\n")
        assert refused.startswith(b"HTTP/1.1 463 ")
        assert b"Server: awselb/2.0\r\n" in refused
        assert refused.endswith(b"Content-Length: 0\r\n\r\n")
        assert b"200 OK" in await lab.raw(request(MANY.rpartition(", ")[0]), until=b"ok")
        assert len(target.heads) == 2


async def test_several_lines_of_x_forwarded_for_are_all_kept(lab: Lab) -> None:
    await lab.become()
    async with lab.target() as target:
        await lab.raw(request(OLD, "X-Forwarded-For: 203.0.113.8"), until=b"ok")
        lines = re.findall(r"X-Forwarded-For: (.*)\r\n", target.heads[-1].decode())
        assert ", ".join(lines) == f"203.0.113.7, 203.0.113.8, {PEER}"


async def test_protocol_and_port_are_the_listeners_whatever_a_client_says(lab: Lab) -> None:
    await lab.become()
    async with lab.target() as target:
        said = ("X-Forwarded-Proto: gopher", "X-Forwarded-Port: 70")
        await lab.raw(request(*said), until=b"ok")
        assert target.headers()["X-Forwarded-Proto"] == "http"
        assert target.headers()["X-Forwarded-Port"] == "8080"
        await lab.raw(request(*said), port=443, until=b"ok")
        assert target.headers()["X-Forwarded-Proto"] == "https"
        assert target.headers()["X-Forwarded-Port"] == "443"
        assert len(re.findall(rb"(?i)x-forwarded-p", target.heads[-1])) == 2


ROOT = "Root=1-67891233-abcdef012345678912345678"
SELF = r"Self=1-[0-9a-f]{8}-[0-9a-f]{24}"


async def test_a_trace_id_has_a_root_of_ours_or_a_self_before_the_clients(lab: Lab) -> None:
    await lab.become()
    traced = {
        "": r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}",
        ROOT: f"{SELF};{ROOT}",
        f"{ROOT};CalledFrom=app": f"{SELF};{ROOT};CalledFrom=app",
        f"Self=1-1-2;{ROOT}": f"{SELF};{ROOT}",
        f"{ROOT};Self=1-1-2;A=b": f"{SELF};{ROOT};A=b",
        "Self=1-1-2": SELF,
        f"{ROOT};Long={'a' * 8000}": r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}",
    }
    seen = set()
    async with lab.target() as target:
        for sent, got in traced.items():
            lines = [f"X-Amzn-Trace-Id: {sent}"] if sent else []
            await lab.raw(request(*lines), until=b"ok")
            found = target.headers()["X-Amzn-Trace-Id"]
            assert re.fullmatch(got, found), sent[:60]
            seen.add(found.split(";")[0])
    assert len(seen) == len(traced)


async def test_hosts_port_follows_the_listener_unless_preserved(lab: Lab) -> None:
    plain = Listener("l80", 80, "HTTP", None, (), FORWARD)
    listeners = (plain, *node().listeners[1:])
    absolute = "GET http://b.test/x?y HTTP/1.1"
    async with lab.target() as target:
        await lab.become(listeners=listeners)
        for port, sent, got in (
            (80, "a.test:9999", "a.test"),
            (80, "a.test", "a.test"),
            (8080, "a.test", "a.test:8080"),
            (8080, "a.test:9999", "a.test:9999"),
            (443, "a.test:443", "a.test"),
        ):
            await lab.raw(request(host=sent), port=port, until=b"ok")
            assert target.headers()["Host"] == got, (port, sent)
        await lab.raw(request(host="b.test", start=absolute), port=80, until=b"ok")
        assert target.heads[-1].startswith(b"GET /x?y HTTP/1.1\r\n")
        assert target.headers()["Host"] == "b.test"
        # Two that differ are no request.
        assert (await lab.raw(request("Host: b.test"))).startswith(b"HTTP/1.1 400 ")
        await lab.become(
            listeners=listeners, attributes=attributes(**{"preserve_host_header.enabled": "true"})
        )
        for port, sent in ((80, "a.test:9999"), (8080, "a.test")):
            await lab.raw(request(host=sent), port=port, until=b"ok")
            assert target.headers()["Host"] == sent


async def test_tls_headers_are_told_only_when_asked_and_never_a_clients(lab: Lab) -> None:
    on = attributes(**{"x_amzn_tls_version_and_cipher_suite.enabled": "true"})
    forged = ("X-Amzn-Tls-Version: SSLv2", "X-Amzn-Tls-Cipher-Suite: NULL")
    async with lab.target() as target:
        await lab.become()
        await lab.raw(request(), port=443, until=b"ok")
        assert "X-Amzn-Tls-Version" not in target.headers()
        await lab.become(attributes=on)
        await lab.raw(request(*forged), port=443, until=b"ok")
        assert target.headers()["X-Amzn-Tls-Version"] == "TLSv1.3"
        assert target.headers()["X-Amzn-Tls-Cipher-Suite"] == "TLS_AES_128_GCM_SHA256"
        await lab.raw(request(*forged), until=b"ok")
        assert "tls" not in " ".join(target.headers()).lower()
        listeners = node().listeners
        renamed = (("routing.http.request.x_amzn_tls_version.header_name", "X-VERSION"),)
        https = Listener(
            "l", 443, "HTTPS", "p", listeners[1].certificate_arns, FORWARD,
            listeners[1].tls_versions, listeners[1].ciphers, renamed,
        )  # fmt: skip
        await lab.become(attributes=on, listeners=(https,))
        await lab.raw(request(), port=443, until=b"ok")
        assert target.headers()["X-VERSION"] == "TLSv1.3"
        assert "X-Amzn-Tls-Version" not in target.headers()


async def test_invalid_header_names_pass_or_are_dropped(lab: Lab) -> None:
    odd = ("X_under: 1", "X.dot: 2", "X-Good: 3")
    async with lab.target() as target:
        await lab.become()
        await lab.raw(request(*odd), until=b"ok")
        assert {"x_under", "x.dot", "x-good"} <= {name.lower() for name in target.headers()}
        await lab.become(attributes=attributes(**{"drop_invalid_header_fields.enabled": "true"}))
        await lab.raw(request(*odd), until=b"ok")
        names = {name.lower() for name in target.headers()}
        assert "x-good" in names
        assert not {"x_under", "x.dot"} & names


async def test_a_desync_mode_refuses_what_its_class_says(lab: Lab) -> None:
    post = "POST / HTTP/1.1"
    severe = {
        "BadContentLength": request("Content-Length: four", start=post),
        "MultipleContentLength": request("Content-Length: 4", "Content-Length: 5", start=post),
        "MultipleTransferEncodingChunked": request(
            "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", start=post
        ),
        "BadTransferEncoding": request("Transfer-Encoding: xchunked", start=post),
        "BadUri": request(start="GET /\0 HTTP/1.1"),
        "BadMethod": request(start="G\1T / HTTP/1.1"),
        "BadVersion": request(start="GET / HTTP/x"),
        "BadHeader": request("X: a\rb"),
    }
    acceptable = {
        "GetHeadZeroContentLength": request("Content-Length: 0"),
        "NonCompliantHeader": request("X: \x01\x7f"),
        "NonCompliantVersion": request(start="GET / HTTP/1.2"),
    }
    ambiguous = {
        "UndefinedContentLengthSemantics": request("Content-Length: 1") + b"a",
        "UndefinedTransferEncodingSemantics": request("Transfer-Encoding: chunked") + b"0\r\n\r\n",
    }
    refused = b"HTTP/1.1 400 "
    async with lab.target() as target:
        await lab.become()
        for name, sent in severe.items():
            wordless = ENGINE >= (3, 2) and name == "MultipleContentLength"
            assert (await lab.raw(sent)).startswith(b"" if wordless else refused), name
        assert not target.heads
        for name, sent in (acceptable | ambiguous).items():
            assert b" 200 OK" in await lab.raw(sent, until=b"ok"), name
        both = request("Content-Length: 4", "Transfer-Encoding: chunked", start=post)
        answer = await lab.raw(both + b"0\r\n\r\n")
        assert b"Connection: close" in answer
        assert "Content-Length" not in target.headers()
        await lab.become(attributes=attributes(desync_mitigation_mode="strictest"))
        for name, sent in (acceptable | ambiguous | {"a byte 0": request("X: a\0b")}).items():
            answer = await lab.raw(sent)
            page_of_parser = ENGINE >= (3, 0) and name == "a byte 0"
            own_page = b"HTTP/1.1 400 Bad Request\r\nServer: awselb/2.0\r\n"
            assert answer.startswith(b"HTTP/1.1 400 Bad " if page_of_parser else own_page), name
            assert b"Connection: close" in answer
        assert b" 200 OK" in await lab.raw(GET, until=b"ok")
        await lab.become(attributes=attributes(desync_mitigation_mode="monitor"))
        await lab.raw(request(start="GET http://b.test/ HTTP/1.1"), until=b"ok")
        assert target.headers()["Host"] == "b.test:8080"
        raw_path = "GET /あ HTTP/1.1"
        assert b" 200 OK" in await lab.raw(request(start=raw_path), until=b"ok")


async def test_a_connections_own_headers_are_not_passed_on(lab: Lab) -> None:
    await lab.become()
    async with lab.target() as target:
        target.reply = lambda head: OK.replace(b"\r\n\r\n", b"\r\nKeep-Alive: timeout=5\r\n\r\n")
        hops = ("Connection: keep-alive", "TE: trailers, deflate")
        answer = await lab.raw(request(*hops), until=b"ok")
        assert "Connection" not in target.headers()
        assert target.headers().get("Te", target.headers().get("te")) == "trailers"
        assert b"Via" not in answer


async def test_names_keep_their_usual_spelling(lab: Lab) -> None:
    await lab.become()
    sent = ("User-Agent: x", "accept-language: ja", "Content-Type: text/plain", "Cookie: a=b")
    async with lab.target() as target:
        target.reply = lambda head: (
            b"HTTP/1.1 200 OK\r\nETag: x\r\nSet-Cookie: a\r\nContent-Length: 2\r\n\r\nok"
        )
        answer = await lab.raw(request(*sent), until=b"ok")
        assert list(target.headers()) == [
            *("User-Agent", "Accept-Language", "Content-Type", "Cookie", "Host"),
            *("X-Forwarded-Proto", "X-Forwarded-Port", "X-Amzn-Trace-Id", "X-Forwarded-For"),
        ]
        assert answer.split(b"\r\n")[1:4] == [b"ETag: x", b"Set-Cookie: a", b"Content-Length: 2"]


async def test_a_listeners_attributes_change_every_answer(lab: Lab) -> None:
    named = {
        "strict_transport_security": "max-age=31536000; includeSubDomains",
        "access_control_allow_origin": "https://a.test",
        "access_control_allow_methods": "GET,POST",
        "access_control_allow_headers": "X-A",
        "access_control_allow_credentials": "true",
        "access_control_expose_headers": "X-B",
        "access_control_max_age": "60",
        "content_security_policy": "default-src 'self'; report-uri /\"%41",
        "x_content_type_options": "nosniff",
        "x_frame_options": "DENY",
    }
    values = tuple((f"routing.http.response.{k}.header_value", v) for k, v in named.items())
    hidden = ("routing.http.response.server.enabled", "false")
    listener = Listener("l", 8080, "HTTP", None, (), FORWARD, attributes=(*values, hidden))
    await lab.become(listeners=(listener,))
    wanted = [f"{k.replace('_', '-').title()}: {v}".encode() for k, v in named.items()]
    async with lab.target() as target:
        target.reply = lambda head: OK.replace(
            b"\r\n\r\n", b"\r\nServer: mine\r\nX-Frame-Options: ALLOWALL\r\n\r\n"
        )
        answer = await lab.raw(GET, until=b"\r\n\r\nok")
        assert [line for line in wanted if line + b"\r\n" not in answer] == []
        assert b"ALLOWALL" not in answer
        assert b"Server" not in answer
    own = await lab.raw(GET, until=b"</html>")
    assert own.startswith(b"HTTP/1.1 502 ")
    assert [line for line in wanted if line + b"\r\n" not in own] == []
    assert b"Server" not in own


async def test_the_load_balancer_itself_says_continue(lab: Lab) -> None:
    await lab.become()
    async with lab.target() as target:
        reader, writer = await lab.open()
        writer.write(request("Expect: 100-continue", "Content-Length: 4", start="POST / HTTP/1.1"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert not target.heads
        writer.write(b"body")
        assert (await reader.readuntil(b"ok")).endswith(b"ok")
        assert "Expect" not in target.headers()
        writer.close()


async def test_http2s_names_arrive_over_http1_and_trailers_both_ways(lab: Lab) -> None:
    await lab.become()
    async with lab.target() as target:
        target.reply = lambda head: (
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
            b"Trailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n"
        )
        client = await lab.http2()
        answer = await client.ask(("x-lower", "1"), ("cookie", "a=b"), ("cookie", "c=d"))
        client.writer.close()
        assert target.heads[-1].startswith(b"GET / HTTP/1.1\r\n")
        assert target.headers()["x-lower"] == "1"
        assert target.headers()["Cookie"] == "a=b; c=d"
        assert target.headers()["Host"] == "default.test"
    assert (answer.body, answer.trailers) == (b"ok", {"x-sum": "7"})
    assert "connection" not in answer.headers
