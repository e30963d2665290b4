"""EventBridge's default bus, a neighbour's, as reconcilers put events on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from hiyoko import api


def put_event(
    source: str,
    kind: str,
    detail: str,
    at: float,
    place: tuple[str, str],
    resources: Sequence[str] = (),
) -> None:
    """One event, with its detail as JSON; ``place`` is account and region. Raises AwsError.

    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
    """
    account, region = place
    entry = {
        "Time": datetime.fromtimestamp(at, UTC),
        "Source": source,
        "DetailType": kind,
        "Resources": list(resources),
        "Detail": detail,
    }
    api.ask_neighbour("events", "PutEvents", {"Entries": [entry]}, account=account, region=region)
