"""The ACME server, asked by hand: what is not signed, not fresh or not allowed is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientSession, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from josepy import jwa, jwk
from tests.api.bundles import Key, Maker, rsa_key
from tests.api.dns_cloud import Cloud
from tests.api.test_acm_import import Keys

import hiyoko.services.iam  # noqa: F401
from hiyoko import api
from hiyoko.api import AwsError
from hiyoko.gateway.acme import AcmeServer
from hiyoko.services.acm.key_store import use_key_store
from hiyoko.services.acm.rows import CERTIFICATES
from hiyoko.services.acm.seen import (
    ACME_VALIDATIONS_SEEN,
    FAILURES_SEEN,
    ISSUED_SEEN,
    AcmeValidationSeen,
    FailureSeen,
    IssuedSeen,
)

TRUST = json.dumps(
    {
        "Statement": {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "acm.amazonaws.com"},
        }
    }
)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def csr(*names: str, key: Key | None = None) -> str:
    common = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    builder = x509.CertificateSigningRequestBuilder().subject_name(common)
    alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    signed = builder.add_extension(alternative, critical=False).sign(
        key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()
    )
    return b64(signed.public_bytes(Encoding.DER))


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def problem(self) -> str:
        return str(self.body["type"]).removeprefix("urn:ietf:params:acme:error:")


@dataclass
class Client:
    """Speaks JWS to one endpoint, correctly unless told otherwise."""

    session: ClientSession
    origin: str
    base: str
    key: jwk.JWK = field(default_factory=lambda: jwk.JWKEC(key=_curve()))
    account: str = ""
    nonces: list[str] = field(default_factory=list)

    async def post(self, where: str, payload: Any = None, **header: Any) -> Answer:
        url = where if where.startswith("https://") else f"{self.base}/{where}"
        identity: dict[str, Any] = {"kid": self.account}
        if not self.account:
            identity = {"jwk": self.key.public_key().to_json()}
        if not self.nonces:
            await self.send("HEAD", f"{self.base}/new-nonce")
        protected = {"alg": "ES256", "nonce": self.nonces.pop(), "url": url, **identity, **header}
        body = self.jws({name: v for name, v in protected.items() if v is not None}, payload)
        return await self.send("POST", url, body)

    def jws(self, header: dict[str, Any], payload: Any, key: jwk.JWK | None = None) -> str:
        protected = b64(json.dumps(header).encode())
        text = "" if payload is None else b64(json.dumps(payload).encode())
        signature = jwa.ES256.sign((key or self.key).key, f"{protected}.{text}".encode())
        return json.dumps({"protected": protected, "payload": text, "signature": b64(signature)})

    async def send(
        self, method: str, url: str, body: str = "", kind: str = "application/jose+json"
    ) -> Answer:
        host, path = url.removeprefix("https://").split("/", 1)
        headers = {"Host": host, "Content-Type": kind}
        async with self.session.request(
            method, f"{self.origin}/{path}", data=body, headers=headers
        ) as response:
            text = await response.text()
            self.nonces.append(response.headers["Replay-Nonce"])
            json_like = "json" in response.content_type
            return Answer(
                response.status,
                json.loads(text) if json_like and text else text,
                dict(response.headers),
            )

    def binding(self, key_id: str, mac: bytes, url: str = "") -> dict[str, str]:
        header = {"alg": "HS256", "kid": key_id, "url": url or f"{self.base}/new-account"}
        protected = b64(json.dumps(header).encode())
        payload = b64(json.dumps(self.key.public_key().to_json()).encode())
        signature = jwa.HS256.sign(mac, f"{protected}.{payload}".encode())
        return {"protected": protected, "payload": payload, "signature": b64(signature)}


def _curve() -> Any:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class Bench:
    cloud: Cloud
    endpoint: str
    binding: str
    key_id: str
    mac: bytes
    client: Client

    def approve(self, domain: str, **scope: str) -> str:
        arn = self.cloud(
            *("acm", "CreateAcmeDomainValidation"),
            AcmeEndpointArn=self.endpoint,
            DomainName=domain,
            PrevalidationOptions={"DnsPrevalidation": {"DomainScope": scope} if scope else {}},
        )["AcmeDomainValidationArn"]
        with self.cloud.store.transaction() as tx:
            ACME_VALIDATIONS_SEEN.put(tx, AcmeValidationSeen(arn, 0.0))
        return str(arn)

    async def register(self, **more: Any) -> Answer:
        bound = {"externalAccountBinding": self.client.binding(self.key_id, self.mac)}
        answer = await self.client.post("new-account", {**bound, **more})
        if answer.status in (200, 201):
            self.client.account = answer.headers["Location"]
        return answer

    async def order(self, *names: str) -> Answer:
        identifiers = [{"type": "dns", "value": name} for name in names]
        return await self.client.post("new-order", {"identifiers": identifiers})

    def issue(self) -> str:
        """As if the CA had signed the newest request; its certificate, as DER."""
        made = Maker().leaf("example.com")
        with self.cloud.store.transaction() as tx:
            arn = CERTIFICATES.list(tx)[-1].arn
            pem = made.pem.decode()
            serial = f"{made.certificate.serial_number:x}"
            serial = serial.zfill(len(serial) + len(serial) % 2)
            pairs = ":".join(serial[at : at + 2] for at in range(0, len(serial), 2))
            ISSUED_SEEN.put(tx, IssuedSeen(arn, pem, pem + pem, pairs, 0.0, 4e9, 0.0))
        return b64(made.certificate.public_bytes(Encoding.DER))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    use_key_store(Keys())
    cloud = Cloud()
    role = {"RoleName": "pki", "AssumeRolePolicyDocument": TRUST}
    api.invoke(cloud.store, "iam", "CreateRole", role)
    endpoint = cloud(
        *("acm", "CreateAcmeEndpoint"),
        AuthorizationBehavior="PRE_APPROVED",
        CertificateAuthority={
            "PublicCertificateAuthority": {"AllowedKeyAlgorithms": ["EC_prime256v1"]}
        },
    )["AcmeEndpointArn"]
    shown = cloud("acm", "DescribeAcmeEndpoint", AcmeEndpointArn=endpoint)["AcmeEndpoint"]
    binding = cloud(
        *("acm", "CreateAcmeExternalAccountBinding"),
        AcmeEndpointArn=endpoint,
        RoleArn="arn:aws:iam::123456789012:role/pki",
        Expiration={"Value": 1, "Type": "DAYS"},
    )["ExternalAccountBinding"]["AcmeExternalAccountBindingArn"]
    got = cloud(
        *("acm", "GetAcmeExternalAccountBindingCredentials"), AcmeExternalAccountBindingArn=binding
    )
    mac = base64.urlsafe_b64decode(got["MacKey"] + "=" * (-len(got["MacKey"]) % 4))
    server = AcmeServer(cloud.store, cloud.clock)
    runner = web.ServerRunner(web.Server(server.handle, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with ClientSession() as session:
        base = shown["EndpointUrl"].removesuffix("/directory")
        yield Bench(cloud, endpoint, binding, got["KeyId"], mac, Client(session, origin, base))
    await runner.cleanup()


async def test_an_order_goes_from_ready_over_processing_to_valid(bench: Bench) -> None:
    bench.approve("example.com", ExactDomain="ENABLED", Wildcards="ENABLED")
    assert (await bench.register(contact=["mailto:me@example.com"])).status == 201
    order = await bench.order("example.com", "*.example.com")
    assert (order.status, order.body["status"]) == (201, "ready")
    wild = await bench.client.post(order.body["authorizations"][1])
    assert wild.body["identifier"] == {"type": "dns", "value": "example.com"}
    assert (wild.body["status"], wild.body["wildcard"]) == ("valid", True)
    request = {"csr": csr("example.com", "*.example.com")}
    done = await bench.client.post(order.body["finalize"], request)
    assert done.body["status"] == "processing"
    assert done.headers["Retry-After"]
    again = await bench.client.post(order.body["finalize"], request)
    assert again.problem == "orderNotReady"
    der = bench.issue()
    done = await bench.client.post(order.headers["Location"])
    assert done.body["status"] == "valid"
    pem = await bench.client.post(done.body["certificate"])
    assert pem.headers["Content-Type"].startswith("application/pem-certificate-chain")
    assert pem.body.count("BEGIN CERTIFICATE") == 2
    revoked = await bench.client.post("revoke-cert", {"certificate": der, "reason": 4})
    assert revoked.status == 200
    twice = await bench.client.post("revoke-cert", {"certificate": der})
    assert twice.problem == "alreadyRevoked"


async def test_a_caa_record_ends_an_order(bench: Bench) -> None:
    bench.approve("example.com")
    await bench.register()
    order = await bench.order("example.com")
    await bench.client.post(order.body["finalize"], {"csr": csr("example.com")})
    with bench.cloud.store.transaction() as tx:
        arn = CERTIFICATES.list(tx)[-1].arn
        FAILURES_SEEN.put(tx, FailureSeen(arn, "CAA_ERROR", "CAA forbids", 0.0))
    shown = await bench.client.post(order.headers["Location"])
    assert shown.body["status"] == "invalid"
    assert shown.body["error"]["type"].endswith(":caa")


async def test_only_a_binding_of_the_endpoint_lets_an_account_in(bench: Bench) -> None:
    client = bench.client
    assert (await client.post("new-account", {})).problem == "externalAccountRequired"
    existing = await client.post("new-account", {"onlyReturnExisting": True})
    assert existing.problem == "accountDoesNotExist"
    for wrong in (
        client.binding(bench.key_id, b"guessed"),
        client.binding("NOBODY", bench.mac),
        client.binding(bench.key_id, bench.mac, "https://elsewhere/new-account"),
        {**client.binding(bench.key_id, bench.mac), "payload": b64(b'{"kty":"EC"}')},
    ):
        refused = await client.post("new-account", {"externalAccountBinding": wrong})
        assert (refused.status, refused.problem) == (403, "unauthorized")
    for broken in ({}, {"protected": "%", "payload": "", "signature": ""}, "x"):
        refused = await client.post("new-account", {"externalAccountBinding": broken})
        assert refused.problem in ("malformed", "externalAccountRequired")
    assert (await bench.register()).status == 201
    client.account = ""
    assert (await bench.register()).status == 200  # the same key is the same account
    bench.client = Client(client.session, client.origin, client.base)
    bench.cloud.clock.time += 86400
    assert (await bench.register()).problem == "unauthorized"  # it has expired


async def test_a_revoked_binding_keeps_out_and_its_accounts_stay(bench: Bench) -> None:
    await bench.register()
    bench.cloud(
        *("acm", "RevokeAcmeExternalAccountBinding"), AcmeExternalAccountBindingArn=bench.binding
    )
    bench.approve("example.com")
    assert (await bench.order("example.com")).status == 201
    first = bench.client
    bench.client = Client(first.session, first.origin, first.base)
    assert (await bench.register()).problem == "unauthorized"
    bench.cloud(
        *("acm", "RevokeAcmeAccount"), AcmeEndpointArn=bench.endpoint, AccountUrl=first.account
    )
    bench.client = first
    assert (await bench.order("example.com")).problem == "unauthorized"


async def test_what_is_not_signed_for_here_and_now_is_refused(bench: Bench) -> None:
    client = bench.client
    await bench.register()
    assert (await client.post("new-order", {}, nonce="old")).problem == "badNonce"
    used = client.nonces[-1]
    await client.post("new-order", {})
    assert (await client.post("new-order", {}, nonce=used)).problem == "badNonce"
    elsewhere = await client.post("new-order", {}, url=f"{client.base}/revoke-cert")
    assert elsewhere.problem == "unauthorized"
    assert (await client.post("new-order", {}, alg="none")).problem == "badSignatureAlgorithm"
    assert (await client.post("new-order", {}, alg="HS256")).problem == "badSignatureAlgorithm"
    assert (await client.post("new-order", {}, alg="RS256")).problem == "malformed"
    both = await client.post("new-order", {}, jwk=client.key.public_key().to_json())
    assert both.problem == "malformed"
    stranger = await client.post("new-order", {}, kid=f"{client.base}/acct/nobody")
    assert stranger.problem == "accountDoesNotExist"
    good, client.key = client.key, jwk.JWKEC(key=_curve())
    assert (await client.post("new-order", {})).problem == "malformed"
    client.key = good
    small = jwk.JWKRSA(key=rsa_key(1024))
    header = {"kid": None, "jwk": small.public_key().to_json(), "alg": "RS256"}
    assert (await client.post("new-account", {}, **header)).problem == "badPublicKey"


@pytest.mark.parametrize(
    "body",
    ["", "nonsense", "[]", "{}", '{"protected": "%%", "payload": "", "signature": ""}',
     '{"protected": "W10", "payload": "", "signature": ""}', "\u0000" * 70_000],
)  # fmt: skip
async def test_what_is_no_jws_is_malformed(bench: Bench, body: str) -> None:
    url = f"{bench.client.base}/new-order"
    assert (await bench.client.send("POST", url, body)).problem == "malformed"
    plain = await bench.client.send("POST", url, body, kind="application/json")
    assert plain.status == 415
    assert (await bench.client.send("GET", url)).status == 405
    nowhere = await bench.client.send("GET", f"{bench.client.base}x/directory")
    assert nowhere.status == 404


async def test_names_that_nobody_approved_are_rejected(bench: Bench) -> None:
    await bench.register()
    assert (await bench.order("example.com")).problem == "rejectedIdentifier"
    bench.approve("example.com", ExactDomain="ENABLED")
    for name in ("www.example.com", "*.example.com", "notexample.com"):
        assert (await bench.order("example.com", name)).problem == "rejectedIdentifier"
    bench.approve("example.org", Subdomains="ENABLED")
    assert (await bench.order("a.b.example.org")).status == 201
    for name in ("example.org", "*.example.org", "a..example.org", "", "ü.example.org"):
        assert (await bench.order(name)).problem == "rejectedIdentifier"
    address = {"identifiers": [{"type": "ip", "value": "192.0.2.1"}]}
    assert (await bench.client.post("new-order", address)).problem == "unsupportedIdentifier"
    assert (await bench.client.post("new-order", {"identifiers": []})).problem == "malformed"
    assert (await bench.client.post("new-order", {"identifiers": "x"})).problem == "malformed"


async def test_a_request_that_does_not_fit_its_order_is_refused(bench: Bench) -> None:
    bench.approve("example.com", ExactDomain="ENABLED", Subdomains="ENABLED")
    await bench.register()
    order = await bench.order("example.com")

    async def refused(text: Any) -> str:
        return (await bench.client.post(order.body["finalize"], {"csr": text})).problem

    assert await refused(csr("example.com", "www.example.com")) == "badCSR"
    assert await refused(csr("www.example.com")) == "badCSR"
    assert await refused(csr("example.com", key=rsa_key())) == "badCSR"  # not this endpoint
    assert await refused("%") == "badCSR"
    assert await refused(b64(b"nonsense")) == "badCSR"
    assert await refused(None) == "badCSR"
    with bench.cloud.store.reading() as tx:
        assert CERTIFICATES.list(tx) == []


async def test_nobody_sees_or_revokes_what_is_anothers(bench: Bench) -> None:
    bench.approve("example.com")
    await bench.register()
    order = await bench.order("example.com")
    await bench.client.post(order.body["finalize"], {"csr": csr("example.com")})
    der = bench.issue()
    first = bench.client
    bench.client = Client(first.session, first.origin, first.base)
    await bench.register()
    assert (await bench.client.post(order.headers["Location"])).status == 404
    assert (await bench.client.post(order.body["finalize"], {"csr": ""})).status == 404
    assert (await bench.client.post(first.account, {})).problem == "unauthorized"
    revoke = await bench.client.post("revoke-cert", {"certificate": der})
    assert revoke.problem == "unauthorized"
    odd = await bench.client.post("revoke-cert", {"certificate": der, "reason": 8})
    assert odd.problem == "badRevocationReason"
    other = b64(Maker().leaf("example.com").certificate.public_bytes(Encoding.DER))
    assert (await bench.client.post("revoke-cert", {"certificate": other})).status == 404


async def test_an_account_changes_its_contacts_and_key_and_ends(bench: Bench) -> None:
    client = bench.client
    await bench.register()
    changed = await client.post(client.account, {"contact": ["mailto:new@example.com"]})
    assert changed.body["contact"] == ["mailto:new@example.com"]
    for contact in (["tel:1"], ["mailto:nobody"], "x", [1]):
        refused = await client.post(client.account, {"contact": contact})
        assert refused.problem in ("unsupportedContact", "invalidContact", "malformed")
    new = jwk.JWKEC(key=_curve())
    url = f"{client.base}/key-change"
    header = {"alg": "ES256", "jwk": new.public_key().to_json(), "url": url}
    inner = {"account": client.account, "oldKey": client.key.public_key().to_json()}
    forged = json.loads(client.jws(header, inner))  # by the old key
    assert (await client.post("key-change", forged)).problem == "malformed"
    signed = json.loads(client.jws(header, inner, new))
    assert (await client.post("key-change", signed)).status == 200
    assert (await client.post(client.account)).problem == "malformed"  # the old key no longer
    client.key = new
    assert (await client.post(client.account)).body["status"] == "valid"
    ended = await client.post(client.account, {"status": "deactivated"})
    assert ended.body["status"] == "deactivated"
    assert (await bench.order("example.com")).problem == "unauthorized"


def test_resources_of_an_endpoint_are_tagged_and_go_with_it() -> None:
    use_key_store(Keys())
    cloud = Cloud()
    public: dict[str, Any] = {"PublicCertificateAuthority": {}}
    create: dict[str, Any] = {
        "AuthorizationBehavior": "PRE_APPROVED",
        "CertificateAuthority": public,
    }
    arn = cloud("acm", "CreateAcmeEndpoint", IdempotencyToken="t", **create)["AcmeEndpointArn"]
    again = cloud("acm", "CreateAcmeEndpoint", IdempotencyToken="t", **create)
    assert again["AcmeEndpointArn"] == arn
    cloud("acm", "TagResource", ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}])
    assert cloud("acm", "ListTagsForResource", ResourceArn=arn)["Tags"]
    cloud("acm", "UntagResource", ResourceArn=arn, TagKeys=["a"])
    assert "Tags" not in cloud("acm", "ListTagsForResource", ResourceArn=arn)
    validation = cloud(
        *("acm", "CreateAcmeDomainValidation"),
        AcmeEndpointArn=arn,
        DomainName="example.com",
        PrevalidationOptions={"DnsPrevalidation": {"HostedZoneId": "Z0NOTTHERE"}},
    )["AcmeDomainValidationArn"]
    shown = cloud("acm", "DescribeAcmeDomainValidation", AcmeDomainValidationArn=validation)
    assert shown["AcmeDomainValidation"]["Status"] == "INVALID"
    reason = shown["AcmeDomainValidation"]["FailureDetails"]["Reason"]
    assert reason == "HOSTED_ZONE_NOT_FOUND"
    with pytest.raises(AwsError, match="does not exist"):
        cloud(
            *("acm", "CreateAcmeExternalAccountBinding"),
            AcmeEndpointArn=arn,
            RoleArn="arn:aws:iam::123456789012:role/nobody",
        )
    cloud("acm", "DeleteAcmeEndpoint", AcmeEndpointArn=arn)
    cloud("acm", "DeleteAcmeEndpoint", AcmeEndpointArn=arn)
    with pytest.raises(AwsError, match="ResourceNotFoundException"):
        cloud("acm", "DescribeAcmeDomainValidation", AcmeDomainValidationArn=validation)
