"""Certificates, chains and keys that users bring along: read, checked against each other.

Pure: PEM and a time in, facts out. What AWS refuses is refused with its words where they are known.

https://docs.aws.amazon.com/acm/latest/userguide/import-certificate-prerequisites.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtensionOID, NameOID

from hiyoko.services.acm import errors
from hiyoko.services.acm.model import Facts

KEY_BYTES_MAX = 5120
OCSP_URL_MAX = 1000
CHAIN_MAX = 100
"""A chain of two megabytes could hold a thousand certificates, each a signature to check."""

_CERTIFICATE = re.compile(
    rb"-----BEGIN (?:X509 )?CERTIFICATE-----.*?-----END (?:X509 )?CERTIFICATE-----", re.DOTALL
)
_ENCRYPTED = (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")
_RSA_SIZES = (1024, 2048, 3072, 4096)
_CURVES = {
    "secp256r1": "EC_prime256v1",
    "secp384r1": "EC_secp384r1",
    "secp521r1": "EC_secp521r1",
}
_KEY_USAGES = {
    "digital_signature": "DIGITAL_SIGNATURE",
    "content_commitment": "NON_REPUDIATION",
    "key_encipherment": "KEY_ENCIPHERMENT",
    "data_encipherment": "DATA_ENCIPHERMENT",
    "key_agreement": "KEY_AGREEMENT",
    "key_cert_sign": "CERTIFICATE_SIGNING",
    "crl_sign": "CRL_SIGNING",
}
_EXTENDED = {
    "1.3.6.1.5.5.7.3.1": "TLS_WEB_SERVER_AUTHENTICATION",
    "1.3.6.1.5.5.7.3.2": "TLS_WEB_CLIENT_AUTHENTICATION",
    "1.3.6.1.5.5.7.3.3": "CODE_SIGNING",
    "1.3.6.1.5.5.7.3.4": "EMAIL_PROTECTION",
    "1.3.6.1.5.5.7.3.8": "TIME_STAMPING",
    "1.3.6.1.5.5.7.3.9": "OCSP_SIGNING",
    "1.3.6.1.5.5.7.3.5": "IPSEC_END_SYSTEM",
    "1.3.6.1.5.5.7.3.6": "IPSEC_TUNNEL",
    "1.3.6.1.5.5.7.3.7": "IPSEC_USER",
    "2.5.29.37.0": "ANY",
}

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Bundle:
    """A certificate with its key and chain that fit each other, in one writing."""

    certificate_pem: str
    chain_pem: str
    key_pem: bytes
    names: tuple[str, ...]
    key_algorithm: str
    facts: Facts


def read_bundle(certificate_pem: bytes, key_pem: bytes, chain_pem: bytes, now: float) -> Bundle:
    """Read and check what is to be imported. Raises ValidationException."""
    leaf = _leaf(certificate_pem)
    chain = _certificates(chain_pem, "certificate chain") if chain_pem.strip() else []
    key_algorithm = algorithm_of(leaf.public_key())
    key = _key(key_pem)
    if _public(key) != _public(leaf):
        raise errors.validation("The certificate and the private key do not match.")
    _check_leaf(leaf, now)
    _check_chain(leaf, chain)
    return Bundle(
        certificate_pem=_pem(leaf),
        chain_pem="".join(map(_pem, chain)),
        key_pem=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        names=_names(leaf),
        key_algorithm=key_algorithm,
        facts=facts_of(leaf),
    )


def facts_of(leaf: x509.Certificate) -> Facts:
    """What a certificate says of itself."""
    return Facts(
        subject=_shown(leaf.subject),
        issuer=_common_name(leaf.issuer) or _shown(leaf.issuer),
        serial=serial_text(leaf.serial_number),
        signature_algorithm=_signature_algorithm(leaf),
        not_before=leaf.not_valid_before_utc.timestamp(),
        not_after=leaf.not_valid_after_utc.timestamp(),
        key_usages=_key_usages(leaf),
        extended_key_usages=_extended_key_usages(leaf),
    )


def serial_text(number: int) -> str:
    """A serial number as ACM writes it: pairs of hexadecimal digits, with colons."""
    digits = f"{number:x}"
    digits = digits.zfill(len(digits) + len(digits) % 2)
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def algorithm_of(key: object) -> str:
    """A public or private key's algorithm in the API's spelling. Raises ValidationException."""
    if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        if key.key_size in _RSA_SIZES:
            return f"RSA_{key.key_size}"
        raise errors.validation(
            f"The private key length {key.key_size} is not supported for key algorithm."
        )
    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        name = _CURVES.get(key.curve.name)
        if name is not None:
            return name
    raise errors.validation("The private key is not supported.")


def _leaf(pem: bytes) -> x509.Certificate:
    found = _certificates(pem, "certificate")
    if len(found) > 1:
        raise errors.validation(
            "The certificate field contains more than one certificate."
            " You can specify only one certificate in this field."
        )
    return found[0]


def _certificates(pem: bytes, field: str) -> list[x509.Certificate]:
    blocks = _CERTIFICATE.findall(pem)
    rest = _CERTIFICATE.sub(b"", pem).strip()
    # A key among them is never kept: the database is no place for it.
    if not blocks or b"PRIVATE KEY" in rest:
        raise errors.validation(
            f"The {field} provided is not in a valid PEM format. Unable to parse certificate."
            " Please ensure the certificate is in PEM format."
        )
    if len(blocks) > CHAIN_MAX:
        raise errors.validation(f"The {field} has more than {CHAIN_MAX} certificates.")
    try:
        found = [x509.load_pem_x509_certificate(block) for block in blocks]
        for certificate in found:
            certificate.extensions  # noqa: B018 - parsed only when asked for, and may be broken
            certificate.subject.rfc4514_string()
            certificate.issuer.rfc4514_string()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise errors.validation(
            f"Unable to parse the {field}. Please ensure the certificate is in PEM format."
        ) from error
    return found


def _key(pem: bytes) -> PrivateKey:
    if any(mark in pem for mark in _ENCRYPTED):
        raise errors.validation(
            "The private key is encrypted. ACM imports only keys without a passphrase."
        )
    if len(pem) > KEY_BYTES_MAX:
        raise errors.validation(
            f"The private key is {len(pem)} bytes long. It may have at most {KEY_BYTES_MAX}."
        )
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise errors.validation(
            "The private key provided is not in a valid PEM format, or not supported."
        ) from error
    algorithm_of(key)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return key


def _public(holder: PrivateKey | x509.Certificate) -> bytes:
    return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _check_leaf(leaf: x509.Certificate, now: float) -> None:
    if leaf.version is not x509.Version.v3:
        raise errors.validation("The certificate is not an X.509 version 3 certificate.")
    moment = datetime.fromtimestamp(now, UTC)
    if not leaf.not_valid_before_utc <= moment < leaf.not_valid_after_utc:
        raise errors.validation(
            "The certificate is not valid at this time: it is valid from"
            f" {leaf.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ} to"
            f" {leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}."
        )
    if not list(leaf.issuer):
        raise errors.validation("The Issuer field of the certificate is empty.")
    if not _names(leaf):
        raise errors.validation("The certificate names no domain and no address.")
    for url in _ocsp_urls(leaf):
        if len(url) > OCSP_URL_MAX:
            raise errors.validation(
                f"The OCSP authority URL is longer than {OCSP_URL_MAX} characters."
            )


def _check_chain(leaf: x509.Certificate, chain: Sequence[x509.Certificate]) -> None:
    """Each must be signed by the next, from the leaf on; without a chain, the leaf by itself."""
    if not chain:
        if not _signed_by(leaf, leaf):
            raise errors.validation(
                "Provided certificate is not a valid self signed. Please provide either a valid"
                " self-signed certificate or certificate chain."
            )
        return
    for below, above in zip((leaf, *chain[:-1]), chain, strict=True):
        if not _signed_by(below, above):
            raise errors.validation(
                "Could not validate the certificate with the certificate chain."
            )
    signer, own = chain[0].public_key(), leaf.public_key()
    if isinstance(signer, rsa.RSAPublicKey) != isinstance(own, rsa.RSAPublicKey):
        raise errors.validation(
            "The key algorithm of the certificate is not that of the certificate authority"
            " that signed it."
        )


def _signed_by(below: x509.Certificate, above: x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    """The common name, then the alternative ones; each once."""
    common = _common_name(leaf.subject)
    found = [common] if common else []
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        pass
    else:
        found += names.get_values_for_type(x509.DNSName)
        found += [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return tuple(dict.fromkeys(name.lower() for name in found if 0 < len(name) <= 253))


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _shown(name: x509.Name) -> str:
    """A distinguished name as ACM writes it: in the certificate's order, with spaces."""
    return ", ".join(rdn.rfc4514_string() for rdn in name.rdns)


