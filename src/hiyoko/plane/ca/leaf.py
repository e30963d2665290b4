"""What a leaf certificate holds: the members that ACM's certificates have."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hiyoko.plane.ca.authority import DOMAIN_VALIDATED, Issuer, midnight
from hiyoko.plane.ca.pointers import pointers

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

VALIDITY_DAYS = 198
"""https://docs.aws.amazon.com/acm/latest/userguide/acm-certificate-characteristics.html"""
COMMON_NAME_MAX = 64
"""RFC 5280, appendix A: ub-common-name."""


def leaf_certificate(
    names: Sequence[str], key: PublicKey, issuer: Issuer, now: datetime
) -> x509.Certificate:
    """A server certificate for these names; the first one is its common name.

    A name that is too long for that stands in the alternative names only, which are then critical
    (RFC 5280, section 4.2.1.6).
    """
    common = [names[0]] if len(names[0]) <= COMMON_NAME_MAX else []
    start = midnight(now)
    end = start + timedelta(days=VALIDITY_DAYS) - timedelta(seconds=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common]))
        .issuer_name(issuer.certificate.subject)
        .public_key(key)
        .serial_number(_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]),
            critical=not common,
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_encipherment=isinstance(key, rsa.RSAPublicKey),
                content_commitment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=False,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.CertificatePolicies([x509.PolicyInformation(DOMAIN_VALIDATED, None)]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    for pointer in pointers(issuer.title.label):
        builder = builder.add_extension(pointer, critical=False)
    return builder.sign(issuer.key, issuer.digest)


def _serial_number() -> int:
    """16 bytes, as Amazon's are; positive, and never with a leading zero byte."""
    return secrets.randbits(125) | 1 << 125
