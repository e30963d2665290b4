"""Whatever happens while traffic is handed over: who has it keeps its tasks, and it ends well."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.reconcile.test_ecs_plan import World

from hiyoko.reconcile.ecs_actions import ROLL_BACK, Advance, Alarm, Start
from hiyoko.reconcile.ecs_plan import NOT_REGISTERED, Outside, Plan, bounds, plan_service
from hiyoko.services.ecs.deployments import source_of
from hiyoko.services.ecs.model import Deployment, LoadBalancer, Network, Service, rollout
from hiyoko.services.ecs.rollout import Advanced, DeploymentStrategy, Step
from hiyoko.services.ecs.shifting import groups

BALANCERS = (LoadBalancer("blue", "web", 80, Advanced("green", "rule", "role")),)


@dataclass
class HandOver(World):
    """A service whose rule is followed by its load balancer only after a while."""

    rule: dict[str, float] = field(default_factory=lambda: {"blue": 100.0, "green": 0.0})
    force: dict[str, float] = field(default_factory=lambda: {"blue": 100.0, "green": 0.0})
    alarms: tuple[str, ...] = ()

    def group(self, deployment: str) -> str:
        found = [one.served[0] for one in self.service.deployments if one.id == deployment]
        return found[0].group_arn if found else ""

    def plan(self) -> Plan:
        healths = {
            (self.group(view.task.deployment), view.task.address, 80): self.targets.get(
                view.task.address, NOT_REGISTERED
            )
            for view in self.tasks.values()
        }
        shifted = self.service.primary.shifted_at is None or self.rule == self.force
        outside = Outside(self.alarms, 0.0, shifted)
        tasks = list(self.tasks.values())
        return plan_service(self.service, tasks, healths, self.now, self.last, outside=outside)

    def serving(self, group: str) -> int:
        """How many healthy tasks a group has."""
        return sum(1 for view in self.healthy() if self.group(view.task.deployment) == group)

    def act(self) -> bool:
        lower, _ = bounds(self.service)
        busy = [group for group, share in self.force.items() if share]
        before = {group: self.serving(group) for group in busy}
        plan = self.plan()
        for action in plan.actions:
            self._apply(action)
        for group in busy:
            assert self.serving(group) >= min(before[group], lower), plan.actions
        return bool(plan.actions)

    def _apply(self, action: object) -> None:
        match action:
            case Start(count, _, deployment):
                for _ in range(count):
                    self._start()
                    (arn, view) = list(self.tasks.items())[-1]
                    task = replace(view.task, deployment=deployment)
                    self.tasks[arn] = replace(view, task=task)
            case Advance():
                self._advance(action)
            case Alarm():
                self._turn_back()
            case _ if action == ROLL_BACK:
                self._turn_back()
            case _:
                super()._apply(action)

    def _advance(self, step: Advance) -> None:
        one = self.service.primary
        one = replace(
            one,
            stage=step.stage,
            stage_at=self.now,
            weight=step.weight,
            test_weight=step.test_weight,
            shifted_at=self.now,
        )
        if step.stage in (rollout.RECONCILE, rollout.SHIFT):
            ours = self.group(one.id)
            if step.weight:
                lower, _ = bounds(self.service)
                desired = self.service.desired_count
                assert self.serving(ours) >= min(desired, max(1, lower)) or self.rule[ours]
            self.rule = {g: step.weight if g == ours else 100 - step.weight for g in self.rule}
        self.service = replace(self.service, deployments=(one, *self.service.deployments[1:]))

    def _turn_back(self) -> None:
        """As ``deployments.roll_back`` does where the earlier deployment is still there."""
        failed = replace(self.service.primary, failed_at=self.now)
        kept = [one for one in self.service.deployments if one.id == failed.source]
        back = replace(
            kept[0],
            completed_at=None,
            rolling_back_to=kept[0].id,
            strategy=failed.strategy,
            source=failed.id,
            stage="",
            weight=100 - failed.weight,
        )
        others = [one for one in self.service.deployments[1:] if one.id != back.id]
        self.service = replace(self.service, deployments=(back, failed, *others))
        self.alarms = ()

    def deploy(self) -> None:
        self.count += 1
        source = source_of(self.service)
        assert source is not None
        fresh = Deployment(
            f"ecs-svc/{self.count}",
            self.now,
            self.now,
            "d",
            Network(("s",)),
            BALANCERS,
            strategy=self.service.deployment_strategy.kind,
            source=source.id,
            groups=groups(source, BALANCERS, switch=True),
        )
        self.service = replace(self.service, deployments=(fresh, *self.service.deployments))

    def stop(self, *, alarm: bool) -> None:
        one = self.service.primary
        if one.rollout != "IN_PROGRESS" or one.rolling_back_to or one.stage == rollout.CLEAN_UP:
            return
        if alarm:
            self.alarms = ("errors",)
        else:
            primary = replace(one, rollback_requested=True)
            deployments = (primary, *self.service.deployments[1:])
            self.service = replace(self.service, deployments=deployments)

    def pass_by(self) -> None:
        super().pass_by()
        self.force = dict(self.rule)

    def settle(self) -> None:
        """The scheduler does at once whatever it can."""
        for _ in range(40):
            if not self.act():
                return
        raise AssertionError("it does not come to rest")

    def complete(self) -> bool:
        """Whether whoever has all traffic has all its tasks; what is turned back may lack some."""
        live = [self.group(view.task.deployment) for view in self.live()]
        desired = self.service.desired_count
        turned = self.service.primary.rolling_back_to
        return bool(turned) or all(live.count(g) >= desired for g, s in self.force.items() if s)

    def happen(self, kind: str, number: int) -> None:
        match kind:
            case "run" | "die" | "scale":
                getattr(self, kind)(number)
            case "healthy" | "unhealthy":
                self.turn(number, kind)
            case "deploy":
                self.deploy()
            case "follow":
                self.force = dict(self.rule)
            case "stop" | "alarm":
                self.stop(alarm=kind == "alarm")
            case _:
                self.pass_by()
                self.settle()
                assert self.complete()


EVENT = st.one_of(
    st.tuples(st.sampled_from(["run", "healthy", "unhealthy", "die"]), st.integers(0, 9)),
    st.tuples(
        st.sampled_from(["deploy", "pass", "pass", "pass", "follow", "stop", "alarm"]), st.just(0)
    ),
    st.tuples(st.just("scale"), st.integers(1, 5)),
)
STRATEGY = st.sampled_from(
    [
        DeploymentStrategy("BLUE_GREEN", bake_min=2),
        DeploymentStrategy("BLUE_GREEN", bake_min=0),
        DeploymentStrategy("LINEAR", bake_min=0, step=Step(40, 1)),
        DeploymentStrategy("CANARY", bake_min=1, step=Step(10, 1)),
    ]
)


@given(st.integers(1, 4), STRATEGY, st.lists(EVENT, max_size=25))
@settings(max_examples=100, deadline=None)
def test_who_has_the_traffic_keeps_its_tasks(
    desired: int, strategy: DeploymentStrategy, events: list[tuple[str, int]]
) -> None:
    first = Deployment(
        "ecs-svc/0", 0.0, 0.0, "d", Network(("s",)), BALANCERS, groups=("blue",), completed_at=1.0
    )
    wished = Service(
        "1", "r", "a", "c", "web", 0.0, "me", desired, (first,), deployment_strategy=strategy
    )
    world = HandOver(wished)
    for _ in range(4):
        world.settle()
        world.pass_by()
    world.deploy()
    for kind, number in events:
        world.happen(kind, number)
        world.settle()
    for _ in range(40):
        world.settle()
        world.pass_by()
        if [one.rollout for one in world.service.deployments] == ["COMPLETED"]:
            break
    for _ in range(3):
        world.settle()
        world.pass_by()
    assert not world.act()
    (one,) = world.service.deployments
    assert one.rollout == "COMPLETED"
    assert len(world.live()) == len(world.healthy()) == world.service.desired_count
    assert {view.task.deployment for view in world.live()} == {one.id}
    assert world.rule[world.group(one.id)] == 100
