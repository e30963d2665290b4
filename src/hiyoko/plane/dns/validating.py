"""Judges what the public internet says, from the root's key down (RFC 4035, section 5).

A set is good when a key of its zone signed it and the zone's keys are vouched for by its parent's
DS; where a parent proves that it vouches for nobody, everything below is neither good nor bad. What
is absent must be proved so, by NSEC, also compactly (RFC 9824). Zones are found by a DS question
for each label of a name, so nobody can pass a signed zone off as an unsigned one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import dns.dnssec
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataset
import dns.rdatatype
from dns.dnssectypes import Algorithm, DSDigest
from dns.exception import UnsupportedAlgorithm, ValidationFailure

from hiyoko.plane.dns.loaded import Name, Records, Type
from hiyoko.plane.dns.reply import Reply
from hiyoko.plane.dns.signing import NXNAME

KEPT_S = 60.0
KEPT_MAX = 5_000
_ALGORITHMS = frozenset(
    {
        Algorithm.RSASHA256,
        Algorithm.RSASHA512,
        Algorithm.ECDSAP256SHA256,
        Algorithm.ECDSAP384SHA384,
        Algorithm.ED25519,
        Algorithm.ED448,
    }
)
_DIGESTS = frozenset({DSDigest.SHA256, DSDigest.SHA384})
_OF_PROOFS = frozenset({dns.rdatatype.RRSIG, dns.rdatatype.NSEC, dns.rdatatype.NSEC3})


class BogusError(Exception):
    """Something is not signed as it must be."""


class Signed(Protocol):
    """Resolves from the root, with signatures."""

    async def resolve(self, name: Name, rdtype: Type) -> Reply:
        """The answer with every CNAME on its way."""
        ...


@dataclass(frozen=True, slots=True)
class Zone:
    """A signed zone and its keys; without keys, one that nobody vouches for."""

    name: Name
    keys: tuple[dns.rdata.Rdata, ...]


Z = TypeVar("Z", bound=Zone | None)


@dataclass(slots=True)
class Validator:
    """Judges for one resolver. ``anchor`` is the root's key, from which all trust comes."""

    resolver: Signed
    anchor: dns.rdata.Rdata
    now: Callable[[], float] = time.time
    _kept: dict[Name, tuple[float, Zone | None]] = field(default_factory=dict)

    async def judged(self, reply: Reply, name: Name, rdtype: Type) -> Reply:
        """The reply, or SERVFAIL in its place.

        A name that is compactly proved not to exist is told as NXDOMAIN again.
        """
        if reply.rcode == dns.rcode.SERVFAIL or rdtype == dns.rdatatype.RRSIG:
            return reply  # signatures are not signed
        try:
            last = await self._judge_answer(reply.answer, name, rdtype)
            if last is not None and reply.leaves_to is None:
                reply.rcode = await self._judge_absence(reply, last, rdtype)
        except BogusError:
            return Reply(rcode=dns.rcode.SERVFAIL)
        return reply

    async def _judge_answer(
        self, answer: Sequence[Records], name: Name, rdtype: Type
    ) -> Name | None:
        """Where the chain of CNAMEs ends without what was asked for; None: it is there."""
        for records in answer:
            if records.type == dns.rdatatype.RRSIG:
                continue
            zone = await self._zone_of(records.owner, records.type)
            if zone.keys:
                self._verify(records, answer, zone.name, zone.keys)
            if records.type != dns.rdatatype.CNAME or rdtype == dns.rdatatype.CNAME:
                return None
            name = records.data[0].target  # type: ignore[attr-defined]
        return name

    async def _judge_absence(self, reply: Reply, name: Name, rdtype: Type) -> dns.rcode.Rcode:
        """What the absence is, by its proof."""
        zone = await self._zone_of(name, rdtype)
        if not zone.keys:
            return reply.rcode
        proofs = self._proofs(reply.authority, zone)
        own = next((p for p in proofs if p.owner == name), None)
        if own is not None:
            types = _types(own)
            if rdtype in types or dns.rdatatype.CNAME in types:
                raise BogusError(f"{name} has what is said to be absent")
            return dns.rcode.NXDOMAIN if NXNAME in types else dns.rcode.NOERROR
        passing = next((p for p in proofs if _passes(p, name)), None)
        if passing is None:
            raise BogusError(f"nothing proves that {name} is absent")
        if _following(passing).is_subdomain(name):
            return dns.rcode.NOERROR  # it only has descendants
        self._check_no_wildcard(proofs, passing, name)
        return dns.rcode.NXDOMAIN

    def _check_no_wildcard(self, proofs: Iterable[Records], passing: Records, name: Name) -> None:
        """That no wildcard stands in for the name (RFC 4035, section 5.4)."""
        ends = (passing.owner, _following(passing))
        encloser = max(name.fullcompare(end)[2] for end in ends)
        wildcard = dns.name.Name((b"*", *name.labels[len(name) - encloser :]))
        if not any(_passes(proof, wildcard) for proof in proofs):
            raise BogusError(f"nothing proves that {wildcard} is absent")

    async def _zone_of(self, name: Name, rdtype: Type) -> Zone:
        """The zone that speaks for a name, or the first above it that nobody vouches for."""
        zone = await self._root()
        depth = len(name) - (1 if rdtype == dns.rdatatype.DS and len(name) > 1 else 0)
        for labels in range(2, depth + 1):
            found = await self._cut(name.split(labels)[1], zone)
            if found is not None:
                zone = found
                if not zone.keys:
                    break
        return zone

    async def _root(self) -> Zone:
        kept = self._kept.get(dns.name.root)
        if kept is not None and kept[0] > self.now() and kept[1] is not None:
            return kept[1]
        keys, signatures = await self._keys(dns.name.root)
        self._verify(keys, signatures, dns.name.root, (self.anchor,))
        return self._keep(dns.name.root, Zone(dns.name.root, keys.data))

    async def _cut(self, child: Name, parent: Zone) -> Zone | None:
        """The zone that begins at a name; None where none does."""
        kept = self._kept.get(child)
        if kept is not None and kept[0] > self.now():
            return kept[1]
        reply = await self.resolver.resolve(child, dns.rdatatype.DS)
        if reply.rcode == dns.rcode.SERVFAIL:
            raise BogusError(f"nobody says whether {child} is signed")
        if reply.answer:
            first = reply.answer[0]
            self._verify(first, reply.answer, parent.name, parent.keys)
            if first.type != dns.rdatatype.DS:
                return self._keep(child, None)
            return self._keep(child, await self._vouched(child, first))
        proofs = self._proofs(reply.authority, parent)
        own = next((p for p in proofs if p.owner == child), None)
        if own is None:
            # Where no zone begins, the parent must sign: nobody gains by saying so.
            return self._keep(child, None)
        types = _types(own)
        if dns.rdatatype.DS in types:
            raise BogusError(f"{child} has the DS that is said to be absent")
        return self._keep(child, Zone(child, ()) if dns.rdatatype.NS in types else None)

    async def _vouched(self, child: Name, vouched: Records) -> Zone:
        """The zone whose keys its parent's DS vouches for."""
        known: list[Any] = [
            datum
            for datum in vouched.data
            if datum.algorithm in _ALGORITHMS and datum.digest_type in _DIGESTS  # type: ignore[attr-defined]
        ]
        if not known:
            return Zone(child, ())  # RFC 4035, section 5.2: as if it were not signed
        keys, signatures = await self._keys(child)
        entries = tuple(
            key
            for key in keys.data
            if any(dns.dnssec.make_ds(child, key, one.digest_type) == one for one in known)
        )
        if not entries:
            raise BogusError(f"{child} has other keys than its parent vouches for")
        self._verify(keys, signatures, child, entries)
        return Zone(child, keys.data)

    async def _keys(self, zone: Name) -> tuple[Records, Sequence[Records]]:
        reply = await self.resolver.resolve(zone, dns.rdatatype.DNSKEY)
        keys = next((r for r in reply.answer if r.type == dns.rdatatype.DNSKEY), None)
        if keys is None:
            raise BogusError(f"{zone} has no keys")
        return keys, reply.answer

    def _proofs(self, authority: Sequence[Records], zone: Zone) -> list[Records]:
        """The NSEC sets of a denial, each signed by the zone."""
        found = [r for r in authority if r.type == dns.rdatatype.NSEC]
        for records in found:
            self._verify(records, authority, zone.name, zone.keys)
        return found

    def _verify(
        self,
        records: Records,
        beside: Sequence[Records],
        zone: Name,
        keys: tuple[dns.rdata.Rdata, ...],
    ) -> None:
        """Raise BogusError unless one of the keys signed the set."""
        rdataset = dns.rdataset.from_rdata_list(records.ttl_s, list(records.data))
        for signature in _signatures(records, beside):
            # One of a wildcard has fewer labels, and would need a proof that nothing is closer.
            if signature.labels < len(records.owner) - 1 - records.owner.is_wild():
                continue
            try:
                dns.dnssec.validate_rrsig(
                    (records.owner, rdataset),
                    signature,
                    {zone: dns.rdataset.from_rdata_list(0, list(keys))},
                    now=self.now(),
                )
            except (ValidationFailure, UnsupportedAlgorithm, ValueError):
                continue  # the last: a key that is none
            return
        raise BogusError(f"no key of {zone} signed {records.owner}")

    def _keep(self, name: Name, zone: Z) -> Z:
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
        self._kept[name] = (self.now() + KEPT_S, zone)
        return zone


