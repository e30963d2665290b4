from __future__ import annotations

from ipaddress import IPv4Address

import dns.name

from hiyoko.blueprint.zones import RecordSet, Zone
from hiyoko.plane.dns.chain import Chain
from hiyoko.plane.dns.loaded import Contents, Key, key_of

RECORDS = (
    ("jp.", "SOA", "ns. host. 1 2 3 4 5"),
    ("jp.", "NS", "ns."),
    ("my-project.jp.", "NS", "ns.my-project.jp."),
    ("my-project.jp.", "DS", "1 13 2 " + "AB" * 32),
    ("ns.my-project.jp.", "A", "192.0.2.1"),
    ("z.deep.jp.", "A", "192.0.2.2"),
)
ZONE = Zone(
    "jp.",
    "jp.",
    (IPv4Address("198.18.0.2"),),
    tuple(RecordSet(name, kind, 60, (value,)) for name, kind, value in RECORDS),
)
CHAIN = Chain.of(Contents.load(ZONE))


def key(text: str) -> Key:
    return key_of(dns.name.from_text(text))


def shown(text: str) -> list[str]:
    return [f"{link.owner} {link.following}" for link in CHAIN.absence(key(text))]


def test_names_follow_each_other_in_canonical_order_without_glue() -> None:
    owners, at = [], dns.name.from_text("jp.")
    for _ in range(3):
        link = CHAIN.link(key_of(at))
        owners.append(str(link.owner))
        at = link.following
    assert owners == ["jp.", "z.deep.jp.", "my-project.jp."]
    assert str(at) == "jp."


def test_a_delegation_has_no_more_types_than_the_parent_vouches_for() -> None:
    link = CHAIN.link(key("my-project.jp."))
    assert [kind.name for kind in link.types] == ["NS", "DS"]


def test_absence_is_that_of_the_name_and_of_the_wildcard() -> None:
    assert shown("nobody.jp.") == ["my-project.jp. jp.", "jp. z.deep.jp."]
    assert shown("a.jp.") == ["jp. z.deep.jp."]
    assert shown("a.deep.jp.") == ["jp. z.deep.jp."]


def test_an_empty_non_terminal_is_passed_over_by_the_link_before_it() -> None:
    link = CHAIN.link(key("deep.jp."))
    assert (str(link.owner), str(link.following)) == ("jp.", "z.deep.jp.")
