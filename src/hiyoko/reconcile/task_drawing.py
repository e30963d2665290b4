"""The blueprint of all tasks, kept in step with their rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from operator import is_

from hiyoko.blueprint.draw_tasks import draw_task
from hiyoko.blueprint.tasks import Task, Tasks
from hiyoko.reconcile.task_views import TaskViews
from hiyoko.services.ec2.rows import SUBNETS, VPCS
from hiyoko.store.database import Transaction


@dataclass(slots=True)
class TaskDrawing:
    """After the first time only tasks are drawn of which a row was written."""

    _views: TaskViews = field(default_factory=TaskViews)
    _drawn: dict[str, Task | None] = field(default_factory=dict)
    """By ARN; None where nothing is left of the task."""
    _places: tuple[object, ...] = ()
    """The rows of VPCs and subnets."""
    _tasks: Tasks = field(default_factory=Tasks)

    def read(self, tx: Transaction) -> Tasks:
        """All tasks that shall run or of which something may be left, oldest first."""
        # A look that did not come to its end is no knowledge: the next one begins anew.
        views, self._views = self._views, TaskViews()
        changed: Iterable[str] = views.refresh(tx)
        vpc_rows, subnet_rows = VPCS.table.whole(tx), SUBNETS.table.whole(tx)
        places = (*vpc_rows, *subnet_rows)
        if len(places) != len(self._places) or not all(map(is_, places, self._places)):
            changed = views.arns()
        changed = list(changed)
        vpcs = {row.vpc_id: IPv4Network(row.cidr) for row in vpc_rows} if changed else {}
        subnets = {row.subnet_id: row.cidr for row in subnet_rows}
        for arn in changed:
            view = views.find(arn)
            if view is None:
                self._drawn.pop(arn, None)
            else:
                self._drawn[arn] = draw_task(view, vpcs, subnets)
        if changed:
            self._tasks = Tasks(tuple(filter(None, map(self._drawn.get, views.arns()))))
        self._views, self._places = views, places
        return self._tasks
