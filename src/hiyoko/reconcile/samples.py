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
    request: dict[str, Any] = {"Namespace": namespace, "Samples": list(samples)}
    if once is not None:
        request |= {"Source": once[0], "Sequence": once[1]}
    api.invoke(
        store, "cloudwatch", "_RecordSamples", request, account=account, region=region, clock=clock
    )
