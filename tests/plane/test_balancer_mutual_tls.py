"""Clients' certificates: verified against a trust store or passed through, told to targets.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/mutual-authentication.html
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import re
import ssl
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from tests.plane.tls_world import (
    ADDRESS,
    ENI,
    TO_TARGET,
    Made,
    TlsWorld,
    context,
    echo_target,
    get,
    handshake,
    https,
    make,
    resumes,
    revoking,
    world,
)

from hiyoko.blueprint.balancers import MutualTls
from hiyoko.plane.balancer.tls_library import observe_tls_library
from hiyoko.plane.ca.issuing import certificate_path
from hiyoko.plane.process import run
from hiyoko.reconcile.balancer_tls import tls_notes
from hiyoko.reconcile.balancers import BalancerReconciler
from hiyoko.services.elbv2 import model, rows
from hiyoko.settings import Settings
from hiyoko.store.database import Store

__all__ = ["world"]


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
        return [resumes(port, how(), version) for version in versions]

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
        notes = tls_notes(tx)
    if (await observe_tls_library()).hybrid_groups:
        assert notes == []
    else:
        assert "has no post-quantum key exchange" in notes[0]
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