def _signature_algorithm(leaf: x509.Certificate) -> str:
    try:
        digest = leaf.signature_hash_algorithm
    except UnsupportedAlgorithm:
        digest = None
    oid = leaf.signature_algorithm_oid._name
    kind = "ECDSA" if "ecdsa" in oid.lower() else "RSA"
    return f"{digest.name.upper()}WITH{kind}" if digest is not None else oid.upper()


def _key_usages(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return ("ANY",)
    return tuple(name for field, name in _KEY_USAGES.items() if getattr(usage, field))


def _extended_key_usages(leaf: x509.Certificate) -> tuple[tuple[str, str], ...]:
    try:
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return (("NONE", ""),)
    oids = [usage.dotted_string for usage in usages]
    return tuple((_EXTENDED.get(oid, "CUSTOM"), oid) for oid in oids)


def _ocsp_urls(leaf: x509.Certificate) -> list[str]:
    try:
        access = leaf.extensions.get_extension_for_oid(
            ExtensionOID.AUTHORITY_INFORMATION_ACCESS
        ).value
    except x509.ExtensionNotFound:
        return []
    assert isinstance(access, x509.AuthorityInformationAccess)
    return [
        str(each.access_location.value)
        for each in access
        if isinstance(each.access_location, x509.UniformResourceIdentifier)
    ]


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
