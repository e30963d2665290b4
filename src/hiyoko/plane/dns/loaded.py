"""A zone ready to be asked, and what a change makes of it.   (pure)

Names are tuples of lower-case labels, because Python hashes those at once. Values are parsed when
they are first asked for: a zone of ten thousand records is served without parsing them all, and a
change to one of them costs a few copied dictionaries.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from hiyoko.blueprint.zones import Policy, RecordSet, Zone
from hiyoko.plane.dns.choice import Asker, chooser

Name = dns.name.Name
Type = dns.rdatatype.RdataType
Data = tuple[dns.rdata.Rdata, ...]
Key = tuple[bytes, ...]
"""An absolute name's labels in lower case; the last one is empty."""

MADE_MAX = 10_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Records:
    """A record set with its owner's name."""

    owner: Name
    type: Type
    ttl_s: int
    data: Data


_NOBODYS = RecordSet(".", "TXT", 0, ())


class UnreadableError(Exception):
    """A set whose value nobody can put on the wire: the question for it fails, no other one."""


@dataclass(slots=True)
class Stored:
    """A plain set of the zone, parsed when it is first asked for."""

    record: RecordSet
    _records: Records | None = None
    _unreadable: bool = False

    @property
    def records(self) -> Records:
        """The set. Raises UnreadableError, and says why once."""
        if self._records is None:
            record = self.record
            if self._unreadable:
                raise UnreadableError
            try:
                owner = dns.name.from_text(record.name.lower())
                data = parsed(record)
            except dns.exception.DNSException as error:
                self._unreadable = True
                log.warning("%s %s is not served: %s", record.name, record.type, error)
                raise UnreadableError from error
            self._records = Records(owner, type_of(record.type), record.ttl_s, data)
        return self._records

    @classmethod
    def made(cls, records: Records) -> Stored:
        """A set that nobody wrote: the zone's keys, a child's DS."""
        return cls(_NOBODYS, records)


@dataclass(slots=True)
class Group:
    """Sets to choose among, with each of the simple ones that a choice may end in."""

    record: RecordSet
    leaves: dict[int, Stored]
    """By the leaf's identity, which it keeps alive: to hash a leaf takes longer than to answer."""
    choose: Callable[[Asker], tuple[RecordSet, ...]]
    made: dict[tuple[int, ...], Records] = field(default_factory=dict)

    @classmethod
    def of(cls, record: RecordSet) -> Group:
        """The group of a record with a policy."""
        leaves = {id(leaf): Stored(leaf) for leaf in _leaves(record)}
        return cls(record, leaves, chooser(record))

    def records(self, owner: Name, leaves: tuple[RecordSet, ...]) -> Records:
        """The leaves as one set; the same one again for the same leaves, while it is kept."""
        outcome = tuple(map(id, leaves))
        made = self.made.get(outcome)
        if made is None:
            data = [datum for leaf in outcome for datum in self.leaves[leaf].records.data]
            ttl_s = min(leaf.ttl_s for leaf in leaves)
            made = Records(owner, type_of(leaves[0].type), ttl_s, tuple(dict.fromkeys(data)))
            if len(self.made) >= MADE_MAX:
                self.made.clear()
            self.made[outcome] = made
        return made


@dataclass(frozen=True, slots=True)
class Contents:
    """What a zone holds. ``names`` counts the sets at or below each name, the empty ones too."""

    origin: Name
    key: Key
    nodes: dict[Key, dict[Type, Stored]]
    routed: dict[Key, dict[Type, Group]]
    names: dict[Key, int]

    @classmethod
    def load(cls, zone: Zone) -> Contents:
        """Sort a zone's records."""
        origin = dns.name.from_text(zone.name)
        key = key_of(origin)
        made = cls(origin, key, {}, {}, {key: 1})
        for record in zone.records:
            made._put(record)
        return made

    def changed(self, dropped: Iterable[RecordSet], put: Iterable[RecordSet]) -> Contents:
        """The contents without some sets and with others; this one stays as it is."""
        fresh = Contents(
            self.origin, self.key, dict(self.nodes), dict(self.routed), dict(self.names)
        )
        for record in dropped:
            fresh._drop(record)
        for record in put:
            fresh._put(record)
        return fresh

    def with_sets(self, sets: Iterable[Records]) -> Contents:
        """The contents with sets that the server makes itself."""
        fresh = Contents(self.origin, self.key, dict(self.nodes), self.routed, dict(self.names))
        for records in sets:
            key = key_of(records.owner)
            fresh._count(key, 1)
            fresh.nodes[key] = {**fresh.nodes.get(key, {}), records.type: Stored.made(records)}
        return fresh

    def _put(self, record: RecordSet) -> None:
        key, rdtype = key_of_text(record.name), type_of(record.type)
        self._count(key, 1)
        if record.policy is not Policy.SIMPLE:
            self.routed[key] = {**self.routed.get(key, {}), rdtype: Group.of(record)}
        elif record.values:
            self.nodes[key] = {**self.nodes.get(key, {}), rdtype: Stored(record)}

    def _drop(self, record: RecordSet) -> None:
        key, rdtype = key_of_text(record.name), type_of(record.type)
        self._count(key, -1)
        for table in (self.nodes, self.routed):
            if key in table:
                rest = {kind: one for kind, one in table[key].items() if kind != rdtype}
                if rest:
                    table[key] = rest  # type: ignore[assignment]
                else:
                    del table[key]

    def _count(self, key: Key, by: int) -> None:
        """Note a set at a name: every name between it and the origin exists as long as it does."""
        names, depth = self.names, len(self.key)
        while len(key) > depth:
            count = names.get(key, 0) + by
            if count:
                names[key] = count
            else:
                names.pop(key, None)
            key = key[1:]

    def owner(self, key: Key) -> Key | None:
        """Whose sets a name has (its own, or the wildcard's); None: it does not exist.

        Only the wildcard right below the closest encloser counts, and it counts also when it has no
        set itself but names below it (RFC 4592, sections 2.2.3 and 3.3.1).
        """
        if key in self.names:
            return key
        encloser = key[1:]
        while encloser not in self.names:
            encloser = encloser[1:]
        wildcard = (b"*", *encloser)
        return wildcard if wildcard in self.names else None


def key_of(name: Name) -> Key:
    """A name's key."""
    return tuple([label.lower() for label in name.labels])


@lru_cache(maxsize=4096)
def _escaped_key(text: str) -> Key:
    return key_of(dns.name.from_text(text))


def key_of_text(text: str) -> Key:
    """The key of a name in presentation format."""
    if "\\" in text or not text.isascii():
        return _escaped_key(text)
    return (b"",) if text == "." else tuple(text.lower().encode().split(b"."))


@lru_cache(maxsize=256)
def type_of(text: str) -> Type:
    """A record type by its name."""
    return dns.rdatatype.from_text(text)


def parsed(record: RecordSet) -> Data:
    """A set's values."""
    rdtype = type_of(record.type)
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
