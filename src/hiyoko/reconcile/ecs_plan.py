"""The service scheduler's decisions: a pure function of rows, health and the time.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html

Rule 1. A rolling update keeps ceil(desired * minimum%) tasks healthy and never has more than
floor(desired * maximum%) running and pending.

Rule 2. Old tasks that are not healthy may be stopped freely: they do not count.

Rule 3. An unhealthy task is replaced first where Rule 1 leaves room; else it is stopped first.

Rule 4. A task that never ran lengthens the wait before the next start, up to 15 minutes; one that
ran and died is replaced at once, but not more often than once a cycle.

Rule 5. The first task of a deployment resolves its images' tags; the others wait for it and run
the same digests. After three tasks that found none the deployment goes on without.

Rule 6. A deployment that shifts traffic is built up beside the one that it takes over from; both
have all their tasks, each kept as if it were alone, until the earlier one is cleaned up.

Rule 7. At rest, where the zones differ by more than one task, one more task is started in the
poorest; when it is healthy, the surplus is stopped in the richest.

Rule 8. A task under protection is stopped by no scale-in and no deployment, unless it is unhealthy;
it counts like any other until its protection ends. Only a deleted service takes it along.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection.html
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from hiyoko.reconcile.ecs_actions import (
    COMPLETE,
    EXPIRE,
    FAIL,
    RESET_FAILURES,
    ROLL_BACK,
    Action,
    Advance,
    Alarm,
    Balanced,
    Deregister,
    Drop,
    Note,
    Rebalance,
    Register,
    Release,
    Resolve,
    Start,
    Stop,
)
from hiyoko.reconcile.ecs_stages import Surroundings, next_stage
from hiyoko.services.ecs.model import (
    Deployment,
    LoadBalancer,
    Service,
    TaskView,
    rollout,
)

HEALTHY_AFTER_S = 40
"""A task without any check counts as healthy after so long in RUNNING (AWS's figure)."""
CYCLE_S = 10
"""AWS's scheduler acts in cycles of about ten seconds; a dying task is not restarted faster."""
DRAIN_LOOK_S = 1
"""How often a target that drains is looked at: a delay that ends by itself wakes nobody."""
BACKOFF_FIRST_S = 2
BACKOFF_MAX_S = 15 * 60
CONSISTENT_FAILURES = 3
"""So many failures in a row, and the history says that tasks cannot be started."""
STEADY_AGAIN_S = 6 * 3600
STEADY = "has reached a steady state."
UNABLE = (
    "is unable to consistently start tasks successfully. For more information, see the"
    " Troubleshooting section of the Amazon ECS Developer Guide."
)
HELD = (
    "was unable to reach steady state because (taskSet {}) was unable to scale in due to"
    " (reason {} tasks under protection)"
)
STUCK = (
    "was unable to stop or start tasks during a deployment because of the service deployment"
    " configuration. Update the minimumHealthyPercent or maximumPercent value and try again."
)


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """A target's state in a target group, in elbv2's words."""

    state: str
    reason: str = ""
    description: str = ""

    @property
    def registered(self) -> bool:
        """Whether the group knows the target at all."""
        return self.reason != "Target.NotRegistered"


NOT_REGISTERED = TargetHealth("unused", "Target.NotRegistered")

Healths = Mapping[tuple[str, str, int], TargetHealth]
"""By target group ARN, address and port; what is not there is not registered."""


@dataclass(frozen=True, slots=True)
class Outside:
    """What other services say of the PRIMARY deployment.

    ``alarms``: those that went off since it began; ``alarms_bake_s``: how long they have to be
    watched after the rollout. ``shifted``: load balancers and proxies have followed its last stage.
    ``named``: ARNs of tasks that Cloud Map leads to, so that they may not be released yet.
    """

    alarms: tuple[str, ...] = ()
    alarms_bake_s: float = 0.0
    shifted: bool = True
    named: frozenset[str] = frozenset()


NOTHING_OUTSIDE = Outside()


@dataclass(slots=True)
class Plan:
    """What to do now, and when time alone will make a difference."""

    actions: list[Action] = field(default_factory=list)
    again_s: float | None = None

    def wake_in(self, seconds: float) -> None:
        """Ask for another look after so many seconds; the earliest one wins."""
        self.again_s = seconds if self.again_s is None else min(self.again_s, seconds)


def bounds(service: Service) -> tuple[int, int]:
    """The least number of healthy tasks and the most tasks during a deployment."""
    desired = service.desired_count
    lower = math.ceil(desired * service.minimum_percent / 100)
    return lower, math.floor(desired * service.maximum_percent / 100)


def backoff_s(failures: int) -> float:
    """How long to wait after so many tasks in a row that never ran."""
    if failures <= 0:
        return 0.0
    return float(min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(failures - 1, 20)))


