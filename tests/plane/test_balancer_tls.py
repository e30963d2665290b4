"""TLS of a node as AWS's: policies, choice of certificates, renewal, clients' certificates.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/https-listener-certificates.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/mutual-authentication.html
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import re
import ssl
import threading
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from tests.plane import client_hello
from tests.plane.tls_world import (
    ADDRESS,
    ENI,
    TO_TARGET,
    Made,
    TlsWorld,
    connect,
    context,
    echo_target,
    get,
    handshake,
    https,
    make,
    revoking,
    shown,
)

from hiyoko.blueprint.balancers import MutualTls, TargetTls
from hiyoko.plane.balancer.nodes import StopNode
from hiyoko.plane.ca.issuing import certificate_path
from hiyoko.plane.process import run
from hiyoko.reconcile.balancer_tls import tls_notes
from hiyoko.reconcile.balancers import BalancerReconciler
from hiyoko.services.elbv2 import model, rows
from hiyoko.services.elbv2.ssl_policies import SSL_POLICIES, target_ssl_policy
from hiyoko.settings import Settings
from hiyoko.store.database import Store


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


def _expected(policy: str, version: str, algorithm: str) -> list[str]:
    """What a policy holds for a version and a certificate, in its order."""
    new = version == "TLSv1.3"
    sha2_only_12 = re.compile(r"GCM|SHA256$|SHA384$")
    other = {"RSA": "ECDSA", "EC": "RSA"}[algorithm]
    return [
        name
        for name in SSL_POLICIES[policy].ciphers
        if name.startswith("TLS_") == new
        and (new or f"-{other}-" not in name)
        # RSA key exchange has no name of its own.
        and (new or algorithm == "RSA" or "ECDHE" in name)
        and (version in ("TLSv1.2", "TLSv1.3") or not sha2_only_12.search(name))
    ]


async def test_each_policy_offers_its_ciphers_in_its_order_and_no_other(world: TlsWorld) -> None:
    world.put("rsa", make("rsa", names=["rsa.test"], kind="2048"))
    world.put("ec", make("ec", names=["ec.test"]))
    ports = {name: 1000 + number for number, name in enumerate(SSL_POLICIES)}
    await world.become(
        *(
            https(port, ["rsa", "ec"], name.removeprefix("ELBSecurityPolicy-"))
            for name, port in ports.items()
        )
    )

    def check() -> None:
        for name, port in ports.items():
            there = functools.partial(connect, port)
            for version in client_hello.VERSIONS:
                for algorithm, server in (("RSA", "rsa.test"), ("EC", "ec.test")):
                    wanted = _expected(name, version, algorithm)
                    if version not in SSL_POLICIES[name].versions:
                        wanted = []
                    found = client_hello.offered(there, version, server)
                    assert found == wanted, (name, version, algorithm)

    await asyncio.to_thread(check)


@pytest.mark.parametrize("policy", ["2016-08", "TLS13-1-2-Ext2-2021-06"])
async def test_an_independent_scanner_finds_what_the_policy_holds(
    world: TlsWorld, policy: str
) -> None:
    world.put("rsa", make("rsa", names=["rsa.test"], kind="2048"))
    await world.become(https(443, ["rsa"], policy))
    scan = ("nmap", "-n", "-Pn", "-p", "443", "--script", "ssl-enum-ciphers", str(ADDRESS))
    said = await run(*scan, netns=ENI)
    found: dict[str, list[str]] = {}
    for line in said.splitlines():
        if version := re.search(r"(TLSv1\.\d):", line):
            found[version[1]] = []
        elif cipher := re.search(r"(TLS_(?:AKE|RSA|ECDHE)\w+)", line):
            found[list(found)[-1]].append(cipher[1])
    chosen = SSL_POLICIES[f"ELBSecurityPolicy-{policy}"]
    versions = {"TLSv1.0" if name == "TLSv1" else name: name for name in chosen.versions}
    assert found.keys() == versions.keys()
    for shown_as, name in versions.items():
        wanted = [_iana(cipher) for cipher in _expected(chosen.name, name, "RSA")]
        assert found[shown_as] == wanted, shown_as
    assert said.count("cipher preference: server") == len(versions)


def _iana(name: str) -> str:
    """OpenSSL's name of a suite for an RSA certificate as the scanner writes it."""
    if name.startswith("TLS_"):
        return name.replace("TLS_", "TLS_AKE_WITH_")
    exchange = "ECDHE_RSA" if name.startswith("ECDHE") else "RSA"
    rest = name.removeprefix("ECDHE-RSA-").replace("AES", "AES_")
    mode = rest.replace("-", "_") if "GCM" in rest else rest.replace("-", "_CBC_")
    return f"TLS_{exchange}_WITH_{mode}"


