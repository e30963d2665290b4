"""Tasks that protect themselves: their agent asks ECS for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hiyoko import api
from hiyoko.blueprint.tasks import Task
from hiyoko.clock import Clock
from hiyoko.plane.containers.agent_protection import AskProtection, Refused, Wish
from hiyoko.plane.containers.directory import task_id
from hiyoko.store.database import Store


def task_protection(store: Store, clock: Clock) -> AskProtection:
    """ECS's operations, called as the task's own role."""

    def ask(task: Task, wish: Wish | None) -> Mapping[str, Any]:
        request: dict[str, Any] = {"cluster": task.identity.cluster, "tasks": [task.arn]}
        operation = "GetTaskProtection"
        if wish is not None:
            operation = "UpdateTaskProtection"
            request["protectionEnabled"] = wish.enabled
            if wish.minutes is not None:
                request["expiresInMinutes"] = wish.minutes
        role = task.identity.role.rsplit("/", 1)[-1]
        try:
            return api.invoke(
                store,
                "ecs",
                operation,
                request,
                account=task.account,
                region=task.region,
                principal=f"arn:aws:sts::{task.account}:assumed-role/{role}/{task_id(task.arn)}",
                clock=clock,
            )
        except api.AwsError as error:
            raise Refused(error.code, error.message, error.status) from error

    return ask
