"""Every task with all that was seen of it, as rows tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import hiyoko.services.ecs.rows as rows
from hiyoko.services.ec2.seen import INTERFACES_SEEN
from hiyoko.services.ecs.model import TaskView
from hiyoko.services.ecs.seen import TASKS_SEEN
from hiyoko.store.database import Transaction
from hiyoko.store.table import Mark

_TABLES = (rows.TASKS, TASKS_SEEN, INTERFACES_SEEN, rows.DEFINITIONS)

Views = dict[str, TaskView]
"""By ARN, oldest first."""


@dataclass(slots=True)
class TaskViews:
    """Keeps a task's view, and what was worked out from it, while its rows are the same ones.

    After the first time only tasks are looked at of which a row was written.
    """

    _known: Views = field(default_factory=dict)
    _of_service: dict[str, Views] = field(default_factory=dict)
    _by_interface: dict[str, str] = field(default_factory=dict)
    _marks: dict[str, Mark] = field(default_factory=dict)

    def read(self, tx: Transaction) -> list[TaskView]:
        """All of them, oldest first."""
        self.refresh(tx)
        return self.all()

    def all(self) -> list[TaskView]:
        """All of them as of the last refresh, oldest first."""
        return list(self._known.values())

    def arns(self) -> Iterable[str]:
        """The ARNs of all tasks as of the last refresh, oldest first."""
        return self._known.keys()

    def find(self, arn: str) -> TaskView | None:
        """A task's view as of the last refresh; None when there is no such task."""
        return self._known.get(arn)

    def of_service(self, arn: str) -> list[TaskView]:
        """The views of a service's tasks as of the last refresh, oldest first."""
        return list(self._of_service.get(arn, {}).values())

    def refresh(self, tx: Transaction) -> dict[str, str]:
        """The tasks whose view is another now, the gone ones too, each with its service.

        Oldest first.
        """
        changed: list[TaskView] = []
        fresh: list[TaskView] = []
        for arn in self._written(tx):
            old, new = self._known.get(arn), self._view(tx, arn)
            told = new or old
            if new is old or told is None:
                continue
            changed.append(told)
            if old is None and new is not None:
                fresh.append(new)
            else:
                self._replace(told.task.service, arn, new)
        for view in sorted(fresh, key=_age):
            self._by_interface[view.task.eni_id] = view.task.arn
            for views in self._holding(view.task.service):
                _append(views, view)
        return {view.task.arn: view.task.service for view in sorted(changed, key=_age)}

    def _written(self, tx: Transaction) -> Iterable[str]:
        """The tasks of which a row may be another one."""
        written = {}
        for table in _TABLES:
            mark = self._marks.get(table.name)
            self._marks[table.name], written[table] = table.changed(tx, mark)
        if any(keys is None for keys in written.values()):
            return {**dict.fromkeys(task.arn for task in rows.TASKS.whole(tx)), **self._known}
        arns = {str(key) for table in (rows.TASKS, TASKS_SEEN) for (key,) in written[table] or ()}
        for (interface,) in written[INTERFACES_SEEN] or ():
            arns.update(filter(None, [self._by_interface.get(str(interface))]))
        if written[rows.DEFINITIONS]:
            definitions = {one.arn: one for one in rows.DEFINITIONS.whole(tx)}
            arns.update(
                arn
                for arn, view in self._known.items()
                if definitions.get(view.task.definition_arn) is not view.definition
            )
        return arns

    def _view(self, tx: Transaction, arn: str) -> TaskView | None:
        """The task's view: the one that is known as long as its rows are the same ones."""
        task = rows.find_task(tx, arn)
        if task is None:
            return None
        definition = rows.get_definition(tx, task.definition_arn)
        seen, attached = rows.find_seen(tx, arn), INTERFACES_SEEN.find(tx, eni_id=task.eni_id)
        at = None if attached is None else attached.seen_at
        known = self._known.get(arn)
        if (
            known is not None
            and known.task is task
            and known.seen is seen
            and known.definition is definition
            and known.attached_at == at
        ):
            return known
        return TaskView(task, definition, seen, at)

    def _holding(self, service: str) -> tuple[Views, Views]:
        return self._known, self._of_service.setdefault(service, {})

    def _replace(self, service: str, arn: str, view: TaskView | None) -> None:
        for views in self._holding(service):
            if view is None:
                gone = views.pop(arn)
                self._by_interface.pop(gone.task.eni_id, None)
            else:
                views[arn] = view
        if not self._of_service[service]:
            del self._of_service[service]


def _age(view: TaskView) -> tuple[float, str]:
    return view.task.created_at, view.task.arn


def _append(views: Views, view: TaskView) -> None:
    """Put a view behind older ones; a clock that was set back may have made it older."""
    last = next(reversed(views.values()), None)
    views[view.task.arn] = view
    if last is not None and _age(view) < _age(last):
        in_order = sorted(views.items(), key=lambda item: _age(item[1]))
        views.clear()
        views.update(in_order)
