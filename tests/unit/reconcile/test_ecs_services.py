"""The scheduler's decisions as a pure function: rolling arithmetic, replacement, the breaker."""

from dataclasses import replace

import pytest

from hiyoko.reconcile.ecs_actions import (
    COMPLETE,
    FAIL,
    RESET_FAILURES,
    Deregister,
    Drop,
    Note,
    Register,
    Release,
    Start,
    Stop,
)
from hiyoko.reconcile.ecs_plan import (
    BACKOFF_MAX_S,
    Healths,
    Plan,
    TargetHealth,
    backoff_s,
    bounds,
    plan_service,
)
from hiyoko.reconcile.ecs_services import plan_task
from hiyoko.services.ecs.model import (
    ContainerDefinition,
    Deployment,
    HealthCheck,
    LoadBalancer,
    Network,
    Service,
    Task,
    TaskDefinition,
    TaskView,
    breaker_threshold,
)
from hiyoko.services.ecs.model import Stop as StopWish
from hiyoko.services.ecs.seen import ContainerSeen, TaskSeen

NOW = 10_000.0
LONG_AGO = NOW - 1000
GROUP = "arn:group"
NETWORK = Network(("subnet-1",))
WEB = ContainerDefinition("web", "nginx")
HEALTHY = TargetHealth("healthy")
UNHEALTHY = TargetHealth("unhealthy", "Target.Timeout", "Request timed out")
DRAINING = TargetHealth("draining", "Target.DeregistrationInProgress")


def definition(container: ContainerDefinition = WEB) -> TaskDefinition:
    return TaskDefinition(
        "1", "r", "app", 1, "arn:definition", 0.0, "me", "256", "512", (container,)
    )


def deployment(number: int = 1, *, balanced: bool = False, **fields: object) -> Deployment:
    balancers = (LoadBalancer(GROUP, "web", 80),) if balanced else ()
    made = Deployment(f"ecs-svc/{number}", 0.0, 0.0, "arn:definition", NETWORK, balancers)
    return replace(made, **fields)  # type: ignore[arg-type]


def service(desired: int, *deployments: Deployment, **fields: object) -> Service:
    made = Service(
        "1", "r", "arn:service", "arn:cluster", "web", 0.0, "me", desired,
        deployments or (deployment(completed_at=1.0),),
    )  # fmt: skip
    return replace(made, **fields)  # type: ignore[arg-type]


def task(
    number: int,
    of: int = 1,
    *,
    status: str = "RUNNING",
    since: float = LONG_AGO,
    stop: StopWish | None = None,
    zone: str = "a",
    container: ContainerDefinition = WEB,
    health: str = "UNKNOWN",
) -> TaskView:
    row = Task(
        account="1", region="r", arn=f"t{number}", task_id=f"t{number}", cluster="arn:cluster",
        definition_arn="arn:definition", family="app", group="service:web", created_at=since,
        eni_id=f"eni-{number}", subnet_id="subnet-1", vpc_id="vpc-1", zone=zone,
        address=f"10.0.0.{number}", mac="", private_dns="", attachment_id="", cpu="256",
        memory="512", container_ids=(("web", "u"),), service="arn:service",
        deployment=f"ecs-svc/{of}", stop=stop,
    )  # fmt: skip
    started = None if status == "PENDING" else since
    seen = ContainerSeen("web", status, started_at=started, health=health)
    return TaskView(row, definition(container), TaskSeen(row.arn, (seen,)), since)


def targets(*states: tuple[int, TargetHealth]) -> Healths:
    return {(GROUP, f"10.0.0.{number}", 80): health for number, health in states}


def stopped(plan: Plan) -> set[str]:
    return {arn for action in plan.actions if isinstance(action, Stop) for arn, _ in action.tasks}


def started(plan: Plan) -> int:
    return sum(action.count for action in plan.actions if isinstance(action, Start))


# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html
@pytest.mark.parametrize(
    ("desired", "minimum", "maximum", "expected"),
    [
        (1, 100, 200, (1, 2)),
        (4, 50, 100, (2, 4)),
        (2, 75, 100, (2, 2)),
        (3, 100, 125, (3, 3)),
        (1, 100, 150, (1, 1)),
        (0, 100, 200, (0, 0)),
    ],
)
def test_minimum_rounds_up_and_maximum_rounds_down(
    desired: int, minimum: int, maximum: int, expected: tuple[int, int]
) -> None:
    found = bounds(service(desired, minimum_percent=minimum, maximum_percent=maximum))
    assert found == expected


@pytest.mark.parametrize(("desired", "threshold"), [(1, 3), (6, 3), (25, 13), (400, 200)])
def test_the_breaker_opens_after_half_of_the_desired_count(desired: int, threshold: int) -> None:
    assert breaker_threshold(desired) == threshold


def test_waits_double_up_to_fifteen_minutes() -> None:
    assert [backoff_s(n) for n in range(5)] == [0, 2, 4, 8, 16]
    assert backoff_s(1000) == BACKOFF_MAX_S


def test_a_new_service_starts_what_it_desires() -> None:
    assert plan_service(service(3, deployment()), [], {}, NOW).actions == [Start(3, 0, "ecs-svc/1")]


