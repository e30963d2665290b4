"""From HAProxy's word to AWS's state of a target."""

from __future__ import annotations

import pytest

from hiyoko.blueprint.balancers import HealthCheck
from hiyoko.plane.balancer.observe import ServerSeen
from hiyoko.reconcile.balancers import INITIAL, judge
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