def plan_service(
    service: Service,
    tasks: Sequence[TaskView],
    healths: Healths,
    now: float,
    last_event: tuple[str, float] = ("", 0.0),
    zones: frozenset[str] = frozenset(),
    outside: Outside = NOTHING_OUTSIDE,
) -> Plan:
    """Decide what a service needs now. ``last_event``: its newest message and when.

    ``zones``: those of the PRIMARY deployment's subnets.
    """
    return _Scheduler(service, tasks, healths, now, last_event, zones, outside).plan()


class _Scheduler:
    """One look at one service."""

    def __init__(
        self,
        service: Service,
        tasks: Sequence[TaskView],
        healths: Healths,
        now: float,
        last_event: tuple[str, float],
        zones: frozenset[str],
        outside: Outside,
    ) -> None:
        self.service = service
        self.tasks = tasks
        self.healths = healths
        self.now = now
        self.last_event = last_event
        self.zones = zones
        self.outside = outside
        self.out = Plan()
        self.held: Counter[str] = Counter()
        """How many tasks of each deployment would be stopped if they were not protected."""
        self.live = [view for view in tasks if view.stop is None]
        self.deployments = {one.id: one for one in service.deployments}
        self.reasons = {view.task.arn: self._unhealthy_reason(view) for view in self.live}
        self.healthy = {view.task.arn for view in self.live if self._is_healthy(view)}
        self.mine = [view for view in self.live if view.task.deployment == service.primary.id]
        self.old = [view for view in self.live if view.task.deployment != service.primary.id]

    def plan(self) -> Plan:
        self._drain()
        self._register()
        verdict = self._verdict()
        if verdict is not None:
            self.out.actions.append(verdict)
            self.out.wake_in(0)
            return self.out
        if self._resolve():
            self.out.wake_in(0)
            return self.out
        if self.service.primary.staged and self.service.primary.rollout == "IN_PROGRESS":
            self._hand_over()
            return self.out
        stopping = self._stop()
        self._start(stopping)
        at_rest = not self.out.actions
        self._tell_held()
        self._tidy()
        if at_rest:
            self._settle()
        return self.out

    def _verdict(self) -> Action | None:
        """What ends the PRIMARY deployment before it is complete, if anything does."""
        primary = self.service.primary
        if primary.rollout != "IN_PROGRESS":
            return None
        if primary.rollback_requested:
            return ROLL_BACK
        if self._breaks():
            return FAIL
        if self.outside.alarms and primary.stage != rollout.CLEAN_UP:
            return Alarm(self.outside.alarms)
        if any(pause.waits and pause.expires_at <= self.now for pause in primary.pauses):
            return EXPIRE
        return None

    # What each task is worth.

    def _balancers(self, view: TaskView) -> tuple[LoadBalancer, ...]:
        deployment = self.deployments.get(view.task.deployment)
        return deployment.served if deployment is not None else ()

    def _targets(self, view: TaskView) -> list[tuple[LoadBalancer, TargetHealth]]:
        address = view.task.address
        return [
            (one, self.healths.get((one.group_arn, address, one.port), NOT_REGISTERED))
            for one in self._balancers(view)
        ]

    def _unhealthy_reason(self, view: TaskView) -> tuple[str, str]:
        """The stopped reason and the history's line for an unhealthy task; empty when it is not.

        The grace period covers container checks as well as the load balancer's.
        """
        started = view.started_at
        if view.status != "RUNNING" or started is None:
            return "", ""
        grace_left = started + (self.service.grace_s or 0) - self.now
        name = f"(task {view.task.task_id})"
        for balancer, health in self._targets(view):
            if health.state == "unhealthy":
                if grace_left > 0:
                    self.out.wake_in(grace_left)
                    return "", ""
                group = f"(target-group {balancer.group_arn})"
                why = health.description or health.reason or "Health checks failed"
                return (
                    f"Task failed ELB health checks in {group}",
                    f"{name} (port {balancer.port}) is unhealthy in {group} due to (reason {why}).",
                )
        if view.health == "UNHEALTHY":
            if grace_left > 0:
                self.out.wake_in(grace_left)
                return "", ""
            return "Task failed container health checks", f"{name} failed container health checks."
        return "", ""

    def _is_healthy(self, view: TaskView) -> bool:
        if not self._is_well(view):
            return False
        if self._balancers(view) or view.checked or view.started_at is None:
            return True
        left = view.started_at + HEALTHY_AFTER_S - self.now
        if left > 0:
            self.out.wake_in(left)
        return left <= 0

    def _is_well(self, view: TaskView) -> bool:
        """Running, and every check that there is passes."""
        if view.status != "RUNNING" or (view.checked and view.health != "HEALTHY"):
            return False
        return all(health.state == "healthy" for _, health in self._targets(view))

    def _is_protected(self, view: TaskView) -> bool:
        left = view.task.protected_until - self.now
        if left <= 0 or self._is_sick(view) or self.service.deleted_at is not None:
            return False
        self.out.wake_in(left)
        return True

    def _unprotected(self, views: Sequence[TaskView], count: int) -> list[TaskView]:
        """The first so many that may be stopped; what protection keeps is noted (Rule 8)."""
        free = [view for view in views if not self._is_protected(view)][:count]
        held = [view for view in views if self._is_protected(view)]
        lacking = min(count, len(views)) - len(free)
        self.held.update(view.task.deployment for view in held[:lacking])
        return free

    def _tell_held(self) -> None:
        """Say what protection keeps the service from, when nothing else is to be done."""
        if self.held and not self.out.actions:
            [(deployment, count)] = self.held.most_common(1)
            self._note_once(HELD.format(deployment, count))

    # Targets.

    def _register(self) -> None:
        wanted: dict[str, list[tuple[str, int]]] = {}
        for view in self.live:
            if view.status != "RUNNING":
                continue
            for balancer, health in self._targets(view):
                if not health.registered or health.state == "draining":
                    wanted.setdefault(balancer.group_arn, []).append(
                        (view.task.address, balancer.port)
                    )
        for group, targets in wanted.items():
            self.out.actions.append(Register(group, tuple(targets)))

    def _drain(self) -> None:
        """Deregister what ends; release a task whose targets have left."""
        wanted: dict[str, list[tuple[str, int]]] = {}
        taken = {view.task.address for view in self.live}
        for view in self.tasks:
            if view.task.ended_at is not None or view.stop is None:
                continue
            left = [(one, health) for one, health in self._targets(view) if health.registered]
            if left:
                self.out.wake_in(DRAIN_LOOK_S)
            for balancer, health in left:
                if health.state != "draining" and view.task.address not in taken:
                    wanted.setdefault(balancer.group_arn, []).append(
                        (view.task.address, balancer.port)
                    )
            waits = bool(left) or view.task.arn in self.outside.named
            if view.task.stop is not None and view.task.stop.drain and not waits:
                self.out.actions.append(Release(view.task.arn))
        for group, targets in wanted.items():
            self.out.actions.append(Deregister(group, tuple(targets)))

    # Deployments.

    def _breaks(self) -> bool:
        primary = self.service.primary
        return self.service.breaker and primary.failed_tasks >= self.service.breaker_threshold

    def _hand_over(self) -> None:
        """Keep the tasks of both deployments, and go on to the next stage (Rule 6)."""
        service, primary = self.service, self.service.primary
        early = primary.stage in ("", rollout.RECONCILE, rollout.PRE_SCALE_UP)
        for one in service.deployments:
            if one.id in service.kept and not (early and one is primary):
                self._keep(one)
        others = [view for view in self.live if view.task.deployment not in service.kept]
        # What was superseded may have traffic until the load balancers send it back.
        given_back = primary.stage == rollout.RECONCILE and self.outside.shifted
        clearing = given_back or primary.stage == rollout.CLEAN_UP
        if clearing or service.desired_count == 0:
            reason = f"Scaling activity initiated by (deployment {primary.id})"
            ended = self._unprotected(others, len(others))
            stop = Stop(tuple((view.task.arn, reason) for view in ended))
            self.out.actions += [stop] if ended else []
        at_rest = not self.out.actions
        self._tell_held()
        self._tidy()
        if not at_rest or service.deleted_at is not None:
            return
        if primary.stage == rollout.CLEAN_UP:
            if all(view.task.ended_at for view in self.tasks if view.task.deployment != primary.id):
                self._settle()
            return
        step = next_stage(service, self._surroundings(bool(others)), self.now)
        if isinstance(step, Advance):
            self.out.actions.append(step)
        elif step is not None:
            self.out.wake_in(step)

    def _surroundings(self, others: bool) -> Surroundings:
        desired = self.service.desired_count
        healthy = sum(1 for view in self.mine if view.task.arn in self.healthy)
        lower, _ = bounds(self.service)
        return Surroundings(
            whole=healthy == len(self.mine) == desired,
            enough=healthy >= min(desired, max(1, lower)),
            others=others,
            shifted=self.outside.shifted,
        )

    def _keep(self, one: Deployment) -> None:
        """See to one deployment's tasks as if the service had no other ones."""
        alone = _Scheduler(
            replace(self.service, deployments=(one,)),
            [view for view in self.tasks if view.task.deployment == one.id],
            self.healths,
            self.now,
            self.last_event,
            self.zones,
            self.outside,
        )
        alone._start(alone._stop())
        self.out.actions.extend(alone.out.actions)
        self.held += alone.held
        if alone.out.again_s is not None:
            self.out.wake_in(alone.out.again_s)

    def _stop(self) -> set[str]:
        """Decide which tasks end; their ARNs."""
        lower, _ = bounds(self.service)
        scaling = f"Scaling activity initiated by (deployment {self.service.primary.id})"
        zone = ""
        if self.service.desired_count == 0:
            ended = [view.task.arn for view in self._unprotected(self.live, len(self.live))]
            failed: list[str] = []
        else:
            halted = self.service.primary.rollout == "FAILED"
            ended = [] if halted else [view.task.arn for view in self._retired(lower)]
            failed = [] if halted else self._sick_to_stop(len(self.live) - len(ended))
            surplus = self._surplus({*failed, *ended})
            moves = len(surplus) == 1 and any(view.task.rebalances for view in self.mine)
            zone = surplus[0].task.zone if moves and not ended else ""
            ended += [view.task.arn for view in surplus]
        if failed:
            self.out.actions.extend(Note(self.reasons[arn][1]) for arn in failed)
            reasons = tuple((arn, self.reasons[arn][0]) for arn in failed)
            self.out.actions.append(Stop(reasons, failed=True))
        if ended:
            self.out.actions.append(Stop(tuple((arn, scaling) for arn in ended), zone=zone))
        return {*failed, *ended}

    def _is_sick(self, view: TaskView) -> bool:
        return bool(self.reasons[view.task.arn][0])

    def _sick_to_stop(self, staying: int) -> list[str]:
        """Unhealthy tasks that end: once replaced, or one to make room (Rule 3)."""
        healthy = sum(1 for view in self.mine if view.task.arn in self.healthy)
        sick = [view.task.arn for view in self.mine if self._is_sick(view)]
        if healthy >= self.service.desired_count:
            return sick
        _, upper = bounds(self.service)
        missing = self.service.desired_count - (len(self.mine) - len(sick))
        return sick[:1] if missing > 0 and staying >= upper else []

    def _surplus(self, stopping: set[str]) -> list[TaskView]:
        """What a scale-in stops. Replacements of tasks that are still there are no surplus."""
        desired = self.service.desired_count
        _, upper = bounds(self.service)
        rest = [view for view in self.mine if view.task.arn not in stopping]
        sick = sum(1 for view in rest if self._is_sick(view))
        surplus = len(rest) - desired - min(sick, max(0, upper - desired))
        surplus -= sum(
            1 for view in rest if view.task.rebalances and view.task.arn not in self.healthy
        )
        chosen = self._least_wanted(rest, surplus)
        return self._unprotected(chosen, len(chosen))

    def _retired(self, lower: int) -> list[TaskView]:
        """Tasks of earlier deployments that may end now."""
        well = [view for view in self.old if view.task.arn in self.healthy]
        spare = max(0, len(self.healthy) - lower)
        poor = [
            view for view in self.old if view.task.arn not in self.healthy and not self._young(view)
        ]
        return self._unprotected(poor, len(poor)) + self._unprotected(well, spare)

    def _young(self, view: TaskView) -> bool:
        """Running well without any check, only not for long: it serves, and is not just dropped.

        It may go when as many of the new tasks run.
        """
        return self._is_well(view) and self._well_of_mine < self.service.desired_count

    @cached_property
    def _well_of_mine(self) -> int:
        return sum(1 for view in self.mine if self._is_well(view))

    def _least_wanted(self, views: Sequence[TaskView], count: int) -> list[TaskView]:
        """Whom a scale-in takes first: unhealthy, then not running, then in the fullest zone.

        Those under protection stand last.
        """

        def worth(view: TaskView) -> tuple[bool, bool, bool, bool]:
            return (
                self._is_protected(view),
                not self._is_sick(view),
                view.status == "RUNNING",
                view.task.arn in self.healthy,
            )

        zones: dict[str, list[TaskView]] = {}
        for view in views if count > 0 else ():
            zones.setdefault(view.task.zone, []).append(view)
        for zone in zones.values():
            # The next to go stands last; of two that are worth the same, the younger goes first.
            zone.sort(key=lambda view: (worth(view), -view.task.created_at), reverse=True)
        order: list[TaskView] = []
        while len(order) < min(count, len(views)):
            zone = min(
                (zone for zone in zones.values() if zone),
                key=lambda zone: (worth(zone[-1]), -len(zone), -zone[-1].task.created_at),
            )
            order.append(zone.pop())
        return order

    def _start(self, stopping: set[str]) -> None:
        primary = self.service.primary
        if self.service.deleted_at is not None or primary.rollout == "FAILED":
            return
        _, upper = bounds(self.service)
        staying = [view for view in self.live if view.task.arn not in stopping]
        mine = [view for view in staying if view.task.deployment == primary.id]
        sick = sum(1 for view in mine if self._is_sick(view))
        missing = self.service.desired_count - (len(mine) - sick)
        count = min(missing, upper - len(staying), self._startable(len(mine)))
        if missing > 0 and upper <= len(staying) and self._stuck(stopping):
            self._note_once(STUCK)
        if count <= 0:
            return
        wait = self._wait(primary)
        if wait > 0:
            self.out.wake_in(wait)
            if primary.start_failures >= CONSISTENT_FAILURES:
                self._note_once(UNABLE, "SERVICE_TASK_START_IMPAIRED")
            return
        sick_or_gone = sum(1 for view in self.mine if self._is_sick(view))
        self.out.actions.append(Start(count, min(count, sick_or_gone), primary.id))

    def _resolve(self) -> bool:
        """Pin the images when a task has found all their digests (Rule 5)."""
        primary = self.service.primary
        for view in self.tasks if primary.unresolved else ():
            if view.task.deployment != primary.id or view.seen is None:
                continue
            found = {one.name: one.image_digest for one in view.seen.containers}
            if all(found.get(name) for name in primary.unresolved):
                digests = tuple((name, found[name]) for name in primary.unresolved)
                self.out.actions.append(Resolve(digests))
                return True
        return False

    def _startable(self, started: int) -> int:
        """How many tasks of the PRIMARY deployment may be started at once (Rule 5)."""
        primary = self.service.primary
        resolving = primary.unresolved and primary.start_failures < CONSISTENT_FAILURES
        if not resolving or any(view.status == "RUNNING" for view in self.mine):
            return self.service.desired_count
        return 1 - started

    def _stuck(self, stopping: set[str]) -> bool:
        """Rule 1 forbids both a stop and a start, and nothing under way will change that."""
        waiting = any(view.task.arn not in self.healthy for view in self.live)
        return bool(self.old) and not stopping and not waiting and not self.held

    def _note_once(self, message: str, event: str = "") -> None:
        if message not in self.last_event[0]:
            self.out.actions.append(Note(message, event))

    def _wait(self, primary: Deployment) -> float:
        """Seconds until the next start is due (Rule 4)."""
        wait = primary.last_failure_at + backoff_s(primary.start_failures) - self.now
        if primary.start_failures == 0:
            wait = 0.0
        for view in self.tasks:
            died = view.stop is not None and view.stop.code == "EssentialContainerExited"
            if died and not view.lost and view.task.deployment == primary.id:
                wait = max(wait, view.task.created_at + CYCLE_S - self.now)
        return wait

    def _tidy(self) -> None:
        """Failures that are over, deployments whose last task has stopped."""
        service, primary = self.service, self.service.primary
        counted = primary.failed_tasks if service.reset_on_healthy is not False else 0
        failures = counted or primary.start_failures
        if failures and any(view.task.arn in self.healthy for view in self.mine):
            self.out.actions.append(RESET_FAILURES)
        held = {view.task.deployment for view in self.tasks if view.task.ended_at is None}
        held |= set(service.kept)
        gone = tuple(one.id for one in service.deployments[1:] if one.id not in held)
        if gone:
            self.out.actions.append(Drop(gone))

    def _settle(self) -> None:
        """The deployment that is done, the steady state: when there is nothing else to do."""
        service, primary = self.service, self.service.primary
        if service.deleted_at is not None or primary.rollout == "FAILED":
            return
        well = self._well_of_mine
        settled = well == len(self.live) == service.desired_count
        completed = primary.rollout == "COMPLETED"
        if not completed and (settled or self._early_success(well)):
            if self._bakes():
                return
            self.out.actions.append(COMPLETE)
        if not settled:
            return
        if completed and self._rebalance():
            return
        message, at = self.last_event
        if not completed or STEADY not in message or self.now - at >= STEADY_AGAIN_S:
            self.out.actions.append(Note(STEADY, "SERVICE_STEADY_STATE"))

    def _early_success(self, well: int) -> bool:
        """Whether a rolling deployment counts as complete though not all of it is done."""
        early = self.service.deployment_strategy.early
        if early is None or self.service.primary.staged:
            return False
        enough = math.ceil(self.service.desired_count * early.percent / 100)
        return well >= enough and (early.deferred or not self.old)

    def _bakes(self) -> bool:
        """Whether a complete rollout is still watched; one that shifted traffic has been."""
        service, primary = self.service, self.service.primary
        if primary.staged or primary.rolling_back_to or not primary.source:
            return False
        span = max(service.deployment_strategy.bake_s, self.outside.alarms_bake_s)
        if not span:
            return False
        if primary.stage != rollout.BAKE:
            self.out.actions.append(Advance(rollout.BAKE, primary.weight, primary.test_weight))
            return True
        left = primary.stage_at + span - self.now
        if left > 0:
            self.out.wake_in(left)
        return left > 0

    def _rebalance(self) -> bool:
        """Even out the zones, one task at a time (Rule 7); whether there is something to do."""
        tasks = [view.task for view in self.mine]
        counts = dict.fromkeys(sorted(self.zones), 0)
        for task in tasks:
            counts[task.zone] = counts.get(task.zone, 0) + 1
        spread = ", ".join(f"{count} tasks in {zone}" for zone, count in counts.items())
        _, upper = bounds(self.service)
        uneven = bool(self.zones) and max(counts.values()) - min(counts.values()) > 1
        uneven &= any(
            counts[view.task.zone] == max(counts.values()) and not self._is_protected(view)
            for view in self.mine
        )
        if uneven and self.service.rebalancing and upper > len(self.live):
            self.out.actions.append(Rebalance(min(counts, key=lambda zone: counts[zone]), spread))
            return True
        if any(task.rebalances for task in tasks) and not uneven:
            self.out.actions.append(Balanced(spread))
        return False
