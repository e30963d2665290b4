from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from tests.unit.plane.dns.zone import zone

from hiyoko.blueprint.resolvers import Inlet, Outlet, Rule, VpcResolver
from hiyoko.blueprint.zones import Choice, Delegation, Policy, RecordSet, Zones
from hiyoko.plane.dns import zone_change, zone_file
from hiyoko.plane.dns.dns_server import DnsStep, OpenResolver, PushZones, Served, StartServer, steps

ZONES = Zones(
    revision=3,
    zones=(zone(),),
    resolvers=(
        VpcResolver("vpc-1", IPv4Address("10.0.0.2"), "us-east-1", (IPv4Network("10.0.0.0/16"),)),
    ),
    delegations=(Delegation("Z1", "com."),),
)


def served(zones: Zones = ZONES, *resolvers: str) -> Served:
    return Served(zone_change.digest(zones), zones.revision, resolvers, {"vpc-1": "no router"})


def test_rules_and_endpoints_are_read_back_whole() -> None:
    outlet = Outlet("eni-2", IPv4Address("10.0.0.9"))
    rules = (Rule("corp.example.", ((IPv4Address("192.0.2.1"), 5353),), (outlet,)), Rule("a."))
    more = {"validates": True, "logged": True, "reverse": False}
    resolver = replace(ZONES.resolvers[0], rules=rules, **more)  # type: ignore[arg-type]
    inlets = (Inlet("eni-1", IPv4Address("10.0.0.8"), "vpc-1"),)
    whole = replace(ZONES, resolvers=(resolver,), inlets=inlets, outlets=(outlet,))
    assert zone_file.parse(zone_file.render(whole)) == whole
    other = replace(whole, resolvers=ZONES.resolvers)
    assert zone_change.digest(whole) != zone_change.digest(other)


def test_an_endpoints_interface_without_its_sockets_is_looked_after() -> None:
    inlet = Inlet("eni-1", IPv4Address("10.0.0.8"), "vpc-1")
    outlet = Outlet("eni-2", IPv4Address("10.0.0.9"))
    whole = replace(ZONES, inlets=(inlet,), outlets=(outlet,))
    wanted = [OpenResolver("eni-2", "it does not listen")]
    assert missing(whole, served(whole, "vpc-1", "eni-1")) == wanted
    assert missing(whole, served(whole, "vpc-1", "eni-1", "eni-2")) == []


def missing(zones: Zones, found: Served | None) -> list[DnsStep]:
    return list(steps(zones, zone_change.digest(zones), found))


def test_a_stored_zone_set_is_read_back_whole() -> None:
    assert zone_file.parse(zone_file.render(ZONES)) == ZONES


def test_choices_are_read_back_whole() -> None:
    leaf = RecordSet("w.example.com.", "A", 60, ("192.0.2.1",))
    inner = RecordSet(
        "w.example.com.",
        "A",
        0,
        (),
        Policy.GEOLOCATION,
        (
            Choice("us", leaf, country="US", subdivision="VA"),
            Choice("asia", leaf, continent="AS"),
        ),
    )
    outer = replace(
        inner,
        policy=Policy.FAILOVER,
        choices=(Choice("a", inner, primary=True, healthy=False), Choice("b", leaf)),
    )
    zones = Zones(zones=(replace(zone(), records=(outer, leaf)),))
    assert zone_file.parse(zone_file.render(zones)) == zones
    well = replace(outer, choices=(replace(outer.choices[0], healthy=True), outer.choices[1]))
    other = Zones(zones=(replace(zone(), records=(well, leaf)),))
    assert zone_change.digest(other) != zone_change.digest(zones)


def test_the_digest_is_of_the_answers_not_of_the_revision() -> None:
    assert zone_change.digest(replace(ZONES, revision=9)) == zone_change.digest(ZONES)
    assert zone_change.digest(replace(ZONES, zones=())) != zone_change.digest(ZONES)


def test_without_a_process_it_is_started_and_given_the_zones() -> None:
    assert missing(ZONES, None) == [StartServer(), PushZones(ZONES)]


def test_another_zone_set_is_pushed_and_the_same_one_is_not() -> None:
    assert missing(ZONES, served(replace(ZONES, zones=()))) == [PushZones(ZONES)]
    assert missing(replace(ZONES, revision=9), served(ZONES, "vpc-1")) == []


def test_a_resolver_that_does_not_listen_is_a_step() -> None:
    assert missing(ZONES, served()) == [OpenResolver("vpc-1", "no router")]
