"""An identity provider over TLS on the node's network, and a browser that keeps cookies."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import dns.message
import dns.rrset
import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.plane.balancer_world import ADDRESS, ENI

from hiyoko.plane.addresses import VPC_RESOLVER_LINK_LOCAL
from hiyoko.plane.namespaces import inside, socket_in
from hiyoko.plane.process import run

HOST, ADDRESS_OF_IDP = "idp.test", "10.0.0.20"
ISSUER = f"https://{HOST}"
HEADER_MAX = 1 << 17
CLIENT, SECRET = "client-1", "s3cret&="


@dataclass
class Idp:
    """What it does may be changed by a test; what it was asked is kept."""

    key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "user-1", "email": "a@b.test"})
    tokens: dict[str, Any] = field(default_factory=lambda: {"expires_in": 3600})
    id_token: dict[str, Any] = field(default_factory=dict)
    login_error: str = ""
    broken: dict[str, int] = field(default_factory=dict)
    """Path to a status that it answers with; 0 is silence."""
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    codes: set[str] = field(default_factory=set)
    count: int = 0
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    def seen(self, path: str) -> list[dict[str, list[str]]]:
        return [form for asked, form in self.asked if asked == path]

    def signed(self, claims: Mapping[str, Any], kid: str | None = "k1", **how: Any) -> str:
        key = how.get("key", self.key)
        headers = {"kid": kid} if kid else {}
        return jwt.encode(dict(claims), key, how.get("algorithm", "RS256"), headers=headers)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        text = request.query_string if request.method == "GET" else await request.text()
        form = parse_qs(text)
        self.asked.append((request.path, form))
        status = self.broken.get(request.path)
        if status == 0:
            await self.closing.wait()
        if status is not None:
            return web.json_response({"error": "invalid_grant"}, status=status)
        match request.path:
            case "/authorize":
                return self._authorize(form)
            case "/token":
                return self._token(form)
            case "/userinfo":
                if not request.headers["authorization"].startswith("Bearer access-"):
                    return web.Response(status=401)
                return web.json_response(self.claims)
            case "/jwks":
                public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
                return web.json_response({"keys": [{**public, "kid": "k1", "use": "sig"}]})
        return web.Response(status=404)

    def _authorize(self, form: dict[str, list[str]]) -> web.Response:
        assert form["client_id"] == [CLIENT]
        assert form["response_type"] == ["code"]
        back = {"state": form["state"][0]}
        if self.login_error:
            back["error"] = self.login_error
        else:
            self.count += 1
            back["code"] = f"code-{self.count}"
            self.codes.add(back["code"])
        place = f"{form['redirect_uri'][0]}?{urlencode(back)}"
        return web.Response(status=302, headers={"location": place})

    def _token(self, form: dict[str, list[str]]) -> web.Response:
        if (form["client_id"], form["client_secret"]) != ([CLIENT], [SECRET]):
            return web.json_response({"error": "invalid_client"}, status=401)
        if form["grant_type"] == ["authorization_code"]:
            code = form["code"][0]
            if code not in self.codes:
                return web.json_response({"error": "invalid_grant"}, status=400)
            self.codes.remove(code)
        self.count += 1
        claims = {"iss": ISSUER, "aud": CLIENT, "sub": "user-1", "exp": time.time() + 60}
        answer = {
            "access_token": f"access-{self.count}",
            "token_type": "Bearer",
            "id_token": self.signed(claims | self.id_token),
            **self.tokens,
        }
        return web.json_response({k: v for k, v in answer.items() if v is not None})


class _Names(asyncio.DatagramProtocol):
    """The VPC's resolver, for one name."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own datagram transport is not of the class that the protocol's type names.
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        name = question.question[0].name
        if name.to_text() == f"{HOST}.":
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", ADDRESS_OF_IDP))
        self.transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def serving(idp: Idp, certificate: Path) -> AsyncIterator[None]:
    """Names and the provider, inside the node's namespace."""
    for address in (ADDRESS_OF_IDP, str(VPC_RESOLVER_LINK_LOCAL)):
        await run("ip", "-n", ENI, "addr", "replace", f"{address}/32", "dev", "lo")
    listener = socket_in(ENI, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((ADDRESS_OF_IDP, 443))
    names = socket_in(ENI, socket.SOCK_DGRAM)
    names.bind((str(VPC_RESOLVER_LINK_LOCAL), 53))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(_Names, sock=names)
    runner = web.ServerRunner(web.Server(idp.handle), shutdown_timeout=0)
    await runner.setup()
    await web.SockSite(runner, listener, ssl_context=context).start()
    try:
        yield
    finally:
        idp.closing.set()
        await runner.cleanup()
        transport.close()


@dataclass
class Answer:
    status: int
    headers: Any
    body: str
    url: str
    reason: str

    @property
    def location(self) -> str:
        return str(self.headers["location"])

    @property
    def cookies(self) -> dict[str, str]:
        lines = self.headers.getall("set-cookie", [])
        return dict(line.split("=", 1) for line in lines)

    @property
    def told(self) -> dict[str, str]:
        """The header lines that the target got, if it is the echoing one."""
        pairs = (line.split(": ", 1) for line in self.body.split("\r\n")[1:] if ": " in line)
        return {name.lower(): value for name, value in pairs}


@dataclass
class Browser:
    """A client of the node: cookies by host, redirects on demand."""

    trust: Path
    jar: dict[str, dict[str, str]] = field(default_factory=dict)

    async def get(self, url: str, **headers: str) -> Answer:
        """One request, no redirect followed."""
        parts = urlsplit(url)
        host = str(parts.hostname)
        kept = self.jar.setdefault(host, {})
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if kept:
            sent.setdefault("cookie", "; ".join(f"{k}={v}" for k, v in kept.items()))
        address = ADDRESS_OF_IDP if host == HOST else str(ADDRESS)

        def make(_: Any) -> socket.socket:
            with inside(ENI):
                made = socket.socket()
            made.setblocking(False)
            return made

        context = ssl.create_default_context(cafile=str(self.trust))
        connector = aiohttp.TCPConnector(socket_factory=make, ssl=context)
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                max_line_size=HEADER_MAX,
                max_field_size=HEADER_MAX,
            ) as client,
            client.get(
                parts._replace(netloc=address).geturl(),
                headers={**sent, "host": parts.netloc},
                server_hostname=host,
                allow_redirects=False,
            ) as response,
        ):
            answer = Answer(
                response.status, response.headers, await response.text(), url, str(response.reason)
            )
        for name, line in answer.cookies.items():
            value, _, attributes = line.partition(";")
            if "1970" in attributes:
                kept.pop(name, None)
            else:
                kept[name] = value
        return answer

    async def follow(self, url: str, stop: int = 10, **headers: str) -> Answer:
        """Follow redirects as a browser does, at most ``stop`` of them."""
        answer = await self.get(url, **headers)
        while answer.status == 302 and stop:
            answer, stop = await self.get(answer.location), stop - 1
        return answer


def opened(part: str) -> dict[str, Any]:
    """A part of a JWT whose padding is there, as AWS writes it."""
    found = json.loads(base64.b64decode(part, altchars=b"-_", validate=True))
    assert isinstance(found, dict)
    return found
