"""The value of a metric's statistic, or of metric math, for each period of a range of time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hiyoko.api import Call, unsupported
from hiyoko.services.cloudwatch import expressions, rows
from hiyoko.services.cloudwatch.errors import invalid_value, validation
from hiyoko.services.cloudwatch.metrics import parse_dimensions
from hiyoko.services.cloudwatch.model import MINUTE_S, Dimensions, Series
from hiyoko.services.cloudwatch.statistics import Sample, known_statistic, statistic

FINE_PERIODS = (1, 5, 10, 20, 30)
Values = Mapping[float, float]
"""A value for each period that has one, by the period's start."""


@dataclass(frozen=True, slots=True)
class Range:
    """From the period that begins at ``start`` to before ``end``."""

    start: float
    end: float
    period_s: int

    @classmethod
    def around(cls, start: float, end: float, period_s: int) -> Range:
        """The range that AWS looks at: the start is rounded down to a whole minute, or period."""
        step = period_s if period_s in FINE_PERIODS else MINUTE_S
        return cls(start // step * step, end, period_s)

    @property
    def starts(self) -> list[float]:
        """When each period begins."""
        count = math.ceil((self.end - self.start) / self.period_s)
        return [self.start + number * self.period_s for number in range(count)]

    def period_of(self, at: float) -> float:
        """When the period that a time falls into begins."""
        return self.start + (at - self.start) // self.period_s * self.period_s


@dataclass(frozen=True, slots=True)
class MetricStat:
    """A statistic of a metric."""

    namespace: str
    name: str
    dimensions: Dimensions
    statistic: str
    unit: str | None = None

    @classmethod
    def parsed(cls, given: Mapping[str, Any]) -> MetricStat:
        """From the API's MetricStat. A statistic that is not done here is refused by name."""
        metric = given["Metric"]
        check_statistic(given["Stat"])
        return cls(
            metric.get("Namespace", ""),
            metric.get("MetricName", ""),
            parse_dimensions(metric.get("Dimensions")),
            given["Stat"],
            given.get("Unit"),
        )


def check_statistic(name: str) -> None:
    """Refuse what is no statistic, and by name those that are not done here."""
    if not known_statistic(name):
        raise unsupported("Stat", name)


def check_period(period_s: int, what: str = "Period") -> None:
    """A period is 1, 5, 10, 20 or 30 seconds or whole minutes."""
    if period_s not in FINE_PERIODS and (period_s < MINUTE_S or period_s % MINUTE_S):
        raise invalid_value(f"The parameter {what} must be 1, 5, 10, 20, 30, or a multiple of 60.")


def by_period(call: Call, series: Iterable[Series], span: Range) -> dict[float, Sample]:
    """All samples of some series, put together by period."""
    found: dict[float, Sample] = {}
    for one in series:
        for at, sample in rows.samples(call.tx, one.number, span.start, span.end):
            period = span.period_of(at)
            found[period] = found[period].plus(sample) if period in found else sample
    return found


def values_of(call: Call, stat: MetricStat, span: Range) -> dict[float, float]:
    """The statistic for each period that has data."""
    series = [
        one
        for one in rows.find_series(
            call.tx, call.account, call.region, stat.namespace, stat.name, stat.dimensions
        )
        if stat.unit in (None, one.unit)
    ]
    found = {}
    for at, sample in by_period(call, series, span).items():
        value = statistic(sample, stat.statistic)
        if value is not None:
            found[at] = value
    return found


def check_queries(queries: Sequence[Mapping[str, Any]]) -> None:
    """Refuse queries that cannot be answered, before any is."""
    ids = [query["Id"] for query in queries]
    if len(set(ids)) < len(ids):
        raise validation("The values for parameter id in MetricDataQueries are not unique.")
    for query in queries:
        if query.get("AccountId"):
            raise unsupported("AccountId")
        if (query.get("MetricStat") is None) == (query.get("Expression") is None):
            raise validation(
                f"The parameters MetricStat and Expression of the query {query['Id']} are mutually"
                " exclusive, and one of them is required."
            )
        if stat := query.get("MetricStat"):
            MetricStat.parsed(stat)
            check_period(stat["Period"], f"MetricDataQueries.{query['Id']}.MetricStat.Period")
        else:
            expressions.check(query["Expression"], ids)


def answer(
    call: Call, queries: Sequence[Mapping[str, Any]], start: float, end: float
) -> dict[str, dict[float, float]]:
    """Each query's values by its id: metrics first, then what is calculated from them."""
    found: dict[str, dict[float, float]] = {}
    metrics: list[str] = []
    periods: dict[str, int] = {}
    for query in queries:
        if stat := query.get("MetricStat"):
            span = Range.around(start, end, stat["Period"])
            found[query["Id"]] = values_of(call, MetricStat.parsed(stat), span)
            periods[query["Id"]] = stat["Period"]
            metrics.append(query["Id"])
    waiting = {query["Id"]: query for query in queries if query["Id"] not in found}
    while waiting:
        ready = [
            i for i, q in waiting.items() if not expressions.ids(q["Expression"]) & set(waiting)
        ]
        if not ready:
            raise validation(f"The expression of {min(waiting)} refers to itself.")
        for query_id in ready:
            query = waiting.pop(query_id)
            used = [periods[i] for i in expressions.ids(query["Expression"]) if i in periods]
            periods[query_id] = query.get("Period") or max(used or periods.values(), default=60)
            span = Range.around(start, end, periods[query_id])
            found[query_id] = expressions.evaluate(
                query["Expression"],
                found,
                [found[name] for name in metrics],
                span.starts,
                periods[query_id],
            )
    return found
