"""Which of a group's targets behaves worse than the others, and how much less it is sent. (pure)

AWS says what is looked at (the share of requests that fail, compared with the other targets), that
it takes three healthy targets, that shares change every five seconds, fall step by step and rise
step by step. It names no threshold. Ours: a target is anomalous when its share of failures is more
than ``MARGIN`` above the median of the others', and one in ``CHANCES`` at most would be so by
chance. So half of the targets can be anomalous at most: those above a median.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html#automatic-target-weights
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

HEALTHY_MIN = 3
STEP_S = 5.0
"""AWS's period."""
WINDOW_S = 15.0
"""Three steps: what happened before is not held against a target that has recovered."""
MARGIN = 0.05
CHANCES = 1000
ENOUGH_REQUESTS = 3
"""So many show that a target is normal again; fewer leave it what it was."""
HALVED_MAX = 5
"""A thirty-second of a share: as little as tells when the target recovers."""
ANOMALOUS, NORMAL = "anomalous", "normal"

Target = tuple[str, int]
"""Id and port."""
Outcome = tuple[int, int]
"""Requests, and how many of them failed."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a target is taken for, how often its share is halved, and since when."""

    result: str = NORMAL
    halved: int = 0
    since: float = -math.inf

    @property
    def ordinary(self) -> bool:
        """True when there is nothing to remember."""
        return self.result == NORMAL and not self.halved


def compare(
    outcomes: Mapping[Target, Outcome],
    before: Mapping[Target, Standing],
    now: float,
    *,
    mitigates: bool,
    step_s: float = STEP_S,
) -> dict[Target, Standing]:
    """The standing of each target that has an outcome; one that changed just now stays as it is."""
    found: dict[Target, Standing] = {}
    for target, outcome in outcomes.items():
        old = before.get(target, Standing())
        if mitigates and now < old.since + step_s:
            found[target] = old
            continue
        result = _result(outcome, [outcomes[one] for one in outcomes if one != target], old.result)
        halved = _halved(old.halved, result) if mitigates else 0
        same = (result, halved) == (old.result, old.halved)
        found[target] = old if same else Standing(result, halved, now)
    return found


def _result(outcome: Outcome, others: Iterable[Outcome], before: str) -> str:
    requests, failures = outcome
    shares = [failed / asked for asked, failed in others if asked]
    if not requests or not shares:
        return before
    share, allowed = failures / requests, _median(shares) + MARGIN
    if share > allowed and requests * _divergence(share, allowed) > math.log(CHANCES):
        return ANOMALOUS
    return NORMAL if share <= allowed and requests >= ENOUGH_REQUESTS else before


def _median(shares: list[float]) -> float:
    """The higher one of the two in the middle, where there are two."""
    return sorted(shares)[len(shares) // 2]


def _divergence(share: float, allowed: float) -> float:
    """Of two shares (Kullback-Leibler): by chance a share so high comes at most once in e^(n * it)
    samples of n requests (Chernoff's bound)."""
    rest = (1 - share) * math.log((1 - share) / (1 - allowed)) if share < 1 else 0.0
    return share * math.log(share / allowed) + rest


def _halved(before: int, result: str) -> int:
    return min(before + 1, HALVED_MAX) if result == ANOMALOUS else max(before - 1, 0)
