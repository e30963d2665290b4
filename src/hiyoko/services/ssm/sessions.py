"""The sessions of ECS Exec: which there are, and their end."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.ecs.model import ExecSession

DOCUMENT = "AmazonECS-ExecuteInteractiveCommand"
"""What ECS runs its sessions by.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
"""
PAGE = 200

_open: list[Callable[[], Collection[str]]] = []


def use_streams(opened: Callable[[], Collection[str]]) -> None:
    """Say who knows which sessions (by id) have an open stream; the last word holds."""
    _open[:] = [opened]


@operation("TerminateSession")
def terminate_session(call: Call, request: Request) -> Response:
    """End a session, with its command. One that has ended stays so."""
    found = call.invoke("ecs", "_TerminateExecSession", {"Id": request["SessionId"]})["Found"]
    if not found:
        # AWS names the code in its older pages, the words are not known.
        raise AwsError("DoesNotExistException", f"Session {request['SessionId']} does not exist.")
    return {"SessionId": request["SessionId"]}


@operation("DescribeSessions")
def describe_sessions(call: Call, request: Request) -> Response:
    """Sessions that are there (Active) or were (History, for 30 days), the newest first."""
    sessions: list[ExecSession] = call.invoke("ecs", "_ListExecSessions", {})["Sessions"]
    opened = _open[0]() if _open else ()
    active = request["State"] == "Active"
    shown = [
        shape
        for one in sessions
        if ((shape := _shape(one, opened))["Status"] != "Terminated") == active
        and all(_passes(shape, each["key"], each["value"]) for each in request.get("Filters") or ())
    ]
    first = _first(shown, request.get("NextToken"))
    last = first + (request.get("MaxResults") or PAGE)
    answer: Response = {"Sessions": shown[first:last]}
    if last < len(shown):
        answer["NextToken"] = shown[last - 1]["SessionId"]
    return answer


def _first(shown: list[dict[str, Any]], token: str | None) -> int:
    """Where a page begins: after the session that the token names."""
    if not token:
        return 0
    for index, one in enumerate(shown):
        if one["SessionId"] == token:
            return index + 1
    raise AwsError("InvalidNextToken", "The specified token isn't valid.")


def _shape(one: ExecSession, opened: Collection[str]) -> dict[str, Any]:
    if one.opened_at is None:
        status = "Connecting"
    else:
        status = "Connected" if one.id in opened else "Terminated"
    shape: dict[str, Any] = {
        "SessionId": one.id,
        "Target": one.target,
        "Status": status,
        "StartDate": one.created_at,
        "DocumentName": DOCUMENT,
        "Owner": one.owner,
    }
    if status == "Terminated" and one.ended_at is not None:
        shape["EndDate"] = one.ended_at
    return shape


def _passes(shape: dict[str, Any], key: str, value: str) -> bool:
    """One filter. Raises where a time is none."""
    match key:
        case "InvokedAfter":
            return bool(shape["StartDate"] >= _moment(value))
        case "InvokedBefore":
            return bool(shape["StartDate"] < _moment(value))
        case "AccessType":
            return value == "Standard"
        case _:
            return bool(shape[key] == value)


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise AwsError("InvalidFilterKey", f"The specified time {text} isn't valid.") from error