async def test_a_policy_offers_its_key_exchange_groups_and_no_other(world: TlsWorld) -> None:
    # RSA: up to TLS 1.2 the groups speak of an ECDSA certificate's curve as well.
    world.put("rsa", make("rsa", names=["rsa.test"], kind="2048"))
    policies = ("2016-08", "TLS13-1-2-FIPS-2023-04", "TLS13-1-2-RFC9151-FIPS-2023-07",
                "TLS13-1-2-Res-PQ-2025-09")  # fmt: skip
    await world.become(*(https(1000 + n, ["rsa"], name) for n, name in enumerate(policies)))
    groups = client_hello.GROUPS | client_hello.OTHER_GROUPS

    def found(port: int) -> set[str]:
        ciphers = [code for name, code in client_hello.CIPHERS.items() if "ECDHE" in name]
        there = functools.partial(connect, port)
        return {
            name
            for name, number in groups.items()
            if client_hello.ask(there, "TLSv1.2", ciphers, "rsa.test", [number])
        }

    for number, name in enumerate(policies):
        wanted = {
            group
            for group in SSL_POLICIES[f"ELBSecurityPolicy-{name}"].groups
            if "MLKEM" not in group
        }
        assert await asyncio.to_thread(found, 1000 + number) == wanted, name


ONLY_RSA = ("-sigalgs", "rsa_pss_rsae_sha256:rsa_pkcs1_sha256")
ONLY_ECDSA = ("-sigalgs", "ecdsa_secp256r1_sha256")


async def _openssl(name: str, *argv: str, port: int = 443) -> str:
    """The subject's common name that ``openssl s_client`` is shown, or the alert."""
    command = f'openssl s_client -connect {ADDRESS}:{port} "$@" </dev/null 2>&1 || true'
    asked = ("-servername", name) if name else ("-noservername",)
    said = await run("sh", "-c", command, "sh", *asked, *argv, netns=ENI)
    found = re.search(r"^subject=.*CN = (\S+)", said, re.MULTILINE)
    if found:
        return found[1]
    alert = re.search(r"alert ([a-z ]+)", said)
    return f"alert {alert[1]}" if alert else said


async def test_the_best_certificate_that_the_client_can_use_is_chosen(world: TlsWorld) -> None:
    world.put("default", make("default", names=["a.test"], kind="2048"))
    world.put("long", make("long", names=["a.test"], kind="3072"))
    world.put("weak", make("weak", names=["a.test"], kind="4096", digest=hashes.SHA224()))
    world.put("ended", make("ended", names=["a.test"], kind="4096", days=-1))
    world.put("ec", make("ec", names=["a.test", "only-ec.test"]))
    world.put("wild", make("wild", names=["*.b.test"]))
    world.put("exact", make("exact", names=["x.b.test"], kind="2048"))
    names = ["default", "weak", "ended", "long", "ec", "wild", "exact"]
    await world.become(https(443, names))
    # ECDSA before RSA, by what the client offers.
    assert await _openssl("a.test") == "ec"
    assert await _openssl("A.TEST") == "ec"
    assert await _openssl("a.test", *ONLY_ECDSA) == "ec"
    assert await _openssl("a.test", "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256") == "long"
    # Among RSA ones: not ended, the longest hash, the longest key.
    assert await _openssl("a.test", *ONLY_RSA) == "long"
    # An exact name before a wildcard, though that one is ECDSA; a wildcard is one label.
    assert await _openssl("x.b.test") == "exact"
    assert await _openssl("y.b.test") == "wild"
    assert await _openssl("z.y.b.test") == "default"
    # No name, or a name of no certificate: the default one, never an alert.
    assert await _openssl("") == "default"
    assert await _openssl("stranger.test") == "default"
    assert "alert" in await _openssl("x.b.test", *ONLY_ECDSA)


async def test_twenty_five_certificates_besides_the_default_one(world: TlsWorld) -> None:
    made = {f"c{number}": make(f"c{number}", names=[f"c{number}.test"]) for number in range(26)}
    for name, each in made.items():
        world.put(name, each)
    await world.become(https(443, list(made)))

    def all_shown() -> None:
        for name, each in made.items():
            assert shown(f"{name}.test") == each.der

    await asyncio.to_thread(all_shown)


