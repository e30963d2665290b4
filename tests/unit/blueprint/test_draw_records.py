from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.unit.blueprint.test_draw_zones import DNS_NAME, balancer, hosted

from hiyoko.blueprint.draw_records import Draft, Unhealthy
from hiyoko.blueprint.places import REGION_TOWNS
from hiyoko.blueprint.zones import Choice, Policy, RecordSet
from hiyoko.services.route53.model import GLOBAL, AliasTarget, GeoLocation, GeoProximity
from hiyoko.services.route53.model import RecordSet as Wished
from hiyoko.services.route53.routing import PROXIMITY_REGIONS

ZONE = hosted("example.com.", "Z1")


def wished(name: str, set_id: str = "", **routing: Any) -> Wished:
    made = Wished(ZONE.account, GLOBAL, "Z1", name, "A", 60, (f"192.0.2.{len(set_id)}",))
    return replace(made, set_id=set_id, **routing)


def alias(name: str, target: str, set_id: str = "", **routing: Any) -> Wished:
    zone_id = "Z14GRHDCWA56QT" if target.startswith("web-") else "Z1"
    to = AliasTarget(zone_id, target, evaluate_health=True)
    return wished(name, set_id, ttl_s=None, values=(), alias=to, **routing)


def served(*records: Wished, unhealthy: Unhealthy | None = None) -> dict[str, RecordSet]:
    draft = Draft.of([ZONE], records, [balancer()], unhealthy or Unhealthy())
    return {record.name: record for record in draft.served("Z1")}


def choices(record: RecordSet) -> dict[str, Choice]:
    return {choice.set_id: choice for choice in record.choices}


def test_every_region_that_a_set_may_name_is_somewhere() -> None:
    assert frozenset(REGION_TOWNS) == PROXIMITY_REGIONS


def test_a_group_becomes_one_set_with_choices() -> None:
    drawn = served(
        wished("w.example.com.", "a", weight=3),
        wished("w.example.com.", "bb", weight=1, health_check_id="sick"),
        unhealthy=Unhealthy(frozenset({"sick"})),
    )["w.example.com."]
    assert (drawn.policy, drawn.values) == (Policy.WEIGHTED, ())
    assert [(c.set_id, c.weight, c.healthy, c.record.values) for c in drawn.choices] == [
        ("a", 3, True, ("192.0.2.1",)),
        ("bb", 1, False, ("192.0.2.2",)),
    ]


def test_each_policy_has_its_own_fields() -> None:
    drawn = served(
        wished("l.example.com.", "a", latency_region="eu-west-1"),
        wished("f.example.com.", "a", failover="PRIMARY", health_check_id="x"),
        wished("g.example.com.", "a", geo=GeoLocation(country="US", subdivision="VA")),
        wished("m.example.com.", "a", multivalue=True),
        wished("p.example.com.", "a", proximity=GeoProximity(latitude="1.5", longitude="-2")),
        wished("q.example.com.", "a", proximity=GeoProximity(region="us-east-1", bias=7)),
    )
    found = {name[0]: (record.policy, record.choices[0]) for name, record in drawn.items()}
    assert found["l"][0] is Policy.LATENCY
    assert found["l"][1].region == "eu-west-1"
    assert (found["f"][0], found["f"][1].primary) == (Policy.FAILOVER, True)
    assert (found["g"][1].country, found["g"][1].subdivision) == ("US", "VA")
    assert found["m"][0] is Policy.MULTIVALUE
    assert found["p"][0] is Policy.GEOPROXIMITY
    assert (found["p"][1].latitude, found["p"][1].longitude) == (1.5, -2.0)
    assert (found["q"][1].latitude, found["q"][1].longitude, found["q"][1].bias) == (38.9, -77.5, 7)


def test_an_alias_to_a_group_chooses_as_the_group_does() -> None:
    drawn = served(
        alias("x.example.com.", "w.example.com."), wished("w.example.com.", "a", weight=3)
    )
    assert drawn["x.example.com."] == replace(drawn["w.example.com."], name="x.example.com.")


def test_an_alias_is_as_healthy_as_any_of_its_targets() -> None:
    records = (
        alias("x.example.com.", "w.example.com.", "tree", failover="PRIMARY"),
        wished("x.example.com.", "spare", failover="SECONDARY"),
        wished("w.example.com.", "a", weight=3, health_check_id="one"),
        wished("w.example.com.", "b", weight=3, health_check_id="two"),
    )
    for sick, expected in (({"one"}, True), ({"one", "two"}, False)):
        drawn = served(*records, unhealthy=Unhealthy(frozenset(sick)))["x.example.com."]
        assert choices(drawn)["tree"].healthy is expected
        assert choices(drawn)["tree"].record.policy is Policy.WEIGHTED
        assert choices(drawn)["spare"].healthy


def test_an_alias_to_a_balancer_goes_by_its_targets_only_when_it_evaluates_them() -> None:
    wanted = alias("x.example.com.", f"{DNS_NAME}.", "alb", failover="PRIMARY")
    sick = Unhealthy(balancers=frozenset({balancer().arn}))
    for unhealthy, expected in ((Unhealthy(), True), (sick, False)):
        drawn = served(wanted, unhealthy=unhealthy)["x.example.com."]
        assert choices(drawn)["alb"].healthy is expected
        assert choices(drawn)["alb"].record.values == ("198.19.0.1", "198.19.0.2")
    assert wanted.alias is not None
    blind = replace(wanted, alias=replace(wanted.alias, evaluate_health=False))
    assert choices(served(blind, unhealthy=sick)["x.example.com."])["alb"].healthy
