"""ECS Exec: a client of Session Manager's protocol, and a command in a real container."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import boto3
import pytest
from botocore.exceptions import ClientError
from tests.api.ecs_cloud import ROLE
from tests.plane.registry_world import ECR, ENI, push
from tests.plane.session_client import SessionClient, pack
from tests.plane.task_world import GROUP, Hatchery
from tests.plane.test_task_reconciler import hatchery

from hiyoko import api
from hiyoko.clock import SystemClock
from hiyoko.compose import terminals
from hiyoko.gateway import session as session_module
from hiyoko.gateway.data_channel import DataChannels
from hiyoko.gateway.server import Gateway
from hiyoko.plane.process import run
from hiyoko.services.ssm.sessions import use_streams

__all__ = ["hatchery"]  # the fixture
AWAY = (
    "table ip away { chain out { type filter hook output priority 0;"
    " tcp dport 443 reject with icmp type admin-prohibited; }; }"
)


@dataclass
class Exec:
    """A task with ECS Exec, and clients on the host's side."""

    hatchery: Hatchery
    ecs: Any
    ssm: Any
    http: aiohttp.ClientSession

    async def run_task(self, **more: Any) -> str:
        cloud = self.hatchery.cloud
        push(self.hatchery.world.store, self.hatchery.world.settings, "app", "1", ("sleep", "600"))
        container = {
            **more,
            "name": "web",
            "image": f"{ECR}/app:1",
            "essential": True,
            "user": "web",
            "stopTimeout": 2,
        }
        cloud.define(containerDefinitions=[container], taskRoleArn=ROLE, executionRoleArn=ROLE)
        (task,) = cloud.run_task(enableExecuteCommand=True)
        await self.hatchery.attach_one(task)
        return str(task["taskArn"])

    async def ready(self, **more: Any) -> str:
        """A task whose agent is there."""
        task = await self.run_task(**more)
        await self.hatchery.until(task, lambda task: agent(task) == "RUNNING")
        return task

    async def execute(self, task: str, command: str) -> dict[str, Any]:
        """The session that boto3 is given over HTTP."""
        asked = {"cluster": "c", "task": task, "command": command, "interactive": True}
        call: Callable[[], dict[str, Any]] = lambda: self.ecs.execute_command(**asked)  # noqa: E731
        return await asyncio.to_thread(call)

    async def open(self, task: str, command: str, **behaviour: Any) -> SessionClient:
        answer = await self.execute(task, command)
        return await SessionClient.open(self.http, answer["session"], **behaviour)

    async def sessions(self, state: str) -> list[tuple[str, str]]:
        """The sessions that Session Manager tells of, by id and status."""
        answer = await asyncio.to_thread(self.ssm.describe_sessions, State=state)
        return [(one["SessionId"], one["Status"]) for one in answer["Sessions"]]

    def logged(self, group: str) -> list[str]:
        """What sessions left in a log group."""
        asked = {"logGroupName": group, "logStreamNamePrefix": "ecs-execute-command-"}
        events = api.invoke(self.hatchery.world.store, "logs", "FilterLogEvents", asked)["events"]
        return [event["message"] for event in events]


@pytest.fixture
async def execute(hatchery: Hatchery) -> AsyncIterator[Exec]:
    store, settings = hatchery.world.store, hatchery.world.settings
    gateway = Gateway(store, settings)
    channels = DataChannels(store, SystemClock(), terminals(hatchery.plane))
    gateway.register_channels(channels.handle)
    use_streams(channels.opened)
    listener = socket.create_server(("127.0.0.1", 0))
    await gateway.serve(listener)
    ecs, ssm = (
        boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{listener.getsockname()[1]}",
            region_name="ap-northeast-1",
            aws_access_key_id="a",
            aws_secret_access_key="s",
        )
        for service in ("ecs", "ssm")
    )
    async with aiohttp.ClientSession() as http:
        yield Exec(hatchery, ecs, ssm, http)
    await gateway.close()


def agent(task: dict[str, Any]) -> str:
    (managed,) = task["containers"][0]["managedAgents"]
    assert managed["name"] == "ExecuteCommandAgent"
    assert ("lastStartedAt" in managed) == (managed["lastStatus"] == "RUNNING")
    return str(managed["lastStatus"])


