"""Every task with all that was seen of it, as rows tell."""

from __future__ import annotations

from dataclasses import dataclass, field

import hiyoko.services.ecs.rows as rows
from hiyoko.services.ec2.seen import INTERFACES_SEEN
from hiyoko.services.ecs.model import TaskView
from hiyoko.services.ecs.seen import TASKS_SEEN
from hiyoko.store.database import Transaction


@dataclass(slots=True)
class TaskViews:
    """Keeps a task's view, and what was worked out from it, while its rows are the same ones."""

    _known: dict[str, TaskView] = field(default_factory=dict)

    def read(self, tx: Transaction) -> list[TaskView]:
        """All of them, oldest first."""
        seen = {one.task_arn: one for one in TASKS_SEEN.list(tx)}
        attached = {one.eni_id: one.seen_at for one in INTERFACES_SEEN.list(tx)}
        definitions = {one.arn: one for one in rows.DEFINITIONS.list(tx)}
        views: dict[str, TaskView] = {}
        for task in rows.list_tasks(tx):
            definition, sighting = definitions[task.definition_arn], seen.get(task.arn)
            view, at = self._known.get(task.arn), attached.get(task.eni_id)
            if (
                view is None
                or view.task is not task
                or view.seen is not sighting
                or view.definition is not definition
                or view.attached_at != at
            ):
                view = TaskView(task, definition, sighting, at)
            views[task.arn] = view
        self._known = views
        return list(views.values())