class Handshakes:
    """One client that shakes hands again and again, until it is told to stop."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[bytes] = []
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.seen.append(shown(self.name))
            except OSError as error:
                self.failures.append(repr(error))

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()


async def test_a_renewal_fails_no_handshake_and_ends_no_connection(world: TlsWorld) -> None:
    old, new = (make("renewed", names=["a.test"]) for _ in range(2))
    world.put("a", old)
    world.put("b", make("b", names=["b.test"]))
    listener = https(443, ["b", "a"])
    await world.become(listener)
    pid = await _worker(world)
    kept = await asyncio.to_thread(handshake, 443, "a.test")
    assert get(kept).endswith("hello")
    client = Handshakes("a.test")
    with client.running():
        for turn in range(6):
            world.put("a", (new, old)[turn % 2])
            report = await world.become(listener)
            assert [step.split(" of ")[0] for step in report.steps] == ["swap certificate a"]
        # The last one put is the old one again; a renewal ends on the new one.
        world.put("a", new)
        await world.become(listener)
        assert await asyncio.to_thread(shown, "a.test") == new.der
    assert client.failures == []
    assert {old.der, new.der} == set(client.seen)
    # The same connection, to the same process: nothing was reloaded.
    assert get(kept).endswith("hello")
    assert await _worker(world) == pid
    kept.close()


async def _worker(world: TlsWorld) -> str:
    from hiyoko.plane.balancer.render import STATS_SOCKET
    from hiyoko.plane.balancer.socket import ask

    said = await ask(world.plane.directory / ENI / STATS_SOCKET, "show info")
    return re.search(r"^Pid: (\d+)", said, re.MULTILINE)[1]  # type: ignore[index]


async def test_certificates_come_and_go_without_a_failed_handshake(world: TlsWorld) -> None:
    for name in ("default", "a", "b"):
        world.put(name, make(name, names=[f"{name}.test"]))
    await world.become(https(443, ["default", "a"]))
    kept = await asyncio.to_thread(handshake, 443, "a.test")
    client = Handshakes("default.test")
    with client.running():
        await world.become(https(443, ["default", "a", "b"]))
        await world.become(https(443, ["default", "b"]))
        await world.become(https(443, ["b", "default"]))
    assert client.failures == []
    assert await _openssl("a.test") == "b"
    # What was open before is served to its end.
    assert get(kept).endswith("hello")
    kept.close()


async def test_a_renewal_among_rivals_keeps_their_order(world: TlsWorld) -> None:
    world.put("default", make("default", names=["a.test"], kind="2048"))
    world.put("long", make("long", names=["a.test"], kind="3072"))
    listener = https(443, ["default", "long"])
    await world.become(listener)
    assert await _openssl("a.test") == "long"
    world.put("long", make("longer", names=["a.test"], kind="3072"))
    await world.become(listener)
    assert await _openssl("a.test") == "longer"
    assert await _openssl("") == "default"


async def test_a_chain_that_is_mended_is_swapped_too(world: TlsWorld) -> None:
    root = make("root", ca=True)
    link = make("a, b/c é", ca=True, signer=root)
    leaf = make("leaf", names=["a.test"], signer=link)
    await _become_and_say_again(world, leaf)
    assert await _sent() == ["leaf"]
    # The same certificate, imported again with what was missing.
    assert await _become_and_say_again(world, leaf, link) == ["swap certificate a"]
    assert await _sent() == ["leaf", "a, b/c é"]
    assert await _become_and_say_again(world, leaf, link, root) == ["swap certificate a"]
    assert await _sent() == ["leaf", "a, b/c é", "root"]


async def _become_and_say_again(world: TlsWorld, leaf: Made, *chain: Made) -> list[str]:
    world.put("a", leaf, *chain)
    report = await world.become(https(443, ["a"]))
    return [step.split(" of ")[0] for step in report.steps]


async def _sent() -> list[str]:
    """The common names of the certificates that a client is sent."""
    asked = f"openssl s_client -connect {ADDRESS}:443 -showcerts </dev/null 2>&1"
    said = await run("sh", "-c", asked, netns=ENI)
    found = x509.load_pem_x509_certificates(said.split("Server certificate")[0].encode())
    return [str(c.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value) for c in found]


async def test_a_swap_that_was_cut_off_is_taken_up_again(world: TlsWorld) -> None:
    from hiyoko.plane.balancer.render import STATS_SOCKET
    from hiyoko.plane.balancer.socket import ask

    for name in ("a", "b"):
        world.put(name, make(name, names=[f"{name}.test"]))
    listener = https(443, ["a", "b"])
    await world.become(listener)
    # A daemon killed between the two commands: HAProxy holds a change that nobody ends.
    left = make("left", names=["a.test"])
    word = str(world.directory / "a.pem").replace(" ", "\\ ")
    await ask(
        world.plane.directory / ENI / STATS_SOCKET,
        f"set ssl cert {word} <<\n{left.pem}{left.key_pem}\n",
    )
    world.put("b", make("fresh", names=["b.test"]))
    await world.become(listener)
    assert await _openssl("b.test") == "fresh"
    assert await _openssl("a.test") == "a"


async def test_http2_is_chosen_by_alpn_and_resumption_works_without_early_data(
    world: TlsWorld,
) -> None:
    world.put("ec", make("ec", names=["a.test"]))
    await world.become(https(443, ["ec"], "TLS13-1-0-2021-06"))

    def check() -> None:
        how = context()
        how.set_alpn_protocols(["h2", "http/1.1"])
        with handshake(443, "a.test", how) as tls:
            assert tls.selected_alpn_protocol() == "h2"
        how.set_alpn_protocols(["http/1.1"])
        with handshake(443, "a.test", how) as tls:
            assert tls.selected_alpn_protocol() == "http/1.1"
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            assert _resumes(443, context(), version), version

    await asyncio.to_thread(check)
    # The session's ticket comes after the handshake; `Q` ends the client.
    asked = f"(sleep 0.3; echo Q) | openssl s_client -connect {ADDRESS}:443 -tls1_3 2>&1"
    said = await run("sh", "-c", asked, netns=ENI)
    assert "Max Early Data: 0" in said
    # TLS 1.2: the server answers a client's wish to renegotiate by an alert.
    wish = f"(sleep 0.2; echo R; sleep 0.3) | openssl s_client -connect {ADDRESS}:443 -tls1_2 2>&1"
    assert "no renegotiation" in await run("sh", "-c", f"{wish} || true", netns=ENI)


def _resumes(port: int, how: ssl.SSLContext, version: ssl.TLSVersion) -> bool:
    how.minimum_version = how.maximum_version = version
    with handshake(port, "a.test", how) as tls:
        get(tls)
        session = tls.session
    plain = connect(port)
    with how.wrap_socket(plain, server_hostname="a.test", session=session) as tls:
        get(tls)
        return bool(tls.session_reused)


async def test_no_ocsp_response_is_stapled_and_hsts_is_only_by_attribute(world: TlsWorld) -> None:
    world.put("ec", make("ec", names=["a.test"]))
    name = "routing.http.response.strict_transport_security.header_value"
    await world.become(
        https(443, ["ec"]), https(444, ["ec"], attributes=((name, "max-age=31536000"),))
    )
    command = f"openssl s_client -connect {ADDRESS}:443 -status </dev/null 2>&1"
    assert "OCSP response: no response sent" in await run("sh", "-c", command, netns=ENI)

    def hsts(port: int) -> str | None:
        with handshake(port) as tls:
            found = re.search(r"(?i)strict-transport-security: (.*)\r", get(tls))
        return found[1] if found else None

    assert await asyncio.to_thread(hsts, 443) is None
    assert await asyncio.to_thread(hsts, 444) == "max-age=31536000"


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1.1", "TLSv1.2"])
async def test_an_old_client_really_gets_an_answer(world: TlsWorld, version: str) -> None:
    world.put("rsa", make("rsa", names=["a.test"], kind="2048"))
    await world.become(https(443, ["rsa"], "2016-08"))

    def answer() -> tuple[str | None, str]:
        how = context()
        how.set_ciphers("ALL:@SECLEVEL=0")
        names = {"TLSv1": "TLSv1", "TLSv1.1": "TLSv1_1", "TLSv1.2": "TLSv1_2"}
        how.minimum_version = how.maximum_version = ssl.TLSVersion[names[version]]
        with handshake(443, "a.test", how) as tls:
            return tls.version(), get(tls)

    with (
        pytest.warns(DeprecationWarning, match="deprecated")
        if version != "TLSv1.2"
        else contextlib.nullcontext()
    ):
        got, said = await asyncio.to_thread(answer)
    assert got == version
    assert said.endswith("hello")


class Authorities:
    """A root, an authority below it, clients of that one, and a stranger."""

    def __init__(self) -> None:
        self.root = make("root", ca=True)
        self.issuing = make("issuing", ca=True, signer=self.root)
        self.client = make("client", signer=self.issuing)
        self.ended = make("ended", signer=self.issuing, days=-1)
        self.revoked = make("revoked", signer=self.issuing)
        self.stranger = make("stranger", signer=make("elsewhere", ca=True))


def _echoed(port: int, client: Made | None, *chain: Made, headers: str = "") -> dict[str, str]:
    """The headers that the target got, by small names; raises what the handshake raises."""
    how = context(client=client, chain=chain)
    with handshake(port, "a.test", how) as tls:
        _, _, body = get(tls, headers=headers).partition("\r\n\r\n")
    pairs = (line.partition(": ") for line in body.splitlines()[1:] if line)
    return {name.lower(): value for name, _, value in pairs}


async def _outcome(port: int, client: Made | None, *chain: Made) -> str:
    """``in``, or the alert that ended the handshake (TLS 1.3 tells it at the first read)."""
    try:
        await asyncio.to_thread(_echoed, port, client, *chain)
    except ssl.SSLError as error:
        return str(error.reason).removeprefix("SSLV3_ALERT_").removeprefix("TLSV1_ALERT_")
    return "in"


def _pem(header: str) -> list[bytes]:
    """The certificates of a header, as DER."""
    text = urllib.parse.unquote(header)
    assert all(len(line) <= 64 for line in text.splitlines())
    return [
        found.public_bytes(serialization.Encoding.DER)
        for found in x509.load_pem_x509_certificates(text.encode())
    ]


async def test_clients_are_verified_against_the_trust_store(world: TlsWorld) -> None:
    world.put("ec", make("ec", names=["a.test"]))
    some = Authorities()
    whole = some.root.pem + some.issuing.pem
    crl = revoking(some.issuing, some.revoked)
    listeners = (
        https(1, ["ec"], rules=TO_TARGET, mutual=MutualTls("verify", whole)),
        # An authority in the middle is trusted by itself.
        https(2, ["ec"], rules=TO_TARGET, mutual=MutualTls("verify", some.issuing.pem)),
        https(3, ["ec"], rules=TO_TARGET, mutual=MutualTls("verify", some.root.pem)),
        https(4, ["ec"], rules=TO_TARGET, mutual=MutualTls("verify", whole, ignore_expiry=True)),
        https(5, ["ec"], rules=TO_TARGET, mutual=MutualTls("verify", whole, crl)),
    )
    async with echo_target(9001):
        await world.become(*listeners, target=9001)
        for port in (1, 2, 4, 5):
            assert await _outcome(port, some.client) == "in", port
        # Without its root's signer the client must bring the link itself.
        assert await _outcome(3, some.client) == "UNKNOWN_CA"
        assert await _outcome(3, some.client, some.issuing) == "in"
        assert await _outcome(1, None) == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
        assert await _outcome(1, some.stranger) == "UNKNOWN_CA"
        assert await _outcome(1, some.ended) == "CERTIFICATE_EXPIRED"
        assert await _outcome(4, some.ended) == "in"
        assert await _outcome(4, some.stranger) == "UNKNOWN_CA"
        assert await _outcome(1, some.revoked) == "in"
        assert await _outcome(5, some.revoked) == "CERTIFICATE_REVOKED"
        # The list of one authority says nothing of another's clients.
        direct = make("direct", signer=some.root)
        assert await _outcome(5, direct) == "in"
        # An overdue list still revokes.
        overdue = MutualTls("verify", whole, revoking(some.issuing, some.revoked, days=-1))
        await world.become(https(1, ["ec"], rules=TO_TARGET, mutual=overdue), target=9001)
        assert await _outcome(1, some.client) == "in"
        assert await _outcome(1, some.revoked) == "CERTIFICATE_REVOKED"


async def test_a_verified_client_is_described_to_the_target(world: TlsWorld) -> None:
    world.put("ec", make("ec", names=["a.test"]))
    some = Authorities()
    mutual = MutualTls("verify", some.root.pem + some.issuing.pem)
    rename = "routing.http.request.x_amzn_mtls_clientcert_{}.header_name"
    renamed = ((rename.format("leaf"), "X-Leaf"), (rename.format("serial_number"), "X-Serial"))
    forged = "X-Amzn-Mtls-Clientcert-Subject: CN=root\r\nX-Amzn-Mtls-Clientcert: me\r\n"
    forged += "X-Amzn-Mtls-Clientcert-Leaf: me\r\n"
    async with echo_target(9001):
        await world.become(
            https(1, ["ec"], rules=TO_TARGET, mutual=mutual),
            https(2, ["ec"], rules=TO_TARGET, mutual=mutual, attributes=renamed),
            target=9001,
        )
        told = await asyncio.to_thread(_echoed, 1, some.client, headers=forged)
        leaf = some.client.certificate
        prefix = "x-amzn-mtls-clientcert"
        assert int(told[f"{prefix}-serial-number"], 16) == leaf.serial_number
        assert told[f"{prefix}-serial-number"] == told[f"{prefix}-serial-number"].upper()
        assert told[f"{prefix}-issuer"] == r"CN=issuing,O=m\, TLS,C=US"
        assert told[f"{prefix}-subject"] == r"CN=client,O=m\, TLS,C=US"
        bounds = (leaf.not_valid_before_utc, leaf.not_valid_after_utc)
        before, after = (f"{bound:%Y-%m-%dT%H:%M:%SZ}" for bound in bounds)
        assert told[f"{prefix}-validity"] == f"NotBefore={before};NotAfter={after}"
        assert told[f"{prefix}-leaf"].startswith("-----BEGIN%20CERTIFICATE-----%0AMII")
        assert told[f"{prefix}-leaf"].endswith("%0A-----END%20CERTIFICATE-----%0A")
        assert set(re.findall(r"%..", told[f"{prefix}-leaf"])) == {"%20", "%0A"}
        assert _pem(told[f"{prefix}-leaf"]) == [some.client.der]
        assert prefix not in told
        # HTTP/2: two requests, one connection, one certificate.
        files = [world.directory / name for name in ("client.crt", "client.key")]
        files[0].write_text(some.client.pem)
        files[1].write_text(some.client.key_pem)
        said = await run(
            *("curl", "-sk", "--http2", "--cert", str(files[0]), "--key", str(files[1])),
            *("-w", "%{http_version}\n", f"https://{ADDRESS}:1/", f"https://{ADDRESS}:1/"),
            netns=ENI,
        )
        leaves = re.findall(rf"(?m)^{prefix}-leaf: (.*?)\r?$", said.lower())
        assert leaves == [told[f"{prefix}-leaf"].lower()] * 2
        assert len(re.findall(r"(?m)^2$", said)) == 2
        other = await asyncio.to_thread(_echoed, 2, some.client, headers=forged + "X-Leaf: me\r\n")
        assert _pem(other["x-leaf"]) == [some.client.der]
        assert int(other["x-serial"], 16) == leaf.serial_number
        assert f"{prefix}-leaf" not in other
        assert f"{prefix}-serial-number" not in other
        assert f"{prefix}-subject" in other


async def test_passthrough_hands_the_whole_chain_to_the_target_unverified(
    world: TlsWorld,
) -> None:
    world.put("ec", make("ec", names=["a.test"]))
    some = Authorities()
    passed = "x-amzn-mtls-clientcert"
    forged = "X-Amzn-Mtls-Clientcert: me\r\nX-Amzn-Mtls-Clientcert-Subject: CN=me\r\n"
    async with echo_target(9001):
        mutual = MutualTls("passthrough")
        await world.become(
            https(1, ["ec"], rules=TO_TARGET, mutual=mutual),
            https(2, ["ec"], rules=TO_TARGET),
            target=9001,
        )
        told = await asyncio.to_thread(
            _echoed, 1, some.client, some.issuing, some.root, headers=forged
        )
        assert _pem(told[passed]) == [some.client.der, some.issuing.der, some.root.der]
        assert f"{passed}-subject" not in told
        for client in (some.stranger, some.ended, make("self", kind="3072")):
            told = await asyncio.to_thread(_echoed, 1, client)
            assert _pem(told[passed]) == [client.der]
        told = await asyncio.to_thread(_echoed, 1, None, headers=forged)
        assert passed not in told
        # Without mutual TLS these headers are like any other.
        told = await asyncio.to_thread(_echoed, 2, None, headers=forged)
        assert told[passed] == "me"


async def test_no_session_is_resumed_where_certificates_are_asked_for(world: TlsWorld) -> None:
    world.put("ec", make("ec", names=["a.test"]))
    some = Authorities()
    whole = some.root.pem + some.issuing.pem
    await world.become(
        https(1, ["ec"], mutual=MutualTls("verify", whole)),
        https(2, ["ec"], mutual=MutualTls("passthrough")),
        https(3, ["ec"]),
    )

    def resumed(port: int) -> list[bool]:
        versions = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
        how = functools.partial(context, client=some.client)
        return [_resumes(port, how(), version) for version in versions]

    assert await asyncio.to_thread(resumed, 1) == [False, False]
    assert await asyncio.to_thread(resumed, 2) == [False, False]
    assert await asyncio.to_thread(resumed, 3) == [True, True]


async def test_the_names_of_authorities_are_told_to_clients_only_if_wished(
    world: TlsWorld,
) -> None:
    world.put("ec", make("ec", names=["a.test"]))
    some = Authorities()
    await world.become(
        https(1, ["ec"], mutual=MutualTls("verify", some.root.pem, advertise=True)),
        https(2, ["ec"], mutual=MutualTls("verify", some.root.pem)),
        https(3, ["ec"], mutual=MutualTls("passthrough")),
    )

    async def told(port: int) -> str:
        asked = f"openssl s_client -connect {ADDRESS}:{port} </dev/null 2>&1 || true"
        return await run("sh", "-c", asked, netns=ENI)

    assert re.search(r"Acceptable client certificate CA names\n.*CN = root\n", await told(1))
    for port in (2, 3):
        assert "No client certificate CA names sent" in await told(port)


TLS_HEADERS = (("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "true"),)


async def test_a_target_is_told_of_version_and_cipher_if_wished(world: TlsWorld) -> None:
    world.put("rsa", make("rsa", names=["a.test"], kind="2048"))
    forged = "X-Amzn-Tls-Version: SSLv2\r\n"

    def told(version: ssl.TLSVersion) -> tuple[str | None, str | None]:
        how = context()
        how.minimum_version = how.maximum_version = version
        how.set_alpn_protocols(["h2", "http/1.1"])
        with handshake(443, "a.test", how) as tls:
            # HTTP/2 is off for this balancer.
            assert tls.selected_alpn_protocol() == "http/1.1"
            said = get(tls, headers=forged).lower()
        found = dict(re.findall(r"(?m)^x-amzn-tls-([a-z-]+): (.*?)\r?$", said))
        return found.get("version"), found.get("cipher-suite")

    listener = https(443, ["rsa"], "TLS13-1-2-2021-06", rules=TO_TARGET)
    off = ("routing.http2.enabled", "false")
    async with echo_target(9001):
        await world.become(listener, target=9001, attributes=(off, *TLS_HEADERS))
        new, old = ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2
        # The client likes AES-256 better; the server's order decides.
        assert await asyncio.to_thread(told, new) == ("tlsv1.3", "tls_aes_128_gcm_sha256")
        assert await asyncio.to_thread(told, old) == ("tlsv1.2", "ecdhe-rsa-aes128-gcm-sha256")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_targets_are_spoken_to_as_the_listeners_policies_say(world: TlsWorld) -> None:
    world.put("ec", make("ec", names=["a.test"]))
    # Neither current nor by anybody: AWS does not verify targets.
    ended = make("target", kind="2048", days=-1)
    ports = count(9001)

    def only(version: ssl.TLSVersion) -> ssl.SSLContext:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.set_ciphers("ALL:@SECLEVEL=0")
        server.minimum_version = server.maximum_version = version
        path = world.directory / "target.bundle"
        path.write_text(ended.pem + ended.key_pem)
        server.load_cert_chain(path)
        return server

    async def status(policy: str, version: ssl.TLSVersion) -> str:
        listener = https(443, ["ec"], policy, rules=TO_TARGET)
        to_target = target_ssl_policy([f"ELBSecurityPolicy-{policy}"])
        # A target of its own: connections to the last one are kept for whoever comes next.
        port = next(ports)
        async with echo_target(port, only(version)):
            await world.become(
                listener,
                target=port,
                protocol="HTTPS",
                target_tls=TargetTls(to_target.versions, to_target.ciphers),
            )

            def ask() -> str:
                with handshake(443, "a.test") as tls:
                    return get(tls).split()[1]

            return await asyncio.to_thread(ask)

    assert await status("TLS13-1-2-2021-06", ssl.TLSVersion.TLSv1_3) == "200"
    assert await status("TLS13-1-2-2021-06", ssl.TLSVersion.TLSv1) == "200"
    assert await status("2016-08", ssl.TLSVersion.TLSv1) == "200"
    assert await status("2016-08", ssl.TLSVersion.TLSv1_3) == "502"
    assert await status("TLS13-1-2-RFC9151-FIPS-2023-07", ssl.TLSVersion.TLSv1_2) == "200"
    assert await status("TLS13-1-2-RFC9151-FIPS-2023-07", ssl.TLSVersion.TLSv1_1) == "502"


BALANCER = "arn:aws:elasticloadbalancing:r:1:loadbalancer/app/web/0123456789abcdef"
CERTIFICATE = "arn:aws:acm:r:1:certificate/00000000-0000-0000-0000-00000000000a"
STORE = "arn:aws:elasticloadbalancing:r:1:truststore/ours/0123456789abcdef"


def wishes(authorities: Authorities) -> Store:
    """A balancer with one HTTPS listener that verifies clients."""
    store = Store.open(":memory:")
    place = ("1", "r")
    node = model.Node("subnet-1", "a", ENI, str(ADDRESS))
    hello = model.Action("fixed-response", fixed_response=model.FixedResponse(200, "", "hello"))
    with store.transaction() as tx:
        rows.LOAD_BALANCERS.insert(
            tx,
            model.LoadBalancer(
                BALANCER, *place, "web", "web.r", "internal", "vpc-1", (), (node,), 0.0
            ),
        )
        rows.TRUST_STORES.insert(
            tx, model.TrustStore(STORE, *place, "ours", 0.0, authorities.issuing.pem, 1)
        )
        rows.LISTENERS.insert(
            tx,
            model.Listener(
                *("l", *place, BALANCER, 443, "HTTPS", "rule", (hello,)),
                ssl_policy="ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
                # The default certificate may be in the list as well.
                certificates=(CERTIFICATE, CERTIFICATE),
                mutual=model.MutualAuthentication("verify", STORE),
            ),
        )
    return store


async def test_wishes_become_a_listener_that_follows_renewals_and_trust_stores(
    world: TlsWorld,
) -> None:
    some = Authorities()
    store, settings = wishes(some), Settings(world.directory)
    reconciler = BalancerReconciler(store, world.plane, settings)

    async def steps_taken() -> list[str]:
        report = await reconciler.activate()
        assert report.refusals == {}
        again = await reconciler.activate()
        assert again.steps == []
        return [step.partition(" ")[0] for step in report.steps]

    # No certificate yet: the node waits for it, and says so.
    waiting = await reconciler.activate()
    assert list(waiting.refusals.values()) == [f"no certificate file yet: {CERTIFICATE}"]
    path = certificate_path(settings, CERTIFICATE)
    path.parent.mkdir(parents=True)

    def write(made: Made) -> None:
        path.with_suffix(".new").write_text(made.pem + made.key_pem)
        path.with_suffix(".new").replace(path)

    write(make("first", names=["a.test"]))
    assert await steps_taken() == ["write", "write", "start"]
    assert await _outcome(443, some.client) == "in"
    assert await _outcome(443, some.revoked) == "in"
    with store.reading() as tx:
        assert "has no post-quantum key exchange" in tls_notes(tx)[0]
    renewed = make("second", names=["a.test"])
    write(renewed)
    assert await steps_taken() == ["swap"]
    assert await asyncio.to_thread(_leaf, some.client) == renewed.der
    with store.transaction() as tx:
        rows.REVOCATIONS.put(
            tx, model.TrustStoreRevocation(STORE, 1, revoking(some.issuing, some.revoked), 1)
        )
    assert await steps_taken() == ["write", "reload"]
    assert await _outcome(443, some.revoked) == "CERTIFICATE_REVOKED"
    # A daemon that was killed between writing and reloading: the next one finishes.
    with store.transaction() as tx:
        rows.REVOCATIONS.delete(tx)
        found = rows.get_trust_store(tx, STORE)
        rows.TRUST_STORES.put(tx, dataclasses.replace(found, ca_bundle=some.root.pem))
    left = world.directory / "run" / "balancer-files" / ".cut.ca.pem"
    left.write_text("half")
    assert await steps_taken() == ["write", "reload", "remove", "remove"]
    assert await _outcome(443, some.client) == "UNKNOWN_CA"
    assert await _outcome(443, some.client, some.issuing) == "in"
    # A bundle that cannot be read is told, and what runs goes on.
    path.write_text("nonsense")
    broken = await reconciler.activate()
    assert any(name.startswith("read the certificate") for name in broken.refusals)
    assert await _outcome(443, some.client, some.issuing) == "in"


def _leaf(client: Made) -> bytes | None:
    with handshake(443, "a.test", context(client=client)) as tls:
        get(tls)
        return tls.getpeercert(binary_form=True)
