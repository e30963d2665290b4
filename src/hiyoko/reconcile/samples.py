"""Numbers that reconcilers have counted themselves become CloudWatch metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hiyoko import api
from hiyoko.clock import Clock
from hiyoko.store.database import Store

MINUTE_S = 60
JUST_AFTER_S = 1.0
"""A minute is taken when it is over."""


def to_next_minute_s(now: float) -> float:
    """How long until the present minute is over."""
    return MINUTE_S - now % MINUTE_S + JUST_AFTER_S


Sample = dict[str, Any]
"""A metric's values of one moment, and how often each came."""


def sample(
    metric: str,
    unit: str,
    dimensions: Iterable[tuple[str, str]],
    at: float,
    values: Mapping[float, float],
) -> Sample:
    """Values of one metric at ``at``."""
    return {
        "MetricName": metric,
        "Unit": unit,
        "Dimensions": list(dimensions),
        "Timestamp": at,
        "Values": values,
    }


def record_samples(
    store: Store,
    clock: Clock,
    place: tuple[str, str],
    namespace: str,
    samples: Iterable[Mapping[str, Any]],
    once: tuple[str, int] | None = None,
) -> None:
    """Add samples to their metrics; ``place`` is account and region.

    ``once``: who gives them, and the number of what is given: a number that was had is not taken
    again.
    """
    account, region = place
    request: dict[str, Any] = {"Namespace": namespace, "Samples": merged(samples)}
    if once is not None:
        request |= {"Source": once[0], "Sequence": once[1]}
    api.invoke(
        store, "cloudwatch", "_RecordSamples", request, account=account, region=region, clock=clock
    )


def merged(samples: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The samples with one for each metric and minute: many tasks are one service's two metrics."""
    found: dict[object, dict[str, Any]] = {}
    for one in samples:
        rest = {name: value for name, value in one.items() if name != "Values"}
        key = (*(rest[name] for name in ("MetricName", "Unit", "Timestamp")), *rest["Dimensions"])
        values = found.setdefault(key, {**rest, "Values": {}})["Values"]
        for value, times in one["Values"].items():
            values[value] = values.get(value, 0.0) + times
    return list(found.values())
