from __future__ import annotations

import re

from hiyoko.plane.log_driver.batches import Batch, joined, next_batch
from hiyoko.plane.log_driver.cloudwatch import LIMITS
from hiyoko.plane.log_driver.lines import LogLine
from hiyoko.plane.log_driver.router import LIMITS as ROUTER_LIMITS

MS = 1_000_000


def lines(*messages: str) -> list[LogLine]:
    return [LogLine((1000 + i) * MS, text, 10 * (i + 1)) for i, text in enumerate(messages)]


def test_lines_without_a_beginning_belong_to_the_event_before() -> None:
    found = joined(lines("ERROR a", "  at b", "  at c", "INFO d"), re.compile("^[A-Z]+ "))
    assert [one.message for one in found] == ["ERROR a\n  at b\n  at c", "INFO d"]
    assert (found[0].timestamp_ms, found[0].end) == (1000, 30)
    assert joined(lines("a", "b"), None) == lines("a", "b")


def cut(*events: LogLine) -> Batch:
    batch = next_batch(events, LIMITS)
    assert batch is not None
    return batch


def test_a_batch_leaves_out_what_is_empty_where_that_is_not_taken() -> None:
    events = [LogLine(5, "one", 10), LogLine(7, "", 30)]
    assert cut(*events) == Batch((events[0],), 30)
    assert next_batch(events, ROUTER_LIMITS) == Batch(tuple(events), 30)
    assert next_batch([], LIMITS) is None


def test_a_batch_ends_where_a_request_is_full() -> None:
    most = LIMITS.events_max
    many = cut(*(LogLine(1, "x", i + 1) for i in range(most + 1)))
    assert (len(many.events), many.end) == (most, most)
    large = cut(*(LogLine(1, "x" * 200_000, i + 1) for i in range(6)))
    assert large.end == 5
    assert sum(len(event.message) + 26 for event in large.events) <= LIMITS.bytes_max
    day = 24 * 3600 * 1000
    assert cut(LogLine(1 * MS, "a", 1), LogLine((2 + day) * MS, "b", 2)).end == 1


def test_a_batch_does_not_end_inside_of_an_unfinished_line() -> None:
    inside = [LogLine(1, "x" * 200_000, 7) for _ in range(6)]
    found = cut(LogLine(1, "first", 7), *inside, LogLine(1, "around", 90))
    assert (len(found.events), found.end) == (1, 7)
    found = cut(*(LogLine(1, "x" * 200_000, 0) for _ in range(6)), LogLine(1, "around", 90))
    assert (len(found.events), found.end) == (7, 90)


def test_a_long_message_becomes_several_events_and_no_character_is_cut() -> None:
    most = LIMITS.message_bytes_max
    found = cut(LogLine(1, "x" * (most - 1) + "é" + "y", 1)).events
    assert [event.message for event in found] == ["x" * (most - 1), "éy"]
    assert [event.piece for event in found] == [(1, False), (2, True)]
