"""The authority's word on its certificates: OCSP (RFC 6960), revocation lists (RFC 5280).

Answers are made when they are asked for, from the ledger: what was revoked a moment ago is told at
once. The issuer signs by itself (RFC 6960, section 4.2.2.2): there is no second key to guard.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

from aiohttp import web
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.ca.authority import ROOT, Authority, Issuer
from hiyoko.plane.ca.ledger import Entry, Ledger, Revoked
from hiyoko.plane.ca.pointers import DOMAIN
from hiyoko.settings import Settings

HOSTS = f"*.{DOMAIN}"
REQUEST_BYTES_MAX = 4096
OCSP_VALIDITY = timedelta(days=7)
LIST_VALIDITY = timedelta(days=7)
_HOST = re.compile(rf"(ocsp|crl|crt)\.([a-z0-9]+)\.{re.escape(DOMAIN)}")
_REASONS = {
    "KEY_COMPROMISE": x509.ReasonFlags.key_compromise,
    "CA_COMPROMISE": x509.ReasonFlags.ca_compromise,
    "AFFILIATION_CHANGED": x509.ReasonFlags.affiliation_changed,
    "SUPERCEDED": x509.ReasonFlags.superseded,
    "SUPERSEDED": x509.ReasonFlags.superseded,
    "CESSATION_OF_OPERATION": x509.ReasonFlags.cessation_of_operation,
    "CERTIFICATE_HOLD": x509.ReasonFlags.certificate_hold,
    "PRIVILEGE_WITHDRAWN": x509.ReasonFlags.privilege_withdrawn,
    "A_A_COMPROMISE": x509.ReasonFlags.aa_compromise,
}
"""UNSPECIFIED is said by saying nothing (RFC 5280, section 5.3.1)."""
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


@dataclass(frozen=True, slots=True)
class Responder:
    """Serves the names that the authority's certificates point to, over plain HTTP."""

    settings: Settings
    clock: Clock = field(default_factory=SystemClock)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request by its host: ``ocsp``, ``crl`` or ``crt``, and the issuer's label."""
        host = request.headers.get("Host", "").partition(":")[0].lower()
        match = _HOST.fullmatch(host)
        issuer = self._issuer(match[2]) if match else None
        if match is None or issuer is None:
            return web.Response(status=404, text=f"nothing is served for {host}\n")
        if match[1] == "ocsp":
            return await self._ocsp(request)
        path = request.path.lstrip("/")
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, headers={"Allow": "GET, HEAD"})
        if match[1] == "crl" and path == f"{match[2]}.crl":
            return _binary(self.revocation_list(issuer), "application/pkix-crl")
        if match[1] == "crt" and path == f"{match[2]}.cer":
            return _binary(issuer.certificate.public_bytes(Encoding.DER), "application/pkix-cert")
        return web.Response(status=404, text=f"no {path} here\n")

    def _issuer(self, label: str) -> Issuer | None:
        for issuer in Authority.open(self.settings).issuers():
            if issuer.title.label == label:
                return issuer
        return None

    async def _ocsp(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "POST":
            body = await request.content.read(REQUEST_BYTES_MAX)
        elif request.method == "GET":
            # RFC 6960, appendix A.1: base64 in the path, with its slashes escaped or not.
            text = unquote(request.raw_path.partition("?")[0]).lstrip("/")
            try:
                body = base64.b64decode(text, validate=True)
            except binascii.Error:
                body = b""
        else:
            return web.Response(status=405, headers={"Allow": "GET, POST"})
        return _binary(self.respond(body), "application/ocsp-response")

    def respond(self, request: bytes) -> bytes:
        """An OCSP response to a request, both as DER. A request that is none gets an error."""
        try:
            asked = ocsp.load_der_ocsp_request(request)
            # Parsed only when asked for, and may be broken.
            serial, extensions = asked.serial_number, asked.extensions
            digest = _HASHES[asked.hash_algorithm.name]()
        except (ValueError, NotImplementedError, UnsupportedAlgorithm, KeyError):
            return _unsuccessful(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        issuer = self._asked_issuer(asked, digest)
        if issuer is None:
            return _unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)
        now = self._now()
        ledger = Ledger(self.settings.ca_dir)
        revoked = ledger.revoked().get(serial)
        status = ocsp.OCSPCertStatus.GOOD
        if revoked is not None:
            status = ocsp.OCSPCertStatus.REVOKED
        elif not self._is_issued(serial, issuer, ledger):
            status = ocsp.OCSPCertStatus.UNKNOWN
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response_by_hash(
                asked.issuer_name_hash,
                asked.issuer_key_hash,
                serial,
                digest,
                status,
                now,
                now + OCSP_VALIDITY,
                _moment(revoked) if revoked else None,
                _REASONS.get(revoked.reason) if revoked else None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate)
        )
        for extension in extensions:
            if isinstance(extension.value, x509.OCSPNonce):
                builder = builder.add_extension(extension.value, critical=False)
        signed = builder.sign(issuer.key, issuer.digest)
        return signed.public_bytes(Encoding.DER)

    def revocation_list(self, issuer: Issuer) -> bytes:
        """The issuer's list of what it revoked and what would still be valid, as DER."""
        now = self._now()
        ledger = Ledger(self.settings.ca_dir)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.certificate.subject)
            .last_update(now)
            .next_update(now + LIST_VALIDITY)
            .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()),
                critical=False,
            )
        )
        issued = ledger.issued()
        for serial, revoked in sorted(ledger.revoked().items()):
            entry = issued.get(serial, Entry("", 0.0))
            if entry.label == issuer.title.label and entry.not_after > now.timestamp():
                builder = builder.add_revoked_certificate(_list_entry(serial, revoked))
        return builder.sign(issuer.key, issuer.digest).public_bytes(Encoding.DER)

    def _asked_issuer(self, asked: ocsp.OCSPRequest, digest: hashes.HashAlgorithm) -> Issuer | None:
        for issuer in Authority.open(self.settings).issuers():
            name = _digest(issuer.certificate.subject.public_bytes(), digest)
            if (name, _key_hash(issuer, digest)) == (asked.issuer_name_hash, asked.issuer_key_hash):
                return issuer
        return None

    def _is_issued(self, serial: int, issuer: Issuer, ledger: Ledger) -> bool:
        if issuer.title is ROOT:
            below = Authority.open(self.settings).issuers()
            return any(serial == each.certificate.serial_number for each in below)
        return ledger.issued().get(serial, Entry("", 0.0)).label == issuer.title.label

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self.clock.now()), UTC)


def _digest(data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()


def _key_hash(issuer: Issuer, algorithm: hashes.HashAlgorithm) -> bytes:
    """The hash of the key's bits alone, without what they are (RFC 6960, section 4.1.1)."""
    key = issuer.key.public_key()
    if hasattr(key, "curve"):
        bits = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    else:
        bits = key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return _digest(bits, algorithm)


def _list_entry(serial: int, revoked: Revoked) -> x509.RevokedCertificate:
    builder = (
        x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(_moment(revoked))
    )
    reason = _REASONS.get(revoked.reason)
    if reason is not None:
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    return builder.build()


def _moment(revoked: Revoked) -> datetime:
    return datetime.fromtimestamp(int(revoked.revoked_at), UTC)


def _unsuccessful(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)


def _binary(body: bytes, content_type: str) -> web.Response:
    return web.Response(
        body=body,
        content_type=content_type,
        headers={"Cache-Control": "max-age=0, no-cache, must-revalidate"},
    )