def test_a_service_at_rest_needs_nothing() -> None:
    last = ("(service web) has reached a steady state.", NOW - 60)
    plan = plan_service(service(2), [task(1), task(2)], {}, NOW, last)
    assert plan.actions == []
    assert plan.again_s is None


def test_the_steady_state_is_told_again_after_six_hours() -> None:
    last = ("(service web) has reached a steady state.", NOW - 6 * 3600)
    plan = plan_service(service(1), [task(1)], {}, NOW, last)
    assert plan.actions == [Note("has reached a steady state.", "SERVICE_STEADY_STATE")]


def test_one_desired_goes_from_one_to_two_to_one() -> None:
    rolling = service(1, deployment(2), deployment(1))
    plan = plan_service(rolling, [task(1)], {}, NOW)
    assert (started(plan), stopped(plan)) == (1, set())
    plan = plan_service(rolling, [task(1), task(2, 2, status="PENDING")], {}, NOW)
    assert (started(plan), stopped(plan)) == (0, set())
    plan = plan_service(rolling, [task(1), task(2, 2)], {}, NOW)
    assert (started(plan), stopped(plan)) == (0, {"t1"})


def test_half_of_four_may_stop_before_anything_starts() -> None:
    rolling = service(4, deployment(2), deployment(1), minimum_percent=50, maximum_percent=100)
    plan = plan_service(rolling, [task(n) for n in range(1, 5)], {}, NOW)
    assert len(stopped(plan)) == 2
    assert started(plan) == 2


def test_bounds_that_allow_neither_stop_nor_start_are_told_once() -> None:
    rolling = service(3, deployment(2), deployment(1), minimum_percent=100, maximum_percent=125)
    plan = plan_service(rolling, [task(n) for n in range(1, 4)], {}, NOW)
    (note,) = plan.actions
    assert isinstance(note, Note)
    assert "because of the service deployment configuration" in note.message
    last = (f"(service web) {note.message}", NOW)
    assert plan_service(rolling, [task(n) for n in range(1, 4)], {}, NOW, last).actions == []


def test_old_tasks_that_are_not_healthy_do_not_count() -> None:
    rolling = service(2, deployment(2), deployment(1))
    plan = plan_service(rolling, [task(1), task(2, status="PENDING")], {}, NOW)
    assert stopped(plan) == {"t2"}
    assert started(plan) == 2


def test_without_checks_a_task_is_healthy_after_forty_seconds() -> None:
    rolling = service(1, deployment(2), deployment(1))
    plan = plan_service(rolling, [task(1), task(2, 2, since=NOW - 30)], {}, NOW)
    assert (stopped(plan), plan.again_s) == (set(), 10)


def test_a_container_check_makes_a_task_healthy_at_once() -> None:
    checked = replace(WEB, health=HealthCheck(("CMD", "true")))
    rolling = service(1, deployment(2), deployment(1))
    fresh = task(2, 2, since=NOW, container=checked, health="HEALTHY")
    assert stopped(plan_service(rolling, [task(1), fresh], {}, NOW)) == {"t1"}


def test_a_balanced_task_counts_when_its_target_is_healthy() -> None:
    rolling = service(1, deployment(2, balanced=True), deployment(1, balanced=True))
    both = [task(1), task(2, 2)]
    plan = plan_service(rolling, both, targets((1, HEALTHY), (2, TargetHealth("initial"))), NOW)
    assert stopped(plan) == set()
    plan = plan_service(rolling, both, targets((1, HEALTHY), (2, HEALTHY)), NOW)
    assert stopped(plan) == {"t1"}


def test_only_running_tasks_are_registered() -> None:
    balanced = service(2, deployment(balanced=True))
    plan = plan_service(balanced, [task(1), task(2, status="PENDING")], {}, NOW)
    assert plan.actions == [Register(GROUP, (("10.0.0.1", 80),))]


def test_a_draining_task_is_deregistered_then_waited_for_then_released() -> None:
    balanced = service(0, deployment(balanced=True))
    ending = task(1, stop=StopWish(NOW, "ServiceSchedulerInitiated", "", drain=True))
    plan = plan_service(balanced, [ending], targets((1, HEALTHY)), NOW)
    assert plan.actions[0] == Deregister(GROUP, (("10.0.0.1", 80),))
    plan = plan_service(balanced, [ending], targets((1, DRAINING)), NOW)
    assert Release("t1") not in plan.actions
    assert plan.again_s == 1
    plan = plan_service(balanced, [ending], {}, NOW)
    assert plan.actions[0] == Release("t1")


def test_an_unhealthy_task_is_replaced_first_where_there_is_room() -> None:
    balanced = service(2, deployment(balanced=True))
    sick = targets((1, UNHEALTHY), (2, HEALTHY))
    plan = plan_service(balanced, [task(1), task(2)], sick, NOW)
    assert plan.actions == [Start(1, 1, "ecs-svc/1")]
    three = [task(1), task(2), task(3, status="PENDING")]
    assert stopped(plan_service(balanced, three, sick, NOW)) == set()
    healed = targets((1, UNHEALTHY), (2, HEALTHY), (3, HEALTHY))
    plan = plan_service(balanced, [task(1), task(2), task(3)], healed, NOW)
    assert stopped(plan) == {"t1"}
    assert Stop((("t1", f"Task failed ELB health checks in (target-group {GROUP})"),), True) in (
        plan.actions
    )


