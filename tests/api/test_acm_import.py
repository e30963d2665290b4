"""What is brought along is checked as AWS checks it, and what leaves leaves guarded."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from tests.api.bundles import Made, Maker, key_pem, rsa_key
from tests.api.dns_cloud import Cloud

from hiyoko.api import AwsError
from hiyoko.services.acm.key_store import use_key_store
from hiyoko.services.acm.seen import ISSUED_SEEN, IssuedSeen

DAY_S = 86400.0


@dataclass
class Keys:
    """A key store in memory."""

    held: dict[str, bytes] = field(default_factory=dict)
    issued: dict[str, bytes] = field(default_factory=dict)

    def hold(self, key_pem: bytes) -> str:
        self.held[name := f"key-{len(self.held)}"] = key_pem
        return name

    def secret(self, purpose: str) -> bytes:
        return purpose.encode()

    def private_key(self, arn: str) -> bytes | None:
        return self.issued.get(arn)


@pytest.fixture
def keys() -> Keys:
    use_key_store(kept := Keys())
    return kept


@pytest.fixture
def cloud(keys: Keys) -> Cloud:
    made = Cloud()
    made.clock.time = datetime.now(UTC).timestamp()
    return made


@pytest.fixture(scope="module")
def root() -> Made:
    return Maker().ca("Root")


@pytest.fixture(scope="module")
def signer(root: Made) -> Made:
    return Maker().ca("Intermediate", root)


@pytest.fixture(scope="module")
def leaf(signer: Made) -> Made:
    return Maker().leaf("www.example.com", "*.example.com", by=signer)


def brought(cloud: Cloud, certificate: bytes, key: bytes, chain: bytes = b"", **more: Any) -> str:
    given = {"Certificate": certificate, "PrivateKey": key, **more}
    if chain:
        given["CertificateChain"] = chain
    answer = cloud("acm", "ImportCertificate", **given)
    return str(answer["CertificateArn"])


def test_an_imported_certificate_speaks_for_itself(
    cloud: Cloud, leaf: Made, signer: Made, root: Made
) -> None:
    chain = signer.pem + root.pem
    arn = brought(cloud, leaf.pem, leaf.key_pem, chain, Tags=[{"Key": "a", "Value": "1"}])
    shown = cloud.described(arn)
    assert (shown["Status"], shown["Type"]) == ("ISSUED", "IMPORTED")
    assert shown["SubjectAlternativeNames"] == ["www.example.com", "*.example.com"]
    assert shown["Issuer"] == "Intermediate"
    assert shown["Subject"] == "CN=www.example.com"
    assert shown["RenewalEligibility"] == "INELIGIBLE"
    assert shown["ImportedAt"] == cloud.clock.time
    assert shown["SignatureAlgorithm"] == "SHA256WITHRSA"
    assert shown["KeyUsages"] == [{"Name": "ANY"}]
    assert shown["ExtendedKeyUsages"][0]["Name"] == "TLS_WEB_SERVER_AUTHENTICATION"
    got = cloud("acm", "GetCertificate", CertificateArn=arn)
    assert got["Certificate"].encode() == leaf.pem
    assert got["CertificateChain"].encode() == chain
    (listed,) = cloud("acm", "ListCertificates")["CertificateSummaryList"]
    assert "Exported" not in listed
    cloud.clock.time = shown["NotAfter"]
    assert cloud.described(arn)["Status"] == "EXPIRED"


def test_its_key_is_with_the_key_store_and_not_in_the_database(
    cloud: Cloud, keys: Keys, leaf: Made, signer: Made
) -> None:
    old = PrivateFormat.TraditionalOpenSSL
    brought(cloud, leaf.pem, key_pem(leaf.key, old), signer.pem)
    assert list(keys.held.values()) == [leaf.key_pem]  # in one writing, however it came
    database = "\n".join(cloud.store.connection.iterdump())
    assert "PRIVATE KEY" not in database


def test_a_self_signed_one_needs_no_chain(cloud: Cloud) -> None:
    made = Maker().leaf("self.example.com", key=ec.generate_private_key(ec.SECP521R1()))
    arn = brought(cloud, made.pem, made.key_pem)
    assert cloud.described(arn)["KeyAlgorithm"] == "EC-secp521r1"
    assert "CertificateChain" not in cloud("acm", "GetCertificate", CertificateArn=arn)


def refusal(cloud: Cloud, certificate: bytes, key: bytes, chain: bytes = b"", **more: Any) -> str:
    with pytest.raises(AwsError) as caught:
        brought(cloud, certificate, key, chain, **more)
    assert caught.value.code == "ValidationException"
    assert rows(cloud) == []
    return caught.value.message


def rows(cloud: Cloud) -> list[str]:
    listed = cloud("acm", "ListCertificates", Includes={"keyTypes": ["RSA_2048", "EC_secp521r1"]})
    return [entry["CertificateArn"] for entry in listed["CertificateSummaryList"]]


def test_more_than_one_certificate_is_refused(cloud: Cloud, leaf: Made, signer: Made) -> None:
    assert refusal(cloud, leaf.pem + signer.pem, leaf.key_pem, signer.pem) == (
        "The certificate field contains more than one certificate."
        " You can specify only one certificate in this field."
    )


@pytest.mark.parametrize(
    "broken",
    [
        b"nonsense",
        b"\x00\xff" * 50,
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n" + b"%%%%" * 20 + b"\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n",
    ],
)
def test_what_is_no_pem_is_refused(cloud: Cloud, leaf: Made, signer: Made, broken: bytes) -> None:
    assert "PEM format" in refusal(cloud, broken, leaf.key_pem, signer.pem)
    assert "PEM format" in refusal(cloud, leaf.pem, leaf.key_pem, broken)
    assert "PEM format" in refusal(cloud, leaf.pem, broken, signer.pem)


def test_a_key_in_a_public_field_is_refused_and_kept_nowhere(
    cloud: Cloud, leaf: Made, signer: Made
) -> None:
    assert "PEM format" in refusal(cloud, leaf.pem + leaf.key_pem, leaf.key_pem, signer.pem)
    assert "PEM format" in refusal(cloud, leaf.pem, leaf.key_pem, signer.pem + leaf.key_pem)


def test_a_truncated_certificate_is_refused(cloud: Cloud, leaf: Made, signer: Made) -> None:
    lines = leaf.pem.splitlines(keepends=True)
    shorter = b"".join([*lines[:5], lines[-1]])
    assert "PEM format" in refusal(cloud, shorter, leaf.key_pem, signer.pem)


def test_another_key_is_refused(cloud: Cloud, keys: Keys, leaf: Made, signer: Made) -> None:
    said = refusal(cloud, leaf.pem, signer.key_pem, signer.pem)
    assert said == "The certificate and the private key do not match."
    assert keys.held == {}


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key_is_refused(
    cloud: Cloud, leaf: Made, signer: Made, form: PrivateFormat
) -> None:
    assert "encrypted" in refusal(cloud, leaf.pem, key_pem(leaf.key, form, b"x1234"), signer.pem)


def test_a_key_of_more_than_5120_bytes_is_refused(cloud: Cloud, leaf: Made, signer: Made) -> None:
    assert "5120" in refusal(cloud, leaf.pem, leaf.key_pem + b"\n" * 5120, signer.pem)


def test_a_key_of_another_size_or_kind_is_refused(cloud: Cloud) -> None:
    small = Maker().leaf("a.example.com", key=rsa_key(1536))
    assert refusal(cloud, small.pem, small.key_pem) == (
        "The private key length 1536 is not supported for key algorithm."
    )
    curve = Maker().leaf("a.example.com", key=ec.generate_private_key(ec.SECP224R1()))
    assert refusal(cloud, curve.pem, curve.key_pem) == "The private key is not supported."
    edwards = ed25519.Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    plain = Maker().leaf("a.example.com")
    assert refusal(cloud, plain.pem, edwards) == "The private key is not supported."


def test_a_chain_with_a_gap_or_of_somebody_else_is_refused(
    cloud: Cloud, leaf: Made, signer: Made, root: Made
) -> None:
    said = "Could not validate the certificate with the certificate chain."
    assert refusal(cloud, leaf.pem, leaf.key_pem, root.pem) == said
    assert refusal(cloud, leaf.pem, leaf.key_pem, root.pem + signer.pem) == said
    assert refusal(cloud, leaf.pem, leaf.key_pem, leaf.pem + signer.pem) == said
    assert refusal(cloud, leaf.pem, leaf.key_pem, Maker().ca("Intermediate").pem) == said


def test_a_signed_one_without_its_chain_is_refused(cloud: Cloud, leaf: Made) -> None:
    assert "not a valid self signed" in refusal(cloud, leaf.pem, leaf.key_pem)


def test_an_elliptic_key_signed_by_an_rsa_one_is_refused(cloud: Cloud, signer: Made) -> None:
    made = Maker().leaf("a.example.com", by=signer, key=ec.generate_private_key(ec.SECP256R1()))
    assert "key algorithm" in refusal(cloud, made.pem, made.key_pem, signer.pem)


def test_one_that_has_ended_or_not_begun_is_refused(cloud: Cloud) -> None:
    made = Maker().leaf("a.example.com")
    cloud.clock.time += 91 * DAY_S
    assert "not valid at this time" in refusal(cloud, made.pem, made.key_pem)
    cloud.clock.time -= 300 * DAY_S
    assert "not valid at this time" in refusal(cloud, made.pem, made.key_pem)


def test_an_endless_ocsp_url_is_refused(cloud: Cloud) -> None:
    access = x509.AccessDescription(
        x509.oid.AuthorityInformationAccessOID.OCSP,
        x509.UniformResourceIdentifier(f"http://ocsp.example.com/{'x' * 1000}"),
    )
    made = Maker().leaf("a.example.com", more=[x509.AuthorityInformationAccess([access])])
    assert "OCSP authority URL" in refusal(cloud, made.pem, made.key_pem)


def test_a_reimport_keeps_the_arn_and_takes_no_tags(cloud: Cloud) -> None:
    first, second = Maker().leaf("a.example.com"), Maker().leaf("b.example.com")
    arn = brought(cloud, first.pem, first.key_pem)
    at = cloud.described(arn)["CreatedAt"]
    cloud.clock.time += 60
    assert brought(cloud, second.pem, second.key_pem, CertificateArn=arn) == arn
    shown = cloud.described(arn)
    assert (shown["DomainName"], shown["CreatedAt"]) == ("b.example.com", at)
    assert shown["ImportedAt"] == at + 60
    with pytest.raises(AwsError, match="Tagging is not permitted on re-import"):
        brought(cloud, first.pem, first.key_pem, CertificateArn=arn, Tags=[{"Key": "a"}])
    other = Maker().leaf("a.example.com", key=ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(AwsError, match="key algorithm"):
        brought(cloud, other.pem, other.key_pem, CertificateArn=arn)
    with pytest.raises(AwsError, match="ResourceNotFoundException"):
        brought(cloud, first.pem, first.key_pem, CertificateArn=arn[:-1] + "x")
    requested = cloud.certificate()
    with pytest.raises(AwsError, match="was not imported"):
        brought(cloud, first.pem, first.key_pem, CertificateArn=requested)


def issued(cloud: Cloud, keys: Keys, arn: str) -> Made:
    """As if the CA had issued it."""
    made = Maker().leaf("example.com")
    keys.issued[arn] = made.key_pem
    now = cloud.clock.now()
    seen = IssuedSeen(arn, made.pem.decode(), "CHAIN", "03:e9", now, now + 198 * DAY_S, now)
    with cloud.store.transaction() as tx:
        ISSUED_SEEN.put(tx, seen)
    return made


def test_an_exported_key_opens_with_its_passphrase_only(cloud: Cloud, keys: Keys) -> None:
    arn = cloud.certificate(Options={"Export": "ENABLED"})
    with pytest.raises(AwsError, match="RequestInProgressException"):
        cloud("acm", "ExportCertificate", CertificateArn=arn, Passphrase=b"secret")
    made = issued(cloud, keys, arn)
    got = cloud("acm", "ExportCertificate", CertificateArn=arn, Passphrase=b"secret")
    assert got["PrivateKey"].startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    key = load_pem_private_key(got["PrivateKey"].encode(), b"secret")
    assert key.public_key() == made.key.public_key()
    with pytest.raises(ValueError, match=r"(?i)password|decrypt"):
        load_pem_private_key(got["PrivateKey"].encode(), b"guess")
    (listed,) = cloud("acm", "ListCertificates")["CertificateSummaryList"]
    assert (listed["ExportOption"], listed["Exported"]) == ("ENABLED", True)
    assert listed["RenewalEligibility"] == "ELIGIBLE"


def test_only_what_may_leave_is_exported(cloud: Cloud, keys: Keys) -> None:
    arn = cloud.certificate()
    issued(cloud, keys, arn)
    with pytest.raises(AwsError, match="can't be exported"):
        cloud("acm", "ExportCertificate", CertificateArn=arn, Passphrase=b"secret")
    arn = cloud.certificate("b.com", Options={"Export": "ENABLED"})
    issued(cloud, keys, arn)
    for passphrase in (b"with#hash", b"per%cent", b"dol$lar", "schlüssel".encode()):
        with pytest.raises(AwsError, match="ASCII character except"):
            cloud("acm", "ExportCertificate", CertificateArn=arn, Passphrase=passphrase)


def test_only_what_has_left_is_revoked_and_once(cloud: Cloud, keys: Keys) -> None:
    arn = cloud.certificate(Options={"Export": "ENABLED"})
    issued(cloud, keys, arn)
    revoke = {"CertificateArn": arn, "RevocationReason": "SUPERSEDED"}
    with pytest.raises(AwsError, match="never exported"):
        cloud("acm", "RevokeCertificate", **revoke)
    cloud("acm", "ExportCertificate", CertificateArn=arn, Passphrase=b"secret")
    with pytest.raises(AwsError, match="hiyoko does not implement RevocationReason"):
        cloud("acm", "RevokeCertificate", **{**revoke, "RevocationReason": "REMOVE_FROM_CRL"})
    assert cloud("acm", "RevokeCertificate", **revoke) == {"CertificateArn": arn}
    with pytest.raises(AwsError, match="ConflictException"):
        cloud("acm", "RevokeCertificate", **revoke)


def test_a_public_certificate_is_not_renewed_on_request(cloud: Cloud, keys: Keys) -> None:
    arn = cloud.certificate()
    with pytest.raises(AwsError, match="RequestInProgressException"):
        cloud("acm", "RenewCertificate", CertificateArn=arn)
    issued(cloud, keys, arn)
    with pytest.raises(AwsError, match="ValidationException"):
        cloud("acm", "RenewCertificate", CertificateArn=arn)
