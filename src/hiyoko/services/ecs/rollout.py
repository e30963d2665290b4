"""How a service deploys, and what remains of its deployments. Part of ECS's model.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
"""

from __future__ import annotations

from dataclasses import dataclass

RECONCILE = "RECONCILE_SERVICE"
PRE_SCALE_UP = "PRE_SCALE_UP"
SCALE_UP = "SCALE_UP"
POST_SCALE_UP = "POST_SCALE_UP"
TEST_SHIFT = "TEST_TRAFFIC_SHIFT"
POST_TEST_SHIFT = "POST_TEST_TRAFFIC_SHIFT"
PRE_SHIFT = "PRE_PRODUCTION_TRAFFIC_SHIFT"
SHIFT = "PRODUCTION_TRAFFIC_SHIFT"
POST_SHIFT = "POST_PRODUCTION_TRAFFIC_SHIFT"
BAKE = "BAKE_TIME"
CLEAN_UP = "CLEAN_UP"


@dataclass(frozen=True, slots=True)
class Advanced:
    """A load balancer's other target group, and the rules by which traffic is shifted."""

    alternate_arn: str
    production_rule: str
    role: str
    test_rule: str = ""


@dataclass(frozen=True, slots=True)
class Alarms:
    """CloudWatch alarms that end a deployment when they go off."""

    names: tuple[str, ...] = ()
    enabled: bool = False
    rollback: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """How much production traffic a step shifts, in percent, and how long it is watched then."""

    percent: float
    bake_min: int


LINEAR_STEP = Step(10.0, 6)
CANARY_STEP = Step(5.0, 10)


@dataclass(frozen=True, slots=True)
class PauseHook:
    """Stages in which a deployment waits for somebody's word, how long, and what follows then."""

    stages: tuple[str, ...]
    timeout_min: int = 1440
    action: str = "ROLLBACK"


@dataclass(frozen=True, slots=True)
class Pause:
    """A deployment waiting at a hook, or one that did. ``status``: AWAITING_ACTION at first."""

    id: str
    expires_at: float
    action: str
    status: str = "AWAITING_ACTION"

    @property
    def waits(self) -> bool:
        """Whether nobody has answered yet."""
        return self.status == "AWAITING_ACTION"

    @property
    def refused(self) -> bool:
        """Whether it ended in a rollback."""
        timed_out = self.status == "TIMED_OUT" and self.action == "ROLLBACK"
        return timed_out or self.status == "FAILED"


@dataclass(frozen=True, slots=True)
class EarlySuccess:
    """A rolling deployment is complete with so many percent of its tasks healthy.

    ``deferred``: earlier tasks may still be there then.
    """

    percent: int
    deferred: bool


@dataclass(frozen=True, slots=True)
class DeploymentStrategy:
    """A deploymentConfiguration without percentages and circuit breaker.

    ``kind``: ROLLING, BLUE_GREEN, LINEAR or CANARY. ``step`` belongs to the last two.
    """

    kind: str = "ROLLING"
    bake_min: int | None = None
    step: Step | None = None
    alarms: Alarms | None = None
    hooks: tuple[PauseHook, ...] = ()
    early: EarlySuccess | None = None

    @property
    def bake_s(self) -> float:
        """How long both revisions run after all traffic was shifted."""
        return 60.0 * (self.bake_min or 0)

    def next_weight(self, weight: float) -> float:
        """The production traffic of the new revision after one more step, in percent."""
        if self.kind == "LINEAR":
            return min(100.0, round(weight + (self.step or LINEAR_STEP).percent, 1))
        if self.kind == "CANARY" and weight == 0:
            return (self.step or CANARY_STEP).percent
        return 100.0

    @property
    def step_s(self) -> float:
        """How long each step but the last one is watched."""
        default = CANARY_STEP if self.kind == "CANARY" else LINEAR_STEP
        return 60.0 * (self.step or default).bake_min


ROLLING = DeploymentStrategy()
"""What a service deploys by when nothing is said."""


@dataclass(frozen=True, slots=True)
class Rollback:
    """A deployment turned back: why, when, and to which service revision (its ARN)."""

    why: str
    at: float
    revision: str


@dataclass(frozen=True, slots=True)
class ServiceDeployment:
    """The history of one deployment. Each time notes a decision; the status is told from them.

    ``requested`` and the numbers of ``sources`` are counts of tasks, ``failures`` what the circuit
    breaker had counted when the deployment ended (``triggered``: it was the breaker that ended it).
    """

    arn: str
    service: str
    cluster: str
    created_at: float
    target: str
    sources: tuple[tuple[str, int], ...]
    requested: int
    updated_at: float
    started_at: float | None = None
    finished_at: float | None = None
    stopped_at: float | None = None
    rollback_requested_at: float | None = None
    rollback: Rollback | None = None
    reason: str = ""
    failures: int = 0
    triggered: bool = False
    alarmed: tuple[str, ...] = ()
    """Alarms that ended it."""
    stage: str = ""
    weight: float = 0.0
    """Production traffic of the target revision in percent; ``test_weight``: test traffic."""
    test_weight: float = 0.0

    @property
    def ended(self) -> bool:
        """Whether nothing more will become of it."""
        return self.finished_at is not None or self.stopped_at is not None

    @property
    def status(self) -> str:
        """Its status. STOP_REQUESTED is never seen here: a stop is done as it is asked for."""
        if self.rollback is not None:
            if self.stopped_at is not None:
                return "ROLLBACK_FAILED"
            return "ROLLBACK_IN_PROGRESS" if self.finished_at is None else "ROLLBACK_SUCCESSFUL"
        if self.stopped_at is not None:
            return "STOPPED"
        if self.finished_at is not None:
            return "SUCCESSFUL"
        if self.rollback_requested_at is not None:
            return "ROLLBACK_REQUESTED"
        return "PENDING" if self.started_at is None else "IN_PROGRESS"
