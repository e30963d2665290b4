"""Bundles of certificate authorities and revocation lists: read, checked, said what is wrong.

What a bundle may hold:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/mutual-authentication.html
How much of it:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from hiyoko.api import AwsError
from hiyoko.services.elbv2 import errors

CERTIFICATES_MAX = 25
CERTIFICATE_BYTES_MAX = 16 * 1024
REVOCATION_BYTES_MAX = 50 * 1024 * 1024
_RSA_BITS = (2048, 8192)
_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_HASHES = frozenset({"sha256", "sha384", "sha512"})

Invalid = Callable[[str], AwsError]


def read_ca_bundle(raw: bytes) -> tuple[str, int]:
    """The bundle's certificates in PEM, without its comments, and how many they are.

    Raises InvalidCaCertificatesBundle.
    """
    invalid = errors.invalid_ca_bundle
    found = [_certificate(block, invalid) for block in _blocks(raw, "CERTIFICATE", invalid)]
    if not found:
        raise invalid("it holds no certificate")
    if len(found) > CERTIFICATES_MAX:
        raise invalid(f"it holds {len(found)} certificates; the limit is {CERTIFICATES_MAX}")
    text = "".join(c.public_bytes(Encoding.PEM).decode() for c in found)
    return text, len(found)


def read_crl(raw: bytes) -> tuple[str, int]:
    """A revocation list in PEM, from PEM or DER, and how many certificates it revokes.

    Raises InvalidRevocationContent.
    """
    invalid = errors.invalid_revocation_content
    if len(raw) > REVOCATION_BYTES_MAX:
        raise invalid(f"it is larger than {REVOCATION_BYTES_MAX // (1024 * 1024)} MB")
    try:
        if raw.lstrip().startswith(b"-----BEGIN X509 CRL-----"):
            crl = x509.load_pem_x509_crl(raw)
        else:
            crl = x509.load_der_x509_crl(raw)
        algorithm = crl.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm) as error:
        raise invalid("it is not a certificate revocation list") from error
    if algorithm is None or algorithm.name not in _HASHES:
        raise invalid("its signature algorithm is not supported")
    return crl.public_bytes(Encoding.PEM).decode(), len(crl)


def _blocks(raw: bytes, label: str, invalid: Invalid) -> Iterator[bytes]:
    """The PEM blocks of a file: comments begin with ``#``, blank lines are not allowed."""
    try:
        lines = raw.decode("ascii").splitlines()
    except UnicodeDecodeError as error:
        raise invalid("it is not in PEM format") from error
    begin, end = f"-----BEGIN {label}-----", f"-----END {label}-----"
    block: list[str] = []
    for number, line in enumerate(lines, 1):
        if block:
            if not re.fullmatch(r"[A-Za-z0-9+/=]+", line) and line != end:
                raise invalid(f"line {number} is not base64")
            block.append(line)
            if line == end:
                yield "\n".join((*block, "")).encode()
                block = []
        elif line == begin:
            block = [line]
        elif not line:
            raise invalid(f"line {number} is blank")
        elif not line.startswith("#") or "-" in line:
            raise invalid(f"line {number} is neither a certificate nor a comment")
    if block:
        raise invalid(f"its last certificate has no {end}")


def _certificate(block: bytes, invalid: Invalid) -> x509.Certificate:
    if len(block) > CERTIFICATE_BYTES_MAX:
        raise invalid(f"a certificate is larger than {CERTIFICATE_BYTES_MAX // 1024} KB")
    try:
        found = x509.load_pem_x509_certificate(block)
        key, algorithm = found.public_key(), found.signature_hash_algorithm
        basic = found.extensions.get_extension_for_class(x509.BasicConstraints).value
        subject = found.subject.rfc4514_string()
    except x509.ExtensionNotFound as error:
        raise invalid("a certificate is not a certificate authority's") from error
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise invalid("a certificate cannot be read") from error
    if not basic.ca:
        raise invalid(f"the certificate of '{subject}' is not a certificate authority's")
    rsa_fits = isinstance(key, rsa.RSAPublicKey) and _RSA_BITS[0] <= key.key_size <= _RSA_BITS[1]
    ec_fits = isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES
    if not rsa_fits and not ec_fits:
        raise invalid(f"the public key of '{subject}' is not supported")
    if algorithm is None or algorithm.name not in _HASHES:
        raise invalid(f"the signature algorithm of '{subject}' is not supported")
    return found
