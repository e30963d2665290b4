"""Certificates that leave: exported with their key, and revoked once they have been."""

from __future__ import annotations

from dataclasses import replace

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509 import load_pem_x509_certificate

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.acm import errors, rows
from hiyoko.services.acm.key_store import key_store
from hiyoko.services.acm.model import Revocation, Status
from hiyoko.services.acm.rows import Known

_FORBIDDEN = b"#$%"


@operation("ExportCertificate")
def export_certificate(call: Call, request: Request) -> Response:
    """The certificate, its chain, and its key under the passphrase.

    https://docs.aws.amazon.com/acm/latest/APIReference/API_ExportCertificate.html
    """
    known = _get(call, request)
    certificate = known.certificate
    passphrase = bytes(request["Passphrase"])
    if not passphrase.isascii() or any(byte in _FORBIDDEN for byte in passphrase):
        raise errors.validation("The passphrase can contain any ASCII character except #, $, or %.")
    if not certificate.exportable:
        raise errors.validation(
            f"Certificate {certificate.arn} can't be exported: only private certificates, and"
            " public ones that were requested with Export ENABLED, can be."
        )
    if known.status(call.now) is Status.REVOKED:
        raise errors.validation(f"Certificate {certificate.arn} is revoked.")
    issued, key_pem = known.issued, key_store().private_key(certificate.arn)
    if issued is None or key_pem is None:
        raise errors.in_progress(certificate.arn)
    key = load_pem_private_key(key_pem, password=None)
    # A renewal that is not noted yet has put another key on disk: a moment later it is.
    if key.public_key() != load_pem_x509_certificate(issued.certificate_pem.encode()).public_key():
        raise errors.in_progress(certificate.arn)
    if certificate.exported_at is None:
        rows.put_certificate(call.tx, replace(certificate, exported_at=call.now))
    return {
        "Certificate": issued.certificate_pem,
        "CertificateChain": issued.chain_pem,
        "PrivateKey": key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase)
        ).decode(),
    }


@operation("RevokeCertificate")
def revoke_certificate(call: Call, request: Request) -> Response:
    """Record the wish; REVOKED is what the CA says once it tells everybody who asks.

    https://docs.aws.amazon.com/acm/latest/APIReference/API_RevokeCertificate.html
    """
    known = _get(call, request)
    arn, reason = known.certificate.arn, request["RevocationReason"]
    # RFC 5280, section 5.3.1: it appears in delta CRLs only, and there are none.
    if reason == "REMOVE_FROM_CRL":
        raise unsupported("RevocationReason", reason)
    if known.used_by:
        raise errors.in_use(arn, call.account)
    if known.certificate.exported_at is None and known.certificate.acme is None:
        raise errors.validation(
            f"Certificate {arn} was never exported: only exported certificates can be revoked."
        )
    if known.issued is None:
        raise errors.validation(f"Certificate {arn} is not issued.")
    if rows.REVOCATIONS.find(call.tx, serial=known.issued.serial) is not None:
        raise errors.conflict(f"Certificate {arn} is revoked already.")
    rows.REVOCATIONS.insert(
        call.tx, Revocation(known.issued.serial, call.account, arn, reason, call.now)
    )
    return {"CertificateArn": arn}


@operation("RenewCertificate")
def renew_certificate(call: Call, request: Request) -> Response:
    """Only exported private certificates are renewed on request, and there is no private CA.

    https://docs.aws.amazon.com/acm/latest/APIReference/API_RenewCertificate.html
    """
    known = _get(call, request)
    if known.certificate.imported is None and known.issued is None:
        raise errors.in_progress(known.certificate.arn)
    raise errors.validation(
        f"Certificate {known.certificate.arn} is not eligible: only exported private certificates"
        " can be renewed by request. ACM renews public certificates by itself."
    )


def _get(call: Call, request: Request) -> Known:
    return rows.get_known(call.tx, call.account, call.region, request["CertificateArn"])
