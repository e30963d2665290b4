from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
from tests.unit.blueprint.test_draw_zones import balancer

from hiyoko.blueprint.draw_health_checks import (
    draw_probes,
    unhealthy_balancers,
    unhealthy_checks,
)
from hiyoko.plane.addresses import HEALTH_CHECKERS
from hiyoko.services.elbv2.model import Action, Listener, Registration, Rule, WeightedGroup
from hiyoko.services.route53.model import (
    CHECKER_ADDRESSES,
    CHECKER_REGIONS,
    GLOBAL,
    HealthCheck,
    HealthCheckConfig,
)

ACCOUNT = "123456789012"


def check(check_id: str, kind: str = "HTTP", **config: Any) -> HealthCheck:
    if kind != "CALCULATED":
        config = {"address": "198.19.0.1", "regions": CHECKER_REGIONS, **config}
    made = HealthCheckConfig(type=kind, **config)
    return HealthCheck(ACCOUNT, GLOBAL, check_id, check_id, 1, made, 0.0)


def test_every_region_of_aws_has_a_checker() -> None:
    assert tuple(HEALTH_CHECKERS) == CHECKER_REGIONS
    assert tuple(str(address) for address in HEALTH_CHECKERS.values()) == CHECKER_ADDRESSES


def test_a_probe_says_all_that_a_checker_needs() -> None:
    probe, _ = draw_probes(
        [
            check("a", "HTTPS_STR_MATCH", domain="www.example.com", search="ok", port=8443),
            check("b", "TCP", port=22),
            check("c", "CALCULATED", children=("a",), health_threshold=1),
            check("d", disabled=True),
        ]
    )
    assert (probe.http, probe.tls, probe.sni, probe.search) == (True, True, True, "ok")
    assert (probe.address, probe.port, probe.path) == (IPv4Address("198.19.0.1"), 8443, "/")


@pytest.mark.parametrize(("good", "healthy"), [(0, False), (1, False), (2, True), (8, True)])
def test_more_than_18_percent_of_the_checkers_make_it_healthy(good: int, healthy: bool) -> None:
    verdicts = {"a": tuple(n < good for n in range(8))}
    assert (unhealthy_checks([check("a")], verdicts) == frozenset()) is healthy


def test_new_and_disabled_checks_are_healthy_and_inverted_ones_the_reverse() -> None:
    sick = {"a": (False,)}
    assert unhealthy_checks([check("a")], {}) == frozenset()
    assert unhealthy_checks([check("a", disabled=True)], sick) == frozenset()
    assert unhealthy_checks([check("a", inverted=True)], sick) == frozenset()
    assert unhealthy_checks([check("a", inverted=True)], {}) == {"a"}
    assert unhealthy_checks([check("a", inverted=True, disabled=True)], sick) == {"a"}


@pytest.mark.parametrize(
    ("threshold", "healthy"), [(0, True), (1, True), (2, True), (3, False), (4, False)]
)
def test_a_calculated_check_counts_its_healthy_children(threshold: int, healthy: bool) -> None:
    checks = [check(name) for name in "abc"]
    above = check("x", "CALCULATED", children=("a", "b", "c"), health_threshold=threshold)
    found = unhealthy_checks([*checks, above], {"a": (False,), "b": (True,)})
    assert ("x" not in found) is healthy


def sick_balancers(
    registered: dict[str, list[bool]], default: str = "g1", ruled: str = "g2"
) -> bool:
    arn = balancer().arn

    def forward(group: str) -> tuple[Action, ...]:
        return (Action("forward", groups=(WeightedGroup(group),)),) if group else ()

    registrations, healthy = [], set()
    for group, targets in registered.items():
        for number, good in enumerate(targets):
            target = f"10.0.0.{number}"
            registrations.append(Registration(group, ACCOUNT, "r", target, 80, None, 0.0))
            if good:
                healthy.add((group, target, 80))
    found = unhealthy_balancers(
        [balancer()],
        [Listener("l", ACCOUNT, "r", arn, 80, "HTTP", "d", forward(default))],
        [Rule("u", ACCOUNT, "r", "l", 1, (), forward(ruled))],
        registrations,
        healthy,
    )
    return arn in found


def test_a_balancer_is_healthy_when_each_group_with_targets_has_a_healthy_one() -> None:
    assert not sick_balancers({"g1": [False, True], "g2": [True]})
    assert not sick_balancers({"g1": [True]})
    assert sick_balancers({"g1": [True], "g2": [False, False]})
    assert sick_balancers({})
    assert not sick_balancers({}, default="", ruled="")
