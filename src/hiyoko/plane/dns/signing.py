"""What a signed zone adds to its answers: signatures, and proofs that something is not there.

Everything is signed when it is first asked for, so an answer that a routing policy chose is signed
like any other. A hosted zone's absences are proved by compact denial of existence (RFC 9824), as
Route 53 does: one NSEC that says of the very name asked which types it has. A name that does not
exist is then answered NOERROR, and the pseudo-type NXNAME says what is meant. Wildcards are
answered as if the name existed, for the same reason: nobody can tell. The world's own zones deny
classically (see ``chain``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from dns.dnssecalgs.ecdsa import PrivateECDSAP256SHA256
from dns.rdtypes.ANY.NSEC import NSEC
from dns.rdtypes.util import Bitmap

from hiyoko.blueprint.zones import Signing
from hiyoko.plane.dns.loaded import Data, Name, Records, Type
from hiyoko.plane.dns.zone_keys import Role, ZoneKey, ZoneKeys, delegation_signer, dnskey

KEYS_TTL_S = 3600
DELEGATION_TTL_S = 86400
SCALAR_BYTES = 32
KEYS_VALID_S = 30 * 86400
"""How long what a key-signing key signed is valid."""
VALID_S = 7 * 86400
RENEWED_S = 86400
"""A signature is given out for a day; it is valid a week, so no cache holds one that is not."""
BACKDATED_S = 3600
"""For validators whose clock is behind (RFC 6781, section 4.4.2)."""
KEPT_MAX = 20_000
NXNAME = dns.rdatatype.RdataType.make(128)
"""https://www.rfc-editor.org/rfc/rfc9824#section-2"""
_PROOF_TYPES = (dns.rdatatype.RRSIG, dns.rdatatype.NSEC)

SetKey = tuple[Name, Type, int, Data]
NAME_BYTES_MAX, LABEL_BYTES_MAX = 255, 63


@dataclass(slots=True)
class Signer:
    """Signs for one zone. ``keys`` is its DNSKEY set, ``key_signatures`` what its KSKs say to it.

    ``vouched`` is what the parent says of a zone whose KSK is the world's own.
    """

    origin: Name
    key: ZoneKey
    keys: Records
    key_signatures: Data
    vouched: Records | None = None
    now: Callable[[], float] = time.time
    _kept: dict[SetKey, tuple[float, Data]] = field(default_factory=dict)

    @classmethod
    def of(cls, origin: Name, zone_id: str, signing: Signing, secret: ZoneKeys) -> Signer:
        """The signer of a zone: its own key signs the data, others or another own one the keys."""
        key = secret.key(zone_id, Role.ZONE_SIGNING)
        if signing.keys:
            publics = (key.public, *map(dnskey, signing.keys))
            keys = Records(origin, dns.rdatatype.DNSKEY, KEYS_TTL_S, publics)
            signatures = tuple(
                dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.RRSIG, text)
                for text in signing.signatures
            )
            return cls(origin, key, keys, signatures)
        own = secret.key(zone_id, Role.KEY_SIGNING)
        keys = Records(origin, dns.rdatatype.DNSKEY, KEYS_TTL_S, (own.public, key.public))
        made = cls(origin, own, keys, ())
        # Valid for as long as the process may run: there is nobody else to renew them.
        signature = made._sign(keys, 50 * VALID_S)
        digest = delegation_signer(origin, own.public)
        vouched = Records(origin, dns.rdatatype.DS, DELEGATION_TTL_S, (digest,))
        return cls(origin, key, keys, (signature,), vouched)

    def signed(self, sets: Iterable[Records]) -> list[Records]:
        """The sets, each followed by its signature."""
        return [each for records in sets for each in (records, self.signature(records))]

    def signature(self, records: Records) -> Records:
        """The RRSIG set of a set."""
        data = self.key_signatures
        if records.type != dns.rdatatype.DNSKEY:
            data = self._signature(records)
        return Records(records.owner, dns.rdatatype.RRSIG, records.ttl_s, data)

    def _signature(self, records: Records) -> Data:
        now = self.now()
        known = (records.owner, records.type, records.ttl_s, records.data)
        kept = self._kept.get(known)
        if kept is None or kept[0] < now:
            if len(self._kept) >= KEPT_MAX:
                self._kept.clear()
            kept = self._kept[known] = (now + RENEWED_S, (self._sign(records, VALID_S),))
        return kept[1]

    def compact(self, name: Name, types: Iterable[Type], ttl_s: int, *, exists: bool) -> Records:
        """The NSEC that says which types a name has, and no more about any other name."""
        return nsec(name, _successor(name), types if exists else (NXNAME,), ttl_s)

    def _sign(self, records: Records, valid_s: float) -> dns.rdata.Rdata:
        rdataset = dns.rdataset.from_rdata_list(records.ttl_s, list(records.data))
        now = int(self.now())
        return dns.dnssec.sign(
            (records.owner, rdataset),
            self.key.private,
            self.origin,
            self.key.public,  # type: ignore[arg-type]
            inception=now - BACKDATED_S,
            expiration=now + int(valid_s),
        )


def nsec(owner: Name, following: Name, types: Iterable[Type], ttl_s: int) -> Records:
    """An NSEC set; it has always a signature, and itself."""
    windows = Bitmap.from_rdtypes(sorted({*types, *_PROOF_TYPES})).windows
    datum = NSEC(  # type: ignore[no-untyped-call]
        dns.rdataclass.IN, dns.rdatatype.NSEC, following, windows
    )
    return Records(owner, dns.rdatatype.NSEC, ttl_s, (datum,))


class _Elsewhere(PrivateECDSAP256SHA256):
    """A private key that others keep: they are given the bytes and return r and s in DER."""

    def __init__(self, ask: Callable[[bytes], bytes]) -> None:
        self.ask = ask  # and no key: nothing but ``sign`` is called

    def sign(self, data: bytes, verify: bool = False, deterministic: bool = True) -> bytes:
        """The signature as an RRSIG has it (RFC 6605, section 4)."""
        r, s = decode_dss_signature(self.ask(data))
        return r.to_bytes(SCALAR_BYTES) + s.to_bytes(SCALAR_BYTES)


def sign_keys(
    origin: str, keys: Sequence[str], by: str, ask: Callable[[bytes], bytes], now: float
) -> str:
    """The RRSIG with which the key ``by`` signs a zone's DNSKEY set; all in presentation format.

    ``ask`` is given what is to be signed with SHA-256 and returns the signature in DER.
    """
    name = dns.name.from_text(origin)
    rdataset = dns.rdataset.from_rdata_list(KEYS_TTL_S, [dnskey(text) for text in keys])
    public: Any = dnskey(by)
    signature = dns.dnssec.sign(
        (name, rdataset),
        _Elsewhere(ask),
        name,
        public,
        inception=int(now) - BACKDATED_S,
        expiration=int(now) + KEYS_VALID_S,
    )
    return str(signature.to_text())


def _successor(name: Name) -> Name:
    """The next name in the canonical order: nothing that could exist is between the two."""
    length = sum(len(label) + 1 for label in name.labels)
    if length + 2 <= NAME_BYTES_MAX:
        return dns.name.Name((b"\0", *name.labels))
    first = name.labels[0]
    if length < NAME_BYTES_MAX and len(first) < LABEL_BYTES_MAX:
        # No name below this one is short enough to exist.
        return dns.name.Name((first + b"\0", *name.labels[1:]))
    return name
