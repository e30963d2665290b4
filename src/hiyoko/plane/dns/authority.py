"""What a zone says to a question.

The algorithm is RFC 1034, section 4.3.2, with wildcards as RFC 4592 has them: walk down to the
closest encloser; a cut on the way is a referral, an existing name without the type is no data, and
``*`` below the closest encloser stands in only for names that do not exist at all.

Sets with a routing policy are chosen among for each question, which the reply tells: it is no
other question's answer. What a signed zone adds is in ``signing``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import dns.name
import dns.rcode
import dns.rdatatype

from hiyoko.blueprint.zones import RecordSet, Zone
from hiyoko.plane.dns.chain import Chain
from hiyoko.plane.dns.choice import Asker
from hiyoko.plane.dns.loaded import (
    Contents,
    Group,
    Key,
    Name,
    Records,
    Stored,
    Type,
    UnreadableError,
    key_of,
)
from hiyoko.plane.dns.reply import Reply
from hiyoko.plane.dns.signing import Signer, nsec

CNAME_HOPS_MAX = 16
ANYBODY = Asker()
_ADDITIONAL_FOR = (dns.rdatatype.NS, dns.rdatatype.MX, dns.rdatatype.SRV)


@dataclass(frozen=True, slots=True)
class LoadedZone:
    """A zone ready to be asked; ``signer`` signs for it, if it is signed.

    With a ``chain`` it denies classically, without one compactly.
    """

    zone_id: str
    contents: Contents
    signer: Signer | None = None
    chain: Chain | None = None

    @property
    def origin(self) -> Name:
        """The zone's name."""
        return self.contents.origin

    @property
    def key(self) -> Key:
        """The zone's name as zones are looked up."""
        return self.contents.key

    @classmethod
    def load(cls, zone: Zone, signer: Signer | None = None) -> LoadedZone:
        """Sort a zone's records."""
        return cls.of(zone.zone_id, Contents.load(zone), signer)

    @classmethod
    def of(
        cls,
        zone_id: str,
        contents: Contents,
        signer: Signer | None,
        vouched: Iterable[Records] = (),
    ) -> LoadedZone:
        """A zone of these contents, with its keys and what it says of its children's."""
        if signer is None:
            return cls(zone_id, contents)
        whole = contents.with_sets([signer.keys, *vouched])
        # A zone of the world's is one whose parent vouches for a key of the world's.
        return cls(zone_id, whole, signer, Chain.of(whole) if signer.vouched is not None else None)

    def ask(self, name: Name, rdtype: Type, asker: Asker = ANYBODY) -> Reply:
        """The zone's reply to this asker. ``name`` is in or below the zone."""
        try:
            return self._ask(name, rdtype, asker)
        except UnreadableError:
            return Reply(rcode=dns.rcode.SERVFAIL, aa=False)

    def _ask(self, name: Name, rdtype: Type, asker: Asker) -> Reply:
        reply = Reply()
        for _ in range(CNAME_HOPS_MAX):
            target = self._step(name, rdtype, reply, asker)
            if target is None:
                break
            if not target.is_subdomain(self.origin):
                reply.leaves_to = target
                break
            name = target
        self._complete(reply)
        return reply

    def group(self, name: Name, rdtype: Type) -> Group | None:
        """The group that alone decides what the name answers for the type, if one does."""
        key = key_of(name)
        owner = None if self._cut(key, rdtype) else self.contents.owner(key)
        return self.contents.routed.get(owner, {}).get(rdtype) if owner is not None else None

    def answered(self, name: Name, group: Group, leaves: tuple[RecordSet, ...]) -> Reply:
        """The reply when a group has chosen these leaves."""
        try:
            records = _owned(group.records(name, leaves), name)
        except UnreadableError:
            return Reply(rcode=dns.rcode.SERVFAIL, aa=False)
        reply = Reply(answer=[records], chosen=True)
        self._complete(reply)
        return reply

    def secured(self, reply: Reply) -> Reply:
        """The reply as a client gets it that wants signatures (RFC 4035, section 3.1)."""
        signer = self.signer
        if signer is None:
            return reply
        made = replace(reply, answer=signer.signed(reply.answer), authority=[])
        if reply.cut is not None:
            node = self.contents.nodes.get(key_of(reply.cut), {})
            vouched = node.get(dns.rdatatype.DS)
            proof = (
                [vouched.records]
                if vouched is not None
                else self._denial(signer, reply.cut, tuple(node), exists=True)
            )
            made.authority = [*reply.authority, *signer.signed(proof)]
            return made
        made.authority = signer.signed(reply.authority)
        made.additional = signer.signed(reply.additional)
        if reply.denied is not None:
            name, types = reply.denied
            exists = reply.rcode == dns.rcode.NOERROR
            made.authority += signer.signed(self._denial(signer, name, types, exists=exists))
            if self.chain is None:
                made.rcode = dns.rcode.NOERROR
        return made

    def _denial(
        self, signer: Signer, name: Name, types: tuple[Type, ...], *, exists: bool
    ) -> list[Records]:
        """The NSEC sets that prove what a name does not have."""
        ttl_s = self._negative_ttl_s()
        if self.chain is None:
            return [signer.compact(name, types, ttl_s, exists=exists)]
        key = key_of(name)
        links = [self.chain.link(key)] if exists else self.chain.absence(key)
        return [nsec(link.owner, link.following, link.types, ttl_s) for link in links]

    def _step(self, name: Name, rdtype: Type, reply: Reply, asker: Asker) -> Name | None:
        """Answer for one name; the target when it is an alias to be followed."""
        key = key_of(name)
        cut = self._cut(key, rdtype)
        if cut is not None:
            reply.aa = bool(reply.answer)
            reply.authority.append(cut.records)
            reply.cut = cut.records.owner
            return None
        owner = self.contents.owner(key)
        if owner is None:
            reply.rcode = dns.rcode.NXDOMAIN
            self._negative(reply, name, ())
            return None
        node = self._node(owner, reply, asker)
        if rdtype == dns.rdatatype.ANY:
            reply.answer += [_owned(stored.records, name) for stored in node.values()]
        elif rdtype in node:
            reply.answer.append(_owned(node[rdtype].records, name))
        elif dns.rdatatype.CNAME in node:
            alias = node[dns.rdatatype.CNAME].records
            reply.answer.append(_owned(alias, name))
            target: Name = alias.data[0].target  # type: ignore[attr-defined]
            return target
        if not node or (rdtype not in node and rdtype != dns.rdatatype.ANY):
            self._negative(reply, name, tuple(node))
        return None

    def _cut(self, key: Key, rdtype: Type) -> Stored | None:
        """The delegation at or above a name, the highest one. The parent answers DS itself."""
        nodes, names = self.contents.nodes, self.contents.names
        for level in range(len(key) - len(self.contents.key) - 1, -1, -1):
            owner = key[level:]
            if owner not in names:
                return None
            delegation = nodes.get(owner, {}).get(dns.rdatatype.NS)
            if delegation is not None and not (level == 0 and rdtype == dns.rdatatype.DS):
                return delegation
        return None

    def _node(self, owner: Key, reply: Reply, asker: Asker) -> dict[Type, Stored]:
        """What the asker gets of an owner's sets; a group may have nothing for it."""
        node = self.contents.nodes.get(owner, {})
        groups = self.contents.routed.get(owner)
        if groups:
            reply.chosen = True
            node, name = dict(node), dns.name.Name(owner)
            for group in groups.values():
                leaves = group.choose(asker)
                if leaves:
                    made = group.records(name, leaves)
                    node[made.type] = Stored.made(made)
        return node

    def _negative(self, reply: Reply, name: Name, types: tuple[Type, ...]) -> None:
        reply.denied = (name, types)
        soa = self._apex(dns.rdatatype.SOA)
        if soa is not None:
            ttl_s = self._negative_ttl_s()
            reply.authority.append(Records(soa.owner, dns.rdatatype.SOA, ttl_s, soa.data))

    def _negative_ttl_s(self) -> int:
        """How long absence may be believed (RFC 2308, section 3; RFC 9077 for its proof)."""
        soa = self._apex(dns.rdatatype.SOA)
        if soa is None:
            return 0
        minimum: int = soa.data[0].minimum  # type: ignore[attr-defined]
        return min(soa.ttl_s, minimum)

    def _apex(self, rdtype: Type) -> Records | None:
        stored = self.contents.nodes.get(self.contents.key, {}).get(rdtype)
        return stored.records if stored is not None else None

    def _complete(self, reply: Reply) -> None:
        """Name the zone's servers beside an answer, and add the addresses that this zone knows."""
        if reply.answer and not reply.authority:
            apex = self._apex(dns.rdatatype.NS)
            asked_for_it = any(
                r.type == dns.rdatatype.NS and r.owner == self.origin for r in reply.answer
            )
            if apex is not None and not asked_for_it:
                reply.authority.append(apex)
        wanted = dict.fromkeys(map(key_of, _targets([*reply.answer, *reply.authority])))
        if not wanted:
            return
        have = {(key_of(r.owner), r.type) for r in reply.answer}
        for target in wanted:
            node = self.contents.nodes.get(target, {})
            for rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
                if rdtype in node and (target, rdtype) not in have:
                    reply.additional.append(node[rdtype].records)


def _targets(sections: Iterable[Records]) -> list[Name]:
    found: list[Name] = []
    for records in sections:
        if records.type not in _ADDITIONAL_FOR:
            continue
        attribute = "exchange" if records.type == dns.rdatatype.MX else "target"
        found += [getattr(datum, attribute) for datum in records.data]
    return found


def _owned(records: Records, name: Name) -> Records:
    """The records under the name that was asked: a wildcard's, or the query's own case."""
    return Records(name, records.type, records.ttl_s, records.data)


def deepest(zones: Mapping[Key, LoadedZone], name: Name, rdtype: Type) -> LoadedZone | None:
    """The zone that answers for a name; for DS at an apex the zone above it, if it is here."""
    key = key_of(name)
    found = _deepest(zones, key)
    if found is not None and rdtype == dns.rdatatype.DS and found.key == key and len(key) > 1:
        return _deepest(zones, key[1:]) or found
    return found


def _deepest(zones: Mapping[Key, LoadedZone], key: Key) -> LoadedZone | None:
    while key:
        zone = zones.get(key)
        if zone is not None:
            return zone
        key = key[1:]
    return None
