"""The responder on good and bad questions; OpenSSL's own are asked in tests/plane."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from tests.golden.golden import FixedClock

from hiyoko.blueprint.certificates import Certificate
from hiyoko.plane.ca import CertificateFiles
from hiyoko.plane.ca.authority import Authority
from hiyoko.plane.ca.ledger import Ledger, Revoked
from hiyoko.plane.ca.responder import Responder
from hiyoko.plane.error import PlaneError
from hiyoko.settings import Settings

NOW = float(int(datetime.now(UTC).timestamp()))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(tmp_path_factory.mktemp("state"))


@pytest.fixture
def responder(settings: Settings) -> Responder:
    return Responder(settings, FixedClock(NOW))


async def leaf(settings: Settings, name: str, algorithm: str = "RSA_2048") -> x509.Certificate:
    wanted = Certificate(f"x/{name}", name, (name,), algorithm, ())
    issued = await CertificateFiles(settings).issue(wanted, NOW)
    return x509.load_pem_x509_certificate(issued.certificate_pem.encode())


def question(certificate: x509.Certificate, issuer: x509.Certificate, nonce: bytes = b"") -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())
    if nonce:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


@pytest.mark.parametrize("algorithm", ["RSA_2048", "EC_prime256v1", "EC_secp384r1"])
async def test_a_certificate_is_good_from_the_moment_it_is_issued(
    settings: Settings, responder: Responder, algorithm: str
) -> None:
    made = await leaf(settings, f"{algorithm.lower()}.example.com", algorithm)
    issuer = Authority.open(settings).issuer(algorithm)
    asked = question(made, issuer.certificate, b"12345678")
    answer = ocsp.load_der_ocsp_response(responder.respond(asked))
    assert answer.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL
    assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"12345678"


async def test_the_root_answers_for_its_intermediates(
    settings: Settings, responder: Responder
) -> None:
    authority = Authority.open(settings)
    for issuer in authority.issuers()[1:]:
        asked = question(issuer.certificate, authority.root.certificate)
        answer = ocsp.load_der_ocsp_response(responder.respond(asked))
        assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD


async def test_a_serial_number_of_another_issuer_is_unknown(
    settings: Settings, responder: Responder
) -> None:
    made = await leaf(settings, "unknown.example.com")
    other = await leaf(settings, "known.example.com", "EC_prime256v1")
    issuer = Authority.open(settings).issuer("EC_prime256v1")
    known = ocsp.load_der_ocsp_request(question(other, issuer.certificate))
    asked = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        known.issuer_name_hash, known.issuer_key_hash, made.serial_number, hashes.SHA1()
    )
    answer = ocsp.load_der_ocsp_response(
        responder.respond(asked.build().public_bytes(Encoding.DER))
    )
    assert answer.certificate_status is ocsp.OCSPCertStatus.UNKNOWN


async def test_nobody_is_answered_for_somebody_elses_certificates(
    settings: Settings, responder: Responder
) -> None:
    made = await leaf(settings, "stranger.example.com")
    answer = ocsp.load_der_ocsp_response(responder.respond(question(made, made)))
    assert answer.response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED


@pytest.mark.parametrize("asked", [b"", b"\x30", b"nonsense" * 100, b"\x30\x80" * 2000])
def test_what_is_no_request_is_malformed(responder: Responder, asked: bytes) -> None:
    answer = ocsp.load_der_ocsp_response(responder.respond(asked))
    assert answer.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


async def test_the_list_has_what_is_revoked_until_it_would_have_ended(
    settings: Settings, responder: Responder
) -> None:
    one, other = await leaf(settings, "a.example.com"), await leaf(settings, "b.example.com")
    ledger = Ledger(settings.ca_dir)
    ledger.revoke(
        {
            one.serial_number: Revoked(NOW, "CESSATION_OF_OPERATION"),
            other.serial_number: Revoked(NOW, "UNSPECIFIED"),
        }
    )
    issuer = Authority.open(settings).intermediate
    listed = x509.load_der_x509_crl(responder.revocation_list(issuer))
    assert {entry.serial_number for entry in listed} == {one.serial_number, other.serial_number}
    entry = listed.get_revoked_certificate_by_serial_number(other.serial_number)
    assert entry is not None
    assert not list(entry.extensions)  # RFC 5280, section 5.3.1: unspecified is not said
    later = Responder(settings, FixedClock(NOW + 200 * 86400))
    assert list(x509.load_der_x509_crl(later.revocation_list(issuer))) == []
    ledger.revoke({})


async def test_over_http_each_name_serves_its_own(settings: Settings, responder: Responder) -> None:
    made = await leaf(settings, "http.example.com")
    issuer = Authority.open(settings).intermediate.certificate
    asked = question(made, issuer)
    runner = web.ServerRunner(web.Server(responder.handle, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]

    async def get(host: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        headers = {"Host": f"{host}.hiyoko-trust.test"}
        method = "GET" if body is None else "POST"
        url = f"http://127.0.0.1:{port}/{path}"
        async with session.request(method, url, data=body, headers=headers) as response:
            return response.status, await response.read()

    async with ClientSession() as session:
        status, answer = await get("ocsp.r2m01", base64.b64encode(asked).decode())
        assert status == 200
        got = ocsp.load_der_ocsp_response(answer)
        assert got.certificate_status is ocsp.OCSPCertStatus.GOOD
        _, answer = await get("ocsp.r2m01", "", asked)
        got = ocsp.load_der_ocsp_response(answer)
        assert got.serial_number == made.serial_number
        _, answer = await get("crt.rootca1", "rootca1.cer")
        assert x509.load_der_x509_certificate(answer) == Authority.open(settings).root.certificate
        _, answer = await get("ocsp.r2m01", "not%20base64")
        status_of = ocsp.load_der_ocsp_response(answer).response_status
        assert status_of is ocsp.OCSPResponseStatus.MALFORMED_REQUEST
        assert (await get("crl.r2m01", "rootca1.crl"))[0] == 404
        assert (await get("crl.nobody", "nobody.crl"))[0] == 404
        assert (await get("crl.r2m01", "r2m01.crl", b"x"))[0] == 405
    await runner.cleanup()


async def test_a_line_that_a_crash_cut_short_spoils_no_other(
    settings: Settings, tmp_path: Path
) -> None:
    made = await leaf(settings, "after.example.com")
    ledger = Ledger(tmp_path)
    ledger.issued_path.write_text("\n1f r2m01 100\n2f r2m0")
    ledger.note(made, "r2m01")
    assert list(ledger.issued()) == [0x1F, made.serial_number]


def test_a_broken_ledger_is_named(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.revoked_path.write_text("[")
    with pytest.raises(PlaneError, match=r"read .*revoked\.json"):
        ledger.revoked()
