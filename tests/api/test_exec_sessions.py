"""ECS Exec's sessions as Session Manager shows them, and their end."""

from typing import Any

import pytest
from tests.api.ecs_cloud import ROLE, Cloud

import hiyoko.services.ssm  # noqa: F401
from hiyoko import api
from hiyoko.api import AwsError
from hiyoko.services.ecs.seen import ContainerSeen
from hiyoko.services.ssm.sessions import use_streams


@pytest.fixture
def cloud() -> Cloud:
    return Cloud.ready()


@pytest.fixture
def opened() -> set[str]:
    """The sessions whose streams are open."""
    streams: set[str] = set()
    use_streams(lambda: streams)
    return streams


def ssm(cloud: Cloud, operation: str, **asked: Any) -> dict[str, Any]:
    return api.invoke(cloud.store, "ssm", operation, asked, clock=cloud.clock)


def given_out(cloud: Cloud) -> tuple[str, dict[str, str]]:
    """A task and a session in it that waits for its client."""
    cloud.define(taskRoleArn=ROLE)
    (task,) = cloud.run_task(enableExecuteCommand=True)
    cloud.attach(task)
    cloud.see(task, ContainerSeen("web", "RUNNING", "r-1", started_at=1.0, agent_at=2.0))
    asked = {"cluster": "c", "command": "sh", "interactive": True, "task": task["taskArn"]}
    return task["taskArn"], cloud("ExecuteCommand", **asked)["session"]


def open_stream(cloud: Cloud, session: dict[str, str]) -> None:
    cloud("_OpenExecSession", Id=session["sessionId"], Token=session["tokenValue"])


def statuses(cloud: Cloud, state: str, **asked: Any) -> list[str]:
    answer = ssm(cloud, "DescribeSessions", State=state, **asked)
    return [one["Status"] for one in answer["Sessions"]]


def test_a_session_connects_is_connected_and_is_history(cloud: Cloud, opened: set[str]) -> None:
    task, session = given_out(cloud)
    (shown,) = ssm(cloud, "DescribeSessions", State="Active")["Sessions"]
    assert shown == {
        "SessionId": session["sessionId"],
        "Target": f"ecs:c_{task.rsplit('/', 1)[1]}_r-1",
        "Status": "Connecting",
        "StartDate": cloud.clock.now(),
        "DocumentName": "AmazonECS-ExecuteInteractiveCommand",
        "Owner": "arn:aws:iam::123456789012:root",
    }
    open_stream(cloud, session)
    opened.add(session["sessionId"])
    assert (statuses(cloud, "Active"), statuses(cloud, "History")) == (["Connected"], [])
    opened.clear()
    cloud("_EndExecSession", Id=session["sessionId"])
    assert (statuses(cloud, "Active"), statuses(cloud, "History")) == ([], ["Terminated"])
    (ended,) = ssm(cloud, "DescribeSessions", State="History")["Sessions"]
    assert ended["EndDate"] == cloud.clock.now()


def test_a_session_that_waits_for_its_client_can_be_terminated(
    cloud: Cloud, opened: set[str]
) -> None:
    _, session = given_out(cloud)
    for _ in range(2):  # what has ended stays so
        answer = ssm(cloud, "TerminateSession", SessionId=session["sessionId"])
        assert answer == {"SessionId": session["sessionId"]}
    with pytest.raises(AwsError, match="TargetNotConnected"):
        open_stream(cloud, session)
    assert statuses(cloud, "History") == ["Terminated"]
    with pytest.raises(AwsError, match="DoesNotExistException"):
        ssm(cloud, "TerminateSession", SessionId="ecs-execute-command-0")


def test_sessions_are_filtered_and_shown_in_pages(cloud: Cloud, opened: set[str]) -> None:
    task, first = given_out(cloud)
    asked = {"cluster": "c", "command": "sh", "interactive": True, "task": task}
    second = cloud("ExecuteCommand", **asked)["session"]
    for key, value, found in (
        ("SessionId", first["sessionId"], 1),
        ("Status", "Connecting", 2),
        ("Status", "Connected", 0),
        ("InvokedAfter", "1970-01-01T00:00:00Z", 2),
        ("InvokedBefore", "1970-01-01T00:00:00Z", 0),
        ("Owner", "arn:aws:iam::123456789012:user/another", 0),
    ):
        assert len(statuses(cloud, "Active", Filters=[{"key": key, "value": value}])) == found
    with pytest.raises(AwsError, match="InvalidFilterKey"):
        statuses(cloud, "Active", Filters=[{"key": "InvokedAfter", "value": "yesterday"}])
    page = ssm(cloud, "DescribeSessions", State="Active", MaxResults=1)
    rest = ssm(cloud, "DescribeSessions", State="Active", NextToken=page["NextToken"])
    ids = {one["SessionId"] for one in (*page["Sessions"], *rest["Sessions"])}
    assert (ids, "NextToken" in rest) == ({first["sessionId"], second["sessionId"]}, False)
