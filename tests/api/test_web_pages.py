"""What a web page in the user's browser, or a task, may make the host's sockets do: nothing."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.api.test_gateway import ask, signed

from hiyoko.gateway.browser_proxy import BrowserProxy

BODY = "Action=ListRoles&Version=2010-05-08"
PRESIGNED = (
    "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIAX%2F20260102%2Fap-northeast-1%2Fsts%2Faws4_request"
    "&X-Amz-Date=20260102T030405Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=abc"
)


async def told(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="done")


@pytest.fixture
def gateway(endpoint: Any) -> Any:
    """With a path of hiyoko's own, and one that the simulated internet needs."""
    endpoint.gateway.register_local("/_hiyoko/reset", "POST", told)
    endpoint.gateway.register_local("/_hiyoko/list", "GET", told, public=True)
    return endpoint


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ({"Origin": "https://evil.example"}, "'https://evil.example' are not accepted"),
        ({"Origin": "null"}, "'null' are not accepted"),
        ({"Origin": "http://[::1"}, "'http://[::1' are not accepted"),
        ({"Origin": "http://localhost@evil.example"}, "are not accepted"),
        ({"Host": "localhost."}, "is not one of this endpoint's"),
        ({"Host": "0.0.0.0:4566"}, "is not one of this endpoint's"),
        ({"Sec-Fetch-Site": "cross-site"}, "other web pages are not accepted"),
        # DNS rebinding: the page's own name leads to 127.0.0.1 by now.
        ({"Host": "evil.example:4566"}, "'evil.example' is not one of this endpoint's"),
        ({"Host": "127.0.0.1.nip.example"}, "is not one of this endpoint's"),
    ],
)
def test_a_page_of_another_site_gets_nothing_whatever_it_sends(
    gateway: Any, page: Mapping[str, str], why: str
) -> None:
    preflight = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-amz-date",
    }
    for method, path, headers in (
        ("POST", "/", signed("iam")),
        ("OPTIONS", "/", preflight),
        # Neither needs leave to be sent: no header of its own, and a form.
        ("GET", PRESIGNED, {}),
        ("POST", PRESIGNED, {"Content-Type": "text/plain"}),
        ("POST", "/_hiyoko/reset", {"Content-Type": "text/plain"}),
        ("GET", "/bucket/key", {"Host": "s3.amazonaws.com"}),
    ):
        status, answered, text = ask(gateway, method, path, BODY, {**headers, **page})
        assert (status, why in text) == (403, True), (method, path, text)
        assert not [name for name in answered if name.lower().startswith("access-control")]


def test_programs_and_the_user_are_answered(gateway: Any) -> None:
    assert ask(gateway, "GET", PRESIGNED)[0] == 200
    assert ask(gateway, "GET", PRESIGNED, headers={"Sec-Fetch-Site": "none"})[0] == 200
    for host in ("127.0.0.1:4566", "localhost:4566", "[::1]:4566", "sts.amazonaws.com"):
        assert ask(gateway, "GET", PRESIGNED, headers={"Host": host})[0] == 200, host
    assert ask(gateway, "POST", "/_hiyoko/reset")[2] == "done"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://localhost:3000"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "ec2.ap-northeast-1.amazonaws.com"},
        {"Host": "bucket.localhost:4566"},
    ],
)
def test_hiyokos_own_paths_are_for_this_machines_user_alone(
    gateway: Any, headers: Mapping[str, str]
) -> None:
    status, _, text = ask(gateway, "POST", "/_hiyoko/reset", headers=headers)
    assert (status, "hiyoko's own paths answer on 127.0.0.1" in text) == (403, True)


class Unix(http.client.HTTPConnection):
    """HTTP over a socket that is not the loopback's, as the ones inside the world are."""

    def __init__(self, path: Path) -> None:
        super().__init__("ec2.ap-northeast-1.amazonaws.com", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def test_a_task_finds_awss_api_and_none_of_hiyokos_own_paths(gateway: Any, tmp_path: Path) -> None:
    path = tmp_path / "world.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    serving = gateway.gateway.serve(listener)
    asyncio.run_coroutine_threadsafe(serving, gateway.loop).result(10)

    def answer(method: str, target: str, **headers: str) -> int:
        connection = Unix(path)
        try:
            connection.request(method, target, BODY, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    assert answer("POST", "/", **signed("iam", Host="iam.amazonaws.com")) == 200
    assert answer("GET", "/_hiyoko/list") == 200
    assert answer("POST", "/_hiyoko/reset") == 403
    assert answer("POST", "/_hiyoko/reset", Host="127.0.0.1:4566") == 403
    assert answer("POST", "/_hiyoko/images", Host="localhost") == 403


@pytest.fixture
def proxy() -> Iterator[tuple[str, int]]:
    """The browser's proxy, on a thread; its resolver is nobody."""
    listener = socket.create_server(("127.0.0.1", 0))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    serving = BrowserProxy("127.0.0.1", "127.0.0.1").serve(listener)
    server = asyncio.run_coroutine_threadsafe(serving, loop).result(10)
    try:
        yield listener.getsockname()
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.mark.parametrize(
    "request_line",
    [
        *("GET / HTTP/1.1", "POST /_hiyoko/reset HTTP/1.1", "OPTIONS * HTTP/1.1"),
        *("CONNECT 198.18.0.1:99999 HTTP/1.1", "CONNECT :80 HTTP/1.1"),
    ],
)
def test_the_proxy_takes_no_request_that_a_page_can_send(
    proxy: tuple[str, int], endpoint: Any, request_line: str
) -> None:
    """A page's request names a path; a body that looks like a proxy's request is none."""
    inner = f"CONNECT 127.0.0.1:{endpoint.port} HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    host = f"Host: 127.0.0.1:{proxy[1]}\r\nContent-Length: {len(inner)}"
    with socket.create_connection(proxy, timeout=10) as client:
        client.sendall(f"{request_line}\r\n{host}\r\n\r\n{inner}".encode())
        answered = b""
        try:
            while piece := client.recv(4096):
                answered += piece
        except ConnectionResetError:
            pass  # it closes with the body unread
    assert answered.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answered.count(b"HTTP/1.1") == 1
