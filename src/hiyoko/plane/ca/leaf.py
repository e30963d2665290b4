"""What a leaf certificate holds: the members that ACM's certificates have.

Without the pointers to OCSP and CRL servers: this world has none, and a pointer to nothing would
make careful clients wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hiyoko.plane.ca.authority import Issuer, midnight

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

VALIDITY_DAYS = 198
"""https://docs.aws.amazon.com/acm/latest/userguide/acm-certificate-characteristics.html"""
COMMON_NAME_MAX = 64
"""RFC 5280, appendix A: ub-common-name."""
DOMAIN_VALIDATED = x509.ObjectIdentifier("2.23.140.1.2.1")


def new_key(algorithm: str) -> Key:
    """A private key of an algorithm in the API's spelling."""
    match algorithm:
        case "EC_prime256v1":
            return ec.generate_private_key(ec.SECP256R1())
        case "EC_secp384r1":
            return ec.generate_private_key(ec.SECP384R1())
        case _:
            return rsa.generate_private_key(
                public_exponent=65537, key_size=int(algorithm.removeprefix("RSA_"))
            )


def key_pem(key: Key) -> str:
    """The key as PEM, in the form that every OpenSSL reads."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def leaf_certificate(
    names: Sequence[str], key: Key, issuer: Issuer, now: datetime
) -> x509.Certificate:
    """A server certificate for these names; the first one is its common name.

    A name that is too long for that stands in the alternative names only, which are then critical
    (RFC 5280, section 4.2.1.6).
    """
    common = [names[0]] if len(names[0]) <= COMMON_NAME_MAX else []
    start = midnight(now)
    end = start + timedelta(days=VALIDITY_DAYS) - timedelta(seconds=1)
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common]))
        .issuer_name(issuer.certificate.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]),
            critical=not common,
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_encipherment=isinstance(key, rsa.RSAPrivateKey),
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
        .sign(issuer.key, hashes.SHA256())
    )
