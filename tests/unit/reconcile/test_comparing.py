"""Which targets stand out from the others, and how their share follows."""

from __future__ import annotations

import pytest

from hiyoko.reconcile.comparing import (
    ANOMALOUS,
    HALVED_MAX,
    NORMAL,
    Outcome,
    Standing,
    Target,
    compare,
)

GOOD, BAD = (100, 0), (100, 100)


def named(*outcomes: Outcome) -> dict[Target, Outcome]:
    return {(f"10.0.0.{number}", 80): outcome for number, outcome in enumerate(outcomes)}


def anomalous(*outcomes: Outcome) -> list[int]:
    """The numbers of those that stand out, of targets that were normal before."""
    found = compare(named(*outcomes), {}, 0.0, mitigates=False)
    return [n for n, it in enumerate(found.values()) if it.result == ANOMALOUS]


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ((GOOD, GOOD, GOOD), []),
        ((BAD, GOOD, GOOD), [0]),
        # All fail alike: something that they share is broken.
        ((BAD, BAD, BAD), []),
        # Up to half of the targets; a majority is what is usual.
        ((BAD, BAD, GOOD, GOOD), [0, 1]),
        ((BAD, BAD, GOOD), []),
        # A tenth more than nothing: known after a hundred requests, chance after ten.
        (((10, 1), GOOD, GOOD), []),
        (((1000, 100), GOOD, GOOD), [0]),
        # Three in three are none by chance, two in two may be.
        (((3, 3), GOOD, GOOD), [0]),
        (((2, 2), GOOD, GOOD), []),
        # A little worse is not an anomaly, however sure it is.
        (((10**6, 40_000), GOOD, GOOD), []),
        # Compared with what others do, not with nothing.
        (((100, 30), (100, 25), (100, 28)), []),
        (((0, 0), GOOD, GOOD), []),
        # Whom nobody asks cannot be compared with.
        ((BAD, (0, 0), (0, 0)), []),
    ],
)
def test_a_target_is_anomalous_when_it_fails_more_than_the_others(
    outcomes: tuple[Outcome, ...], expected: list[int]
) -> None:
    assert anomalous(*outcomes) == expected


def test_a_share_falls_and_rises_by_halves_one_step_at_a_time() -> None:
    target = ("10.0.0.0", 80)
    standing, now = Standing(), 0.0
    steps = []
    for outcome in [BAD] * 7 + [GOOD] * 7:
        for _ in range(2):  # looked at twice within a step
            now += 2.5
            found = compare(named(outcome, GOOD, GOOD), {target: standing}, now, mitigates=True)
            standing = found[target]
        steps.append((standing.result, standing.halved))
    assert steps[:6] == [(ANOMALOUS, min(n, HALVED_MAX)) for n in range(1, 7)]
    assert steps[7:13] == [(NORMAL, n) for n in (4, 3, 2, 1, 0, 0)]
    assert standing.ordinary


def test_without_enough_requests_a_target_stays_what_it_is() -> None:
    target = ("10.0.0.0", 80)
    before = {target: Standing(ANOMALOUS, HALVED_MAX, 0.0)}
    for outcome in ((0, 0), (2, 0)):
        found = compare(named(outcome, GOOD, GOOD), before, 100.0, mitigates=True)
        assert found[target] == before[target]
    found = compare(named((3, 0), GOOD, GOOD), before, 100.0, mitigates=True)
    assert found[target] == Standing(NORMAL, HALVED_MAX - 1, 100.0)


def test_where_nothing_is_mitigated_shares_are_whole_at_once() -> None:
    target = ("10.0.0.0", 80)
    before = {target: Standing(ANOMALOUS, 3, 0.0)}
    found = compare(named(BAD, GOOD, GOOD), before, 1.0, mitigates=False)
    assert found[target] == Standing(ANOMALOUS, 0, 1.0)