async def test_a_session_has_a_terminal_a_size_and_an_end(execute: Exec) -> None:
    task = await execute.ready()
    answer = await execute.execute(task, "sh")
    assert (answer["containerName"], answer["interactive"]) == ("web", True)
    session = answer["session"]
    assert session["streamUrl"].endswith(
        f"/v1/data-channel/{session['sessionId']}?role=publish_subscribe"
    )
    client = await SessionClient.open(execute.http, session)
    await client.type("echo too early\n")  # AWS's agent does not listen before it has shaken hands
    await client.until_shaken()
    await client.resize(101, 37)
    await client.type("test -t 0 && echo a ter''minal; id -u\n", again=True)
    await client.until("a terminal")
    await client.until("\n0\r\n")  # as root, whatever the container's user is
    assert client.printed.count(b"a terminal") == 1  # what came twice was done once
    await client.type("busybox stty size\n")
    await client.until("37 101")
    await client.resize(80, 24)
    await client.type("busybox stty size\n")
    await client.until("24 80")
    await client.type("exit 3\n")
    await client.until_closed()
    assert b"too early" not in client.printed
    assert client.closed is not None
    assert (client.closed["SessionId"], client.closed["Output"]) == (session["sessionId"], "")
    assert client.acknowledged == set(range(client.sent))
    # A token is good for one stream.
    second = await SessionClient.open(execute.http, session)
    await second.until_closed()
    assert (second.expected, second.socket.close_code) == (0, 1008)


