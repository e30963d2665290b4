from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hiyoko.services.route53.batch import Batch, Wanted
from hiyoko.services.route53.model import (
    GLOBAL,
    AliasTarget,
    GeoLocation,
    HostedZone,
    RecordSet,
    default_records,
)

ZONE = HostedZone(
    account="123456789012",
    region=GLOBAL,
    zone_id="Z1",
    name="example.com.",
    caller_reference="once",
    private=False,
    servers=(0, 512, 1024, 1536),
    vpcs=(),
    created_at=0.0,
)


def record(name: str, kind: str, *values: str, ttl: int = 300) -> RecordSet:
    return RecordSet(ZONE.account, GLOBAL, ZONE.zone_id, name, kind, ttl, values)


def alias(name: str, kind: str, target: str, zone_id: str = "Z1") -> RecordSet:
    return replace(
        record(name, kind), ttl_s=None, alias=AliasTarget(zone_id, target, evaluate_health=False)
    )


def batch(*present: RecordSet, elsewhere: str | None = None) -> Batch:
    records = (*default_records(ZONE), *present)
    return Batch(ZONE, {r.key: r for r in records}, lambda _: elsewhere)


A = record("a.example.com.", "A", "192.0.2.1")
CNAME = record("c.example.com.", "CNAME", "a.example.com")


def messages(work: Batch, *changes: tuple[str, RecordSet]) -> list[str]:
    work.apply([Wanted(action, wanted) for action, wanted in changes])
    return work.messages


def test_create_of_what_exists_is_refused() -> None:
    assert messages(batch(A), ("CREATE", A)) == [
        "Tried to create resource record set [name='a.example.com.', type='A']"
        " but it already exists"
    ]


def test_delete_of_what_is_absent_or_differs_is_refused() -> None:
    assert "but it was not found" in messages(batch(), ("DELETE", A))[0]
    other = replace(A, ttl_s=60)
    assert "do not match the current values" in messages(batch(A), ("DELETE", other))[0]


def test_delete_takes_the_values_in_any_order() -> None:
    two = record("a.example.com.", "A", "192.0.2.1", "192.0.2.2")
    turned = replace(two, values=tuple(reversed(two.values)))
    work = batch(two)
    assert messages(work, ("DELETE", turned)) == []
    assert ("a.example.com.", "A", "") not in work.records


def test_changes_see_the_earlier_ones_of_their_batch() -> None:
    instead = record("c.example.com.", "A", "192.0.2.9")
    assert messages(batch(CNAME), ("DELETE", CNAME), ("CREATE", instead)) == []
    assert "was not found" in messages(batch(CNAME), ("DELETE", CNAME), ("DELETE", CNAME))[0]


def test_every_failing_change_is_named() -> None:
    outside = record("a.example.org.", "A", "192.0.2.1")
    bad = record("b.example.com.", "A", "nonsense")
    said = messages(batch(A), ("CREATE", A), ("CREATE", outside), ("CREATE", bad))
    assert len(said) == 3
    assert said[1] == "RRSet with DNS name a.example.org. is not permitted in zone example.com."


def test_a_cname_stands_alone_and_never_at_the_apex() -> None:
    assert (
        "is not permitted at apex in zone"
        in messages(batch(), ("CREATE", record("example.com.", "CNAME", "a.example.com")))[0]
    )
    assert (
        "as it conflicts with other records"
        in messages(batch(A), ("UPSERT", record("a.example.com.", "CNAME", "b.example.com")))[0]
    )
    assert (
        "a conflicting RRSet of type  CNAME with the same DNS name"
        in messages(batch(CNAME), ("CREATE", record("c.example.com.", "A", "192.0.2.1")))[0]
    )


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (1, "A HostedZone must contain exactly one SOA record."),
        (0, "A HostedZone must contain at least one NS record for the zone itself."),
    ],
)
def test_the_apex_keeps_its_soa_and_ns(place: int, said: str) -> None:
    assert messages(batch(), ("DELETE", default_records(ZONE)[place])) == [said]


