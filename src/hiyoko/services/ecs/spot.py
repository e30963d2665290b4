"""The end of a Fargate Spot task: AWS takes its capacity back, here when a user says so.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html
"""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.ecs import rows, sight
from hiyoko.services.ecs.capacity import SPOT
from hiyoko.services.ecs.model import Stop, Task

REASON = "Your Spot Task was interrupted."
WARNING_S = 120
"""A container has two minutes at most: Fargate allows no longer stopTimeout."""


@operation("_InterruptSpot")
def interrupt_spot(call: Call, request: Request) -> Response:
    """Interrupt one running Spot task of any account; ``Which`` names a service or a task.

    ``Task``, ``Service`` and ``Until`` (when its last container is killed). The containers get
    their signal at once and their stopTimeout; the load balancer drains meanwhile.
    """
    task = _chosen(call, request.get("Which") or "")
    stop = Stop(call.now, "SpotInterruption", REASON)
    rows.put_task(call.tx, replace(task, stop=stop))
    definition = rows.get_definition(call.tx, task.definition_arn)
    patience = max(
        30 if one.stop_timeout_s is None else one.stop_timeout_s for one in definition.containers
    )
    return {"Task": task.arn, "Service": task.service, "Until": call.now + min(WARNING_S, patience)}


def _chosen(call: Call, which: str) -> Task:
    """The oldest running Spot task that is meant; its name tells why there is none."""
    meant = [task for task in rows.list_tasks(call.tx) if _is_meant(task, which)]
    running = [task for task in meant if sight.view(call.tx, task).status == "RUNNING"]
    spot = [task for task in running if task.launched_by == f"provider:{SPOT}"]
    if spot:
        return spot[0]
    name = f" of {which}" if which else ""
    if running:
        raise AwsError(
            "InvalidParameterException",
            f"no running task{name} is on {SPOT}, and only those are interrupted; give the service"
            f" a capacityProviderStrategy with {SPOT}",
        )
    raise AwsError("InvalidParameterException", f"there is no running task{name}")


def _is_meant(task: Task, which: str) -> bool:
    named = task.service.rpartition("/")[2] == which or task.task_id.startswith(which)
    return not which or named or which in (task.arn, task.service)
