"""Whatever happens to a service, its scheduler keeps the bounds and brings it to rest."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiyoko.reconcile.ecs_actions import (
    COMPLETE,
    RESET_FAILURES,
    Balanced,
    Deregister,
    Drop,
    Note,
    Rebalance,
    Register,
    Release,
    Start,
    Stop,
)
from hiyoko.reconcile.ecs_plan import NOT_REGISTERED, Plan, TargetHealth, bounds, plan_service
from hiyoko.services.ecs.model import (
    ContainerDefinition,
    Deployment,
    LoadBalancer,
    Network,
    Service,
    Task,
    TaskDefinition,
    TaskView,
)
from hiyoko.services.ecs.model import Stop as StopWish
from hiyoko.services.ecs.seen import ContainerSeen, TaskSeen

DEFINITION = TaskDefinition(
    "1", "r", "app", 1, "d", 0.0, "me", "256", "512", (ContainerDefinition("web", "nginx"),)
)
GROUP = "arn:group"
PROTECTED_S = 300


@dataclass
class World:
    """A service behind a target group, and everything that its scheduler sees."""

    service: Service
    now: float = 1000.0
    count: int = 0
    last: tuple[str, float] = ("", 0.0)
    tasks: dict[str, TaskView] = field(default_factory=dict)
    targets: dict[str, TargetHealth] = field(default_factory=dict)

    def plan(self) -> Plan:
        healths = {
            (GROUP, view.task.address, 80): self.targets.get(view.task.address, NOT_REGISTERED)
            for view in self.tasks.values()
        }
        return plan_service(
            self.service,
            list(self.tasks.values()),
            healths,
            self.now,
            self.last,
            frozenset("ac"),
        )

    def healthy(self) -> list[TaskView]:
        return [
            view
            for view in self.live()
            if view.status == "RUNNING"
            and self.targets.get(view.task.address, NOT_REGISTERED).state == "healthy"
        ]

    def protected(self) -> set[str]:
        """Tasks under protection that are not unhealthy."""
        return {
            arn
            for arn, view in self.tasks.items()
            if view.task.protected_until > self.now
            and self.targets.get(view.task.address, NOT_REGISTERED).state != "unhealthy"
        }

    def live(self) -> list[TaskView]:
        return [view for view in self.tasks.values() if view.stop is None]

    def act(self) -> bool:
        """Carry out one plan and hold it against the bounds; whether it did anything."""
        lower, upper = bounds(self.service)
        healthy, live = len(self.healthy()), len(self.live())
        plan = self.plan()
        for action in plan.actions:
            self._apply(action)
        if any(isinstance(action, Start | Rebalance) for action in plan.actions):
            assert len(self.live()) <= upper
        assert len(self.healthy()) >= min(healthy, lower)
        assert len(self.live()) <= max(live, upper)
        return bool(plan.actions)

    def _apply(self, action: object) -> None:
        match action:
            case Start(count, _):
                for _ in range(count):
                    self._start()
            case Stop(tasks):
                for arn, reason in tasks:
                    assert arn not in self.protected(), "neither scale-in nor deployment stops it"
                    running = self.tasks[arn].status == "RUNNING"
                    self._wish(arn, StopWish(self.now, "s", reason, drain=running))
            case Register(_, targets):
                self.targets.update({address: TargetHealth("initial") for address, _ in targets})
            case Deregister(_, targets):
                self.targets.update({address: TargetHealth("draining") for address, _ in targets})
            case Release(arn):
                stop = self.tasks[arn].task.stop
                assert stop is not None
                self._wish(arn, replace(stop, drain=False))
            case Note(message):
                self.last = (message, self.now)
            case _:
                self._settle(action)

    def _settle(self, action: object) -> None:
        deployments = self.service.deployments
        if isinstance(action, Rebalance):
            self._start(action.zone)
        elif isinstance(action, Balanced):
            for arn, view in self.tasks.items():
                self.tasks[arn] = replace(view, task=replace(view.task, rebalances=False))
        elif isinstance(action, Drop):
            deployments = tuple(one for one in deployments if one.id not in action.deployments)
        elif action == COMPLETE:
            done = replace(self.service.primary, completed_at=self.now)
            deployments = (done, *deployments[1:])
        else:
            assert action == RESET_FAILURES
        self.service = replace(self.service, deployments=deployments)

    def _wish(self, arn: str, stop: StopWish) -> None:
        view = self.tasks[arn]
        self.tasks[arn] = replace(view, task=replace(view.task, stop=stop))

    def _start(self, zone: str = "") -> None:
        """A task where the number of tasks so far says, which is not always the best place."""
        self.count += 1
        row = Task(
            "1", "r", f"t{self.count}", f"t{self.count}", "c", "d", "app", "g", self.now, "e",
            "s", "v", zone or "aac"[self.count % 3],
            f"10.0.{self.count // 250}.{self.count % 250}", "",
            "", "", "256", "512", (), service="web", deployment=self.service.primary.id,
            rebalances=bool(zone),
        )  # fmt: skip
        self.tasks[row.arn] = TaskView(row, DEFINITION, None, self.now)

    # What the world does.

    def run(self, number: int) -> None:
        waiting = [view for view in self.live() if view.status == "PENDING"]
        if waiting:
            view = waiting[number % len(waiting)]
            seen = ContainerSeen("web", "RUNNING", started_at=self.now)
            self.tasks[view.task.arn] = replace(view, seen=TaskSeen(view.task.arn, (seen,)))

    def turn(self, number: int, state: str) -> None:
        known = [a for a, h in sorted(self.targets.items()) if h.state != "draining"]
        if known:
            self.targets[known[number % len(known)]] = TargetHealth(state)

    def die(self, number: int, *, lost: bool = False) -> None:
        running = [view for view in self.live() if view.status == "RUNNING"]
        if running:
            view = running[number % len(running)]
            seen = ContainerSeen(
                "web", "STOPPED", started_at=self.now, finished_at=self.now, lost=lost
            )
            view = replace(view, seen=TaskSeen(view.task.arn, (seen,)))
            assert view.stop is not None
            self.tasks[view.task.arn] = replace(view, task=replace(view.task, stop=view.stop))

    def protect(self, number: int) -> None:
        live = self.live()
        if live:
            view = live[number % len(live)]
            until = self.now + PROTECTED_S
            self.tasks[view.task.arn] = replace(
                view, task=replace(view.task, protected_until=until)
            )

    def deploy(self) -> None:
        self.count += 1
        fresh = replace(
            self.service.primary, id=f"ecs-svc/{self.count}", completed_at=None, failed_tasks=0
        )
        deployments = (fresh, *self.service.deployments)
        self.service = replace(self.service, deployments=deployments)

    def scale(self, desired: int) -> None:
        self.service = replace(self.service, desired_count=desired)

    def pass_by(self) -> None:
        """Time goes on: drains end, stopped tasks leave, new ones run and become healthy."""
        self.now += 60
        for address in [a for a, h in self.targets.items() if h.state == "draining"]:
            del self.targets[address]
        for arn, view in list(self.tasks.items()):
            if view.stop is not None and not view.stop.drain:
                self.tasks[arn] = replace(view, task=replace(view.task, ended_at=self.now))
        for _ in self.live():
            self.run(0)
        for address in self.targets:
            if self.targets[address].state != "draining":
                self.targets[address] = TargetHealth("healthy")


EVENT = st.one_of(
    st.tuples(st.just("run"), st.integers(0, 9)),
    st.tuples(st.just("healthy"), st.integers(0, 9)),
    st.tuples(st.just("unhealthy"), st.integers(0, 9)),
    st.tuples(st.just("die"), st.integers(0, 9)),
    st.tuples(st.just("protect"), st.integers(0, 9)),
    st.tuples(st.just("deploy"), st.just(0)),
    st.tuples(st.just("scale"), st.integers(0, 6)),
    st.tuples(st.just("pass"), st.just(0)),
)
PERCENTS = st.sampled_from([(100, 200), (0, 100), (50, 100), (100, 150), (50, 125)])


def world_of(desired: int, percents: tuple[int, int] = (100, 200)) -> World:
    first = Deployment(
        "ecs-svc/0", 0.0, 0.0, "d", Network(("s",)), (LoadBalancer(GROUP, "web", 80),)
    )
    return World(
        Service(
            "1",
            "r",
            "a",
            "c",
            "web",
            0.0,
            "me",
            desired,
            (first,),
            minimum_percent=percents[0],
            maximum_percent=percents[1],
            rebalancing=percents[1] > 100,
        )
    )


@pytest.mark.parametrize(("lost", "wait_s"), [(False, 7.0), (True, None)])
def test_a_task_that_died_young_is_replaced_a_cycle_later_and_one_that_was_lost_at_once(
    lost: bool, wait_s: float | None
) -> None:
    world = world_of(1)
    world.act()
    world.run(0)
    world.now += 3
    world.die(0, lost=lost)
    plan = world.plan()
    assert plan.again_s == wait_s
    assert any(isinstance(one, Start) for one in plan.actions) == lost


@given(st.integers(0, 6), PERCENTS, st.lists(EVENT, max_size=25))
@settings(max_examples=100, deadline=None)
def test_the_bounds_hold_and_the_service_comes_to_rest(
    desired: int, percents: tuple[int, int], events: list[tuple[str, int]]
) -> None:
    world = world_of(desired, percents)
    for kind, number in events:
        match kind:
            case "run" | "die" | "protect":
                getattr(world, kind)(number)
            case "healthy" | "unhealthy":
                world.turn(number, kind)
            case "deploy":
                world.deploy()
            case "scale":
                world.scale(number)
            case _:
                world.pass_by()
        world.act()
    lower, upper = bounds(world.service)
    if 0 < lower == upper:
        return  # AWS cannot replace a task within such bounds either; it says so in an event.
    for _ in range(30):
        world.act()
        world.pass_by()
    for _ in range(5):
        world.act()
    assert not world.act()
    assert len(world.service.deployments) == 1
    assert world.service.primary.rollout == "COMPLETED"
    live = world.live()
    assert len(live) == len(world.healthy()) == world.service.desired_count
    assert even(world)
    assert {view.task.deployment for view in live} <= {world.service.primary.id}
    assert set(world.targets) == {view.task.address for view in live}


def even(world: World) -> bool:
    """Whether the zones are as even as they can be made."""
    live = world.live()
    room = world.service.rebalancing and bounds(world.service)[1] > len(live)
    zones = [view.task.zone for view in live]
    return not room or abs(zones.count("a") - zones.count("c")) <= 1
