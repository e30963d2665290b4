"""When a schedule is due: ``at(...)``, ``rate(...)`` or ``cron(...)``, in a time zone.   (pure)

https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hiyoko.services.application_autoscaling.cron import Cron, CronError, parse_cron

if TYPE_CHECKING:  # loaded for the first schedule
    from zoneinfo import ZoneInfo

_FORM = re.compile(r"(at|rate|cron)\((.*)\)", re.DOTALL)
_UNITS_S = {"minute": 60, "hour": 3600, "day": 86400}


class ScheduleError(ValueError):
    """Not a schedule; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A parsed schedule: exactly one of ``at`` (local time), ``rate_s`` and ``cron`` is set."""

    zone: ZoneInfo
    at: datetime | None = None
    rate_s: int = 0
    cron: Cron | None = None

    def next_after(self, moment: float, starts_at: float) -> float | None:
        """The first time it is due that is later than ``moment``; None when there is no more.

        ``starts_at`` is when it begins: at which a rate is due for the first time.
        """
        if self.cron is not None:
            return self._next_cron(self.cron, max(moment, starts_at - 1))
        if self.at is not None:
            due = _moment(self.at, self.zone)
            return due if due is not None and due > moment else None
        if moment < starts_at:
            return starts_at
        return starts_at + (math.floor((moment - starts_at) / self.rate_s) + 1) * self.rate_s

    def _next_cron(self, cron: Cron, moment: float) -> float | None:
        local = datetime.fromtimestamp(moment, self.zone).replace(tzinfo=None)
        for found in cron.after(local):
            due = _moment(found, self.zone)
            # An hour that the clock skips has no such minute; one that comes twice counts once.
            if due is not None and due > moment:
                return due
        return None


def _moment(local: datetime, zone: ZoneInfo) -> float | None:
    """Seconds since the epoch; None for a local time that the clock skips."""
    aware = local.replace(tzinfo=zone)
    back = aware.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    return aware.timestamp() if back == local else None


def parse_schedule(text: str, zone: str = "") -> Schedule:
    """A schedule expression in an IANA time zone (UTC without one). Raises ScheduleError."""
    where = _zone(zone)
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ScheduleError("it must be at(yyyy-mm-ddThh:mm:ss), rate(value unit) or cron(fields)")
    kind, inner = match[1], match[2].strip()
    if kind == "rate":
        return Schedule(where, rate_s=_rate(inner))
    if kind == "at":
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", inner):
            raise ScheduleError(f"{inner!r} is not of the form yyyy-mm-ddThh:mm:ss")
        try:
            return Schedule(where, at=datetime.fromisoformat(inner))
        except ValueError as error:
            raise ScheduleError(f"{inner!r}: {error}") from error
    try:
        return Schedule(where, cron=parse_cron(inner))
    except CronError as error:
        raise ScheduleError(str(error)) from error


def _rate(text: str) -> int:
    match = re.fullmatch(r"(\d+)\s+(minute|hour|day)(s?)", text)
    if match is None or int(match[1]) == 0:
        raise ScheduleError(f"{text!r} is no rate; as in 1 hour, 10 minutes")
    if (int(match[1]) == 1) == bool(match[3]):
        raise ScheduleError(f"{text!r}: a value of 1 has a singular unit, others a plural one")
    return int(match[1]) * _UNITS_S[match[2]]


def _zone(name: str) -> ZoneInfo:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name or "UTC")
    except (ValueError, OSError, KeyError) as error:
        raise ScheduleError(f"there is no time zone {name!r} on this host") from error
