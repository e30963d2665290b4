from __future__ import annotations

import ssl
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from hiyoko.blueprint.certificates import Certificate
from hiyoko.plane.ca import (
    CertificateFiles,
    certificate_path,
    endpoint_context,
    root_certificate_path,
    trust_bundle,
)
from hiyoko.plane.ca.authority import Authority
from hiyoko.plane.ca.endpoints import is_endpoint
from hiyoko.plane.error import PlaneError
from hiyoko.settings import Settings

NOW = datetime.now(UTC).timestamp()
ARN = "arn:aws:acm:ap-northeast-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(tmp_path_factory.mktemp("state"))


def certificate(arn: str = ARN, algorithm: str = "RSA_2048") -> Certificate:
    return Certificate(arn, "example.com", ("example.com", "*.example.com"), algorithm, ())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_leaf_has_what_acms_leaves_have(settings: Settings) -> None:
    issued = await CertificateFiles(settings).issue(certificate(), NOW)
    leaf = x509.load_pem_x509_certificate(issued.certificate_pem.encode())
    assert leaf.subject.rfc4514_string() == "CN=example.com"
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["example.com", "*.example.com"]
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    policies = leaf.extensions.get_extension_for_class(x509.CertificatePolicies).value
    assert [p.policy_identifier.dotted_string for p in policies] == ["2.23.140.1.2.1"]
    days = (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days
    assert days == 197  # 198 days less one second
    assert leaf.not_valid_before_utc <= datetime.now(UTC)
    assert issued.not_after == leaf.not_valid_after_utc.timestamp()
    assert int(issued.serial.replace(":", ""), 16) == leaf.serial_number


async def test_the_chain_leads_to_the_root_that_clients_trust(settings: Settings) -> None:
    issued = await CertificateFiles(settings).issue(certificate(), NOW)
    leaf = x509.load_pem_x509_certificate(issued.certificate_pem.encode())
    intermediate, root = x509.load_pem_x509_certificates(issued.chain_pem.encode())
    leaf.verify_directly_issued_by(intermediate)
    intermediate.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    assert root_certificate_path(settings).read_text() == trust_bundle(settings)
    assert x509.load_pem_x509_certificate(trust_bundle(settings).encode()) == root


async def test_keys_are_closed_to_everybody_else_and_in_no_answer(settings: Settings) -> None:
    issued = await CertificateFiles(settings).issue(certificate(), NOW)
    assert "PRIVATE KEY" not in repr(issued)
    path = certificate_path(settings, ARN)
    assert path.read_text().count("PRIVATE KEY") == 2
    assert mode(path) == 0o600
    assert mode(settings.ca_dir) == 0o700
    for key in settings.ca_dir.glob("*.key"):
        assert mode(key) == 0o600


async def test_issuing_again_gives_the_same_certificate(settings: Settings) -> None:
    files = CertificateFiles(settings)
    assert await files.issue(certificate(), NOW) == await files.issue(certificate(), NOW)
    assert ARN.rsplit("/", 1)[-1] in files.observe()


async def test_a_forgotten_certificate_leaves_no_key(settings: Settings) -> None:
    files = CertificateFiles(settings)
    await files.issue(certificate("x/gone", "EC_prime256v1"), NOW)
    files.forget("gone")
    assert "gone" not in files.observe()
    assert not certificate_path(settings, "x/gone").exists()


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("RSA_2048", rsa.RSAPublicKey),
        ("EC_prime256v1", ec.EllipticCurvePublicKey),
        ("EC_secp384r1", ec.EllipticCurvePublicKey),
    ],
)
async def test_the_key_is_of_the_requested_algorithm(
    settings: Settings, algorithm: str, kind: type[object]
) -> None:
    issued = await CertificateFiles(settings).issue(certificate(f"x/{algorithm}", algorithm), NOW)
    leaf = x509.load_pem_x509_certificate(issued.certificate_pem.encode())
    assert isinstance(leaf.public_key(), kind)


def test_the_authority_is_made_once(settings: Settings) -> None:
    assert Authority.open(settings).chain_pem() == Authority.open(settings).chain_pem()


def test_a_broken_authority_is_named(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    settings.ca_dir.mkdir()
    (settings.ca_dir / "root.key").write_text("nonsense")
    with pytest.raises(PlaneError, match="read the certificate authority in"):
        Authority.open(settings)


@pytest.mark.parametrize(
    "name", ["ec2.ap-northeast-1.amazonaws.com", "registry-1.docker.io", "public.ecr.aws"]
)
def test_every_endpoint_name_gets_a_certificate_of_its_own(settings: Settings, name: str) -> None:
    server = endpoint_context(settings, ["amazonaws.com"])
    client = ssl.create_default_context(cadata=trust_bundle(settings))
    assert shake_hands(client, server, name)["subject"] == ((("commonName", name),),)


def test_a_name_too_long_for_a_common_name_is_still_served(settings: Settings) -> None:
    server = endpoint_context(settings, ["amazonaws.com"])
    client = ssl.create_default_context(cadata=trust_bundle(settings))
    found = shake_hands(client, server, f"{'a' * 60}.s3.ap-northeast-1.amazonaws.com")
    assert found["subject"] == ()


def test_a_strangers_name_gets_no_certificate(settings: Settings) -> None:
    server = endpoint_context(settings, ["amazonaws.com"])
    client = ssl.create_default_context(cadata=trust_bundle(settings))
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(client, server, "www.example.com")


@pytest.mark.parametrize("name", ["../../x.amazonaws.com", "evilamazonaws.com", "a/b.docker.io"])
def test_a_name_that_is_no_endpoint_never_becomes_a_file(name: str) -> None:
    assert not is_endpoint(name)


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> dict[str, object]:
    """A TLS handshake in memory; what the client learnt of the server's certificate."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=name)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(10):
        done = 0
        for side in (here, there):
            try:
                side.do_handshake()
                done += 1
            except ssl.SSLWantReadError:
                continue
        if done == 2:
            break
    found = here.getpeercert()
    assert found
    return dict(found)
