"""How a capacity provider strategy spreads tasks.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html
"""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from hiyoko.services.ecs.capacity import FARGATE, SPOT, spread
from hiyoko.services.ecs.model import Strategy

ONE_TO_FOUR: Strategy = ((FARGATE, 1, 0), (SPOT, 4, 0))
BASED: Strategy = ((FARGATE, 1, 2), (SPOT, 3, 0))


def test_for_every_task_of_the_one_the_other_has_its_weight() -> None:
    """AWS's own example of a ratio of 1 to 4."""
    assert Counter(spread(ONE_TO_FOUR, {}, 10)) == {FARGATE: 2, SPOT: 8}


def test_the_base_comes_first_and_is_beside_the_weights() -> None:
    assert spread(BASED, {}, 2) == [FARGATE, FARGATE]
    assert Counter(spread(BASED, {}, 10)) == {FARGATE: 4, SPOT: 6}


def test_what_is_there_already_counts() -> None:
    assert spread(BASED, {FARGATE: 1, SPOT: 3}, 1) == [FARGATE]
    assert spread(ONE_TO_FOUR, {FARGATE: 2}, 8) == [SPOT] * 8


def test_one_provider_needs_no_weight() -> None:
    assert spread(((SPOT, 0, 0),), {}, 2) == [SPOT, SPOT]
    assert spread(((FARGATE, 0, 1), (SPOT, 1, 0)), {}, 3) == [FARGATE, SPOT, SPOT]


@given(
    weights=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    base=st.integers(0, 5),
    first=st.integers(0, 30),
    then=st.integers(0, 30),
)
def test_shares_follow_the_weights_however_the_tasks_come(
    weights: tuple[int, int], base: int, first: int, then: int
) -> None:
    strategy = ((FARGATE, weights[0], base), (SPOT, weights[1], 0))
    early = Counter(spread(strategy, {}, first))
    whole = early + Counter(spread(strategy, early, then))
    assert whole == Counter(spread(strategy, {}, first + then))
    beyond = max(0, first + then - base)
    share = beyond * weights[0] / sum(weights)
    assert abs(whole[FARGATE] - min(base, first + then) - share) < 1
