"""What is kept of the values of one period, and the statistics that can be asked of it.

Values are kept one by one with their counts, so that percentiles can be told of any longer period
too. A statistic set (count, sum, least, most) has no values: then, as on AWS, a percentile is told
only where the set leaves no doubt.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

VALUES_MAX = 2000
"""Distinct values that one period keeps; beyond, they are rounded to three digits (0.5 %)."""
SIMPLE = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,10})?|100)")


@dataclass(frozen=True, slots=True)
class Sample:
    """The values of one period. ``values`` None: only the statistic set is known."""

    count: float
    total: float
    least: float
    most: float
    values: Mapping[float, float] | None = None

    @classmethod
    def of(cls, values: Mapping[float, float]) -> Sample:
        """A sample of values and how often each came. There must be one."""
        return cls(
            count=sum(values.values()),
            total=math.fsum(value * count for value, count in values.items()),
            least=min(values),
            most=max(values),
            values=values,
        )

    @classmethod
    def of_set(cls, count: float, total: float, least: float, most: float) -> Sample:
        """A sample of a statistic set; its values are known when all are the same."""
        known = {least: count} if count == 1 or least == most else None
        return cls(count, total, least, most, known)

    def plus(self, other: Sample) -> Sample:
        """Both together."""
        values: Mapping[float, float] | None = None
        if self.values is not None and other.values is not None:
            values = _bounded(_added(self.values, other.values))
        return Sample(
            count=self.count + other.count,
            total=math.fsum((self.total, other.total)),
            least=min(self.least, other.least),
            most=max(self.most, other.most),
            values=values,
        )


def together(samples: Iterable[Sample]) -> Sample | None:
    """All samples as one; None of none."""
    whole: Sample | None = None
    for sample in samples:
        whole = sample if whole is None else whole.plus(sample)
    return whole


def known_statistic(name: str) -> bool:
    """True of the five simple statistics and of percentiles."""
    return name in SIMPLE or _PERCENTILE.fullmatch(name) is not None


def is_percentile(name: str) -> bool:
    """True of ``p0.0`` to ``p100``."""
    return _PERCENTILE.fullmatch(name) is not None


def statistic(sample: Sample, name: str) -> float | None:
    """The value of a statistic; None of a percentile that nobody can know."""
    match name:
        case "SampleCount":
            return sample.count
        case "Sum":
            return sample.total
        case "Average":
            return sample.total / sample.count if sample.count else None
        case "Minimum":
            return sample.least
        case "Maximum":
            return sample.most
        case _:
            return _percentile(sample, float(name[1:]))


def _percentile(sample: Sample, percent: float) -> float | None:
    """The least value that so many percent of all values do not exceed (the nearest rank)."""
    if sample.values is None:
        return None
    # Counts come as floats: a rank that is whole but for the last digit must stay where it is.
    wanted = sample.count * percent / 100 - 1e-9
    below = 0.0
    for value in sorted(sample.values):
        below += sample.values[value]
        if below >= wanted:
            return value
    return sample.most


def _added(one: Mapping[float, float], other: Mapping[float, float]) -> dict[float, float]:
    values = dict(one)
    for value, count in other.items():
        values[value] = values.get(value, 0.0) + count
    return values


def _bounded(values: dict[float, float]) -> dict[float, float]:
    if len(values) <= VALUES_MAX:
        return values
    rounded: dict[float, float] = {}
    for value, count in values.items():
        near = float(f"{value:.2e}")
        rounded[near] = rounded.get(near, 0.0) + count
    return rounded
