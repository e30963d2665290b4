from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from tests.api.dns_cloud import ALB_ZONE, DNS_NAME, Cloud, alias, record, with_balancer

from hiyoko.blueprint.health_checks import Probe
from hiyoko.plane.checkers import Checkers, Outcome
from hiyoko.reconcile import zones
from hiyoko.reconcile.health_checks import SOON_S, HealthCheckReconciler
from hiyoko.services.elbv2 import rows as elbv2
from hiyoko.services.elbv2.model import Action, Listener, Registration, WeightedGroup
from hiyoko.services.elbv2.seen import TARGETS_SEEN, TargetSeen
from hiyoko.services.route53.seen import HEALTH_CHECKS_SEEN

GOOD, BAD = Outcome(True, "Success: fine"), Outcome(False, "Failure: not fine")


@dataclass
class FakeCheckers:
    """Finds everywhere what it is told to."""

    outcome: Outcome = GOOD
    asked: list[str] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)

    async def ask(self, due: Iterable[Probe]) -> dict[Probe, dict[str, Outcome]]:
        answering = [probe for probe in due if probe.domain not in self.silent]
        self.asked += [probe.check_id for probe in answering]
        return {probe: dict.fromkeys(probe.regions, self.outcome) for probe in answering}


def world() -> tuple[Cloud, FakeCheckers, HealthCheckReconciler]:
    cloud, checkers = Cloud(), FakeCheckers()
    made = HealthCheckReconciler(cloud.store, cast(Checkers, checkers), cloud.clock)
    return cloud, checkers, made


def create(cloud: Cloud, **config: Any) -> str:
    wanted = {"Type": "HTTP", "IPAddress": "198.19.0.1", "FailureThreshold": 2, **config}
    made = cloud(
        "route53",
        "CreateHealthCheck",
        CallerReference=cloud.ids.uuid(),
        HealthCheckConfig=wanted,
    )
    return str(made["HealthCheck"]["Id"])


async def turn(cloud: Cloud, reconciler: HealthCheckReconciler, seconds: float = 30.0) -> bool:
    cloud.clock.time += seconds
    return (await reconciler.activate()).saw_change


async def test_a_check_turns_after_its_threshold_in_both_directions() -> None:
    cloud, checkers, reconciler = world()
    create(cloud)
    assert not await turn(cloud, reconciler)
    checkers.outcome = BAD
    assert [await turn(cloud, reconciler) for _ in range(3)] == [False, True, False]
    checkers.outcome = GOOD
    assert [await turn(cloud, reconciler) for _ in range(3)] == [False, True, False]


async def test_nothing_is_asked_before_its_time() -> None:
    cloud, checkers, reconciler = world()
    create(cloud)
    report = await reconciler.activate()
    assert report.again_s == 30.0
    cloud.clock.time += 29.0
    assert (await reconciler.activate()).again_s == 1.0
    assert len(checkers.asked) == 1
    cloud.clock.time += 1.0
    await reconciler.activate()
    assert len(checkers.asked) == 2


async def test_who_has_not_answered_is_looked_at_again_soon_and_the_others_are_recorded() -> None:
    cloud, checkers, reconciler = world()
    quick, slow = create(cloud), create(cloud, FullyQualifiedDomainName="slow.example.com")
    checkers.silent.add("slow.example.com")
    assert (await reconciler.activate()).again_s == SOON_S
    with cloud.store.reading() as tx:
        assert [row.check_id for row in HEALTH_CHECKS_SEEN.list(tx)] == [quick]
    checkers.silent.clear()
    assert (await reconciler.activate()).again_s == 30.0
    assert checkers.asked == [quick, slow]


async def test_what_was_found_is_shown_by_region_and_goes_with_the_check() -> None:
    cloud, checkers, reconciler = world()
    checkers.outcome = BAD
    made = create(cloud)
    await reconciler.activate()
    for operation in ("GetHealthCheckStatus", "GetHealthCheckLastFailureReason"):
        found = cloud("route53", operation, HealthCheckId=made)["HealthCheckObservations"]
        assert len(found) == 8
        assert found[0]["StatusReport"]["Status"] == "Failure: not fine"
        assert len({entry["IPAddress"] for entry in found}) == 8
    cloud("route53", "DeleteHealthCheck", HealthCheckId=made)
    await reconciler.activate()
    with cloud.store.reading() as tx:
        assert HEALTH_CHECKS_SEEN.list(tx) == []


async def test_disabled_and_calculated_checks_are_not_asked() -> None:
    cloud, checkers, reconciler = world()
    create(cloud, Disabled=True)
    report = await reconciler.activate()
    assert (checkers.asked, report.again_s, report.quiet) == ([], None, True)


async def test_zones_are_drawn_by_what_was_found() -> None:
    cloud, checkers, reconciler = world()
    zone, watched = cloud.zone(), create(cloud, FailureThreshold=1)
    more = {"SetIdentifier": "a", "Failover": "PRIMARY", "HealthCheckId": watched}
    cloud.change(zone, ("CREATE", record("a.example.com", "A", "198.19.0.1") | more))

    def healthy() -> bool:
        with cloud.store.reading() as tx:
            drawn = zones.draw(tx)
        served = next(z for z in drawn.zones if z.name == "example.com.")
        return next(r for r in served.records if r.choices).choices[0].healthy

    assert healthy()
    checkers.outcome = BAD
    assert await turn(cloud, reconciler)
    assert not healthy()


async def test_a_balancer_without_a_healthy_target_gives_way_to_the_secondary() -> None:
    cloud = Cloud()
    with_balancer(cloud)
    zone = cloud.zone()
    primary = alias("a.example.com", DNS_NAME, ALB_ZONE)
    primary |= {"SetIdentifier": "alb", "Failover": "PRIMARY"}
    spare = record("a.example.com", "A", "198.19.0.9")
    spare |= {"SetIdentifier": "spare", "Failover": "SECONDARY"}
    cloud.change(zone, ("CREATE", primary), ("CREATE", spare))
    with cloud.store.transaction() as tx:
        arn = elbv2.LOAD_BALANCERS.list(tx)[0].arn
        forward = (Action("forward", groups=(WeightedGroup("g"),)),)
        owner = ("123456789012", "ap-northeast-1")
        elbv2.LISTENERS.insert(tx, Listener("l", *owner, arn, 80, "HTTP", "d", forward))
        elbv2.REGISTRATIONS.insert(tx, Registration("g", *owner, "10.0.0.1", 80, None, 0.0))
    for state, expected in (("initial", False), ("healthy", True), ("unhealthy", False)):
        with cloud.store.transaction() as tx:
            seen = TargetSeen("g", "10.0.0.1", 80, "eni-1", state, "", "", 0.0)
            TARGETS_SEEN.put(tx, seen)
        with cloud.store.reading() as tx:
            drawn = zones.draw(tx)
        served = next(z for z in drawn.zones if z.name == "example.com.")
        group = next(r for r in served.records if r.choices)
        assert {c.set_id: c.healthy for c in group.choices} == {"alb": expected, "spare": True}
