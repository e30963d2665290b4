"""When schedules are due, in time zones and over their changes of the hour.

https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiyoko.services.application_autoscaling.timing import ScheduleError, parse_schedule


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def due(schedule: str, after: str, zone: str = "", starts: str = "2020-01-01T00:00:00") -> str:
    found = parse_schedule(schedule, zone).next_after(at(after), at(starts))
    return "never" if found is None else f"{datetime.fromtimestamp(found, UTC):%m-%dT%H:%M}"


def test_a_time_is_due_once_in_its_zone() -> None:
    schedule = "at(2026-07-01T09:00:00)"
    assert due(schedule, "2026-06-01T00:00:00", "Asia/Tokyo") == "07-01T00:00"
    assert due(schedule, "2026-06-01T00:00:00") == "07-01T09:00"
    assert due(schedule, "2026-07-01T00:00:00", "Asia/Tokyo") == "never"


def test_a_cron_expression_is_read_in_its_zone() -> None:
    assert due("cron(0 9 * * ? *)", "2026-07-01T00:00:00", "Asia/Tokyo") == "07-02T00:00"
    assert due("cron(0 9 * * ? *)", "2026-07-01T00:00:00", "America/New_York") == "07-01T13:00"


def test_a_minute_that_the_clock_skips_does_not_come() -> None:
    # On 2026-03-08 New York goes from 02:00 to 03:00.
    after = "2026-03-08T05:00:00"
    assert due("cron(30 2 * * ? *)", after, "America/New_York") == "03-09T06:30"


def test_a_minute_that_comes_twice_counts_once() -> None:
    # On 2026-11-01 New York has 01:30 at 05:30 and at 06:30 UTC.
    schedule, zone = "cron(30 1 * * ? *)", "America/New_York"
    assert due(schedule, "2026-11-01T05:00:00", zone) == "11-01T05:30"
    assert due(schedule, "2026-11-01T05:30:00", zone) == "11-02T06:30"


def test_a_rate_counts_from_its_start() -> None:
    starts = "2026-07-01T00:10:00"
    assert due("rate(1 hour)", "2026-07-01T00:00:00", starts=starts) == "07-01T00:10"
    assert due("rate(1 hour)", "2026-07-01T00:10:00", starts=starts) == "07-01T01:10"
    assert due("rate(90 minutes)", "2026-07-01T03:00:00", starts=starts) == "07-01T03:10"


def test_nothing_is_due_before_the_start() -> None:
    starts = "2026-07-05T00:00:00"
    assert due("cron(0 0 * * ? *)", "2026-07-01T00:00:00", starts=starts) == "07-05T00:00"


@given(
    minutes=st.integers(2, 500),
    start=st.integers(1_700_000_000, 1_900_000_000),
    later=st.integers(-100_000, 10_000_000),
)
def test_a_rate_is_due_at_whole_multiples_and_never_late(
    minutes: int, start: int, later: int
) -> None:
    moment = float(start + later)
    found = parse_schedule(f"rate({minutes} minutes)").next_after(moment, float(start))
    assert found is not None
    assert found > moment
    assert (found - start) % (minutes * 60) == 0
    assert found - moment <= minutes * 60 or found == start


@pytest.mark.parametrize(
    "schedule",
    [
        "every day",
        "at(2026-07-01)",
        "at(2026-13-01T00:00:00)",
        "rate(1 hours)",
        "rate(2 hour)",
        "rate(0 minutes)",
        "rate(5 seconds)",
        "cron(0 0 * * *)",
    ],
)
def test_what_is_no_schedule_is_refused(schedule: str) -> None:
    with pytest.raises(ScheduleError):
        parse_schedule(schedule)


def test_a_zone_that_is_not_there_is_refused() -> None:
    for zone in ("Mars/Olympus", "../etc/passwd", "/etc/localtime"):
        with pytest.raises(ScheduleError, match="no time zone"):
            parse_schedule("rate(1 hour)", zone)
