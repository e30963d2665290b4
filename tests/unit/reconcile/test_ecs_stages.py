"""The stages of a deployment that shifts traffic, as a pure function."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.reconcile.test_ecs_services import deployment, service

from hiyoko.reconcile.ecs_actions import Advance
from hiyoko.reconcile.ecs_stages import Surroundings, next_stage
from hiyoko.services.ecs.model import rollout
from hiyoko.services.ecs.rollout import DeploymentStrategy, Pause, Step

NOW = 1000.0
READY = Surroundings(whole=True, enough=True, others=False, shifted=True)


def walk(strategy: DeploymentStrategy, around: Surroundings = READY, **fields: Any) -> list[str]:
    """Every stage that is entered, with its share of production and the wait before it."""
    one = deployment(2, strategy=strategy.kind, source="ecs-svc/1", **fields)
    wished, now, seen = service(2, one, deployment_strategy=strategy), NOW, []
    for _ in range(40):
        step = next_stage(wished, around, now)
        if step is None:
            break
        if not isinstance(step, Advance):
            assert step > 0
            seen.append(f"+{step:g}")
            now += step
            continue
        one = replace(
            one,
            stage=step.stage,
            stage_at=now,
            weight=step.weight,
            test_weight=step.test_weight,
        )
        wished = replace(wished, deployments=(one,))
        seen.append(f"{step.stage} {step.weight:g} {step.test_weight:g}")
    return seen


def test_blue_green_shifts_all_at_once_and_bakes() -> None:
    assert walk(DeploymentStrategy("BLUE_GREEN", bake_min=2)) == [
        "PRE_SCALE_UP 0 0",
        "SCALE_UP 0 0",
        "POST_SCALE_UP 0 0",
        "TEST_TRAFFIC_SHIFT 0 100",
        "POST_TEST_TRAFFIC_SHIFT 0 100",
        "PRE_PRODUCTION_TRAFFIC_SHIFT 0 100",
        "PRODUCTION_TRAFFIC_SHIFT 100 100",
        "POST_PRODUCTION_TRAFFIC_SHIFT 100 100",
        "BAKE_TIME 100 100",
        "+120",
        "CLEAN_UP 100 100",
    ]


@pytest.mark.parametrize(
    ("kind", "step", "expected"),
    [
        ("LINEAR", Step(40, 1), ["40", "+60", "80", "+60", "100"]),
        ("LINEAR", Step(50, 0), ["50", "100"]),
        ("LINEAR", Step(100, 5), ["100"]),
        ("CANARY", Step(0.5, 2), ["0.5", "+120", "100"]),
        ("CANARY", None, ["5", "+600", "100"]),
    ],
)
def test_steps_shift_a_part_and_are_watched(
    kind: str, step: Step | None, expected: list[str]
) -> None:
    seen = walk(DeploymentStrategy(kind, bake_min=0, step=step))
    shifts = [
        one.split()[1] if " " in one else one for one in seen if one.startswith(("PRODUCTION", "+"))
    ]
    assert shifts == expected
    assert sum(one.startswith("PRE_PRODUCTION") for one in seen) == sum(
        one.startswith("PRODUCTION") for one in seen
    )


def test_a_rollback_has_three_stages() -> None:
    strategy = DeploymentStrategy("LINEAR", bake_min=30)
    assert walk(strategy, rolling_back_to="ecs-svc/2", weight=60.0) == [
        "SCALE_UP 60 0",
        "PRODUCTION_TRAFFIC_SHIFT 100 100",
        "CLEAN_UP 100 100",
    ]


@pytest.mark.parametrize(
    ("stage", "missing", "back"),
    [
        (rollout.SCALE_UP, {"whole": False}, False),
        (rollout.RECONCILE, {"others": True}, False),
        (rollout.TEST_SHIFT, {"shifted": False}, False),
        (rollout.SHIFT, {"shifted": False}, False),
        (rollout.SCALE_UP, {"enough": False}, True),
        (rollout.SHIFT, {"shifted": False}, True),
        (rollout.CLEAN_UP, {}, False),
    ],
)
def test_a_stage_is_not_left_before_it_is_done(
    stage: str, missing: dict[str, bool], back: bool
) -> None:
    one = deployment(2, strategy="BLUE_GREEN", stage=stage, stage_at=NOW, weight=100.0)
    one = replace(one, rolling_back_to="ecs-svc/2" if back else "")
    wished = service(2, one, deployment_strategy=DeploymentStrategy("BLUE_GREEN", bake_min=0))
    assert next_stage(wished, replace(READY, **missing), NOW) is None
    assert (next_stage(wished, READY, NOW) is None) == (stage == rollout.CLEAN_UP)


def test_a_rollback_needs_only_as_many_tasks_as_have_to_be_healthy() -> None:
    one = deployment(2, strategy="BLUE_GREEN", stage=rollout.SCALE_UP, rolling_back_to="ecs-svc/2")
    step = next_stage(service(2, one), replace(READY, whole=False), NOW)
    assert step == Advance(rollout.SHIFT, 100, 100)


def test_tasks_of_other_deployments_are_cleared_away_first() -> None:
    seen = walk(DeploymentStrategy("BLUE_GREEN", bake_min=0), replace(READY, others=True))
    assert seen == ["RECONCILE_SERVICE 0 0"]


def test_a_pause_holds_every_stage_until_it_is_answered_or_over() -> None:
    waiting = Pause("p", NOW + 90, "ROLLBACK")
    one = deployment(2, strategy="BLUE_GREEN", stage=rollout.PRE_SCALE_UP, pauses=(waiting,))
    assert next_stage(service(2, one), READY, NOW) == 90
    answered = replace(one, pauses=(replace(waiting, status="SUCCEEDED"),))
    assert isinstance(next_stage(service(2, answered), READY, NOW), Advance)
