"""What ECS tells EventBridge: tasks' states, services' actions, deployments' states.

An operation writes a notice beside its own change, in one transaction;
``reconcile.ecs_events`` carries it to the default bus afterwards. Told at least once, as in AWS.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_cwe_events.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.ecs import rows, service_views, sight, task_views
from hiyoko.services.ecs.model import Deployment, Notice, Service, TaskTold
from hiyoko.services.ecs.rollout import Pause

TASK = "ECS Task State Change"
ACTION = "ECS Service Action"
DEPLOYMENT = "ECS Deployment State Change"
HOOK = "ECS Hook State Change"
_TYPES = {
    "SERVICE_TASK_START_IMPAIRED": "WARN",
    "SERVICE_TASK_PLACEMENT_FAILURE": "ERROR",
    "SERVICE_DEPLOYMENT_FAILED": "ERROR",
}
"""What is not said here is INFO."""


def _time(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.strftime('%Y-%m-%dT%H:%M:%S')}.{moment.microsecond // 1000:03d}Z"


def _tell(call: Call, kind: str, resource: str, detail: Mapping[str, Any]) -> None:
    last = call.tx.execute("SELECT max(sequence) FROM ecs_notice").fetchone()[0]
    text = json.dumps(detail)
    notice = Notice((last or 0) + 1, call.account, call.region, call.now, kind, resource, text)
    rows.NOTICES.insert(call.tx, notice)


def tell_action(call: Call, service: Service, name: str, reason: str = "") -> None:
    """A service's scheduler did something, or could not."""
    detail = {
        "eventType": _TYPES.get(name, "INFO"),
        "eventName": name,
        "clusterArn": service.cluster,
        "createdAt": _time(call.now),
    }
    if reason:
        detail["reason"] = reason
    _tell(call, ACTION, service.arn, detail)


def tell_deployment(call: Call, service: str, deployment: Deployment, name: str) -> None:
    """A deployment of a service (by ARN) began, or came to its end."""
    detail = {
        "eventType": _TYPES.get(name, "INFO"),
        "eventName": name,
        "deploymentId": deployment.id,
        "updatedAt": _time(deployment.updated_at),
        "reason": service_views.rollout_reason(deployment),
    }
    _tell(call, DEPLOYMENT, service, detail)


def tell_hook(call: Call, service: str, deployment: Deployment, pause: Pause) -> None:
    """A deployment of a service (by ARN) waits at a hook.

    AWS documents the detail type and the event's name, not the other members.
    """
    detail = {
        "eventType": "INFO",
        "eventName": "HOOK_AWAITING_ACTION",
        "serviceDeploymentArn": deployment.record,
        "lifecycleStage": deployment.stage,
        "hookId": pause.id,
        "updatedAt": _time(call.now),
    }
    _tell(call, HOOK, service, detail)


@operation("_TellTask")
def tell_task(call: Call, request: Request) -> Response:
    """Tell a task's state if it is news; ``{Task, Quiet}`` (``Quiet``: note it, tell nobody)."""
    task = rows.find_task(call.tx, request["Task"])
    if task is None:
        return {}
    view = sight.view(call.tx, task)
    told = rows.TOLD.find(call.tx, task_arn=task.arn)
    if told is not None and told.told == view.fingerprint:
        return {}
    version = 1 if told is None else told.version + 1
    rows.TOLD.put(call.tx, TaskTold(task.arn, version, view.fingerprint))
    if not request.get("Quiet"):
        _tell(
            call, TASK, task.arn, _detail(task_views.task(replace(view, version=version)), call.now)
        )
    return {}


def _detail(shape: dict[str, Any], now: float) -> dict[str, Any]:
    """A task as its event shows it: times as text, the attachment's type ``eni``."""
    detail = {
        name: _time(value) if name.endswith("At") and isinstance(value, float | int) else value
        for name, value in shape.items()
        if name != "tags"
    }
    detail["attachments"] = [{**one, "type": "eni"} for one in shape["attachments"]]
    return {**detail, "updatedAt": _time(now)}


@operation("_ForgetNotices")
def forget_notices(call: Call, request: Request) -> Response:
    """These have been told; ``{Last}`` (a sequence number, the earlier ones too)."""
    call.tx.execute("DELETE FROM ecs_notice WHERE sequence <= ?", (request["Last"],))
    return {}
