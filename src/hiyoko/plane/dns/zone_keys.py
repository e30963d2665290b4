"""The keys that zones of this internet are signed with.

All of them are derived from one secret in the authority's directory, by the zone and the key's
role (HKDF, RFC 5869): no key can be lost by itself, and a zone that is made anew gets new ones. All
are ECDSA P-256 with SHA-256 (algorithm 13), which Route 53 signs with, and the real root's children
more and more.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from secrets import token_bytes

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from dns.dnssectypes import Algorithm, DSDigest

from hiyoko.plane.ca.files import PUBLIC_MODE, private_directory, write_whole
from hiyoko.plane.error import PlaneError

SECRET_BYTES = 32
SECRET = "secret"
ANCHOR = "root.anchor"
_SCALAR_BYTES = 48
"""More than the curve's order has: what is left after the division is even to 2**-128."""
_ORDER = int("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)


class Role(IntEnum):
    """What a key signs; the value is the flags field of its DNSKEY (RFC 4034, section 2.1.1)."""

    ZONE_SIGNING = 256
    KEY_SIGNING = 257


@dataclass(frozen=True, slots=True)
class ZoneKey:
    """A key and how the zone publishes it."""

    private: ec.EllipticCurvePrivateKey
    public: dns.rdata.Rdata


@dataclass(frozen=True, slots=True)
class ZoneKeys:
    """The secret that every key is derived from."""

    secret: bytes

    @classmethod
    def open(cls, directory: Path) -> ZoneKeys:
        """Read the secret, or make it, and leave the root's trust anchor beside it.

        Raises PlaneError.
        """
        path = private_directory(directory) / SECRET
        if not path.exists():
            write_whole(path, token_bytes(SECRET_BYTES))
        try:
            keys = cls(path.read_bytes())
        except OSError as error:
            raise PlaneError(f"read {path}: {error}") from error
        if len(keys.secret) != SECRET_BYTES:
            raise PlaneError(f"read {path}: it does not hold {SECRET_BYTES} bytes")
        anchor = keys.trust_anchor().encode()
        if not (there := directory / ANCHOR).exists() or there.read_bytes() != anchor:
            write_whole(there, anchor, PUBLIC_MODE)
        return keys

    def key(self, zone_id: str, role: Role) -> ZoneKey:
        """A zone's key."""
        info = f"hiyoko zone key {role.name} {zone_id}".encode()
        drawn = HKDF(SHA256(), _SCALAR_BYTES, None, info).derive(self.secret)
        scalar = int.from_bytes(drawn) % (_ORDER - 1) + 1
        private = ec.derive_private_key(scalar, ec.SECP256R1())
        public = dns.dnssec.make_dnskey(private.public_key(), Algorithm.ECDSAP256SHA256, int(role))
        return ZoneKey(private, public)

    def trust_anchor(self) -> str:
        """What a validating resolver must know of the root, as BIND's tools read it."""
        public = self.key(".", Role.KEY_SIGNING).public
        flags, protocol, algorithm, *key = public.to_text().split()
        return (
            f"# The root of the simulated internet: {delegation_signer(dns.name.root, public)}\n"
            "trust-anchors {\n"
            f'    . static-key {flags} {protocol} {algorithm} "{"".join(key)}";\n'
            "};\n"
        )


def dnskey(text: str) -> dns.rdata.Rdata:
    """A DNSKEY in presentation format."""
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.DNSKEY, text)


def delegation_signer(name: dns.name.Name, key: dns.rdata.Rdata) -> dns.rdata.Rdata:
    """The DS with which a parent vouches for a zone's key (RFC 4509)."""
    return dns.dnssec.make_ds(name, key, DSDigest.SHA256)


def fingerprint(texts: tuple[str, ...]) -> str:
    """What tells one DNSKEY set from another."""
    return hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()