def test_an_alias_needs_its_target_in_the_zone() -> None:
    said = messages(batch(A), ("CREATE", alias("x.example.com.", "A", "gone.example.com.")))
    assert said == [
        "Tried to create an alias that targets gone.example.com., type A in zone Z1, but that"
        " target was not found"
    ]
    outside = messages(batch(A), ("CREATE", alias("x.example.com.", "A", "a.example.org.")))
    assert "does not lie within the target zone" in outside[0]
    assert messages(batch(A), ("CREATE", alias("x.example.com.", "A", "a.example.com."))) == []


def test_an_alias_may_point_at_what_the_same_batch_makes() -> None:
    work = batch()
    assert messages(work, ("CREATE", A), ("CREATE", alias("x.example.com.", "A", A.name))) == []


def test_an_alias_elsewhere_is_judged_by_whoever_knows_the_target() -> None:
    wanted = alias("x.example.com.", "A", "lb.elb.amazonaws.com.", zone_id="Z14GRHDCWA56QT")
    assert messages(batch(), ("CREATE", wanted)) == []
    said = messages(batch(elsewhere="that target was not found"), ("CREATE", wanted))
    assert said[0].endswith("but that target was not found")


def weighted(set_id: str, ttl: int = 60, weight: int = 1) -> RecordSet:
    return replace(
        record("w.example.com.", "A", "192.0.2.1", ttl=ttl), set_id=set_id, weight=weight
    )


def routed(set_id: str, **routing: Any) -> RecordSet:
    return replace(record("w.example.com.", "A", "192.0.2.1"), set_id=set_id, **routing)


def test_sets_of_a_group_are_told_apart_by_their_identifiers() -> None:
    work = batch(weighted("a"))
    assert messages(work, ("CREATE", weighted("b")), ("DELETE", weighted("a"))) == []
    assert ("w.example.com.", "A", "b") in work.records
    assert messages(batch(weighted("a")), ("CREATE", weighted("a"))) == [
        "Tried to create resource record set [name='w.example.com.', type='A',"
        " set-identifier='a'] but it already exists"
    ]


def test_a_group_has_one_policy() -> None:
    simple = record("w.example.com.", "A", "192.0.2.1")
    assert messages(batch(weighted("a")), ("CREATE", simple)) == [
        "RRSet with DNS name w.example.com., type A cannot be created as other RRSets exist with"
        " the same name and type."
    ]
    start = "RRSet with DNS name w.example.com., type A, SetIdentifier b cannot be created as"
    latency = routed("b", latency_region="us-east-1")
    for present in (simple, latency):
        wanted = weighted("b") if present is simple else replace(weighted("b"), set_id="c")
        found = messages(batch(present), ("CREATE", wanted))
        assert found == [
            f"{start.replace(' b ', f' {wanted.set_id} ')} a non-weighted set exists with the same"
            " name and type."
        ]


def test_a_weighted_group_has_one_ttl_when_the_batch_is_done() -> None:
    assert messages(batch(weighted("a")), ("CREATE", weighted("b", ttl=30))) == [
        "RRSet with DNS name w.example.com. and type A, SetIdentifier b cannot be created as"
        " weighted sets must contain the same TTL."
    ]
    work = batch(weighted("a"), weighted("b"))
    both = [("UPSERT", weighted("a", ttl=30)), ("UPSERT", weighted("b", ttl=30))]
    assert messages(work, *both) == []


@pytest.mark.parametrize(
    "routing",
    [
        {"latency_region": "us-east-1"},
        {"failover": "PRIMARY"},
        {"geo": GeoLocation(country="JP")},
    ],
)
def test_no_two_sets_of_a_group_mean_the_same(routing: dict[str, Any]) -> None:
    found = messages(batch(routed("a", **routing)), ("CREATE", routed("b", **routing)))
    assert len(found) == 1
    assert "SetIdentifier b cannot be created as a" in found[0]


def test_a_delete_repeats_the_routing_but_multivalue() -> None:
    assert messages(batch(weighted("a")), ("DELETE", weighted("a", weight=2))) != []
    assert messages(batch(routed("a", multivalue=True)), ("DELETE", routed("a"))) == []


def test_an_alias_may_point_at_a_group() -> None:
    assert (
        messages(batch(weighted("a")), ("CREATE", alias("x.example.com.", "A", "w.example.com.")))
        == []
    )