async def test_whoever_hangs_up_leaves_no_process_behind(execute: Exec) -> None:
    task = await execute.ready()
    for ending in ("flag", "gone"):
        trap = "trap '' HUP; " if ending == "gone" else ""
        client = await execute.open(task, f'sh -c "{trap}echo begun; exec sleep 4321"')
        await client.until("begun")
        if ending == "flag":
            await client.send(10, (2).to_bytes(4, "big"))  # TerminateSession
            await client.until_closed()
        else:
            await client.socket.close()
        async with asyncio.timeout(30):
            while "sleep 4321" in await run("ps", "axww"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_a_command_that_cannot_start_is_told_in_the_agents_words(execute: Exec) -> None:
    task = await execute.ready()
    for command, why in (
        ("no-such", 'Failed to start pty: exec: "no-such": executable file not found in $PATH'),
        ("/bin/none", "Failed to start pty: fork/exec /bin/none: no such file or directory"),
        ("sh -c 'unbalanced", "No closing quotation"),
    ):
        client = await execute.open(task, command)
        await client.until_closed()
        assert client.closed is not None
        assert client.closed["Output"] == (
            f"\n----------ERROR-------\nUnable to start command: {why}\n"
        )
        assert client.printed == b""


async def test_what_was_dropped_comes_again_and_much_comes_whole(execute: Exec) -> None:
    task = await execute.ready()
    # As session-manager-plugin does between the handshake and the start of its shell.
    client = await execute.open(task, "echo once", deaf=True)
    await client.until_shaken()
    while client.again < 2:
        assert await client.receive()
    client.deaf = False
    await client.until_closed()
    assert client.printed == b"once\r\n"
    script = "i=0; while [ $i -lt 3000 ]; do echo $i-\u00e9\u3042\U0001f423; i=$((i+1)); done"
    many = [await execute.open(task, f"sh -c '{script}'") for _ in range(2)]
    await asyncio.gather(*(client.until_closed() for client in many))
    whole = "".join(f"{n}-\u00e9\u3042\U0001f423\r\n" for n in range(3000)).encode()
    assert [client.printed for client in many] == [whole, whole]


async def test_keys_are_taken_in_their_order(execute: Exec) -> None:
    client = await execute.open(
        await execute.ready(), "sh -c 'sleep 0.2; echo ready; exec busybox cat -v'"
    )
    await client.until_shaken()
    await client.type("as soon as it can be\n")
    await client.until("ready\r\nas soon as it can be\r\n")
    frames = [pack("input_stream_data", client.sent + n, 1, b"%d" % n) for n in range(9)]
    frames.append(pack("input_stream_data", client.sent + 9, 1, b"\n"))
    for frame in reversed(frames):
        await client.socket.send_bytes(frame)
    await client.until("012345678\r\n012345678\r\n")
    client.sent += 10
    assert client.printed.count(b"can be\r\n") == 2  # one echo, and what cat says
    await client.type("sleep\x03")  # the terminal's own interrupt
    await client.until_closed()
    assert client.acknowledged == set(range(client.sent))


async def test_a_handshake_that_fails_ends_the_session(
    execute: Exec, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = await execute.ready()
    client = await execute.open(task, "sh", action_status=2)
    await client.until_closed()
    assert client.closed is not None
    assert client.closed["Output"] == (
        "Encountered error while initiating handshake. SessionType failed on client with status 2"
        " error: no such plugin"
    )
    monkeypatch.setattr(session_module, "HANDSHAKE_S", 0.3)
    client = await execute.open(task, "sh", mute=True)
    await client.until_closed()
    assert client.closed is not None
    assert "latest version of the session manager plugin" in client.closed["Output"]


async def test_whoever_sends_nothing_is_timed_out_whatever_is_printed(
    execute: Exec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "IDLE_S", 1.0)
    client = await execute.open(
        await execute.ready(), "sh -c 'while :; do echo y; sleep 0.1; done'"
    )
    await client.until_closed()
    assert client.closed is not None
    assert client.closed["Output"] == (
        "Your session timed out due to inactivity and has been terminated."
    )


async def test_a_stopped_task_ends_its_sessions(execute: Exec) -> None:
    task = await execute.ready()
    clients = [await execute.open(task, "sh") for _ in range(2)]
    for client in clients:
        await client.until_shaken()
        await client.type("echo he''re\n")
        await client.until("here")
    execute.hatchery.cloud("StopTask", cluster="c", task=task)
    until = execute.hatchery.until(task, lambda task: task["lastStatus"] == "DEPROVISIONING")
    await asyncio.gather(until, *(client.until_closed() for client in clients))
    assert [client.closed is not None for client in clients] == [True, True]


async def test_a_session_is_terminated_by_somebody_else(execute: Exec) -> None:
    answer = await execute.execute(await execute.ready(), 'sh -c "echo begun; exec sleep 4321"')
    session_id = answer["session"]["sessionId"]
    assert await execute.sessions("Active") == [(session_id, "Connecting")]
    client = await SessionClient.open(execute.http, answer["session"])
    await client.until("begun")
    assert await execute.sessions("Active") == [(session_id, "Connected")]
    await asyncio.to_thread(execute.ssm.terminate_session, SessionId=session_id)
    await client.until_closed()
    assert client.closed is not None
    async with asyncio.timeout(30):
        while "sleep 4321" in await run("ps", "axww"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        while await execute.sessions("History") != [(session_id, "Terminated")]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert await execute.sessions("Active") == []


async def test_sessions_are_logged_where_the_cluster_says(execute: Exec) -> None:
    cloud = execute.hatchery.cloud
    for group in ("/app", "/sessions"):
        api.invoke(execute.hatchery.world.store, "logs", "CreateLogGroup", {"logGroupName": group})
    options = {**GROUP, "awslogs-stream-prefix": "ecs"}
    task = await execute.ready(logConfiguration={"logDriver": "awslogs", "options": options})

    async def run_once(word: str, **configuration: Any) -> None:
        if configuration:
            given = {"executeCommandConfiguration": configuration}
            cloud("UpdateCluster", cluster="c", configuration=given)
        client = await execute.open(task, f"sh -c 'echo {word}; echo; printf end'")
        await client.until_closed()

    override = {"cloudWatchLogGroupName": "/sessions"}
    await run_once("first")
    await run_once("second", logging="OVERRIDE", logConfiguration=override)
    await run_once("third", logging="NONE")
    await run_once("fourth", logging="OVERRIDE", logConfiguration={"cloudWatchLogGroupName": "/x"})
    await until_logged(execute, "/app", ["first", "end"])
    await until_logged(execute, "/sessions", ["second", "end"])


async def until_logged(execute: Exec, group: str, lines: list[str]) -> None:
    """The client is told of the end before its log is sent."""
    async with asyncio.timeout(30):
        while execute.logged(group) != lines:  # noqa: ASYNC110 - the log is in another loop's hands
            await asyncio.sleep(0.05)


async def test_the_agent_needs_a_way_and_a_task_that_wants_it(execute: Exec) -> None:
    hatchery = execute.hatchery
    task = await execute.run_task()
    await hatchery.until(task, lambda task: "pullStoppedAt" in task)
    await run("nft", AWAY, netns=ENI)
    await hatchery.until(task, lambda task: task["lastStatus"] == "RUNNING")
    assert agent(hatchery.cloud.task(task)) == "PENDING"
    with pytest.raises(ClientError) as refused:
        await execute.execute(task, "sh")
    assert refused.value.response["Error"] == {
        "Code": "InvalidParameterException",
        "Message": "The execute command failed because execute command was not enabled when the"
        " task was run or the execute command agent isn\u2019t running. Wait and try again or run"
        " a new task with execute command enabled and try again.",
    }
    await run("nft", "delete table ip away", netns=ENI)
    hatchery.cloud.define(taskRoleArn="")
    with pytest.raises(api.AwsError, match="valid taskRoleArn"):
        hatchery.cloud.run_task(enableExecuteCommand=True)
