"""Metrics, alarms, and what became of them. Times are seconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Dimensions = tuple[tuple[str, str], ...]
Tags = tuple[tuple[str, str], ...]

DAY_S = 24 * 3600
MINUTE_S = 60
KEPT_S = 15 * DAY_S
"""How long data by the minute is kept."""
FINE_KEPT_S = 3 * 3600
"""How long data of a finer resolution is kept as it came."""
HISTORY_KEPT_S = 30 * DAY_S

LATE_S = 3.0
"""Datapoints of a period come a moment after its end; alarms look after that."""

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"


def dimensions_key(dimensions: Dimensions) -> str:
    """Dimensions as one text: a metric is the same whatever the order of its dimensions."""
    return "\x1f".join(f"{name}\x1e{value}" for name, value in sorted(dimensions))


@dataclass(frozen=True, slots=True)
class Series:
    """A metric of one unit: namespace, name and dimensions. ``number`` is its data's key."""

    account: str
    region: str
    namespace: str
    name: str
    key: str
    unit: str
    number: int
    dimensions: Dimensions = ()


@dataclass(frozen=True, slots=True)
class Datum:
    """What a series got in the period that begins at ``start``: see ``statistics.Sample``."""

    series: int
    start: int
    sample: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Intake:
    """The last batch that a source of samples has given: one that comes again is not counted."""

    source: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """A metric alarm as it was wished. ``metrics`` are its queries when it is of metric math."""

    account: str
    region: str
    name: str
    arn: str
    evaluation_periods: int
    datapoints_to_alarm: int | None
    comparison: str
    threshold: float
    changed_at: float
    description: str | None = None
    actions_enabled: bool = True
    ok_actions: tuple[str, ...] = ()
    alarm_actions: tuple[str, ...] = ()
    insufficient_data_actions: tuple[str, ...] = ()
    namespace: str = ""
    metric_name: str = ""
    dimensions: Dimensions = ()
    statistic: str = ""
    period_s: int = 0
    unit: str | None = None
    metrics: tuple[dict[str, Any], ...] = ()
    treat_missing_data: str | None = None
    low_sample_count: str | None = None
    tags: Tags = ()

    @property
    def needed(self) -> int:
        """M: how many breaching datapoints make an alarm."""
        return self.datapoints_to_alarm or self.evaluation_periods

    def actions(self, state: str) -> tuple[str, ...]:
        """What is done on the way into a state."""
        match state:
            case "OK":
                return self.ok_actions
            case "ALARM":
                return self.alarm_actions
            case _:
                return self.insufficient_data_actions


@dataclass(frozen=True, slots=True)
class AlarmState:
    """The state that an alarm's last evaluation, or SetAlarmState, left it in."""

    account: str
    region: str
    name: str
    state: str = INSUFFICIENT_DATA
    reason: str = "Unchecked: Initial alarm creation"
    reason_data: str | None = None
    updated_at: float = 0.0
    transitioned_at: float = 0.0
    acted_at: float = 0.0
    """When its actions were last called for."""


@dataclass(frozen=True, slots=True)
class Look:
    """The last evaluation of all alarms: at what time, of which data, when the next one is due.

    ``changes`` counts what alarms are judged by: new data, other alarms. ``seen`` is how many of
    these the evaluation knew.
    """

    key: str = "alarms"
    changes: int = 0
    seen: int = -1
    at: float = 0.0
    again_at: float = 0.0

    def due(self, now: float) -> bool:
        """Whether another evaluation could have another verdict."""
        return self.seen != self.changes or not self.at <= now < self.again_at


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """Something that happened to an alarm. ``kind`` is AWS's HistoryItemType."""

    account: str
    region: str
    name: str
    sequence: int
    at: float
    kind: str
    summary: str
    data: str


def scales(action: str) -> bool:
    """Whether an action is a scaling policy: called for once a minute while the state lasts."""
    _, _, service, *_, resource = action.split(":", 5)
    return service == "autoscaling" and resource.startswith("scalingPolicy:")


@dataclass(frozen=True, slots=True)
class PendingAction:
    """An action of an alarm that has turned, until the reconciler has carried it out."""

    account: str
    region: str
    name: str
    sequence: int
    action: str
    message: str
    subject: str
    state: str
