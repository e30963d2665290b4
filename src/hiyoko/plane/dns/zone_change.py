"""What is new in a zone set, in few words, and the digests that changes go by.   (pure)

A zone's digest is a sum over its record sets, so that a change costs what it changes, however large
the zone is. It tells sets of records apart; it guards against nobody.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hiyoko.blueprint.zones import RecordSet, Zone, Zones
from hiyoko.plane.dns import zone_file

MODULUS = 1 << 128


@dataclass(frozen=True, slots=True)
class RecordChange:
    """The sets that left a zone, and those that came; a changed set is in both."""

    zone_id: str
    dropped: tuple[RecordSet, ...]
    put: tuple[RecordSet, ...]


@dataclass(frozen=True, slots=True)
class ZoneChange:
    """From the zone set with digest ``base`` to the next one.

    ``whole`` are zones that are new, or of which more than the records changed. ``zones`` holds the
    resolvers, delegations and revision of the new set, and no zone.
    """

    base: str
    gone: tuple[str, ...]
    whole: tuple[Zone, ...]
    records: tuple[RecordChange, ...]
    zones: Zones

    @property
    def size(self) -> int:
        """How many zones and sets it is about."""
        return sum(len(r.dropped) + len(r.put) for r in self.records) + sum(
            len(zone.records) for zone in self.whole
        )


@dataclass(frozen=True, slots=True)
class _Summed:
    """A zone with its sum, and each of its records with its part in that, by identity."""

    zone: Zone
    number: int
    records: Mapping[int, tuple[RecordSet, int]]

    @classmethod
    def of(cls, zone: Zone, known: Mapping[int, tuple[RecordSet, int]]) -> _Summed:
        records = {}
        for record in zone.records:
            key = id(record)
            records[key] = known.get(key) or (record, record_number(record))
        total = header_number(zone) + sum(records[id(record)][1] for record in zone.records)
        return cls(zone, total % MODULUS, records)


@dataclass(slots=True)
class Digests:
    """Digests of zone sets. What was added up once is kept as long as it is in the set."""

    _zones: dict[str, _Summed] = field(default_factory=dict)

    def of(self, zones: Zones) -> str:
        """The digest of a zone set; its revision has no part in it."""
        before, self._zones = self._zones, {}
        for zone in zones.zones:
            known = before.get(zone.zone_id)
            if known is None or known.zone != zone:
                known = _Summed.of(zone, {} if known is None else known.records)
            self._zones[zone.zone_id] = known
        numbers = {zone_id: summed.number for zone_id, summed in self._zones.items()}
        return whole_digest(zones, numbers)


def record_number(record: RecordSet) -> int:
    """A set's part in its zone's sum."""
    return _number(zone_file.record_data(record))


def header_number(zone: Zone) -> int:
    """The part of everything but the records."""
    return _number(zone_file.zone_data(replace(zone, records=())))


def zone_number(zone: Zone) -> int:
    """A zone's sum."""
    return (header_number(zone) + sum(map(record_number, zone.records))) % MODULUS


def changed_number(number: int, change: RecordChange) -> int:
    """A zone's sum after a change of its records."""
    put, dropped = map(record_number, change.put), map(record_number, change.dropped)
    return (number + sum(put) - sum(dropped)) % MODULUS


def whole_digest(zones: Zones, numbers: Mapping[str, int]) -> str:
    """The digest of a set whose zones have these sums."""
    rest = zone_file.rest_data(zones)
    return hashlib.sha256(_text([sorted(numbers.items()), rest])).hexdigest()


def digest(zones: Zones) -> str:
    """What two zone sets with the same answers share, whatever revision they were drawn at."""
    return Digests().of(zones)


def _number(data: Any) -> int:
    return int.from_bytes(hashlib.blake2b(_text(data), digest_size=16).digest())


def _text(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()


def between(before: Zones, base: str, after: Zones) -> ZoneChange:
    """What leads from one set, whose digest is ``base``, to another."""
    old = {zone.zone_id: zone for zone in before.zones}
    whole, records = [], []
    for zone in after.zones:
        known = old.pop(zone.zone_id, None)
        if known is None or replace(known, records=()) != replace(zone, records=()):
            whole.append(zone)
        elif known.records != zone.records:
            records.append(_record_change(known, zone))
    return ZoneChange(base, tuple(old), tuple(whole), tuple(records), replace(after, zones=()))


def _record_change(before: Zone, after: Zone) -> RecordChange:
    """By identity first: drawing gives the same object for what did not change."""
    old, new = _by_identity(before.records), _by_identity(after.records)
    dropped = [record for key, record in old.items() if key not in new]
    put = [record for key, record in new.items() if key not in old]
    same = set(dropped) & set(put)
    return RecordChange(
        after.zone_id,
        tuple(record for record in dropped if record not in same),
        tuple(record for record in put if record not in same),
    )


def _by_identity(records: Iterable[RecordSet]) -> dict[int, RecordSet]:
    return {id(record): record for record in records}


def render(change: ZoneChange) -> str:
    """The change as one line."""
    data = {
        "base": change.base,
        "gone": change.gone,
        "whole": [zone_file.zone_data(zone) for zone in change.whole],
        "records": [
            [
                one.zone_id,
                [zone_file.record_data(record) for record in one.dropped],
                [zone_file.record_data(record) for record in one.put],
            ]
            for one in change.records
        ],
        "revision": change.zones.revision,
        **zone_file.rest_data(change.zones),
    }
    return _text(data).decode() + "\n"


def parse(line: str) -> ZoneChange:
    """The change of a rendered line. Raises ValueError, KeyError or TypeError for another text."""
    data = json.loads(line)
    return ZoneChange(
        base=data["base"],
        gone=tuple(data["gone"]),
        whole=tuple(map(zone_file.zone_of, data["whole"])),
        records=tuple(
            RecordChange(
                zone_id,
                tuple(map(zone_file.record_of, dropped)),
                tuple(map(zone_file.record_of, put)),
            )
            for zone_id, dropped, put in data["records"]
        ),
        zones=zone_file.rest_of(data),
    )
