"""ECS Exec: a session with a command in a running container.

The stream itself is the gateway's (``gateway/data_channel.py``, ``gateway/session.py``).
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
"""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.ecs import names, rows, sight, task_views
from hiyoko.services.ecs.errors import InvalidParameter, TargetNotConnected
from hiyoko.services.ecs.exec_logging import log_group
from hiyoko.services.ecs.model import (
    ContainerDefinition,
    ExecSession,
    SessionTerminated,
    TaskView,
)
from hiyoko.services.ecs.seen import ContainerSeen

OPEN_S = 600.0
"""So long a session waits for its client."""
KEPT_S = 30 * 86400.0
"""So long Session Manager's history goes back.

https://docs.aws.amazon.com/systems-manager/latest/userguide/session-history.html
"""
NOT_ENABLED = (
    "The execute command failed because execute command was not enabled when the task was run or"
    " the execute command agent isn\N{RIGHT SINGLE QUOTATION MARK}t running. Wait and try again or"
    " run a new task with execute command enabled and try again."
)


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
    for old in rows.SESSIONS.list(call.tx):
        if call.now - old.created_at > (OPEN_S if old.opened_at is None else KEPT_S):
            rows.SESSIONS.delete(call.tx, id=old.id)
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
        account=call.account,
        region=call.region,
        owner=call.principal,
    )
    rows.SESSIONS.insert(call.tx, session)
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
    session = rows.SESSIONS.find(call.tx, id=request["Id"])
    if session is None or session.token != request["Token"]:
        raise TargetNotConnected
    if session.opened_at is not None or call.now - session.created_at > OPEN_S:
        raise TargetNotConnected
    session = replace(session, opened_at=call.now)
    rows.SESSIONS.put(call.tx, session)
    return {"Session": session}


@operation("_EndExecSession")
def end_exec_session(call: Call, request: Request) -> Response:
    """Note the end of a session (``{Id}``) whose stream was open."""
    session = rows.SESSIONS.find(call.tx, id=request["Id"])
    if session is not None:
        rows.SESSIONS.put(call.tx, replace(session, ended_at=call.now))
    return {}


@operation("_TerminateExecSession")
def terminate_exec_session(call: Call, request: Request) -> Response:
    """Wish for the end of a session (``{Id}``); whether there is, or was, such a one.

    One that waits for its client waits no more.
    """
    session = rows.SESSIONS.find(call.tx, id=request["Id"])
    if session is None:
        return {"Found": False}
    if session.opened_at is None:
        rows.SESSIONS.put(call.tx, replace(session, opened_at=call.now, ended_at=call.now))
    call.tx.say(SessionTerminated(session.id))
    return {"Found": True}


@operation("_ListExecSessions")
def list_exec_sessions(call: Call, request: Request) -> Response:
    """The sessions of the account and region, the newest first, but those nobody came for."""
    found = [
        one
        for one in rows.SESSIONS.list(call.tx)
        if (one.account, one.region) == (call.account, call.region)
        and (one.opened_at is not None or call.now - one.created_at <= OPEN_S)
    ]
    return {"Sessions": sorted(found, key=lambda one: one.created_at, reverse=True)}
