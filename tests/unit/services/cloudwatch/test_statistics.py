"""Samples and their statistics.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiyoko.services.cloudwatch.statistics import VALUES_MAX, Sample, statistic, together

VALUES = st.dictionaries(
    st.floats(-1e6, 1e6), st.integers(1, 50).map(float), min_size=1, max_size=30
)


@given(VALUES, st.floats(0, 100))
def test_a_percentile_is_the_value_that_so_many_do_not_exceed(
    values: dict[float, float], percent: float
) -> None:
    every = sorted(value for value, count in values.items() for _ in range(int(count)))
    found = statistic(Sample.of(values), f"p{percent:.1f}")
    assert found is not None
    below = sum(1 for value in every if value <= found)
    assert below >= len(every) * round(percent, 1) / 100 - 1e-6
    assert sum(1 for value in every if value < found) < len(every) * round(percent, 1) / 100 + 1e-6


@given(VALUES, VALUES)
def test_samples_together_are_as_one_sample_of_all_values(
    one: dict[float, float], other: dict[float, float]
) -> None:
    whole = Sample.of(one).plus(Sample.of(other))
    assert whole.count == sum(one.values()) + sum(other.values())
    assert whole.least == min(*one, *other)
    assert whole.most == max(*one, *other)
    assert whole.total == pytest.approx(Sample.of(one).total + Sample.of(other).total)


def test_a_statistic_set_has_percentiles_only_when_all_its_values_are_the_same() -> None:
    assert statistic(Sample.of_set(5, 50, 10, 10), "p99") == 10
    assert statistic(Sample.of_set(5, 50, 1, 20), "p99") is None
    assert statistic(Sample.of_set(5, 50, 1, 20), "Average") == 10


def test_very_many_values_of_a_period_are_rounded_but_counted() -> None:
    whole = together(Sample.of({1 + number / 1e6: 1.0}) for number in range(VALUES_MAX + 500))
    assert whole is not None
    assert whole.values is not None
    assert len(whole.values) <= VALUES_MAX
    assert whole.count == sum(whole.values.values()) == VALUES_MAX + 500
