"""ECS Exec: a client of Session Manager's protocol, and a command in a real container."""

from __future__ import annotations

import asyncio
import re
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
from tests.plane.session_client import SessionClient
from tests.plane.test_task_reconciler import Hatchery, hatchery

from hiyoko import api
from hiyoko.clock import SystemClock
from hiyoko.gateway.data_channel import DataChannels
from hiyoko.gateway.server import Gateway
from hiyoko.plane.process import run

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
    http: aiohttp.ClientSession

    async def run_task(self) -> str:
        cloud = self.hatchery.cloud
        push(self.hatchery.world.store, self.hatchery.world.settings, "app", "1", ("sleep", "600"))
        container = {
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

    async def execute(self, task: str, command: str) -> dict[str, Any]:
        """The session that boto3 is given over HTTP."""
        asked = {"cluster": "c", "task": task, "command": command, "interactive": True}
        call: Callable[[], dict[str, Any]] = lambda: self.ecs.execute_command(**asked)  # noqa: E731
        return await asyncio.to_thread(call)

    async def open(self, task: str, command: str) -> SessionClient:
        answer = await self.execute(task, command)
        return await SessionClient.open(self.http, answer["session"])


@pytest.fixture
async def execute(hatchery: Hatchery) -> AsyncIterator[Exec]:
    store, settings = hatchery.world.store, hatchery.world.settings
    gateway = Gateway(store, settings)

    async def open_terminal(cid: str, argv: list[str]) -> Any:
        return await hatchery.plane.open_terminal(cid, argv)

    gateway.register_channels(DataChannels(store, SystemClock(), open_terminal).handle)
    listener = socket.create_server(("127.0.0.1", 0))
    await gateway.serve(listener)
    ecs = boto3.client(
        "ecs",
        endpoint_url=f"http://127.0.0.1:{listener.getsockname()[1]}",
        region_name="ap-northeast-1",
        aws_access_key_id="a",
        aws_secret_access_key="s",
    )
    async with aiohttp.ClientSession() as http:
        yield Exec(hatchery, ecs, http)
    await gateway.close()


def agent(task: dict[str, Any]) -> str:
    (managed,) = task["containers"][0]["managedAgents"]
    assert managed["name"] == "ExecuteCommandAgent"
    assert ("lastStartedAt" in managed) == (managed["lastStatus"] == "RUNNING")
    return str(managed["lastStatus"])


async def test_a_session_has_a_terminal_a_size_and_an_end(execute: Exec) -> None:
    task = await execute.run_task()
    await execute.hatchery.until(task, lambda task: agent(task) == "RUNNING")
    answer = await execute.execute(task, "sh")
    assert (answer["containerName"], answer["interactive"]) == ("web", True)
    session = answer["session"]
    assert session["streamUrl"].endswith(
        f"/v1/data-channel/{session['sessionId']}?role=publish_subscribe"
    )
    client = await SessionClient.open(execute.http, session)
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
    await client.type("exit\n")
    await client.until_closed()
    assert client.closed is not None
    assert (client.closed["SessionId"], client.closed["Output"]) == (session["sessionId"], "")
    assert client.acknowledged == set(range(client.sent))
    # A token is good for one stream.
    second = await SessionClient.open(execute.http, session)
    await second.until_closed()
    assert (second.expected, second.socket.close_code) == (0, 1008)


async def test_whoever_hangs_up_leaves_no_process_behind(execute: Exec) -> None:
    task = await execute.run_task()
    await execute.hatchery.until(task, lambda task: agent(task) == "RUNNING")
    for ending in ("flag", "gone"):
        client = await execute.open(task, "sh -c 'echo begun; exec sleep 4321'")
        await client.until("begun")
        if ending == "flag":
            await client.send(10, (2).to_bytes(4, "big"))  # TerminateSession
            await client.until_closed()
        else:
            await client.socket.close()
        async with asyncio.timeout(30):
            while "sleep 4321" in await run("ps", "axww"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    client = await execute.open(task, "no-such-program")
    await client.until_closed()
    assert re.search(rb"no-such-program.*not found", client.printed)


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
