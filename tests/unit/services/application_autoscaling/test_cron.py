"""Cron expressions in AWS's syntax.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiyoko.services.application_autoscaling.cron import CronError, parse_cron

NEW_YEAR = datetime(2026, 1, 1)


def first(expression: str, count: int = 3, after: datetime = NEW_YEAR) -> list[str]:
    return [f"{one:%m-%d %H:%M}" for one in islice(parse_cron(expression).after(after), count)]


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("0 10 * * ? *", ["01-01 10:00", "01-02 10:00", "01-03 10:00"]),
        ("15 12 * * ? *", ["01-01 12:15", "01-02 12:15", "01-03 12:15"]),
        ("0 18 ? * MON-FRI *", ["01-01 18:00", "01-02 18:00", "01-05 18:00"]),
        ("0 8 1 * ? *", ["01-01 08:00", "02-01 08:00", "03-01 08:00"]),
        ("0/15 * * * ? *", ["01-01 00:15", "01-01 00:30", "01-01 00:45"]),
        ("0/10 * ? * MON-FRI *", ["01-01 00:10", "01-01 00:20", "01-01 00:30"]),
        ("0/5 8-17 ? * MON-FRI *", ["01-01 08:00", "01-01 08:05", "01-01 08:10"]),
    ],
)
def test_the_examples_of_aws(expression: str, found: list[str]) -> None:
    assert first(expression) == found


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("0 0 L * ? *", ["01-31 00:00", "02-28 00:00", "03-31 00:00"]),
        # The 15th of February and of March are Sundays, that of January is a Thursday.
        ("0 0 15W * ? *", ["01-15 00:00", "02-16 00:00", "03-16 00:00"]),
        # The 1st of February and of March are Sundays: never into the month before.
        ("0 0 1W * ? *", ["02-02 00:00", "03-02 00:00", "04-01 00:00"]),
        ("0 0 31W * ? *", ["01-30 00:00", "03-31 00:00", "05-29 00:00"]),
        ("0 0 ? * 6L *", ["01-30 00:00", "02-27 00:00", "03-27 00:00"]),
        ("0 0 ? * TUE#2 *", ["01-13 00:00", "02-10 00:00", "03-10 00:00"]),
        ("0 0 ? * 1#5 *", ["03-29 00:00", "05-31 00:00", "08-30 00:00"]),
        ("0 0 ? * L *", ["01-03 00:00", "01-10 00:00", "01-17 00:00"]),
        ("0 0 29 FEB ? *", ["02-29 00:00"] * 3),
        ("30 6 1,15 JAN,MAR-APR ? 2026", ["01-01 06:30", "01-15 06:30", "03-01 06:30"]),
        ("0 0 31 4 ? *", []),
        ("0 0 * * ? 1999", []),
    ],
)
def test_the_days_that_have_letters(expression: str, found: list[str]) -> None:
    assert first(expression) == found


@pytest.mark.parametrize(
    "expression",
    [
        "0 10 * * *",
        "0 10 * * * *",
        "0 10 ? * ? *",
        "60 10 * * ? *",
        "0 24 * * ? *",
        "0 0 0 * ? *",
        "0 0 ? * 8 *",
        "0 0 ? * MOON *",
        "0 0 ? * MON#6 *",
        "0 0 5-1 * ? *",
        "0/0 0 * * ? *",
        "0 0 *-3 * ? *",
        "0 0 1L * ? *",
        "0 0 * 13 ? *",
        "0 0 * * ? 1969",
        "-1 0 * * ? *",
        "0 0 , * ? *",
    ],
)
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(CronError):
        parse_cron(expression)


def field(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    ranges = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    steps = st.tuples(number, st.integers(1, most)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    part = st.one_of(number.map(str), ranges, steps, st.integers(1, most).map(lambda n: f"*/{n}"))
    return st.one_of(st.just("*"), st.lists(part, min_size=1, max_size=3).map(",".join))


@st.composite
def expressions(draw: st.DrawFn) -> str:
    minutes, hours, month = draw(field(0, 59)), draw(field(0, 23)), draw(field(1, 12))
    by_month = st.one_of(field(1, 31), st.just("L"), st.integers(1, 31).map(lambda n: f"{n}W"))
    by_week = st.one_of(
        field(1, 7),
        st.tuples(st.integers(1, 7), st.integers(1, 5)).map(lambda pair: f"{pair[0]}#{pair[1]}"),
        st.integers(1, 7).map(lambda n: f"{n}L"),
    )
    days = draw(st.one_of(by_month.map(lambda f: (f, "?")), by_week.map(lambda f: ("?", f))))
    return f"{minutes} {hours} {days[0]} {month} {days[1]} *"


@settings(max_examples=60)
@given(expression=expressions(), offset=st.integers(0, 60 * 24 * 365))
def test_what_comes_next_is_the_first_minute_that_matches(expression: str, offset: int) -> None:
    cron = parse_cron(expression)
    moment = NEW_YEAR + timedelta(minutes=offset)
    found = next(cron.after(moment), None)
    # Minute by minute, as far as it is worth walking.
    walked = (moment + timedelta(minutes=step) for step in range(1, 3000))
    seen = next((one for one in walked if cron.matches(one)), None)
    if seen is not None:
        assert found == seen
    elif found is not None:
        assert cron.matches(found)
        assert found >= moment + timedelta(minutes=3000)
