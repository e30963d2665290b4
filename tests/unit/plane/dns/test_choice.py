from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address
from random import Random
from typing import Any

import pytest

from hiyoko.blueprint.places import HOME, PLACES, Place, find_place, locate
from hiyoko.blueprint.zones import Choice, Policy, RecordSet
from hiyoko.plane.dns.choice import Asker, choose, chooser


def choice(set_id: str, **more: Any) -> Choice:
    return Choice(set_id, RecordSet("w.example.com.", "A", 60, (set_id,)), **more)


def group(policy: Policy, *choices: Choice) -> RecordSet:
    return RecordSet("w.example.com.", "A", 0, (), policy, choices)


def at(name: str) -> Asker:
    place = find_place(name)
    assert place is not None
    return Asker(place, Random(1))


def picked(record: RecordSet, asker: Asker | None = None) -> list[str]:
    return [leaf.values[0] for leaf in choose(record, asker or Asker(HOME, Random(1)))]


def shares(record: RecordSet, times: int = 10_000) -> dict[str, float]:
    """By the prepared way and the plain one, which must agree."""
    asker, choosing = Asker(HOME, Random(7)), chooser(record)
    found = Counter(choosing(asker)[0].values[0] for _ in range(times))
    plain = Counter(picked(record, asker)[0] for _ in range(times))
    for name in found | plain:
        assert found[name] / times == pytest.approx(plain[name] / times, abs=0.03)
    return {name: count / times for name, count in found.items()}


def test_weights_are_shares_of_their_sum() -> None:
    weighted = group(
        Policy.WEIGHTED,
        choice("a", weight=70),
        choice("b", weight=20),
        choice("c", weight=10),
        choice("never", weight=0),
    )
    found = shares(weighted)
    assert found == {
        "a": pytest.approx(0.7, abs=0.02),
        "b": pytest.approx(0.2, abs=0.02),
        "c": pytest.approx(0.1, abs=0.02),
    }


def test_when_all_weights_are_zero_every_set_is_as_likely() -> None:
    weighted = group(Policy.WEIGHTED, *(choice(name) for name in "abcd"))
    assert shares(weighted) == {name: pytest.approx(0.25, abs=0.02) for name in "abcd"}


def test_a_zero_weight_answers_when_everything_else_is_unhealthy() -> None:
    sick = choice("a", weight=9, healthy=False)
    assert shares(group(Policy.WEIGHTED, sick, choice("zero")), 100) == {"zero": 1.0}
    assert shares(group(Policy.WEIGHTED, sick, choice("b", weight=1)), 100) == {"b": 1.0}
    # All unhealthy is all healthy, and then a zero is a zero again.
    assert shares(group(Policy.WEIGHTED, sick, choice("zero", healthy=False)), 100) == {"a": 1.0}


@pytest.mark.parametrize(
    ("primary", "secondary", "expected"),
    [(True, True, "p"), (True, False, "p"), (False, True, "s"), (False, False, "p")],
)
def test_failover(primary: bool, secondary: bool, expected: str) -> None:
    pair = (choice("s", healthy=secondary), choice("p", healthy=primary, primary=True))
    assert picked(group(Policy.FAILOVER, *pair)) == [expected]


def test_multivalue_gives_up_to_eight_healthy_sets() -> None:
    many = [choice(f"{n:02d}", healthy=n >= 3) for n in range(15)]
    found = picked(group(Policy.MULTIVALUE, *many))
    assert len(set(found)) == 8
    assert min(found) >= "03"
    few = [choice("a"), choice("b", healthy=False)]
    assert picked(group(Policy.MULTIVALUE, *few)) == ["a"]
    none = [choice(f"{n:02d}", healthy=False) for n in range(9)]
    assert len(picked(group(Policy.MULTIVALUE, *none))) == 8


GEO = group(
    Policy.GEOLOCATION,
    choice("world", country="*"),
    choice("asia", continent="AS"),
    choice("america", continent="NA"),
    choice("us", country="US"),
    choice("virginia", country="US", subdivision="VA"),
)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("virginia", "virginia"),
        ("oregon", "us"),
        ("montreal", "america"),
        ("tokyo", "asia"),
        ("frankfurt", "world"),
    ],
)
def test_the_most_specific_place_is_answered(place: str, expected: str) -> None:
    assert picked(GEO, at(place)) == [expected]


