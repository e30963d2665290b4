"""Cron expressions of six fields, as AWS's schedules have them.   (pure)

Minutes, hours, day of month, month, day of week (1 is Sunday), year; ``, - * /`` everywhere, ``?``
in one of the two day fields, ``L`` and ``W`` in the day of month, ``L`` and ``#`` in the other.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import partial

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEK = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_PART = re.compile(r"(\*|[0-9A-Z]+)(?:-([0-9A-Z]+))?(?:/(\d+))?")

Days = Callable[[int, int], frozenset[int]]
"""The days of a month (year, month) that a field means."""


class CronError(ValueError):
    """Not such an expression; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression, as sets of what each field allows."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: Days
    months: frozenset[int]
    years: frozenset[int]

    def matches(self, moment: datetime) -> bool:
        """Whether this minute (of local time) is one."""
        return (
            moment.minute in self.minutes
            and moment.hour in self.hours
            and moment.year in self.years
            and moment.month in self.months
            and moment.day in self.days(moment.year, moment.month)
        )

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Every minute that matches, later than ``moment`` (local time), in order."""
        for day in self._dates(moment.date()):
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    found = datetime.combine(day, time(hour, minute))
                    if found > moment:
                        yield found

    def _dates(self, since: date) -> Iterator[date]:
        for year in sorted(year for year in self.years if year >= since.year):
            for month in sorted(self.months):
                if (year, month) < (since.year, since.month):
                    continue
                for number in sorted(self.days(year, month)):
                    found = date(year, month, number)
                    if found >= since:
                        yield found


def parse_cron(text: str) -> Cron:
    """What stands between the brackets of ``cron(...)``. Raises CronError."""
    fields = text.upper().split()
    if len(fields) != 6:
        raise CronError(f"a cron expression has six fields, this has {len(fields)}")
    minutes, hours, of_month, month, of_week, year = fields
    if (of_month == "?") == (of_week == "?"):
        raise CronError("exactly one of day of month and day of week must be ?")
    return Cron(
        _numbers("minutes", minutes, 0, 59),
        _numbers("hours", hours, 0, 23),
        _days_of_month(of_month) if of_week == "?" else _days_of_week(of_week),
        _numbers("month", month, 1, 12, _MONTHS),
        _numbers("year", year, 1970, 2199),
    )


def _numbers(
    what: str, field: str, least: int, most: int, names: tuple[str, ...] = ()
) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise CronError(f"{part!r} is no part of the field {what}")
        first, last, step = match.groups()
        if first == "*" and last is not None:
            raise CronError(f"{part!r}: a range has two numbers")
        if step is not None and int(step) == 0:
            raise CronError(f"{part!r}: a step is 1 or more")
        low = least if first == "*" else _number(what, first, least, most, names)
        # A number with a step goes on to the end: 0/15 is 0,15,30,45.
        open_end = first == "*" or (step is not None and last is None)
        high = most if open_end else _number(what, last or first, least, most, names)
        if high < low:
            raise CronError(f"{part!r}: a range goes upwards")
        found.update(range(low, high + 1, int(step or 1)))
    return frozenset(found)


def _number(what: str, text: str, least: int, most: int, names: tuple[str, ...]) -> int:
    number = least + names.index(text) if text in names else int(text) if text.isdigit() else -1
    if not least <= number <= most:
        raise CronError(f"{text!r} is not within {least}-{most}, the field {what}")
    return number


def _days_of_month(field: str) -> Days:
    if field == "L":
        return lambda year, month: frozenset({_length(year, month)})
    if match := re.fullmatch(r"(\d{1,2})W", field):
        wanted = _number("day of month", match[1], 1, 31, ())
        return partial(_weekday_near, wanted)
    days = _numbers("day of month", field, 1, 31)
    return lambda year, month: frozenset(day for day in days if day <= _length(year, month))


def _weekday_near(wanted: int, year: int, month: int) -> frozenset[int]:
    """Monday to Friday nearest to a day, in the same month; none in a month without that day."""
    length = _length(year, month)
    if wanted > length:
        return frozenset()
    weekday = date(year, month, wanted).weekday()
    if weekday == 5:
        return frozenset({wanted - 1 if wanted > 1 else wanted + 2})
    if weekday == 6:
        return frozenset({wanted + 1 if wanted < length else wanted - 2})
    return frozenset({wanted})


def _days_of_week(field: str) -> Days:
    if match := re.fullmatch(r"([0-9A-Z]+)#(\d)", field):
        weekday = _number("day of week", match[1], 1, 7, _WEEK)
        if not 1 <= int(match[2]) <= 5:
            raise CronError(f"{field!r}: a month has five weeks at most")
        return partial(_nth_weekday, weekday, int(match[2]) - 1)
    if match := re.fullmatch(r"([1-7]|[A-Z]{3})L", field):
        weekday = _number("day of week", match[1], 1, 7, _WEEK)
        return partial(_nth_weekday, weekday, -1)
    days = frozenset({7}) if field == "L" else _numbers("day of week", field, 1, 7, _WEEK)
    return lambda year, month: frozenset(
        day for weekday in days for day in _weekdays(year, month, weekday)
    )


def _nth_weekday(weekday: int, index: int, year: int, month: int) -> frozenset[int]:
    found = _weekdays(year, month, weekday)
    return frozenset({found[index]}) if index < len(found) else frozenset()


def _weekdays(year: int, month: int, weekday: int) -> list[int]:
    """All days of a month that are this day of the week (1 is Sunday)."""
    first = (weekday - 2 - date(year, month, 1).weekday()) % 7 + 1
    return list(range(first, _length(year, month) + 1, 7))


def _length(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]
