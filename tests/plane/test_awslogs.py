"""The log driver with real packets: its own process, a task's namespace, the API over TLS."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.plane.conmons_directory import ConmonsDirectory
from tests.plane.registry_world import (
    ACCOUNT,
    ECR,
    ENI,
    REGION,
    Driver,
    RegistryWorld,
    make_container,
    make_task,
    push,
    registry_world,
)

import hiyoko.services.logs  # noqa: F401 - registers the operations
from hiyoko import api
from hiyoko.blueprint.tasks import LogTarget, Task
from hiyoko.plane import silent
from hiyoko.plane.containers.agent_server import no_keys
from hiyoko.plane.containers.cgroups import remove_groups
from hiyoko.plane.containers.plane import ContainerPlane
from hiyoko.plane.containers.task_logs import TaskLogs
from hiyoko.plane.containers.watch import Watch
from hiyoko.plane.error import PlaneError
from hiyoko.plane.log_driver.order import CloudWatchOrder, Position, sent, write_order
from hiyoko.plane.process import run
from hiyoko.plane.ready import wait_end

NO_WAY = (
    "table ip way { chain out { type filter hook output priority 0;"
    " tcp dport 443 reject with icmp type admin-prohibited; }; }"
)
NOBODY = (
    "table ip nobody { chain in { type filter hook input priority 0;"
    " tcp dport 443 reject with tcp reset; }; }"
)


class Printed(ConmonsDirectory):
    """One whose output goes to CloudWatch Logs."""

    def __init__(self, world: RegistryWorld, **order: Any) -> None:
        super().__init__(world.settings)
        self.world = world
        whole = CloudWatchOrder(
            "cid-1", ENI, "10.0.0.2", str(world.trust), REGION, "app", "web",
            ACCOUNT, "secret", "token", 1e12, **order,
        )  # fmt: skip
        write_order(self.directory, whole)

    def logged(self) -> list[str]:
        asked = {"logGroupName": "app", "logStreamName": "web", "startFromHead": True}
        found: list[str] = []
        while True:
            page = api.invoke(self.world.store, "logs", "GetLogEvents", asked)
            if not page["events"]:
                return found
            found += [event["message"] for event in page["events"]]
            asked["nextToken"] = page["nextForwardToken"]

    async def until(self, wanted: list[str]) -> None:
        came = asyncio.Event()
        with self.world.store.listening(lambda _: came.set()):
            while (found := self.logged()) != wanted:
                try:
                    async with asyncio.timeout(30):
                        await came.wait()
                except TimeoutError:
                    assert found == wanted
                came.clear()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[RegistryWorld]:
    async with registry_world(tmp_path) as world:
        api.invoke(world.store, "logs", "CreateLogGroup", {"logGroupName": "app"})
        names = {"logGroupName": "app", "logStreamName": "web"}
        api.invoke(world.store, "logs", "CreateLogStream", names)
        yield world


async def true(what: Callable[[], object], limit_s: float = 30) -> None:
    """Wait for what another process does."""
    async with asyncio.timeout(limit_s):
        while not what():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def attempted(printed: Printed) -> None:
    """Wait until a batch is under way, or was sent before anybody could look."""
    await true(lambda: Position.read(printed.directory).until or sent(printed.directory))


async def test_nothing_is_lost_and_nothing_comes_twice(world: RegistryWorld) -> None:
    printed = Printed(world)
    await printed.begin()
    wanted: list[str] = []
    for turn in range(8):
        some = [f"{turn}-{number}" for number in range(2000)]
        wanted += some
        printed.print(*some)
        if turn == 4:  # the daemon is away: its port answers with a reset
            await run("nft", NOBODY)
        if turn == 6:
            await run("nft", "delete table ip nobody")
        if turn == 7:  # conmon begins another file, whether or not all of this one was read
            await attempted(printed)
            fresh = printed.log.with_name("log.tmp")
            fresh.touch()
            fresh.rename(printed.log)
        await asyncio.sleep(0.03 * turn)
        if turn < 7:
            pid = printed.driver.pid()
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await wait_end(pid, 5)
            await printed.driver.take()
    printed.print("the end")
    await printed.end()
    await printed.until([*wanted, "the end"])
    await true(lambda: sent(printed.directory))


async def fill(printed: Printed) -> None:
    """What it is told waits in its socket, as long as there is room."""
    for _ in range(10_000):
        await printed.driver.take()


@pytest.mark.parametrize("full", [False, True])
async def test_a_driver_that_hangs_is_replaced(
    world: RegistryWorld, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    """Also one whose socket takes no more messages, so that it cannot even be asked."""
    printed = Printed(world)
    await printed.begin()
    printed.print("before")
    await printed.until(["before"])
    await printed.driver.replace_silent()
    hanging = printed.driver.pid()
    assert hanging is not None, "one that answers stays"
    monkeypatch.setattr(silent, "ANSWER_S", 0.2)
    monkeypatch.setattr(silent, "LAST_S", 0.2)
    os.kill(hanging, signal.SIGSTOP)
    if full:
        with pytest.raises(PlaneError, match="tell the log driver"):
            await fill(printed)
    printed.print("meanwhile")
    ended = asyncio.Event()
    watch = Watch(ended.set)
    watch.processes([hanging])
    logs = TaskLogs(printed.driver, world.trust, no_keys)
    with suppress(PlaneError):
        await logs.keep((), [printed.directory])
    async with asyncio.timeout(5):
        await ended.wait()
    await logs.keep((), [printed.directory])
    await printed.until(["before", "meanwhile"])
    assert printed.driver.pid() not in (None, hanging)
    await logs.close()
    watch.close()
    await printed.end()


async def test_what_has_no_way_is_kept_as_far_as_the_buffer_goes(world: RegistryWorld) -> None:
    printed = Printed(world, buffer_bytes=4000)
    await run("nft", NO_WAY, netns=ENI)
    await printed.begin()
    printed.print("first")
    await attempted(printed)
    many = [f"line {number:04d}" for number in range(500)]
    printed.print(*many)
    await asyncio.sleep(1)  # several attempts, each refused at once
    assert printed.logged() == []
    await run("nft", "delete table ip way", netns=ENI)
    await true(lambda: sent(printed.directory))
    printed.print("after")
    await printed.end()
    await true(lambda: sent(printed.directory))
    kept = printed.logged()
    assert kept == ["first", *many[: len(kept) - 2], "after"]
    assert 60 < len(kept) < 80  # 4000 bytes of about 57 each


async def test_lines_of_one_event_are_sent_as_one(world: RegistryWorld) -> None:
    printed = Printed(world, start="^[A-Z]+ ")
    await printed.begin()
    printed.print("ERROR a", "  at b")
    printed.print("  at c")
    printed.print("INFO d")
    await printed.until(["ERROR a\n  at b\n  at c"])
    await printed.end()
    await printed.until(["ERROR a\n  at b\n  at c", "INFO d"])


@pytest.fixture
async def tasks(world: RegistryWorld) -> AsyncIterator[Driver]:
    driver = Driver(world)
    keys = {
        "AccessKeyId": ACCOUNT, "SecretAccessKey": "s", "Token": "t", "Expiration": 1e12,
    }  # fmt: skip
    driver.plane = ContainerPlane(
        world.settings, world.trust, driver.woken.set, lambda task, role: keys
    )
    yield driver
    await driver.settle()
    await driver.plane.close()
    remove_groups(world.settings)


def task_that_prints(world: RegistryWorld, script: str, **log: Any) -> Task:
    push(world.store, world.settings, "app", "1", ("sh", "-c", script))
    target = LogTarget("app", "web2", REGION, **log)
    return make_task(1, make_container(f"{ECR}/app:1", log=target, stop_timeout_s=1))


async def test_a_container_that_blocks_waits_and_one_that_ends_meanwhile_is_seen_to_end(
    world: RegistryWorld, tasks: Driver
) -> None:
    script = "sleep 1; while true; do echo 0123456789012345678901234567890123456789; done"
    task = task_that_prints(world, script, blocking=True)
    await tasks.until(task, "RUNNING")
    files = tasks.plane.directory(task.arn).container(task.arn, "web")
    await run("nft", NO_WAY, netns=ENI)
    monitor = files.monitor()

    def state() -> str:
        return Path(f"/proc/{monitor}/stat").read_text().rsplit(") ", 1)[1][0]

    await true(lambda: state() == "T", 30)
    size = files.log.stat().st_size
    await asyncio.sleep(0.3)
    assert files.log.stat().st_size == size
    os.kill(int(files.pid_file.read_text()), signal.SIGKILL)
    ended = await tasks.until(task, "STOPPED")
    assert ended.exit_code == 137
    await run("nft", "delete table ip way", netns=ENI)
