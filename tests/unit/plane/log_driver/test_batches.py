from __future__ import annotations

import re

from hiyoko.plane.log_driver.batches import (
    BATCH_BYTES_MAX,
    EVENT_BYTES_MAX,
    EVENTS_MAX,
    SPAN_MS_MAX,
    joined,
    next_batch,
)
from hiyoko.plane.log_driver.lines import LogLine


def lines(*messages: str) -> list[LogLine]:
    return [LogLine(1000 + i, text, 10 * (i + 1)) for i, text in enumerate(messages)]


def test_lines_without_a_beginning_belong_to_the_event_before() -> None:
    found = joined(lines("ERROR a", "  at b", "  at c", "INFO d"), re.compile("^[A-Z]+ "))
    assert [one.message for one in found] == ["ERROR a\n  at b\n  at c", "INFO d"]
    assert (found[0].timestamp_ms, found[0].end) == (1000, 30)
    assert joined(lines("a", "b"), None) == lines("a", "b")


def test_a_batch_is_in_order_of_time_and_leaves_out_what_is_empty() -> None:
    batch = next_batch([LogLine(5, "later", 10), LogLine(3, "earlier", 20), LogLine(4, "", 30)])
    assert batch is not None
    assert batch.events == ((3, "earlier"), (5, "later"))
    assert batch.end == 30
    assert next_batch([]) is None


def test_a_batch_ends_where_a_request_is_full() -> None:
    many = next_batch([LogLine(1, "x", i + 1) for i in range(EVENTS_MAX + 1)])
    assert many is not None
    assert (len(many.events), many.end) == (EVENTS_MAX, EVENTS_MAX)
    large = next_batch([LogLine(1, "x" * 200_000, i + 1) for i in range(6)])
    assert large is not None
    assert large.end == 5
    assert sum(len(text) + 26 for _, text in large.events) <= BATCH_BYTES_MAX
    long = next_batch([LogLine(1, "a", 1), LogLine(2 + SPAN_MS_MAX, "b", 2)])
    assert long is not None
    assert long.end == 1


def test_a_long_message_becomes_several_events_and_no_character_is_cut() -> None:
    text = "x" * (EVENT_BYTES_MAX - 1) + "é" + "y"
    batch = next_batch([LogLine(1, text, 1)])
    assert batch is not None
    assert [message for _, message in batch.events] == ["x" * (EVENT_BYTES_MAX - 1), "éy"]