def test_what_is_nowhere_gets_the_default_and_without_one_no_answer() -> None:
    assert picked(GEO, Asker(None)) == ["world"]
    assert picked(group(Policy.GEOLOCATION, choice("us", country="US")), Asker(None)) == []
    assert picked(group(Policy.GEOLOCATION, choice("us", country="US")), at("tokyo")) == []


def test_an_unhealthy_place_gives_way_to_the_next_larger_one() -> None:
    sick = group(
        Policy.GEOLOCATION,
        choice("virginia", country="US", subdivision="VA", healthy=False),
        choice("us", country="US", healthy=False),
        choice("world", country="*"),
    )
    assert picked(sick, at("virginia")) == ["world"]


def test_latency_takes_the_nearest_healthy_region() -> None:
    regions = ("ap-northeast-1", "us-east-1", "eu-central-1")
    latency = group(Policy.LATENCY, *(choice(r, region=r) for r in regions))
    for place, expected in (
        ("osaka", "ap-northeast-1"),
        ("sydney", "ap-northeast-1"),
        ("montreal", "us-east-1"),
        ("london", "eu-central-1"),
    ):
        assert picked(latency, at(place)) == [expected]
    sick = group(
        Policy.LATENCY,
        choice("ap-northeast-1", region="ap-northeast-1", healthy=False),
        choice("us-east-1", region="us-east-1"),
    )
    assert picked(sick, at("tokyo")) == ["us-east-1"]


def test_geoproximity_takes_the_nearest_as_the_bias_bends_it() -> None:
    def near(place: str, bias: int) -> list[str]:
        tokyo = choice("tokyo", latitude=35.7, longitude=139.7)
        virginia = choice("virginia", latitude=38.9, longitude=-77.5, bias=bias)
        return picked(group(Policy.GEOPROXIMITY, tokyo, virginia), at(place))

    assert near("seoul", 0) == ["tokyo"]
    assert near("oregon", 0) == ["virginia"]
    assert near("seoul", 99) == ["virginia"]
    assert near("oregon", -60) == ["tokyo"]


def test_a_choice_may_be_another_group() -> None:
    inner = group(
        Policy.FAILOVER, choice("p", primary=True, healthy=False), choice("s", healthy=True)
    )
    outer = group(Policy.WEIGHTED, Choice("tree", inner, weight=1), choice("other", weight=0))
    assert picked(outer) == ["s"]


@pytest.mark.parametrize("place", PLACES)
def test_every_place_is_found_by_its_clients_address(place: Place) -> None:
    assert locate(place.client) == place


def test_the_rest_of_the_internet_is_at_home_and_other_addresses_are_nowhere() -> None:
    assert locate(IPv4Address("198.18.0.100")) == HOME
    assert locate(IPv4Address("198.19.3.4")) == HOME
    assert locate(IPv4Address("192.0.2.1")) is None


def test_an_address_gets_its_closest_network() -> None:
    blocks = group(
        Policy.CIDR,
        choice("wide", cidrs=("203.0.0.0/8",)),
        choice("near", cidrs=("203.0.113.0/24", "2001:db8::/32")),
        choice("rest", cidrs=("0.0.0.0/0", "::/0")),
    )

    def asked(address: str) -> list[str]:
        return picked(blocks, Asker(HOME, Random(1), address))

    assert asked("203.0.113.9") == ["near"]
    assert asked("203.9.9.9") == ["wide"]
    assert asked("198.51.100.1") == ["rest"]
    assert asked("2001:db8::1") == ["near"]
    assert asked("") == ["rest"]


def test_a_sick_network_leaves_to_the_next_wider_one() -> None:
    blocks = group(
        Policy.CIDR,
        choice("near", cidrs=("203.0.113.0/24",), healthy=False),
        choice("rest", cidrs=("0.0.0.0/0", "::/0")),
    )
    assert picked(blocks, Asker(HOME, Random(1), "203.0.113.9")) == ["rest"]


def test_without_a_default_a_stranger_gets_no_answer() -> None:
    blocks = group(Policy.CIDR, choice("near", cidrs=("203.0.113.0/24",)))
    assert picked(blocks, Asker(HOME, Random(1), "198.51.100.1")) == []
