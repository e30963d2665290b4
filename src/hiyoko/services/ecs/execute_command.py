"""ECS Exec: a session with a command in a running container.

The stream itself is the gateway's (``gateway/data_channel.py``, ``gateway/session.py``).
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
"""

from __future__ import annotations

from dataclasses import dataclass

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.ecs import names, rows, sight, task_views
from hiyoko.services.ecs.errors import InvalidParameter, TargetNotConnected
from hiyoko.services.ecs.exec_logging import log_group
from hiyoko.services.ecs.model import ContainerDefinition, TaskView
from hiyoko.services.ecs.seen import ContainerSeen
from hiyoko.store.table import Table

OPEN_S = 600.0
"""So long a session waits for its client."""
NOT_ENABLED = (
    "The execute command failed because execute command was not enabled when the task was run or"
    " the execute command agent isn\N{RIGHT SINGLE QUOTATION MARK}t running. Wait and try again or"
    " run a new task with execute command enabled and try again."
)


@dataclass(frozen=True, slots=True)
class ExecSession:
    """A session that was given out. Whoever has its token may open its stream, once.

    Without a ``log_group`` it is not logged.
    """

    id: str
    token: str
    task_arn: str
    container: str
    runtime_id: str
    command: str
    created_at: float
    log_group: str = ""
    log_region: str = ""


SESSIONS = Table("ecs_exec_session", ExecSession, key=("id",))


@operation("ExecuteCommand")
def execute_command(call: Call, request: Request) -> Response:
    """Give out a session; the command starts when its stream is opened."""
    if not request["interactive"]:
        raise InvalidParameter("Interactive is the only mode supported currently.")
    cluster = names.cluster_of(call, request.get("cluster"))
    task = rows.find_task(call.tx, names.task_arn(call, cluster.name, request["task"]))
    if task is None:
        raise InvalidParameter("The referenced task was not found.")
    view = sight.view(call.tx, task)
    container, seen = _container(view, request.get("container"))
    if not task.exec_enabled or seen is None or task_views.agent_status(view, seen) != "RUNNING":
        raise InvalidParameter(NOT_ENABLED)
    if seen.status != "RUNNING":
        raise TargetNotConnected
    for old in SESSIONS.list(call.tx):
        if call.now - old.created_at > OPEN_S:
            SESSIONS.delete(call.tx, id=old.id)
    group, region = log_group(cluster, container)
    session = ExecSession(
        id=f"ecs-execute-command-{call.ids.hex(17)}",
        token=call.ids.hex(64),
        task_arn=task.arn,
        container=container.name,
        runtime_id=seen.runtime_id,
        command=request["command"],
        created_at=call.now,
        log_group=group,
        log_region=region,
    )
    SESSIONS.insert(call.tx, session)
    channel = f"ssmmessages.{call.region}.amazonaws.com/v1/data-channel/{session.id}"
    return {
        "clusterArn": cluster.arn,
        "containerArn": task.container_arn(container.name),
        "containerName": container.name,
        "interactive": True,
        "session": {
            "sessionId": session.id,
            "streamUrl": f"wss://{channel}?role=publish_subscribe",
            "tokenValue": session.token,
        },
        "taskArn": task.arn,
    }


def _container(
    view: TaskView, name: str | None
) -> tuple[ContainerDefinition, ContainerSeen | None]:
    pairs = view.pairs
    if name is None and len(pairs) > 1:
        raise InvalidParameter("A container name is required for a task with several containers.")
    for container, seen in pairs:
        if name in (None, container.name):
            return container, seen
    raise InvalidParameter(f"The container {name} is not in the task.")


@operation("_OpenExecSession")
def open_exec_session(call: Call, request: Request) -> Response:
    """The session of an id and a token, which is used up with that; refused in any other case."""
    session = SESSIONS.find(call.tx, id=request["Id"])
    if session is None or session.token != request["Token"]:
        raise TargetNotConnected
    if call.now - session.created_at > OPEN_S:
        raise TargetNotConnected
    SESSIONS.delete(call.tx, id=session.id)
    return {"Session": session}
