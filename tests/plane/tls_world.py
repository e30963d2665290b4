"""A node with real certificates, and clients that say exactly what they offer."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from hiyoko.blueprint.balancers import (
    BalancerNode,
    FixedResponse,
    Forward,
    HealthCheck,
    Listener,
    MutualTls,
    Rule,
    Target,
    TargetGroup,
)
from hiyoko.plane.balancer.certificates import read_certificate
from hiyoko.plane.balancer.nodes import BalancerPlane, StopNode, steps
from hiyoko.plane.balancer.paths import Paths
from hiyoko.plane.balancer.render import render_haproxy
from hiyoko.plane.namespaces import in_namespace
from hiyoko.plane.process import NETNS_DIR, run
from hiyoko.reconcile.balancer_tls import BalancerTls
from hiyoko.reconcile.report import Report
from hiyoko.services.elbv2.ssl_policies import SSL_POLICIES

ENI = "eni-0123456789abcdef1"
ADDRESS = IPv4Address("10.0.0.20")
GROUP = "arn:aws:elasticloadbalancing:r:1:targetgroup/web/0123456789abcdef"

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
NOW = datetime.datetime.now(datetime.UTC)
RSA_KEYS: dict[int, rsa.RSAPrivateKey] = {}


def new_key(kind: str) -> Key:
    """``EC`` or a number of RSA bits; RSA keys are made once, for their time."""
    if kind == "EC":
        return ec.generate_private_key(ec.SECP256R1())
    bits = int(kind)
    if bits not in RSA_KEYS:
        RSA_KEYS[bits] = rsa.generate_private_key(65537, bits)
    return RSA_KEYS[bits]


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)


def subject(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "m, TLS"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def make(
    common: str,
    *,
    names: Sequence[str] = (),
    kind: str = "EC",
    signer: Made | None = None,
    ca: bool = False,
    days: int = 9,
    digest: hashes.SHA224 | None = None,
) -> Made:
    """A certificate that began yesterday or earlier and ends after ``days`` (before 0: ended)."""
    key = new_key(kind)
    issuer = signer.certificate.subject if signer else subject(common)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject(common))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=30))
        .not_valid_after(NOW + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        san = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(san, critical=False)
    signed = builder.sign(signer.key if signer else key, digest or hashes.SHA256())
    return Made(signed, key)


def revoking(issuer: Made, *revoked: Made, days: int = 1) -> str:
    """The issuer's revocation list in PEM."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(NOW - datetime.timedelta(days=9))
        .next_update(NOW + datetime.timedelta(days=days))
    )
    for each in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(each.certificate.serial_number)
            .revocation_date(NOW)
            .build()
        )
    signed = builder.sign(issuer.key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


FIXED = (Rule("d", 0, (), FixedResponse(200, "text/plain", "hello")),)
TO_TARGET = (Rule("d", 0, (), Forward(((GROUP, 1),))),)


def https(
    port: int,
    certificates: Sequence[str],
    policy: str = "TLS13-1-2-2021-06",
    *,
    mutual: MutualTls | None = None,
    rules: tuple[Rule, ...] = FIXED,
    attributes: tuple[tuple[str, str], ...] = (),
) -> Listener:
    """A listener as it is drawn from the policy of this name."""
    chosen = SSL_POLICIES[f"ELBSecurityPolicy-{policy}"]
    return Listener(
        f"l{port}",
        port,
        "HTTPS",
        chosen.name,
        tuple(certificates),
        rules,
        tls_versions=chosen.versions,
        ciphers=chosen.ciphers,
        attributes=attributes,
        groups=chosen.groups,
        mutual=mutual,
    )


@dataclass
class TlsWorld:
    """One node in a namespace of its own; certificates by the names that tests give them."""

    directory: Path
    plane: BalancerPlane = field(init=False)
    last: Report = field(default_factory=Report)

    def __post_init__(self) -> None:
        self.plane = BalancerPlane(self.directory / "balancer")

    def put(self, name: str, made: Made, *chain: Made) -> None:
        """Write a bundle as the certificate plane does, in one step."""
        path = self.directory / f"{name}.pem"
        text = made.pem + "".join(link.pem for link in chain) + made.key_pem
        path.with_suffix(".new").write_text(text)
        path.with_suffix(".new").replace(path)

    def paths(self) -> Paths:
        """All bundles there are."""
        certificates = {
            path.stem: read_certificate(path, NOW.timestamp())
            for path in self.directory.glob("*.pem")
        }
        return Paths(certificates, 2, str(self.directory / "files"))

    async def become(
        self, *listeners: Listener, target: int | None = None, **changes: Any
    ) -> Report:
        """What the reconciler does; the report tells the steps. A second time does nothing.

        ``changes`` are those of the node; ``protocol`` is the target's.
        """
        await self._activate(listeners, target, dict(changes))
        report = self.last
        await self._activate(listeners, target, dict(changes))
        assert self.last.quiet, self.last
        return report

    async def _activate(
        self, listeners: Sequence[Listener], target: int | None, changes: dict[str, Any]
    ) -> None:
        protocol = changes.pop("protocol", "HTTP")
        check = HealthCheck(protocol, None, "/", 1, 1, 5, 2, "200-499")
        targets = () if target is None else (Target("t", ADDRESS, target, "a", settled=True),)
        group = TargetGroup(GROUP, "web", protocol, "HTTP1", check, targets)
        node = BalancerNode("lb", "web", ENI, "s", "a", ADDRESS, tuple(listeners), (group,))
        node = replace(node, **changes)
        paths = self.paths()
        wished = {ENI: (node, render_haproxy(node, paths))}
        report = self.last = Report()
        tls = BalancerTls(wished, paths)
        tls.put_files(report)
        for step in steps(wished, await self.plane.observe()):
            with report.attempt(step):
                await self.plane.apply(step)
        await tls.swap_certificates(self.plane, report)
        tls.drop_files(report)
        assert report.refusals == {}, report.refusals


def connect(port: int, timeout_s: float = 20.0) -> socket.socket:
    """A TCP connection to the node, from inside its namespace."""
    return in_namespace(
        NETNS_DIR / ENI,
        lambda: socket.create_connection((str(ADDRESS), port), timeout_s),
    )


def context(*, client: Made | None = None, chain: Sequence[Made] = ()) -> ssl.SSLContext:
    """A client that takes every server certificate, with a certificate of its own or none."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if client is not None:
        text = client.pem + "".join(link.pem for link in chain) + client.key_pem
        descriptor = os.memfd_create("client")
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            made.load_cert_chain(f"/proc/self/fd/{descriptor}")
    return made


def handshake(
    port: int, name: str | None = None, how: ssl.SSLContext | None = None
) -> ssl.SSLSocket:
    """A TLS connection. Raises ssl.SSLError."""
    plain = connect(port)
    try:
        return (how or context()).wrap_socket(plain, server_hostname=name)
    except OSError:
        plain.close()
        raise


def get(tls: ssl.SSLSocket, path: str = "/", headers: str = "") -> str:
    """One request on the connection, kept alive; the whole answer of a known length."""
    tls.sendall(f"GET {path} HTTP/1.1\r\nHost: h.test\r\n{headers}\r\n".encode())
    said = b""
    while b"\r\n\r\n" not in said:
        part = tls.recv(65536)
        if not part:
            raise ConnectionError(f"closed after {said!r}")
        said += part
    head, _, body = said.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += tls.recv(65536)
    return (head + b"\r\n\r\n" + body).decode()


def shown(name: str | None, port: int = 443) -> bytes:
    """The server's leaf (DER) for a server name."""
    with handshake(port, name) as tls:
        der = tls.getpeercert(binary_form=True)
    assert der is not None
    return der


@contextlib.asynccontextmanager
async def echo_target(port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    """A target inside the namespace that answers with the request's head."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                start = f"HTTP/1.1 200 OK\r\nContent-Length: {len(head)}\r\n\r\n"
                writer.write(start.encode() + head)
                await writer.drain()
        writer.close()

    listening = in_namespace(
        NETNS_DIR / ENI, lambda: socket.create_server((str(ADDRESS), port), backlog=16)
    )
    server = await asyncio.start_server(serve, sock=listening, limit=1 << 20, ssl=tls)
    try:
        yield
    finally:
        server.close()


def resumes(port: int, how: ssl.SSLContext, version: ssl.TLSVersion) -> bool:
    how.minimum_version = how.maximum_version = version
    with handshake(port, "a.test", how) as tls:
        get(tls)
        session = tls.session
    plain = connect(port)
    with how.wrap_socket(plain, server_hostname="a.test", session=session) as tls:
        get(tls)
        return bool(tls.session_reused)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[TlsWorld]:
    await run("ip", "netns", "add", ENI)
    await run("ip", "-n", ENI, "link", "set", "lo", "up")
    await run("ip", "-n", ENI, "addr", "add", f"{ADDRESS}/32", "dev", "lo")
    # A state directory may have a space in its name.
    made = TlsWorld(tmp_path / "a b")
    made.directory.mkdir()
    try:
        yield made
    finally:
        if await made.plane.observe():
            await made.plane.apply(StopNode(ENI))
        await run("ip", "netns", "del", ENI)
