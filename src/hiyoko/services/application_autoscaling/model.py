"""What Application Auto Scaling keeps. Times are seconds since the epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DIMENSION = "ecs:service:DesiredCount"
DEFAULT_COOLDOWN_S = 300
"""https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html"""
ACTIVITIES_KEPT_S = 42 * 24 * 3600
"""Six weeks, as on AWS."""

Tags = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ScalableTarget:
    """An ECS service (``service/CLUSTER/NAME``) and the bounds of its desired count."""

    account: str
    region: str
    resource_id: str
    arn: str
    role: str
    minimum: int
    maximum: int
    created_at: float
    in_suspended: bool = False
    out_suspended: bool = False
    schedules_suspended: bool = False
    tags: Tags = ()

    def clamp(self, capacity: int) -> int:
        """The nearest capacity within the bounds."""
        return min(max(capacity, self.minimum), self.maximum)


@dataclass(frozen=True, slots=True)
class Tracking:
    """Keep a metric at a value. One of ``predefined`` and ``customized`` (the API's) is set."""

    target: float
    predefined: str = ""
    label: str = ""
    customized: Mapping[str, Any] = field(default_factory=dict)
    out_cooldown_s: int | None = None
    in_cooldown_s: int | None = None
    no_scale_in: bool = False


@dataclass(frozen=True, slots=True)
class StepAdjustment:
    """What to do while the breach lies between the bounds; None is without bound."""

    adjustment: int
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, slots=True)
class Stepping:
    """Change the count by steps. ``kind`` is AWS's AdjustmentType."""

    kind: str
    steps: tuple[StepAdjustment, ...]
    least_magnitude: int | None = None
    cooldown_s: int | None = None
    aggregation: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """A scaling policy: of one of two types. The alarms' names are those that it made itself."""

    account: str
    region: str
    resource_id: str
    name: str
    arn: str
    created_at: float
    tracking: Tracking | None = None
    stepping: Stepping | None = None
    high_alarm: str = ""
    low_alarm: str = ""

    @property
    def kind(self) -> str:
        """AWS's PolicyType."""
        return "TargetTrackingScaling" if self.tracking is not None else "StepScaling"


@dataclass(frozen=True, slots=True)
class ScheduledAction:
    """New bounds at a time. ``ran_at``: when it was last due and carried out."""

    account: str
    region: str
    resource_id: str
    name: str
    arn: str
    schedule: str
    created_at: float
    timezone: str = ""
    starts_at: float | None = None
    ends_at: float | None = None
    minimum: int | None = None
    maximum: int | None = None
    ran_at: float | None = None


@dataclass(frozen=True, slots=True)
class Activity:
    """One change of the desired count, from ``before`` to ``after``, or why there was none.

    ``base`` is the capacity that it was reckoned from, ``cooldown_s`` its policy's. The times note
    decisions; the status is told from them.
    """

    account: str
    region: str
    resource_id: str
    sequence: int
    id: str
    started_at: float
    cause: str
    before: int
    after: int
    base: int
    cooldown_s: float = 0.0
    by_policy: bool = False
    ended_at: float | None = None
    overridden_at: float | None = None
    failure: str = ""
    not_scaled: str = ""
    """Code of the reason why nothing was done."""
    limit: int = 0
    """The bound that ``not_scaled`` is about."""

    @property
    def status(self) -> str:
        """AWS's StatusCode."""
        if self.failure or self.not_scaled:
            return "Failed"
        if self.overridden_at is not None:
            return "Overridden"
        return "InProgress" if self.ended_at is None else "Successful"

    @property
    def unfulfilled(self) -> int:
        """1 while ECS has yet to do it: a column to find it by."""
        return int(self.status == "InProgress")

    def cooling(self, now: float) -> bool:
        """Whether its policy's cooldown holds: while it goes on, and then for so long."""
        if not self.by_policy or self.failure or self.not_scaled:
            return False
        end = self.ended_at if self.overridden_at is None else self.overridden_at
        return end is None or now < end + self.cooldown_s