def without_proofs(reply: Reply, rdtype: Type) -> Reply:
    """The reply for a client who has no wish for signatures."""
    reply.answer = [r for r in reply.answer if r.type not in _OF_PROOFS or r.type == rdtype]
    reply.authority = [r for r in reply.authority if r.type not in _OF_PROOFS]
    return reply


def _signatures(records: Records, beside: Iterable[Records]) -> list[Any]:
    return [
        datum
        for other in beside
        if other.type == dns.rdatatype.RRSIG and other.owner == records.owner
        for datum in other.data
        if datum.type_covered == records.type  # type: ignore[attr-defined]
    ]


def _types(proof: Records) -> frozenset[int]:
    """What an NSEC says that its owner has."""
    return frozenset(
        window * 256 + place * 8 + bit
        for window, bitmap in proof.data[0].windows  # type: ignore[attr-defined]
        for place, octet in enumerate(bitmap)
        for bit in range(8)
        if octet & (0x80 >> bit)
    )


def _following(proof: Records) -> Name:
    name: Name = proof.data[0].next  # type: ignore[attr-defined]
    return name


def _passes(proof: Records, name: Name) -> bool:
    """Does an NSEC say that a name is not there, because it lies between two that are?"""
    owner, following = proof.owner, _following(proof)
    return bool(owner < name and (name < following or following <= owner))
