"""Which ids a task gets: its own, the same again, and nobody else's."""

from __future__ import annotations

import pytest

from hiyoko.plane.error import PlaneError
from hiyoko.plane.user_namespaces import FIRST, IDS, RANGES, choose, subordinate

ALL = frozenset(FIRST + number * IDS for number in range(RANGES))


def test_a_name_has_the_same_range_every_time_and_two_names_never_one() -> None:
    taken: set[int] = set()
    for number in range(1000):
        first = choose(f"eni-{number}", taken)
        assert first in ALL - taken
        assert choose(f"eni-{number}", taken) == first
        taken.add(first)


def test_a_range_that_is_taken_makes_way_for_the_next_one() -> None:
    first = choose("eni-1", ())
    following = choose("eni-1", {first})
    assert following == (first + IDS if first + IDS in ALL else FIRST)
    assert choose("eni-1", ALL - {following}) == following
    with pytest.raises(PlaneError, match="no range of 65536 ids is left for eni-1"):
        choose("eni-1", ALL)


def test_ids_that_somebody_was_given_are_kept_from() -> None:
    second = FIRST + IDS
    text = f"ada:100000:65536\nben:{second - 1}:2\n1002:{second + 5 * IDS}:65537\n# no:entry\n\n"
    taken = {FIRST, second, second + 5 * IDS, second + 6 * IDS}
    assert subordinate([text]) == taken
    assert subordinate(["all:1:4294967294"]) == ALL
    assert subordinate(["high:2147483648:65536", "none:1879048192:0"]) == frozenset()


def test_the_ranges_are_positive_numbers_beyond_those_of_containers() -> None:
    # https://systemd.io/UIDS-GIDS/: containers end at 1879048191, foreign files begin here.
    assert min(ALL) == 1879048192
    assert max(ALL) + IDS == 2147352576
