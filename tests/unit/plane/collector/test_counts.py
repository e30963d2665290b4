"""Batches of counts, and the buffer of recent lines."""

from __future__ import annotations

from hiyoko.plane.balancer.counting import Metric, from_json
from hiyoko.plane.collector.counts import MINUTES_MAX, Counts
from hiyoko.plane.collector.recent import Recent

METRIC = Metric("1", "r", "RequestCount", "Count", (("LoadBalancer", "app/a/1"),))


def count(counts: Counts, at: float) -> None:
    counts.tally(at).add(METRIC, 1.0, 1)


def taken(batch: dict[str, object]) -> list[tuple[int, float]]:
    minutes: list[tuple[int, list[list[object]]]] = batch["minutes"]  # type: ignore[assignment]
    return [(at, sum(from_json(raw).values[METRIC].values())) for at, raw in minutes]


def test_a_batch_is_given_out_until_it_is_acknowledged() -> None:
    counts = Counts("me")
    count(counts, 60.0)
    count(counts, 61.0)
    count(counts, 121.0)
    first = counts.take(125.0)
    assert taken(first) == [(60, 2)]
    count(counts, 126.0)
    assert counts.take(200.0) == first
    counts.done(first["sequence"] + 1)  # somebody else's
    assert counts.take(200.0) == first
    counts.done(first["sequence"])
    second = counts.take(200.0)
    assert taken(second) == [(120, 2)]
    assert second["sequence"] == first["sequence"] + 1


def test_a_minute_that_runs_is_given_only_to_who_asks_for_it() -> None:
    counts = Counts("me")
    count(counts, 60.0)
    assert counts.take(61.0)["minutes"] == []
    assert taken(counts.take(61.0, unfinished=True)) == [(60, 1)]


def test_counts_that_nobody_takes_are_bounded() -> None:
    counts = Counts("me")
    for minute in range(MINUTES_MAX + 3):
        count(counts, minute * 60.0)
    assert (len(counts.minutes), counts.lost_minutes) == (MINUTES_MAX, 3)
    assert min(counts.minutes) == 3 * 60


def test_the_last_lines_are_kept_as_many_as_fit() -> None:
    recent = Recent(bytes_max=30)
    for number in range(10):
        recent.add("eni", f"line {number}\nmore {number}\n".encode())
    kept = list(recent.lines(0))
    assert [number for number, _, _ in kept] == [16, 17, 18, 19]
    assert kept[-1] == (19, "eni", b"more 9")
    assert [number for number, _, _ in recent.lines(19)] == [19]
    assert list(recent.lines(recent.next)) == []
