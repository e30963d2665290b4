"""The arithmetic of target tracking and step scaling, and what cooldowns do to it.

https://docs.aws.amazon.com/autoscaling/application/userguide/step-scaling-policy-overview.html
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiyoko.services.application_autoscaling.adjusting import (
    base_of,
    chosen_step,
    may_scale_in,
    next_capacity,
    stepped,
    tracked,
)
from hiyoko.services.application_autoscaling.model import Activity, StepAdjustment, Stepping

UP = (
    StepAdjustment(1, 0, 20),
    StepAdjustment(3, 20, None),
)
DOWN = (StepAdjustment(-2, None, -20), StepAdjustment(-1, -20, 0))


def activity(before: int, after: int, **fields: object) -> Activity:
    base = fields.pop("base", before)
    return Activity(
        "1", "r", "service/c/web", 1, "id", 100.0, "why", before, after, base,  # type: ignore[arg-type]
        cooldown_s=60, by_policy=True, **fields,  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_whole_share_of_the_target_is_not_rounded_up() -> None:
    assert tracked(30, 100.0, 60.0) == 50
    assert tracked(3, 0.1 * 3, 0.3) == 3
    assert tracked(2, 91.0, 60.0) == 4


@given(
    base=st.integers(1, 1000),
    value=st.floats(0.01, 10_000),
    target=st.floats(0.01, 10_000),
)
def test_tracking_gives_the_least_capacity_that_keeps_the_target(
    base: int, value: float, target: float
) -> None:
    wanted = tracked(base, value, target)
    load = base * value
    assert load / wanted <= target * (1 + 1e-6)
    assert wanted == 1 or load / (wanted - 1) > target * (1 - 1e-6)


@pytest.mark.parametrize(
    ("breach", "adjustment"), [(0, 1), (19.9, 1), (20, 3), (500, 3), (-0.1, None)]
)
def test_above_the_threshold_a_lower_bound_belongs_to_its_step(
    breach: float, adjustment: int | None
) -> None:
    step = chosen_step(UP, breach)
    assert (step.adjustment if step is not None else None) == adjustment


@pytest.mark.parametrize(("breach", "adjustment"), [(-0.1, -1), (-19.9, -1), (-20, -2), (-99, -2)])
def test_below_the_threshold_an_upper_bound_belongs_to_its_step(
    breach: float, adjustment: int
) -> None:
    step = chosen_step(DOWN, breach)
    assert step is not None
    assert step.adjustment == adjustment


@pytest.mark.parametrize(
    ("base", "percent", "least", "after"),
    [
        (10, 127, None, 22),  # 12.7 more
        (10, 3, None, 11),  # 0.3 more
        (10, -3, None, 9),
        (100, -7, None, 93),
        (9, -74, None, 3),  # 6.66 less
        (4, 25, 2, 6),
        (1, -300, None, 0),
    ],
)
def test_percentages_are_rounded_as_aws_does(
    base: int, percent: int, least: int | None, after: int
) -> None:
    step = StepAdjustment(percent)
    stepping = Stepping("PercentChangeInCapacity", (step,), least)
    assert stepped(stepping, step, base) == after


def test_a_larger_step_in_the_cooldown_adds_only_what_is_more() -> None:
    """AWS's own example: two were added, the step of three adds one more."""
    stepping = Stepping("ChangeInCapacity", (StepAdjustment(2, 0, 10), StepAdjustment(3, 10)))
    history = [activity(4, 6, ended_at=100.0)]
    assert base_of(6, history, now=120.0) == 4
    assert next_capacity(stepping, 15, 6, base_of(6, history, 120.0)) == 7
    assert next_capacity(stepping, 5, 6, base_of(6, history, 120.0)) == 6
    assert next_capacity(stepping, 5, 6, base_of(6, history, 161.0)) == 8


def test_a_cooldown_begins_when_the_activity_ends() -> None:
    assert base_of(6, [activity(4, 6)], now=10_000.0) == 4
    assert base_of(6, [activity(4, 6, ended_at=9_000.0)], now=9_059.0) == 4
    assert base_of(6, [activity(4, 6, ended_at=9_000.0)], now=9_060.0) == 6


def test_a_scale_in_blocks_the_next_one_until_its_cooldown_is_over() -> None:
    inward = activity(6, 4, ended_at=100.0)
    assert not may_scale_in([inward], now=159.0)
    assert may_scale_in([inward], now=160.0)
    assert may_scale_in([activity(4, 6, ended_at=120.0), inward], now=130.0)
    assert base_of(4, [inward], now=130.0) == 4


def test_what_failed_or_was_not_done_has_no_cooldown() -> None:
    failed = activity(4, 6, ended_at=100.0, failure="Service was not ACTIVE.")
    refused = activity(4, 4, ended_at=100.0, not_scaled="AlreadyAtMaxCapacity")
    assert base_of(4, [failed, refused], now=101.0) == 4
    assert may_scale_in([refused], now=101.0)


@given(
    base=st.integers(0, 500),
    current=st.integers(0, 500),
    breach=st.floats(-1000, 1000),
    kind=st.sampled_from(["ChangeInCapacity", "PercentChangeInCapacity", "ExactCapacity"]),
)
def test_a_step_never_goes_the_wrong_way(base: int, current: int, breach: float, kind: str) -> None:
    steps = UP if breach >= 0 else DOWN
    wanted = next_capacity(Stepping(kind, steps), breach, max(base, current), base)
    assert wanted is not None
    if kind != "ExactCapacity":
        assert wanted >= 0
        assert wanted >= max(base, current) if breach >= 0 else wanted <= max(base, current)
