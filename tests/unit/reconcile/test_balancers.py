"""From HAProxy's word to AWS's state of a target."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from hiyoko.blueprint.balancers import BalancerNode, HealthCheck
from hiyoko.plane.balancer.observe import ServerSeen
from hiyoko.plane.balancer.paths import Paths
from hiyoko.plane.balancer.render import render_haproxy
from hiyoko.reconcile.balancers import INITIAL, Rendering, judge
from hiyoko.services.elbv2.seen import TargetSeen

CHECK = HealthCheck("HTTP", None, "/", 30, 5, 5, 2, "200")
REFUSED = ("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
CODE = (
    "unhealthy",
    "Target.ResponseCodeMismatch",
    "Health checks failed with these codes: [404]",
)
UP = ServerSeen(True, "L7OK", "200")
UNCHECKED = ServerSeen(False, "", "")
REFUSING = ServerSeen(False, "L4CON", "")
MISSING = ServerSeen(False, "L7STS", "404")
RISING = ServerSeen(False, "L7OK", "200")


def before(verdict: tuple[str, str, str], seen_at: float = 100.0) -> TargetSeen:
    return TargetSeen("g", "10.0.0.1", 80, "eni", *verdict, seen_at)


@pytest.mark.parametrize(
    ("server", "was", "now", "expected"),
    [
        (UNCHECKED, None, 100.0, INITIAL),
        (REFUSING, None, 100.0, INITIAL),
        (UP, None, 100.0, ("healthy", "", "")),
        (REFUSING, before(INITIAL), 130.0, INITIAL),
        (REFUSING, before(INITIAL), 131.0, REFUSED),
        (UNCHECKED, before(INITIAL), 500.0, INITIAL),
        (UP, before(INITIAL), 500.0, ("healthy", "", "")),
        (MISSING, before(("healthy", "", "")), 101.0, CODE),
        (RISING, before(CODE), 101.0, CODE),
        (UNCHECKED, before(CODE), 101.0, CODE),
        (REFUSING, before(CODE), 101.0, REFUSED),
        (UP, before(CODE), 101.0, ("healthy", "", "")),
    ],
)
def test_a_target_is_judged_by_its_check_and_what_it_was(
    server: ServerSeen,
    was: TargetSeen | None,
    now: float,
    expected: tuple[str, str, str],
) -> None:
    assert judge(server, CHECK, was, now) == expected


def test_a_configuration_is_kept_as_long_as_nothing_that_it_follows_from_has_changed() -> None:
    node = BalancerNode("lb", "web", "eni-1", "s", "a", IPv4Address("10.0.0.1"), (), ())
    paths, rendering = Paths(threads=1), Rendering()
    (first,) = rendering.of([node], paths).values()
    (equal,) = rendering.of([replace(node)], Paths(threads=1)).values()
    assert equal[1] is first[1]
    for other, where in ((replace(node, idle_timeout_s=7), paths), (node, Paths(threads=2))):
        (changed,) = rendering.of([other], where).values()
        assert changed == (other, render_haproxy(other, where))
        assert changed[1] != first[1]
    assert rendering.of([], paths) == {}
