"""The drawing follows rows: what is kept is what drawing everything anew gives."""

from __future__ import annotations

from dataclasses import replace

from tests.api.ecs_cloud import Cloud

from hiyoko.blueprint.tasks import Task
from hiyoko.reconcile.task_drawing import TaskDrawing
from hiyoko.services.ec2.rows import SUBNETS, VPCS
from hiyoko.services.ecs import rows
from hiyoko.services.ecs.seen import TASKS_SEEN, ContainerSeen, TaskSeen


def read(cloud: Cloud, drawing: TaskDrawing) -> tuple[Task, ...]:
    with cloud.store.reading() as tx:
        return drawing.read(tx).tasks


def test_what_is_kept_is_what_is_drawn_anew() -> None:
    cloud, drawing = Cloud.ready(), TaskDrawing()
    arns = []

    def check() -> tuple[Task, ...]:
        found = read(cloud, drawing)
        assert found == read(cloud, TaskDrawing())
        return found

    for step in range(4):
        cloud.clock.time += 1 if step != 2 else -5  # a clock that is set back
        arns.append(cloud.run_task()[0]["taskArn"])
        assert len(check()) == step + 1
    before = {task.arn: task for task in check()}
    with cloud.store.transaction() as tx:
        ended = TaskSeen(arns[0], (ContainerSeen("web", "STOPPED"),), seen_at=cloud.clock.time)
        TASKS_SEEN.put(tx, ended)
    after = {task.arn: task for task in check()}
    assert not after[arns[0]].run
    assert all(after[arn] is before[arn] for arn in arns[1:])
    with cloud.store.transaction() as tx:
        TASKS_SEEN.put(tx, replace(ended, gone=True))
    assert arns[0] not in {task.arn for task in check()}
    with cloud.store.transaction() as tx:
        rows.forget_task(tx, arns[1])
        task = rows.find_task(tx, arns[2])
        assert task is not None
        rows.put_task(tx, replace(task, ended_at=1.0))
    assert [task.arn for task in check()] == [arns[3]]
    with cloud.store.transaction() as tx:
        for subnet in SUBNETS.table.list(tx):
            SUBNETS.table.put(tx, replace(subnet, cidr="10.0.0.0/16"))
    (last,) = check()
    assert last.identity.subnet_cidr == "10.0.0.0/16"


def test_a_look_at_the_same_rows_is_the_same_drawing() -> None:
    cloud, drawing = Cloud.ready(), TaskDrawing()
    cloud.run_task()
    assert read(cloud, drawing) is read(cloud, drawing)


def test_a_task_that_is_over_outlives_its_vpc() -> None:
    cloud, drawing = Cloud.ready(), TaskDrawing()
    arn = cloud.run_task()[0]["taskArn"]
    with cloud.store.transaction() as tx:
        task = rows.find_task(tx, arn)
        assert task is not None
        rows.put_task(tx, replace(task, ended_at=1.0))
        assert VPCS.table.delete(tx, vpc_id=task.vpc_id)
    assert read(cloud, drawing) == ()
