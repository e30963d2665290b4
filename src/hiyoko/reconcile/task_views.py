"""Every task with all that was seen of it, as rows tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import is_not

import hiyoko.services.ecs.rows as rows
from hiyoko.services.ec2.seen import INTERFACES_SEEN
from hiyoko.services.ecs.model import TaskView
from hiyoko.services.ecs.seen import TASKS_SEEN
from hiyoko.store.database import Transaction


@dataclass(slots=True)
class TaskViews:
    """Keeps a task's view, and what was worked out from it, while its rows are the same ones."""

    _known: dict[str, TaskView] = field(default_factory=dict)
    _rows: tuple[tuple[object, ...], ...] = ()

    def read(self, tx: Transaction) -> list[TaskView]:
        """All of them, oldest first."""
        tables = rows.TASKS, TASKS_SEEN, INTERFACES_SEEN, rows.DEFINITIONS
        wholes = tuple(table.whole(tx) for table in tables)
        if len(self._rows) != len(wholes) or any(map(is_not, wholes, self._rows)):
            self._draw(tx)
            self._rows = wholes
        return list(self._known.values())

    def _draw(self, tx: Transaction) -> None:
        seen = {one.task_arn: one for one in TASKS_SEEN.whole(tx)}
        attached = {one.eni_id: one.seen_at for one in INTERFACES_SEEN.whole(tx)}
        definitions = {one.arn: one for one in rows.DEFINITIONS.whole(tx)}
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
