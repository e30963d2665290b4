"""Views follow rows: what is kept is what reading everything anew gives."""

from __future__ import annotations

from dataclasses import replace

from tests.api.ecs_cloud import Cloud

from hiyoko.reconcile.task_views import TaskViews
from hiyoko.services.ecs import rows
from hiyoko.services.ecs.model import TaskView


def read(cloud: Cloud, views: TaskViews) -> list[TaskView]:
    with cloud.store.reading() as tx:
        return views.read(tx)


def test_only_a_task_whose_rows_were_written_has_another_view() -> None:
    cloud, views = Cloud.ready(), TaskViews()
    (task,), (other,) = cloud.run_task(), cloud.run_task()
    first, second = task["taskArn"], other["taskArn"]
    before = {view.task.arn: view for view in read(cloud, views)}
    cloud.attach(task)
    with cloud.store.reading() as tx:
        assert list(views.refresh(tx)) == [first]
    after = {view.task.arn: view for view in read(cloud, views)}
    assert after[first].attached_at is not None
    assert after[second] is before[second]


def test_what_is_kept_is_what_is_read_anew() -> None:
    cloud, views = Cloud.ready(), TaskViews()
    arns = []
    for step in range(6):
        cloud.clock.time += 1 if step != 3 else -5  # a clock that is set back
        arns.append(cloud.run_task()[0]["taskArn"])
        if step == 4:
            with cloud.store.transaction() as tx:
                rows.forget_task(tx, arns[1])
        if step == 5:
            with cloud.store.transaction() as tx:
                task = rows.find_task(tx, arns[0])
                assert task is not None
                rows.put_task(tx, replace(task, started_by="another"))
        assert read(cloud, views) == read(cloud, TaskViews())
    with cloud.store.reading() as tx:
        assert not views.refresh(tx)
    assert [view.task.arn for view in views.of_service("")] == [
        view.task.arn for view in read(cloud, TaskViews())
    ]
