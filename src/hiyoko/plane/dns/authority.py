"""What a zone says to a question.

The algorithm is RFC 1034, section 4.3.2, with wildcards as RFC 4592 has them: walk down to the
closest encloser; a cut on the way is a referral, an existing name without the type is no data, and
``*`` below the closest encloser stands in only for names that do not exist at all.

Sets with a routing policy are chosen among for each question, which the reply tells: it is no
other question's answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from hiyoko.blueprint.zones import Policy, RecordSet, Zone
from hiyoko.plane.dns.choice import Asker, choose

Name = dns.name.Name
Type = dns.rdatatype.RdataType

Data = tuple[dns.rdata.Rdata, ...]

CNAME_HOPS_MAX = 16
MADE_MAX = 10_000
ANYBODY = Asker()
_WILDCARD = dns.name.Name([b"*"])
_ADDITIONAL_FOR = (dns.rdatatype.NS, dns.rdatatype.MX, dns.rdatatype.SRV)


@dataclass(frozen=True, slots=True)
class Records:
    """A record set with its owner's name."""

    owner: Name
    type: Type
    ttl_s: int
    data: tuple[dns.rdata.Rdata, ...]


@dataclass(slots=True)
class Reply:
    """What a zone says. ``aa`` is off in a referral.

    ``leaves_to`` is the target of a CNAME that leads out of the zone. ``chosen``: a routing policy
    had a say, so another question may get another answer.
    """

    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    aa: bool = True
    answer: list[Records] = field(default_factory=list)
    authority: list[Records] = field(default_factory=list)
    additional: list[Records] = field(default_factory=list)
    leaves_to: Name | None = None
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class LoadedZone:
    """A zone ready to be asked. Names are lower case; ``names`` has the empty ones too.

    ``routed`` are the sets to choose among; ``data`` is what each of their leaves says.
    """

    origin: Name
    zone_id: str
    nodes: Mapping[Name, Mapping[Type, Records]]
    names: frozenset[Name]
    soa: Records | None
    routed: Mapping[Name, tuple[RecordSet, ...]] = field(default_factory=dict)
    data: Mapping[RecordSet, Data] = field(default_factory=dict)
    _made: dict[tuple[Name, tuple[RecordSet, ...]], Records] = field(
        default_factory=dict, compare=False
    )

    @classmethod
    def load(cls, zone: Zone) -> LoadedZone:
        """Parse a zone's records."""
        origin = dns.name.from_text(zone.name)
        nodes: dict[Name, dict[Type, Records]] = {}
        names: set[Name] = {origin}
        routed: dict[Name, list[RecordSet]] = {}
        data: dict[RecordSet, Data] = {}
        for record in zone.records:
            owner = dns.name.from_text(record.name)
            rdtype = dns.rdatatype.from_text(record.type)
            node = nodes.setdefault(owner, {})
            if record.policy is not Policy.SIMPLE:
                routed.setdefault(owner, []).append(record)
                data |= {leaf: _data(leaf) for leaf in _leaves(record)}
            elif record.values:
                node[rdtype] = Records(owner, rdtype, record.ttl_s, _data(record))
            above = owner
            while above != origin and above not in names and len(above) > len(origin):
                names.add(above)
                above = above.parent()
        soa = nodes.get(origin, {}).get(dns.rdatatype.SOA)
        return cls(
            origin,
            zone.zone_id,
            nodes,
            frozenset(names),
            soa,
            {owner: tuple(sets) for owner, sets in routed.items()},
            data,
        )

    def ask(self, name: Name, rdtype: Type, asker: Asker = ANYBODY) -> Reply:
        """The zone's reply to this asker. ``name`` is in or below the zone."""
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

    def _step(self, name: Name, rdtype: Type, reply: Reply, asker: Asker) -> Name | None:
        """Answer for one name; the target when it is an alias to be followed."""
        cut = self._cut(name, rdtype)
        if cut is not None:
            reply.aa = bool(reply.answer)
            reply.authority.append(cut)
            return None
        owner = self._owner(name)
        if owner is None:
            reply.rcode = dns.rcode.NXDOMAIN
            self._negative(reply)
            return None
        node = self.nodes.get(owner, {})
        if owner in self.routed:
            reply.chosen = True
            node = {**node, **self._chosen(owner, asker)}
        if rdtype == dns.rdatatype.ANY:
            reply.answer += [_owned(records, name) for records in node.values()]
        elif rdtype in node:
            reply.answer.append(_owned(node[rdtype], name))
        elif dns.rdatatype.CNAME in node:
            alias = node[dns.rdatatype.CNAME]
            reply.answer.append(_owned(alias, name))
            target: Name = alias.data[0].target  # type: ignore[attr-defined]
            return target
        if not node or (rdtype not in node and rdtype != dns.rdatatype.ANY):
            self._negative(reply)
        return None

    def _cut(self, name: Name, rdtype: Type) -> Records | None:
        """The delegation at or above ``name``, the highest one. The parent answers DS itself."""
        depth = len(name) - len(self.origin)
        for level in range(depth - 1, -1, -1):
            owner = name.split(len(name) - level)[1] if level else name
            if owner not in self.names:
                return None
            delegation = self.nodes.get(owner, {}).get(dns.rdatatype.NS)
            if delegation is not None and not (level == 0 and rdtype == dns.rdatatype.DS):
                return delegation
        return None

    def _owner(self, name: Name) -> Name | None:
        """Whose record sets the name has (its own, or the wildcard's); None: it does not exist."""
        if name in self.names:
            return name
        encloser = name.parent()
        while encloser not in self.names:
            encloser = encloser.parent()
        wildcard = _WILDCARD.concatenate(encloser)
        return wildcard if wildcard in self.nodes else None

    def _chosen(self, owner: Name, asker: Asker) -> dict[Type, Records]:
        """What the asker gets of an owner's groups; a group may have nothing for it."""
        node = {}
        for record in self.routed[owner]:
            leaves = tuple(choose(record, asker))
            if leaves:
                made = self._records(owner, leaves)
                node[made.type] = made
        return node

    def _records(self, owner: Name, leaves: tuple[RecordSet, ...]) -> Records:
        """The leaves as one set; the same one again for the same leaves, while it is kept."""
        made = self._made.get((owner, leaves))
        if made is None:
            data = [datum for leaf in leaves for datum in self.data[leaf]]
            rdtype = dns.rdatatype.from_text(leaves[0].type)
            ttl_s = min(leaf.ttl_s for leaf in leaves)
            made = Records(owner, rdtype, ttl_s, tuple(dict.fromkeys(data)))
            if len(self._made) >= MADE_MAX:
                self._made.clear()
            self._made[owner, leaves] = made
        return made

    def _negative(self, reply: Reply) -> None:
        if self.soa is None:
            return
        minimum: int = self.soa.data[0].minimum  # type: ignore[attr-defined]
        ttl_s = min(self.soa.ttl_s, minimum)  # RFC 2308, section 3
        reply.authority.append(Records(self.soa.owner, dns.rdatatype.SOA, ttl_s, self.soa.data))

    def _complete(self, reply: Reply) -> None:
        """Name the zone's servers beside an answer, and add the addresses that this zone knows."""
        apex = self.nodes.get(self.origin, {}).get(dns.rdatatype.NS)
        if reply.answer and not reply.authority and apex is not None:
            asked_for_it = any(
                r.owner == self.origin and r.type == dns.rdatatype.NS for r in reply.answer
            )
            if not asked_for_it:
                reply.authority.append(apex)
        wanted = _targets([*reply.answer, *reply.authority])
        have = {(r.owner, r.type) for r in reply.answer}
        for target in dict.fromkeys(wanted):
            for rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
                records = self.nodes.get(target, {}).get(rdtype)
                if records is not None and (target, rdtype) not in have:
                    reply.additional.append(records)


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


def _data(record: RecordSet) -> Data:
    """A set's values, parsed."""
    rdtype = dns.rdatatype.from_text(record.type)
    return tuple(
        dns.rdata.from_text(
            dns.rdataclass.IN, rdtype, value, origin=dns.name.root, relativize=False
        )
        for value in record.values
    )


def _leaves(record: RecordSet) -> Iterator[RecordSet]:
    """The simple sets that a group ends in."""
    if record.policy is Policy.SIMPLE:
        yield record
    for choice in record.choices:
        yield from _leaves(choice.record)


def deepest(zones: Mapping[Name, LoadedZone], name: Name, rdtype: Type) -> LoadedZone | None:
    """The zone that answers for a name; for DS at an apex the zone above it, if it is here."""
    at: Name | None = name
    if rdtype == dns.rdatatype.DS and name in zones and name != dns.name.root:
        at = name.parent() if deepest(zones, name.parent(), dns.rdatatype.A) else name
    while at is not None:
        if at in zones:
            return zones[at]
        at = at.parent() if at != dns.name.root else None
    return None
