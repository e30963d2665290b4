"""Task scale-in protection: tasks that no scale-in and no deployment stops for a while.

It ends by itself: a task only knows until when it is protected.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.ecs import names, rows, sight, views
from hiyoko.services.ecs.errors import InvalidParameter
from hiyoko.services.ecs.model import Task

MINUTES, MINUTES_MAX = 120, 2880
UPDATED_MAX, SHOWN_MAX = 10, 100


@operation("UpdateTaskProtection")
def update_task_protection(call: Call, request: Request) -> Response:
    """Protect tasks of services for some minutes, or no longer; others are named in failures."""
    minutes = request.get("expiresInMinutes")
    if minutes is not None and not 1 <= minutes <= MINUTES_MAX:
        raise InvalidParameter(f"expiresInMinutes must be between 1 and {MINUTES_MAX}.")
    if not request["tasks"]:
        raise InvalidParameter("Tasks cannot be empty.")
    until = call.now + 60 * (minutes or MINUTES) if request["protectionEnabled"] else 0.0

    def protect(task: Task) -> Task:
        changed = replace(task, protected_until=until)
        rows.put_task(call.tx, changed)
        return changed

    return _each(call, request, UPDATED_MAX, protect)


@operation("GetTaskProtection")
def get_task_protection(call: Call, request: Request) -> Response:
    """Whether tasks of services are protected, and until when."""
    return _each(call, request, SHOWN_MAX, lambda task: task)


def _each(call: Call, request: Request, most: int, do: Callable[[Task], Task]) -> Response:
    asked = request.get("tasks") or []
    if len(asked) > most:
        raise InvalidParameter(f"Tasks cannot have more than {most} items.")
    cluster = names.cluster_of(call, request["cluster"])
    found, failures = [], []
    for reference in asked:
        arn = names.task_arn(call, cluster.name, reference)
        task = rows.find_task(call.tx, arn)
        if task is None or sight.view(call.tx, task).stop is not None:
            failures.append(views.missing(arn))
        elif not task.service:
            failures.append({"arn": arn, "reason": "TASK_NOT_VALID"})
        else:
            found.append(_shown(do(task), call.now))
    return {"protectedTasks": found, "failures": failures}


def _shown(task: Task, now: float) -> dict[str, Any]:
    enabled = task.protected_until > now
    shape: dict[str, Any] = {"taskArn": task.arn, "protectionEnabled": enabled}
    return shape | {"expirationDate": task.protected_until} if enabled else shape
