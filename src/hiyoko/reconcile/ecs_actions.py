"""What the service scheduler may decide: each a value, with the operation that carries it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

Targets = tuple[tuple[str, int], ...]
"""Addresses and ports."""


class Action(Protocol):
    """A decision: the internal operation of ecs that carries it out, and its request."""

    @property
    def operation(self) -> str:
        """The operation's name."""
        ...

    @property
    def members(self) -> Mapping[str, Any]:
        """The request without the service."""
        ...


@dataclass(frozen=True, slots=True)
class Start:
    """Start tasks of a deployment."""

    count: int
    replaced: int = 0
    deployment: str = ""
    operation: ClassVar[str] = "_StartServiceTasks"

    @property
    def members(self) -> Mapping[str, Any]:
        """How many of which deployment, and how many of them replace an unhealthy one."""
        return {
            "Deployment": self.deployment,
            "Count": self.count,
            "Replaced": self.replaced,
        }


@dataclass(frozen=True, slots=True)
class Rebalance:
    """Start one task more in the poorest zone; ``spread`` tells how they are spread now."""

    zone: str
    spread: str
    operation: ClassVar[str] = "_RebalanceService"

    @property
    def members(self) -> Mapping[str, Any]:
        """The zone, and the line for the history."""
        message = f"is not AZ balanced with {self.spread}. AZ Rebalancing in progress."
        return {"Zone": self.zone, "Message": message}


@dataclass(frozen=True, slots=True)
class Balanced:
    """The zones are even again."""

    spread: str
    operation: ClassVar[str] = "_EndRebalancing"

    @property
    def members(self) -> Mapping[str, Any]:
        """The line for the history."""
        return {"Message": f"is AZ balanced with {self.spread}."}


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop tasks, each for its reason.

    ``failed``: because they are unhealthy; ``zone``: because there are too many of them in it.
    """

    tasks: tuple[tuple[str, str], ...]
    failed: bool = False
    zone: str = ""
    operation: ClassVar[str] = "_StopServiceTasks"

    @property
    def members(self) -> Mapping[str, Any]:
        """The tasks with their reasons."""
        items = [{"Task": task, "Reason": reason} for task, reason in self.tasks]
        return {"Tasks": items, "Failed": self.failed, "Zone": self.zone}


def _targets(group: str, targets: Targets) -> Mapping[str, Any]:
    items = [{"Id": address, "Port": port} for address, port in targets]
    return {"TargetGroupArn": group, "Targets": items}


@dataclass(frozen=True, slots=True)
class Register:
    """Register targets in a group."""

    group_arn: str
    targets: Targets
    operation: ClassVar[str] = "_RegisterServiceTargets"

    @property
    def members(self) -> Mapping[str, Any]:
        """The group and the targets."""
        return _targets(self.group_arn, self.targets)


@dataclass(frozen=True, slots=True)
class Deregister:
    """Let a group drain targets."""

    group_arn: str
    targets: Targets
    operation: ClassVar[str] = "_DeregisterServiceTargets"

    @property
    def members(self) -> Mapping[str, Any]:
        """The group and the targets."""
        return _targets(self.group_arn, self.targets)


@dataclass(frozen=True, slots=True)
class Release:
    """The task's targets have drained: its containers may stop."""

    task_arn: str
    operation: ClassVar[str] = "_ReleaseTask"

    @property
    def members(self) -> Mapping[str, Any]:
        """The task."""
        return {"Task": self.task_arn}


@dataclass(frozen=True, slots=True)
class RegisterTask:
    """Register a task in a service of Cloud Map (its ARN)."""

    task_arn: str
    registry: str
    health: str
    operation: ClassVar[str] = "_RegisterTask"

    @property
    def members(self) -> Mapping[str, Any]:
        """The task, where, and how it is."""
        return {"Task": self.task_arn, "Registry": self.registry, "Health": self.health}


@dataclass(frozen=True, slots=True)
class TellHealth:
    """Tell a service of Cloud Map how a task is."""

    task_arn: str
    registry: str
    health: str
    operation: ClassVar[str] = "_TellTaskHealth"

    @property
    def members(self) -> Mapping[str, Any]:
        """The task, where, and how it is."""
        return {"Task": self.task_arn, "Registry": self.registry, "Health": self.health}


@dataclass(frozen=True, slots=True)
class DeregisterTask:
    """Take a task out of a service of Cloud Map."""

    task_arn: str
    registry: str
    operation: ClassVar[str] = "_DeregisterTask"

    @property
    def members(self) -> Mapping[str, Any]:
        """The task, and where."""
        return {"Task": self.task_arn, "Registry": self.registry}


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the service's history."""

    message: str
    event: str = ""
    operation: ClassVar[str] = "_NoteServiceEvent"

    @property
    def members(self) -> Mapping[str, Any]:
        """The line, and by which name EventBridge is told of it."""
        return {"Message": self.message, "Event": self.event}


@dataclass(frozen=True, slots=True)
class Drop:
    """Deployments whose last task has stopped."""

    deployments: tuple[str, ...]
    operation: ClassVar[str] = "_DropDeployments"

    @property
    def members(self) -> Mapping[str, Any]:
        """Their ids."""
        return {"Deployments": self.deployments}


@dataclass(frozen=True, slots=True)
class Resolve:
    """The first task of the PRIMARY deployment has found what its images' tags lead to."""

    digests: tuple[tuple[str, str], ...]
    operation: ClassVar[str] = "_ResolveImages"

    @property
    def members(self) -> Mapping[str, Any]:
        """Containers and digests."""
        return {"Digests": self.digests}


@dataclass(frozen=True, slots=True)
class Advance:
    """The PRIMARY deployment enters a stage, with so many percent of the traffic."""

    stage: str
    weight: float
    test_weight: float
    operation: ClassVar[str] = "_AdvanceDeployment"

    @property
    def members(self) -> Mapping[str, Any]:
        """The stage, and the shares of production and test traffic."""
        return {"Stage": self.stage, "Weight": self.weight, "TestWeight": self.test_weight}


@dataclass(frozen=True, slots=True)
class Alarm:
    """Alarms went off: the PRIMARY deployment is given up."""

    alarms: tuple[str, ...]
    operation: ClassVar[str] = "_AlarmDeployment"

    @property
    def members(self) -> Mapping[str, Any]:
        """Their names."""
        return {"Alarms": self.alarms}


@dataclass(frozen=True, slots=True)
class Decide:
    """A decision about the PRIMARY deployment that needs no more than its name."""

    operation: str

    @property
    def members(self) -> Mapping[str, Any]:
        """Nothing more."""
        return {}


COMPLETE = Decide("_CompleteDeployment")
FAIL = Decide("_FailDeployment")
"""The circuit breaker opens."""
ROLL_BACK = Decide("_RollBackDeployment")
"""A user asked for it."""
RESET_FAILURES = Decide("_ResetFailures")
"""A task is healthy: failures count from 0 again."""
EXPIRE = Decide("_ExpirePauses")
"""Nobody has answered at a hook in time."""