def test_without_room_one_unhealthy_task_is_stopped_first() -> None:
    balanced = service(2, deployment(balanced=True), minimum_percent=50, maximum_percent=100)
    sick = targets((1, UNHEALTHY), (2, UNHEALTHY))
    plan = plan_service(balanced, [task(1), task(2)], sick, NOW)
    assert stopped(plan) == {"t1"}
    assert started(plan) == 1


def test_the_grace_period_covers_both_kinds_of_checks() -> None:
    checked = replace(WEB, health=HealthCheck(("CMD", "false")))
    graceful = service(1, deployment(balanced=True), grace_s=60)
    fresh = task(1, since=NOW - 20, container=checked, health="UNHEALTHY")
    plan = plan_service(graceful, [fresh], targets((1, UNHEALTHY)), NOW)
    assert (stopped(plan), started(plan), plan.again_s) == (set(), 0, 40)


def test_a_failed_container_check_has_its_own_reason() -> None:
    checked = replace(WEB, health=HealthCheck(("CMD", "false")))
    single = service(1, minimum_percent=0, maximum_percent=100)
    plan = plan_service(single, [task(1, container=checked, health="UNHEALTHY")], {}, NOW)
    assert Note("(task t1) failed container health checks.") in plan.actions
    assert Stop((("t1", "Task failed container health checks"),), True) in plan.actions


def test_scaling_in_takes_the_fullest_zone_first() -> None:
    tasks = [task(1, zone="a"), task(2, zone="a"), task(3, zone="c")]
    assert stopped(plan_service(service(2), tasks, {}, NOW)) <= {"t1", "t2"}
    assert len(stopped(plan_service(service(1), tasks, {}, NOW))) == 2


def test_scaling_in_takes_what_does_not_run_first() -> None:
    tasks = [task(1), task(2, status="PENDING"), task(3)]
    assert stopped(plan_service(service(2), tasks, {}, NOW)) == {"t2"}


def test_a_task_that_never_ran_delays_the_next_start() -> None:
    failing = deployment(start_failures=3, failed_tasks=3, last_failure_at=NOW - 1)
    plan = plan_service(service(1, failing), [], {}, NOW)
    assert plan.again_s == 7
    assert started(plan) == 0
    assert started(plan_service(service(1, failing), [], {}, NOW + 7)) == 1


def test_a_healthy_task_ends_the_count_of_failures() -> None:
    failing = deployment(completed_at=1.0, start_failures=3, failed_tasks=3)
    assert RESET_FAILURES in plan_service(service(1, failing), [task(1)], {}, NOW).actions


def test_the_breaker_opens_at_its_threshold_only_when_enabled() -> None:
    failing = deployment(failed_tasks=3)
    assert FAIL in plan_service(service(1, failing, breaker=True), [], {}, NOW).actions
    assert FAIL not in plan_service(service(1, failing), [], {}, NOW).actions
    done = replace(failing, completed_at=1.0)
    assert FAIL not in plan_service(service(1, done, breaker=True), [], {}, NOW).actions


def test_a_failed_deployment_starts_and_stops_nothing() -> None:
    failed = service(2, deployment(2, failed_at=1.0), deployment(1))
    assert plan_service(failed, [task(1)], {}, NOW).actions == []


def test_a_deployment_is_complete_when_only_its_tasks_run() -> None:
    rolling = service(1, deployment(2), deployment(1))
    plan = plan_service(rolling, [task(2, 2)], {}, NOW)
    assert plan.actions == [
        Drop(("ecs-svc/1",)),
        COMPLETE,
        Note("has reached a steady state.", "SERVICE_STEADY_STATE"),
    ]


def test_a_deleted_service_stops_everything() -> None:
    deleted = service(0, deployment(2), deployment(1), deleted_at=NOW)
    plan = plan_service(deleted, [task(1), task(2, 2)], {}, NOW)
    assert stopped(plan) == {"t1", "t2"}
    assert started(plan) == 0


def test_a_task_is_ended_closed_and_forgotten_in_turn() -> None:
    running = task(1)
    assert plan_task(running, NOW) == ""
    assert running.seen is not None
    failed = replace(running, seen=replace(running.seen, failure="CannotPullContainerError"))
    assert plan_task(failed, NOW) == "_EndTask"
    wished = replace(failed, task=replace(failed.task, stop=StopWish(NOW, "c", "r")))
    assert plan_task(wished, NOW) == ""
    gone = replace(wished, seen=replace(running.seen, gone=True))
    assert plan_task(gone, NOW) == "_CloseTask"
    ended = replace(gone, task=replace(gone.task, ended_at=NOW))
    assert plan_task(ended, NOW + 3599) == ""
    assert plan_task(ended, NOW + 3600) == "_ForgetTask"
