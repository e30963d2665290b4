"""A Service Connect proxy with real packets: aliases, servers that come and go, and fail."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from tests.plane.balancer_world import OK, Scripted

from hiyoko.blueprint.proxies import Proxy, ProxyListener, ProxyServer
from hiyoko.plane.connect.access_log import FILE
from hiyoko.plane.connect.plane import ProxyPlane, StartProxy, StopProxy, steps
from hiyoko.plane.connect.render import NOBODY
from hiyoko.plane.connect.servers import server_changes
from hiyoko.plane.containers.cgroups import (
    CGROUPS,
    limit_task,
    limits_enforced,
    own_group,
    place_helper,
    task_group,
)
from hiyoko.plane.containers.usage import task_usage
from hiyoko.plane.log_driver.lines import LogLine, parse_lines
from hiyoko.plane.namespaces import in_namespace
from hiyoko.plane.process import NETNS_DIR, run
from hiyoko.plane.ready import end
from hiyoko.settings import Settings

ENI = "eni-connect"
ALIAS = IPv4Address("127.255.0.1")
PLACES = ("10.9.0.2", "10.9.0.3")
GET = b"GET / HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n"
POST = b"POST" + GET.removeprefix(b"GET")
BROKEN = b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"

pytestmark = pytest.mark.plane


def listener(*places: str, protocol: str = "http") -> ProxyListener:
    servers = tuple(ProxyServer(IPv4Address(one), 8080) for one in places)
    return ProxyListener("api", ALIAS, 80, 15001, "srv-1", protocol, 300, 15, servers)


def proxy(*places: str, protocol: str = "http") -> Proxy:
    return Proxy(ENI, "arn:task", "proxy", (listener(*places, protocol=protocol),), ((9090, 80),))


@dataclass
class Ground:
    """A task's namespace: two servers, a container that listens on the alias's port, a proxy."""

    plane: ProxyPlane
    servers: dict[str, Scripted] = field(default_factory=dict)
    own: Scripted = field(default_factory=Scripted)

    async def become(self, wished: Proxy) -> None:
        """Take steps until none is left."""
        async with asyncio.timeout(60):
            while taken := steps({ENI: wished}, await self.plane.observe()):
                for step in taken:
                    await self.plane.apply(step)

    async def ask(self, address: str = str(ALIAS), port: int = 80, request: bytes = GET) -> bytes:
        """One request of a container, and all that comes back."""
        made = in_namespace(
            NETNS_DIR / ENI, lambda: socket.create_connection((address, port), timeout=5)
        )
        reader, writer = await asyncio.open_connection(sock=made)
        writer.write(request)
        async with asyncio.timeout(60):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            body = await reader.readexactly(length)
        writer.close()
        return head + body

    def asked(self) -> Counter[str]:
        return Counter({place: len(one.heads) for place, one in self.servers.items()})


def listening(address: str, port: int) -> socket.socket:
    made: socket.socket = in_namespace(
        NETNS_DIR / ENI, lambda: socket.create_server((address, port))
    )
    return made


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    await run("ip", "netns", "add", ENI)
    await run("ip", "-n", ENI, "link", "set", "lo", "up")
    made = Ground(ProxyPlane(Settings(tmp_path)))
    serving = [await asyncio.start_server(made.own.serve, sock=listening("0.0.0.0", 80))]
    for place in PLACES:
        await run("ip", "-n", ENI, "address", "add", f"{place}/32", "dev", "lo")
        one = made.servers[place] = Scripted()
        serving.append(await asyncio.start_server(one.serve, sock=listening(place, 8080)))
    yield made
    await made.plane.apply(StopProxy(ENI))
    for server in serving:
        server.close()
    for one in (made.own, *made.servers.values()):
        await one.end()
    await run("ip", "netns", "del", ENI)


async def test_an_alias_leads_to_its_servers_and_not_to_the_container(ground: Ground) -> None:
    await ground.become(proxy())
    answer = await ground.ask()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert answer.endswith(NOBODY.encode())
    await ground.become(proxy(*PLACES))
    for _ in range(4):
        assert (await ground.ask()).endswith(b"ok")
    assert ground.asked() == dict.fromkeys(PLACES, 2)
    assert ground.own.heads == []
    # Others reach the container by the ingress port.
    assert (await ground.ask(PLACES[0], 9090)).endswith(b"ok")
    assert len(ground.own.heads) == 1
    # A daemon that starts anew finds it as it should be.
    assert steps({ENI: proxy(*PLACES)}, await ground.plane.observe()) == []
    assert steps({ENI: proxy(protocol="tcp")}, await ground.plane.observe()) == [
        StopProxy(ENI),
        StartProxy(proxy(protocol="tcp")),
    ]


async def test_a_server_that_leaves_ends_what_it_began_and_gets_nothing_new(ground: Ground) -> None:
    first, second = PLACES
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began.set()
        await go_on.wait()
        writer.write(OK)
        await writer.drain()

    ground.servers[first].reply = lambda _: slow
    await ground.become(proxy(first))
    asked = asyncio.create_task(ground.ask())
    await began.wait()
    for step in steps({ENI: proxy(second)}, await ground.plane.observe()):
        await ground.plane.apply(step)
    for _ in range(3):
        assert (await ground.ask()).endswith(b"ok")
    assert ground.asked() == {first: 1, second: 3}
    seen = (await ground.plane.observe())[ENI].servers
    assert seen["sc.api.80", f"{first}:8080"].maintenance
    changes = server_changes(proxy(second), seen)
    assert not any(f"/{first}" in command for command in changes)
    go_on.set()
    assert (await asked).endswith(b"ok")
    await ground.become(proxy(second))
    seen = (await ground.plane.observe())[ENI].servers
    assert {name for _, name in seen} == {f"{second}:8080", f"spare:{second}:8080"}


async def test_a_server_that_fails_is_left_alone_and_a_lost_request_is_tried_again(
    ground: Ground,
) -> None:
    first, second = PLACES
    await ground.become(proxy(*PLACES))

    async def nothing(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        return

    ground.servers[first].reply = lambda _: nothing
    for _ in range(4):
        assert (await ground.ask()).endswith(b"ok")
    assert ground.asked()[second] == 4
    # What may have been done is not done again.
    answers = {(await ground.ask(request=POST)).split()[1] for _ in range(2)}
    assert answers == {b"200", b"502"}
    ground.servers[first].reply = lambda _: BROKEN
    for _ in range(20):
        await ground.ask()
    # Five times since; without being left alone it would be ten.
    assert ground.asked()[first] <= 10
    ground.servers[second].reply = lambda _: BROKEN
    for _ in range(12):
        assert b"500" in await ground.ask()
    # All are left alone by now, so all are used.
    before = ground.asked()
    assert b"500" in await ground.ask()
    assert ground.asked() != before


async def test_a_deployment_gets_test_traffic_first_and_then_its_share(ground: Ground) -> None:
    first, second = (ProxyServer(IPv4Address(one), 8080) for one in PLACES)
    marked = GET.replace(b"Connection", b"X-Test: Yes\r\nConnection")
    other = GET.replace(b"Connection", b"X-Test: no\r\nConnection")

    def shifting(*servers: ProxyServer, test: tuple[ProxyServer, ...] = ()) -> Proxy:
        one = replace(listener(), servers=servers, test_servers=test)
        one = replace(one, test_header="x-test", test_value="Yes")
        return replace(proxy(), listeners=(one,))

    async def asked(request: bytes, times: int) -> list[int]:
        before = ground.asked()
        for _ in range(times):
            assert (await ground.ask(request=request)).endswith(b"ok")
        return [ground.asked()[place] - before[place] for place in PLACES]

    await ground.become(shifting(first))
    assert await asked(marked, 2) == [2, 0]  # nothing is tested
    running = (await ground.plane.observe())[ENI].pid
    await ground.become(shifting(first, test=(second,)))
    assert [await asked(one, 2) for one in (GET, other, marked)] == [[2, 0], [2, 0], [0, 2]]
    shared = (replace(first, weight=256), replace(second, weight=64))
    await ground.become(shifting(*shared, test=(second,)))
    assert await asked(GET, 20) == [16, 4]
    await ground.become(shifting(second))
    assert [await asked(one, 2) for one in (GET, marked)] == [[0, 2], [0, 2]]
    assert (await ground.plane.observe())[ENI].pid == running


async def test_a_proxy_counts_what_it_was_asked_and_what_targets_answered(ground: Ground) -> None:
    await ground.become(proxy())
    assert (await ground.ask()).startswith(b"HTTP/1.1 503 ")  # the proxy's own answer
    await ground.become(proxy(*PLACES))
    ground.servers[PLACES[1]].reply = lambda head: BROKEN
    for _ in range(4):
        await ground.ask(request=POST)
    counters = (await ground.plane.observe())[ENI].counters
    asked = counters["sc.api.80", "FRONTEND"]
    assert (asked.connections, asked.requests, asked.active) == (5, 5, 0)
    # HAProxy counts heads as it holds them: each end of a line is not two bytes there.
    assert 0.8 < asked.received / (len(GET) + 4 * len(POST)) <= 1
    well, ill = (counters["sc.api.80", f"{place}:8080"] for place in PLACES)
    assert (well.sessions, well.answers_2xx, well.answers_5xx) == (2, 2, 0)
    assert (ill.sessions, ill.answers_2xx, ill.answers_5xx) == (2, 0, 2)


async def test_each_request_has_an_entry(ground: Ground) -> None:
    asked = b'GET /a?b=c HTTP/1.1\r\nHost: api\r\nUser-Agent: "me"\r\nConnection: close\r\n\r\n'

    async def entries(protocol: str, access: str, *, query: bool = False) -> list[str]:
        wished = replace(proxy(PLACES[0], protocol=protocol), access_log=access, log_query=query)
        await ground.become(wished)
        for _ in range(2):
            assert (await ground.ask(request=asked)).endswith(b"ok")
        lines: list[LogLine] = []
        async with asyncio.timeout(10):
            while len(lines) < 2:
                await asyncio.sleep(0.01)
                data = (ground.plane.directory / ENI / FILE).read_bytes()
                lines = parse_lines(data)
        await ground.plane.apply(StopProxy(ENI))
        assert abs(lines[0].timestamp_ms / 1000 - time.time()) < 60
        return [line.message for line in lines]

    start = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    for entry in await entries("http", "TEXT"):
        text = r'"GET /a HTTP/1.1" 200 \d+ \d+ \d+ \d+ "-" ""me"" "-" "api" "10.9.0.2:8080"'
        assert re.fullmatch(rf"\[{start}\] {text}", entry)
    for entry in await entries("http", "JSON", query=True):
        told = json.loads(entry)
        assert re.fullmatch(start, told["start_time"])
        assert (told["path"], told["response_code"]) == ("/a?b=c", "200")
        assert (told["user_agent"], told["authority"]) == ('"me"', "api")
        assert told["upstream_host"] == "10.9.0.2:8080"
        assert "duration_ms" in told
    # One that is started anew does not write over what may be unsent.
    wished = replace(proxy(PLACES[0]), access_log="TEXT")
    written = ground.plane.directory / ENI / FILE
    await ground.become(wished)
    with written.open("rb") as before:
        await end((await ground.plane.observe())[ENI].pid, "HAProxy")
        await ground.become(wished)
        assert written.stat().st_ino != os.fstat(before.fileno()).st_ino
    await ground.plane.apply(StopProxy(ENI))
    for entry in await entries("tcp", "TEXT"):
        assert re.fullmatch(rf"\[{start}\] 127\.0\.0\.1 \d+ \d+ \d+ \d+ \S+ \d+", entry)


GREEDY = """
for door; do echo $$ > $door; done
echo 500 > /proc/self/oom_score_adj
x=0123456789abcdef; while :; do x=$x$x; done
"""


def told(pid: int, name: str) -> str:
    """A file of a process in /proc."""
    return Path(f"/proc/{pid}/{name}").read_text()


def children(pid: int) -> list[int]:
    return [int(each) for each in told(pid, f"task/{pid}/children").split()]


@pytest.mark.skipif(not limits_enforced(), reason="control groups can't be made here")
async def test_a_proxy_is_on_its_tasks_account_and_outlives_a_container_that_takes_all(
    ground: Ground,
) -> None:
    settings, task = ground.plane.settings, "0123"
    wished = replace(proxy(*PLACES), task_arn=f"arn:task/{task}")
    await ground.become(wished)
    limit_task(settings, task, 256, 64)
    master = (await ground.plane.observe())[ENI].pid
    # Of version 1 a line for each hierarchy, of version 2 one.
    groups = [told(pid, "cgroup") for pid in (master, *children(master))]
    assert len(groups) == 2
    assert all(f"/{task_group(settings, task)}/{ENI}\n" in each for each in groups)
    used = task_usage(settings, task)
    assert used is not None
    assert used.memory_bytes > 1 << 20
    assert used.cpu_ns > 0
    doors = map(str, place_helper(settings, task, "container", 2))
    ended = await asyncio.create_subprocess_exec("sh", "-c", GREEDY, "sh", *doors)
    assert await ended.wait() == -signal.SIGKILL
    assert (await ground.ask()).endswith(b"ok")
    assert (await ground.plane.observe())[ENI].pid == master
    await ground.plane.apply(StopProxy(ENI))
    assert own_group(settings) not in {name for _, names, _ in os.walk(CGROUPS) for name in names}


async def test_bytes_pass_as_they_are(ground: Ground) -> None:
    await ground.become(proxy(PLACES[0], protocol="tcp"))
    assert (await ground.ask()).endswith(b"ok")
    assert ground.servers[PLACES[0]].heads == [GET]
