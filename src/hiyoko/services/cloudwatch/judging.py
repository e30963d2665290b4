"""Is it an alarm? M of the last N datapoints, and what stands for those that are missing.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hiyoko.services.cloudwatch.model import ALARM, INSUFFICIENT_DATA, OK

EXTRA_PERIODS = 2
"""How many periods more than N are looked at, so that a late datapoint has older ones to stand in.

AWS does not tell the number; its documented examples have 5 for N = 3.
"""

COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state to be in; None keeps the present one. ``used`` are the datapoints that decided.

    ``filled`` is how many missing datapoints were treated as something.
    """

    state: str | None
    used: tuple[float, ...]
    breaching: int
    filled: int


def judge(
    points: Sequence[float | None],
    breaches: Callable[[float], bool],
    periods: int,
    needed: int,
    treat_missing: str = "missing",
) -> Verdict:
    """The verdict on ``points``, the oldest first; None is a period without data.

    Missing ones are passed over as long as there are N real ones; otherwise as few as possible
    are treated as ``treat_missing`` says.
    """
    real = [(place, point) for place, point in enumerate(points) if point is not None][-periods:]
    used = tuple(point for _, point in real)
    marks = [breaches(point) for point in used]
    breaching = sum(marks)
    filled = max(periods - len(used), 0)
    state: str | None
    if breaching >= needed:
        state = ALARM
    elif not filled:
        state = OK
    else:
        old_enough = bool(real) and len(points) - real[0][0] >= needed
        state = _with_missing(
            marks, breaching, filled, needed, treat_missing, old_enough=old_enough
        )
    return Verdict(state, used, breaching, filled)


def _with_missing(
    marks: Sequence[bool],
    breaching: int,
    filled: int,
    needed: int,
    treat_missing: str,
    *,
    old_enough: bool,
) -> str | None:
    """The state where datapoints are missing; ``old_enough``: the oldest one is M periods old."""
    only_breaching = bool(marks) and all(marks)
    match treat_missing:
        case "breaching":
            return ALARM if breaching + filled >= needed else OK
        case "notBreaching":
            return OK
        case "ignore":
            # What is known neither makes an alarm nor speaks against one: it stays as it is.
            return None if not marks or only_breaching else OK
        case _:
            if not marks:
                return INSUFFICIENT_DATA
            if not only_breaching:
                return OK
            # Nothing is in order since the oldest datapoint. One that is too new is no alarm yet.
            return ALARM if old_enough else None
