"""How many tasks there should be: the arithmetic of tracking, steps and cooldowns.

https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
https://docs.aws.amazon.com/autoscaling/application/userguide/step-scaling-policy-overview.html
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from hiyoko.services.application_autoscaling.model import Activity, StepAdjustment, Stepping

_NOISE = 1e-9
"""30 * 100 / 60 must be 50 tasks, not 51, whatever the last digit of a float says."""


def tracked(base: int, value: float, target: float) -> int:
    """The least capacity at which the metric, shared evenly, is not above the target."""
    return math.ceil(base * value / target - _NOISE)


def chosen_step(steps: Iterable[StepAdjustment], breach: float) -> StepAdjustment | None:
    """The step that a breach (metric less threshold) falls into.

    Above the threshold a lower bound belongs to its step, below it an upper bound does.
    https://docs.aws.amazon.com/autoscaling/application/APIReference/API_StepAdjustment.html
    """
    for step in steps:
        lower = -math.inf if step.lower is None else step.lower
        upper = math.inf if step.upper is None else step.upper
        if lower <= breach < upper if breach >= 0 else lower < breach <= upper:
            return step
    return None


def next_capacity(stepping: Stepping, breach: float, current: int, base: int) -> int | None:
    """What a step policy calls for; None where no step is for this breach.

    Steps up are reckoned from ``base``, which is lower than ``current`` while a cooldown holds.
    """
    step = chosen_step(stepping.steps, breach)
    if step is None:
        return None
    upward = stepping.kind != "ExactCapacity" and step.adjustment > 0
    return (
        max(current, stepped(stepping, step, base)) if upward else stepped(stepping, step, current)
    )


def stepped(stepping: Stepping, step: StepAdjustment, base: int) -> int:
    """The capacity after a step from ``base``. Shares of a task are rounded as AWS does."""
    match stepping.kind:
        case "ExactCapacity":
            return step.adjustment
        case "PercentChangeInCapacity":
            return max(0, base + _percent(base, step.adjustment, stepping.least_magnitude or 0))
        case _:
            return max(0, base + step.adjustment)


def _percent(base: int, percent: int, least: int) -> int:
    """Towards zero, but never to zero: 12.7 is 12, 0.3 is 1, -0.3 is -1, -6.67 is -6."""
    if percent == 0:
        return 0
    size = max(1, abs(base * percent) // 100, least)
    return size if percent > 0 else -size


def base_of(current: int, activities: Sequence[Activity], now: float) -> int:
    """What a scale-out reckons from: the capacity before the one whose cooldown holds.

    So what that one has added is a part of what the next one would add. ``activities``: those of
    the target, newest first.
    """
    last = _last(activities)
    outward = last is not None and last.after > last.before
    return last.base if last is not None and outward and last.cooling(now) else current


def may_scale_in(activities: Sequence[Activity], now: float) -> bool:
    """Not while the cooldown of a scale-in holds; a scale-out ends that."""
    last = _last(activities)
    return last is None or last.after > last.before or not last.cooling(now)


def _last(activities: Sequence[Activity]) -> Activity | None:
    """The newest real change by a policy."""
    return next((one for one in activities if one.by_policy and one.status != "Failed"), None)
