"""Route 53's health checkers: hosts on the simulated internet, one to a Region, that really ask.

They reach what is public and nothing else, and come from addresses of their own, so security groups
and servers' logs see them as they see AWS's.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
"""

from __future__ import annotations

import asyncio
import http
import os
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from hiyoko.blueprint.health_checks import Probe
from hiyoko.plane.addresses import HEALTH_CHECKERS
from hiyoko.plane.dns.lookup import from_the_root

CONNECT_S = 4.0
TCP_CONNECT_S = 10.0
STATUS_S = 2.0
BODY_S = 2.0
LOOKUP_S = 4.0
SEARCHED_BYTES = 5120
HEAD_BYTES_MAX = 64 << 10
ROUND_S = 0.5
"""How long a round waits for answers; an endpoint that takes longer is heard in a later one."""
PROBES_MAX = 64
"""So many are asked at once, each from up to eight Regions: sockets are not endless."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one checker found, in Route 53's words."""

    healthy: bool
    status: str


class _Failed(Exception):
    """The endpoint did not pass; the text says why."""


@dataclass(frozen=True, slots=True)
class Checkers:
    """All checkers of this cloud, and what they are asking now."""

    asking: dict[Probe, asyncio.Task[dict[str, Outcome]]] = field(default_factory=dict)
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PROBES_MAX))

    async def ask(self, due: Iterable[Probe]) -> dict[Probe, dict[str, Outcome]]:
        """What has been answered of these, by Region. Who has not answered is waited for a moment,
        so that it does not hold up the others, and is asked no second time meanwhile.
        """
        due = tuple(due)
        for probe in self.asking.keys() - set(due):  # deleted, disabled or changed
            self.asking.pop(probe).cancel()
        for probe in due:
            if probe not in self.asking:
                self.asking[probe] = asyncio.create_task(self._check(probe))
        if self.asking:
            await asyncio.wait(self.asking.values(), timeout=ROUND_S)
        done = [probe for probe, task in self.asking.items() if task.done()]
        return {probe: self.asking.pop(probe).result() for probe in done}

    async def _check(self, probe: Probe) -> dict[str, Outcome]:
        """Ask from every Region of the probe at once."""
        async with self.slots:
            try:
                address = str(probe.address) if probe.address else await _look_up(probe.domain)
            except _Failed as error:
                return {region: Outcome(False, f"Failure: {error}") for region in probe.regions}
            found = await asyncio.gather(
                *(_ask(probe, region, address) for region in probe.regions)
            )
            return dict(zip(probe.regions, found, strict=True))


async def _look_up(domain: str) -> str:
    try:
        async with asyncio.timeout(LOOKUP_S), from_the_root() as lookup:
            values = (await lookup.look_up(domain, "A")).values("A")
    except TimeoutError:
        values = ()
    if not values:
        raise _Failed(f"DNS resolution failed: no address found for {domain}")
    return values[0]


async def _ask(probe: Probe, region: str, address: str) -> Outcome:
    try:
        async with _connected(probe, str(HEALTH_CHECKERS[region]), address) as streams:
            if not probe.http:
                return Outcome(True, "Success: TCP connection established")
            return Outcome(True, f"Success: {await _http(probe, address, *streams)}")
    except _Failed as error:
        return Outcome(False, f"Failure: {error}")
    except OSError as error:
        # asyncio puts words of its own into strerror.
        reason = os.strerror(error.errno) if error.errno else str(error)
        return Outcome(False, f"Failure: {reason}.")
    except EOFError:
        return Outcome(False, "Failure: The connection was closed before a whole response.")
    except (ValueError, IndexError):
        return Outcome(False, "Failure: The response is not HTTP.")


@asynccontextmanager
async def _connected(probe: Probe, source: str, address: str) -> AsyncIterator[Streams]:
    tls = None
    if probe.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    name = probe.domain if probe.sni else ""
    try:
        async with asyncio.timeout(CONNECT_S if probe.http else TCP_CONNECT_S):
            reader, writer = await asyncio.open_connection(
                address,
                probe.port,
                local_addr=(source, 0),
                ssl=tls,
                server_hostname=name if tls else None,
                limit=HEAD_BYTES_MAX,
            )
    except TimeoutError as error:
        raise _Failed(
            "Connection timed out. The endpoint or the internet connection is down, or requests"
            " are being blocked by your firewall."
        ) from error
    except ssl.SSLError as error:
        raise _Failed(f"SSL handshake failed: {error.reason}") from error
    try:
        yield reader, writer
    finally:
        writer.close()


async def _http(
    probe: Probe, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> str:
    """The status line as Route 53 tells it. Raises _Failed."""
    writer.write(_request(probe, address))
    try:
        async with asyncio.timeout(STATUS_S):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except TimeoutError as error:
        raise _Failed("No response within the time limit of 2 seconds.") from error
    except asyncio.LimitOverrunError as error:
        raise _Failed("The response's header is too long.") from error
    code = int(head.split(" ", 2)[1])
    phrase = http.HTTPStatus(code).phrase if code in set(http.HTTPStatus) else ""
    status = f"HTTP Status Code {code}, {phrase}".rstrip(", ")
    if not 200 <= code < 400:
        raise _Failed(f"{status}.")
    if probe.search:
        body = b""
        try:
            async with asyncio.timeout(BODY_S):
                async for part in _body(reader, "transfer-encoding: chunked" in head.lower()):
                    body = (body + part)[:SEARCHED_BYTES]
                    if probe.search.encode() in body:
                        return status
                    if len(body) == SEARCHED_BYTES:
                        break
        except TimeoutError:
            pass  # what has come is judged
        raise _Failed(f"{status}. The response body doesn't contain the search string.")
    return status


def _request(probe: Probe, address: str) -> bytes:
    usual = 443 if probe.tls else 80
    host = probe.domain or address
    if probe.port != usual:
        host = f"{host}:{probe.port}"
    path = probe.path if probe.path.startswith("/") else f"/{probe.path}"
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Connection: close",
        "User-Agent: Amazon-Route53-Health-Check-Service"
        f" (ref {probe.check_id}; report http://amzn.to/1vsZADi)",
        "Accept: */*",
        "Accept-Encoding: *",
    )
    return "\r\n".join((*lines, "", "")).encode()


async def _body(reader: asyncio.StreamReader, chunked: bool) -> AsyncIterator[bytes]:
    if not chunked:
        while part := await reader.read(SEARCHED_BYTES):
            yield part
        return
    while size := int((await reader.readline()).split(b";")[0].strip() or b"0", 16):
        while size > 0:
            part = await reader.read(min(size, SEARCHED_BYTES))
            if not part:
                return
            size -= len(part)
            yield part
        await reader.readline()
