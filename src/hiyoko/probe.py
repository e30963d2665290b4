"""Probes as a client on the internet would make them: real packets, one result a question.

Run as a program in the place to probe from (``hiyoko run`` puts it on the simulated internet):
``python -m hiyoko.probe '<questions as JSON>'`` prints one JSON result a line.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import ssl
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype

HOPS_MAX = 16
GLUELESS_MAX = 4
"""How many name servers without an address on the way may themselves have to be looked up."""
ANSWER_S = 10.0
SILENCE_S = 1.0
"""How long nothing must come back: many times a round trip here, and enough on the internet."""


@dataclass(frozen=True, slots=True)
class Result:
    """One question's answer. ``ok`` is what should be; ``detail`` says what was seen."""

    name: str
    ok: bool
    ms: float
    detail: str


class ProbeError(Exception):
    """What was seen instead of what should be."""


def walk_from_root(host: str, root: str, depth: int = 0) -> tuple[list[str], list[str]]:
    """Resolve A records from the root server: the servers asked on the way, the addresses."""
    name = dns.name.from_text(host)
    servers, way = [root], ["."]
    for _ in range(HOPS_MAX):
        answer = _ask(name, servers)
        addresses = [
            item.address
            for rrset in answer.answer
            if rrset.rdtype == dns.rdatatype.A
            for item in rrset
        ]
        if addresses:
            return way, addresses
        if answer.rcode() != 0 or not answer.authority:
            raise ProbeError(f"{host}: {dns.rcode.to_text(answer.rcode())} from {way[-1]}")
        zone = answer.authority[0]
        if zone.rdtype != dns.rdatatype.NS or zone.name.to_text() in way:
            raise ProbeError(f"{host}: no address; {way[-1]} has no such record")
        way.append(zone.name.to_text())
        servers = _glue(answer, zone) or _addresses_of(zone, root, depth + 1)
    raise ProbeError(f"{host}: more than {HOPS_MAX} referrals")


def _ask(name: dns.name.Name, servers: Sequence[str]) -> dns.message.Message:
    query = dns.message.make_query(name, dns.rdatatype.A)
    query.flags &= ~dns.flags.RD
    faults = []
    for server in servers:
        try:
            return dns.query.udp_with_fallback(query, server, timeout=3)[0]
        except (dns.exception.DNSException, OSError) as error:
            faults.append(f"{server}: {error}")
    raise ProbeError("; ".join(faults))


def _glue(answer: dns.message.Message, zone: Any) -> list[str]:
    names = {item.target for item in zone}
    found = [
        item.address
        for rrset in answer.additional
        if rrset.rdtype == dns.rdatatype.A and rrset.name in names
        for item in rrset
    ]
    random.shuffle(found)
    return found


def _addresses_of(zone: Any, root: str, depth: int) -> list[str]:
    for item in zone if depth <= GLUELESS_MAX else ():
        try:
            return walk_from_root(item.target.to_text(), root, depth)[1]
        except ProbeError:
            continue
    raise ProbeError(f"no name server of {zone.name} has an address")


def dns_walk(host: str, root: str) -> str:
    """The name resolves from the root."""
    way, addresses = walk_from_root(host, root)
    return f"{' -> '.join(way)} -> {', '.join(sorted(addresses))}"


def tcp(address: str, port: int) -> str:
    """A TCP connection opens."""
    with socket.create_connection((address, port), timeout=ANSWER_S):
        return f"{address}:{port} answers"


def tls(host: str, address: str) -> str:
    """The chain verifies up to a trusted root and the name is the host's."""
    context = ssl.create_default_context()
    with (
        socket.create_connection((address, 443), timeout=ANSWER_S) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        certificate: Any = secure.getpeercert()
        issuer = dict(pair for part in certificate["issuer"] for pair in part)
        return (
            f"{secure.version()}, issued by {issuer.get('commonName')},"
            f" valid until {certificate['notAfter']}"
        )


def _get(host: str, address: str, port: int, path: str, secure: bool) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_S)
    plain = socket.create_connection((address, port), timeout=ANSWER_S)
    connection.sock = (
        ssl.create_default_context().wrap_socket(plain, server_hostname=host) if secure else plain
    )
    connection.request("GET", path, headers={"Host": host, "Connection": "close"})
    return connection.getresponse()


def redirect(host: str, address: str) -> str:
    """HTTP answers 301 to the same name over HTTPS."""
    answer = _get(host, address, 80, "/", False)
    location = answer.getheader("Location", "")
    if answer.status != 301 or location != f"https://{host}:443/":
        raise ProbeError(f"{answer.status} to {location or 'nowhere'}")
    return f"301 to {location}"


def page(host: str, address: str, path: str, secure: bool, status: int) -> str:
    """A request is answered with the wanted status; 0 means any that is no server error."""
    answer = _get(host, address, 443 if secure else 80, path, secure)
    body = answer.read()
    if answer.status >= 500 or (status and answer.status != status):
        raise ProbeError(f"{answer.status}, wanted {status or 'an answer below 500'}")
    where = answer.getheader("Location")
    return f"{answer.status}{f' to {where}' if where else ''}, {len(body)} bytes"


def plain_page(address: str, port: int) -> str:
    """A task answers plain HTTP at its own address."""
    answer = _get(address, address, port, "/", False)
    body = answer.read()
    if answer.status >= 500:
        raise ProbeError(f"http://{address}:{port}/ answers {answer.status}")
    return f"http://{address}:{port}/ answers {answer.status}, {len(body)} bytes"


def no_content(host: str, address: str, path: str) -> str:
    """HTTP serves nothing of the site: whatever is asked is only redirected."""
    answer = _get(host, address, 80, path, False)
    if not 300 <= answer.status < 400:
        raise ProbeError(f"http://{host}{path} answers {answer.status}")
    return f"http://{host}{path} only redirects"


def silent(address: str, port: int) -> str:
    """Nothing comes back: neither a connection nor a refusal."""
    try:
        with socket.create_connection((address, port), timeout=SILENCE_S):
            raise ProbeError(f"{address}:{port} is open")
    except TimeoutError:
        return f"{address}:{port} is silent"
    except OSError as error:
        raise ProbeError(f"{address}:{port} answers: {error.strerror}") from error


QUESTIONS: dict[str, Callable[..., str]] = {
    "dns": dns_walk,
    "tcp": tcp,
    "tls": tls,
    "redirect": redirect,
    "page": page,
    "plain_page": plain_page,
    "no_content": no_content,
    "silent": silent,
}


def probe(name: str, kind: str, arguments: Sequence[Any]) -> Result:
    """Ask one question and time it."""
    begun = monotonic()
    try:
        detail, ok = QUESTIONS[kind](*arguments), True
    except (ProbeError, OSError, http.client.HTTPException) as error:
        detail, ok = str(error) or type(error).__name__, False
    return Result(name, ok, round((monotonic() - begun) * 1000, 1), detail)


def main() -> None:
    """Ask all questions at once, print the results in their order."""
    questions = json.loads(sys.argv[1])
    with ThreadPoolExecutor(max_workers=16) as pool:
        for result in pool.map(lambda question: probe(*question), questions):
            print(json.dumps(asdict(result)), flush=True)


if __name__ == "__main__":
    main()
