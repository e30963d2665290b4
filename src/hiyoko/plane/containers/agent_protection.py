"""What Fargate's agent answers a task that asks for protection from scale-in, or about it. Pure.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hiyoko.blueprint.tasks import Task
from hiyoko.plane.containers.metadata import moment

Shape = dict[str, Any]
Answer = tuple[int, Shape]
"""A status and a body."""
_MEMBERS = {"protectionenabled": "ProtectionEnabled", "expiresinminutes": "ExpiresInMinutes"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a task asks for; ``minutes`` None: as long as ECS says."""

    enabled: bool
    minutes: int | None = None


class Refused(Exception):
    """The request is wrong, or ECS says no: the error's code, and the status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


AskProtection = Callable[[Task, Wish | None], Mapping[str, Any]]
"""ECS's answer to UpdateTaskProtection for a task; to GetTaskProtection without a wish.

Raises Refused."""


def no_protection(task: Task, wish: Wish | None) -> Mapping[str, Any]:
    """Nobody can be asked."""
    raise Refused("ServerException", f"nobody protects {task.arn}", 500)


def wish_in(body: bytes) -> Wish:
    """The body of a PUT; names of members in any case, as Go reads them. Raises Refused."""
    undecoded = Refused(
        "InvalidParameterException", "UpdateTaskProtection: failed to decode request"
    )
    try:
        given = json.loads(body)
        found = {_MEMBERS[name.lower()]: value for name, value in given.items()}
    except (ValueError, KeyError, AttributeError) as error:
        raise undecoded from error
    enabled, minutes = found.get("ProtectionEnabled"), found.get("ExpiresInMinutes")
    if not isinstance(enabled, bool | None) or type(minutes) not in (int, type(None)):
        raise undecoded
    if enabled is None:
        raise Refused(
            "InvalidParameterException",
            "Invalid request: does not contain 'ProtectionEnabled' field",
        )
    return Wish(enabled, minutes)


def answer(task: Task | None, wish: Callable[[], Wish | None], ask: AskProtection) -> Answer:
    """The agent's answer; ``wish`` reads the request. It calls ECS with the task's own role."""
    try:
        said = _asked(task, wish, ask)
    except Refused as error:
        named = {"Arn": task.arn} if task is not None else {}
        return error.status, {"error": {**named, "Code": error.code, "Message": str(error)}}
    for failure in said["failures"]:
        told = {"Arn": failure["arn"], "Detail": failure.get("detail"), "Reason": failure["reason"]}
        return 200, {"failure": told}
    [one] = said["protectedTasks"]
    protection = {
        "ExpirationDate": moment(one.get("expirationDate")),
        "ProtectionEnabled": one["protectionEnabled"],
        "TaskArn": one["taskArn"],
    }
    return 200, {"protection": protection}


def _asked(
    task: Task | None, wish: Callable[[], Wish | None], ask: AskProtection
) -> Mapping[str, Any]:
    if task is None:
        raise Refused("ResourceNotFoundException", "Failed to find a task for the request", 404)
    wished = wish()
    if not task.identity.role:
        raise Refused(
            "AccessDeniedException",
            "Invalid Request: no task IAM role credentials available for task",
            403,
        )
    return ask(task, wished)
