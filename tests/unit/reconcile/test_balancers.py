"""From HAProxy's word to AWS's state of a target."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from hiyoko.blueprint.balancers import BalancerNode, HealthCheck
from hiyoko.blueprint.draw_balancers import BalancerRows, DrawnGroups, draw_balancers
from hiyoko.plane.balancer.observe import ServerSeen
from hiyoko.plane.balancer.paths import Paths
from hiyoko.plane.balancer.render import render_haproxy
from hiyoko.reconcile.balancers import INITIAL, Rendering, judge
from hiyoko.services.elbv2 import model as m
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


def group_arn(number: int) -> str:
    return f"arn:aws:elasticloadbalancing:r:1:targetgroup/web{number}/0123456789abcdef"


def rows_of(groups: int) -> BalancerRows:
    """A load balancer whose rules lead to so many groups of twenty targets each."""
    place = ("1", "r")
    node = m.Node("s1", "a", "eni-1", "10.0.1.4")
    forward = [m.Action("forward", groups=(m.WeightedGroup(group_arn(n)),)) for n in range(groups)]
    return BalancerRows(
        load_balancers=(
            m.LoadBalancer("lb", *place, "web", "w", "internal", "vpc", ("sg",), (node,), 0.0),
        ),
        listeners=(m.Listener("l80", *place, "lb", 80, "HTTP", "d", (forward[0],)),),
        rules=tuple(
            m.Rule(f"r{n}", *place, "l80", n + 1, (m.Condition("path-pattern", (f"/{n}",)),), (to,))
            for n, to in enumerate(forward)
        ),
        target_groups=tuple(
            m.TargetGroup(group_arn(n), *place, f"web{n}", "HTTP", 80, "vpc", 0.0)
            for n in range(groups)
        ),
        registrations=tuple(
            m.Registration(group_arn(n), *place, f"10.0.{n}.{target}", 80, "a", 0.0)
            for n in range(groups)
            for target in range(10, 30)
        ),
    )


@pytest.mark.parametrize("groups", [1, 40])
def test_another_target_is_one_group_however_many_there_are(groups: int) -> None:
    rows, drawn, rendering = rows_of(groups), DrawnGroups(), Rendering()

    def look(rows: BalancerRows) -> tuple[str, tuple[int, int, int]]:
        before = (drawn.drawn, rendering.servers.made, rendering.structures)
        (node,) = draw_balancers(rows, before=drawn).nodes
        ((_, text),) = rendering.of([node], Paths()).values()
        assert text == render_haproxy(draw_balancers(rows).nodes[0], Paths())
        after = (drawn.drawn, rendering.servers.made, rendering.structures)
        one, other, more = (now - then for then, now in zip(before, after, strict=True))
        return text, (one, other, more)

    first, made = look(rows)
    assert made == (groups, groups, 1)
    assert look(replace(rows)) == (first, (0, 0, 0))
    gone = replace(rows, registrations=rows.registrations[1:])
    text, made = look(gone)
    assert (text != first, made) == (True, (1, 1, 0))
    ports = replace(rows.target_groups[0], attributes={"slow_start.duration_seconds": "30"})
    text, made = look(replace(gone, target_groups=(ports, *rows.target_groups[1:])))
    assert made == (1, 1, 1)  # what is no target is structure
