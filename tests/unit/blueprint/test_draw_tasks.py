"""Tasks as the plane is to make them."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from hiyoko.blueprint.draw_tasks import draw_task
from hiyoko.blueprint.tasks import LogTarget, Task
from hiyoko.services.ecs import model
from hiyoko.services.ecs.seen import ContainerSeen, TaskSeen

STOP = model.Stop(1.0, "UserInitiated", "enough")
DEFINITION = model.TaskDefinition(
    "1", "ap-northeast-1", "app", 1, "d", 0.0, "me", "256", "512",
    (
        model.ContainerDefinition(
            "web",
            "nginx",
            cpu=128,
            command=("nginx",),
            environment=(("A", "1"), ("B", "2")),
            log=model.LogConfiguration(
                "awslogs",
                (
                    ("awslogs-group", "g"),
                    ("awslogs-region", "ap-northeast-1"),
                    ("awslogs-stream-prefix", "p"),
                ),
            ),
        ),
    ),
)  # fmt: skip
ROW = model.Task(
    "1", "ap-northeast-1", "t", "0123", "c", "d", "app", "g", 1.0, "eni-1", "subnet-1", "vpc-1",
    "ap-northeast-1a", "10.0.1.5", "", "", "", "256", "512", (),
)  # fmt: skip
VPCS = {"vpc-1": IPv4Network("10.0.0.0/16")}


def draw(row: model.Task, seen: TaskSeen | None = None) -> tuple[Task, ...]:
    one = draw_task(model.TaskView(row, DEFINITION, seen), VPCS, {})
    return () if one is None else (one,)


def test_a_task_knows_its_name_its_resolver_and_its_log() -> None:
    (task,) = draw(ROW)
    assert task.hostname == "ip-10-0-1-5.ap-northeast-1.compute.internal"
    assert task.resolver == IPv4Address("10.0.0.2")
    assert task.search_domain == "ap-northeast-1.compute.internal"
    assert task.run
    (container,) = task.containers
    assert container.log == LogTarget("g", "p/web/0123", "ap-northeast-1")
    assert container.cpu_shares == 128
    assert dict(container.environment)["AWS_EXECUTION_ENV"] == "AWS_ECS_FARGATE"


def test_the_log_s_options_are_read() -> None:
    options = (
        *(("awslogs-group", "g"), ("awslogs-region", "r"), ("awslogs-stream-prefix", "p")),
        *(("mode", "blocking"), ("max-buffer-size", "4m"), ("awslogs-create-group", "true")),
        ("awslogs-multiline-pattern", "^x"),
    )
    (container,) = DEFINITION.containers
    container = replace(container, log=model.LogConfiguration("awslogs", options))
    definition = replace(DEFINITION, containers=(container,))
    task = draw_task(model.TaskView(ROW, definition), VPCS, {})
    assert task is not None
    assert task.containers[0].log == LogTarget(
        "g", "p/web/0123", "r", True, "^x", "", blocking=True, buffer_bytes=4 << 20
    )


def test_an_override_wins_over_the_definition() -> None:
    override = model.ContainerOverride("web", command=("sh",), environment=(("B", "3"),))
    (task,) = draw(replace(ROW, overrides=model.Overrides((override,))))
    (container,) = task.containers
    assert container.command == ("sh",)
    assert dict(container.environment) | {} == {
        "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
        "AWS_REGION": "ap-northeast-1",
        "AWS_DEFAULT_REGION": "ap-northeast-1",
        "A": "1",
        "B": "3",
    }


def test_a_draining_task_still_runs_and_a_stopped_one_does_not() -> None:
    assert draw(replace(ROW, stop=replace(STOP, drain=True)))[0].run
    assert not draw(replace(ROW, stop=STOP))[0].run


def test_a_task_is_drawn_until_nothing_is_left_of_it() -> None:
    stopped = replace(ROW, stop=STOP)
    assert draw(stopped, TaskSeen("t", (), gone=False))
    assert not draw(stopped, TaskSeen("t", (), gone=True))
    assert not draw(replace(stopped, ended_at=2.0))


def test_a_failure_that_was_only_seen_already_ends_the_task() -> None:
    assert not draw(ROW, TaskSeen("t", (), failure="CannotPullContainerError"))[0].run
    ended = ContainerSeen("web", "STOPPED", exit_code=1)
    assert not draw(ROW, TaskSeen("t", (ended,)))[0].run
