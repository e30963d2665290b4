"""A changed zone set is the same as one that was loaded whole, whatever changed."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from itertools import pairwise
from pathlib import Path
from typing import cast

import dns.name
from hypothesis import given
from hypothesis import strategies as st

from hiyoko.blueprint.zones import Choice, Policy, RecordSet, Zone, Zones
from hiyoko.plane.dns import zone_change
from hiyoko.plane.dns.loaded import Contents
from hiyoko.plane.dns.served import Served
from hiyoko.plane.dns.upstream import Upstream
from hiyoko.plane.dns.zone_change import ZoneChange, between, digest
from hiyoko.plane.dns.zone_keys import ZoneKeys
from hiyoko.plane.dns.zone_store import JOURNAL, ZoneStore

KEYS = ZoneKeys(b"k" * 32)
UPSTREAM = cast(Upstream, None)
SERVER = IPv4Address("198.18.8.1")
OWNERS = ("@", "a", "b.a", "c.b.a", r"\042.a", r"\042", "x.\\042", "b")


def plain(owner: str, kind: str, last: int) -> RecordSet:
    value = f"192.0.2.{last}" if kind == "A" else f'"{last}"'
    return RecordSet(_absolute(owner), kind, 60, (value,))


def weighted(owner: str, last: int) -> RecordSet:
    choices = tuple(Choice(str(n), plain(owner, "A", n + last), weight=n) for n in (1, 2))
    return RecordSet(_absolute(owner), "A", 0, (), Policy.WEIGHTED, choices)


def _absolute(owner: str) -> str:
    return "example.com." if owner == "@" else f"{owner}.example.com."


RECORDS = st.one_of(
    st.builds(plain, st.sampled_from(OWNERS), st.sampled_from(["A", "TXT"]), st.integers(1, 3)),
    st.builds(weighted, st.sampled_from(OWNERS), st.integers(1, 3)),
)
SETS = st.lists(RECORDS, max_size=12, unique_by=lambda record: (record.name, record.type))


def zone(records: list[RecordSet], zone_id: str = "Z1") -> Zone:
    return Zone(zone_id, "example.com.", (SERVER,), tuple(records))


def shape(contents: Contents) -> tuple[object, ...]:
    """Everything that answers depend on."""
    nodes = {
        key: {kind: stored.record for kind, stored in node.items()}
        for key, node in contents.nodes.items()
    }
    routed = {
        key: {kind: group.record for kind, group in groups.items()}
        for key, groups in contents.routed.items()
    }
    return nodes, routed, contents.names


def load(zones: Zones) -> Served:
    return Served.load(zones, KEYS, UPSTREAM)


@given(SETS, SETS, SETS, st.booleans())
def test_a_changed_set_answers_as_one_that_was_loaded_whole(
    first: list[RecordSet], second: list[RecordSet], third: list[RecordSet], more: bool
) -> None:
    sets = [
        Zones(1, (zone(first),)),
        Zones(2, (zone(second), *([zone([], "Z2")] if more else []))),
        Zones(3, (zone(third),)),
    ]
    served = load(sets[0])
    for before, after in pairwise(sets):
        change = zone_change.parse(zone_change.render(between(before, digest(before), after)))
        served = served.changed(change, KEYS, UPSTREAM)
        whole = load(after)
        assert served.digest == whole.digest == digest(after)
        assert served.zones.keys() == whole.zones.keys()
        for key, made in served.zones.items():
            assert shape(made.contents) == shape(whole.zones[key].contents)


def test_only_what_is_new_is_told() -> None:
    kept = [plain("a", "A", 1), plain("b", "A", 2)]
    before = Zones(1, (zone(kept),))
    after = Zones(2, (zone([kept[0], plain("b", "A", 3)]),))
    change = between(before, digest(before), after)
    assert (change.gone, change.whole, change.size) == ((), (), 2)
    moved = Zones(3, (replace(after.zones[0], servers=(IPv4Address("198.18.8.9"),)),))
    assert between(after, digest(after), moved).whole == moved.zones


def stored(store: ZoneStore) -> list[ZoneChange]:
    return store.changes()[0]


def test_a_torn_line_is_no_change_and_nothing_is_written_behind_it(tmp_path: Path) -> None:
    store, zones = ZoneStore(tmp_path), Zones(1, (zone([plain("a", "A", 1)]),))
    store.put(zones)
    change = between(zones, digest(zones), Zones(2, (zone([]),)))
    assert store.append(change)
    with (tmp_path / JOURNAL).open("ab") as journal:
        journal.write(b'{"base":"half')
    assert stored(store) == [change]
    assert not store.append(change)
    store.put(zones)
    assert stored(store) == []
    assert store.zones() == zones


def test_names_of_a_zone_below_a_changed_one_stay() -> None:
    contents = Contents.load(zone([plain("c.b.a", "A", 1), plain("a", "A", 1)]))
    changed = contents.changed([plain("a", "A", 1)], [])
    key = tuple(dns.name.from_text("b.a.example.com.").labels)
    assert key in changed.names
    assert key not in changed.changed([plain("c.b.a", "A", 1)], []).names
