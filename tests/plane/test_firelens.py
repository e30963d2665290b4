"""FireLens with a real router: a program that speaks Fluentd's protocol, in a container of its own.

The router is ``router.pl``, which prints what it gets; the awslogs driver carries that on.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.plane.conmons_directory import ConmonsDirectory
from tests.plane.registry_world import ECR, end_log_driver, push
from tests.plane.task_world import GROUP, Hatchery, hatching

from hiyoko import api
from hiyoko.plane.log_driver.control import NAMES
from hiyoko.plane.log_driver.order import Position, RouterOrder, sent, write_order
from hiyoko.plane.log_driver.router import SOCKET
from hiyoko.plane.ready import wait_end
from hiyoko.settings import Settings

SCRIPT = Path(__file__).with_name("router.pl")
CONFIGURATION = "/fluent-bit/etc/fluent-bit.conf"
EXTRA = "[FILTER]\n    Name record_modifier\n    Match app-*\n    Record mine yes\n"
LONG = 20_000
LAST = 3_000
"""So many lines a container prints when it is stopped, which do not all go in one batch."""
APP = f"""
trap 'seq {LAST}; exit 0' TERM
echo "$FLUENT_HOST:$FLUENT_PORT"
echo noise
echo problem >&2
head -c {LONG} /dev/zero | tr '\\0' x; echo
while :; do sleep 0.05; done
"""


def with_router(directory: Path) -> Callable[[tarfile.TarFile], None]:
    """Adds perl, with the modules of perl-base, the router, and a file for its configuration."""
    perl = shutil.which("perl")
    assert perl
    asked = ["perl", "-MSocket", "-e", "print $INC{'Socket.pm'}"]
    base = Path(subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True).stdout).parent
    listed = subprocess.run(["ldd", perl], stdout=subprocess.PIPE, text=True, check=True).stdout
    extra = directory / "extra.conf"
    extra.write_text(EXTRA)

    def add(tar: tarfile.TarFile) -> None:
        tar.dereference = True
        for path in (perl, str(base), *set(re.findall(r"(/\S+) \(0x", listed))):
            tar.add(path)
        tar.add(SCRIPT, "router.pl")
        tar.add(extra, "extra.conf")

    return add


def router(**more: Any) -> dict[str, Any]:
    return {
        "name": "log_router",
        "image": f"{ECR}/router:1",
        "essential": True,
        "stopTimeout": 5,
        "firelensConfiguration": {
            "type": "fluentbit",
            "options": {"config-file-type": "file", "config-file-value": "/extra.conf"},
        },
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": GROUP | {"awslogs-stream-prefix": "ecs"},
        },
        **more,
    }


def app(options: dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "name": "app",
        "image": f"{ECR}/app:1",
        "essential": True,
        "logConfiguration": {"logDriver": "awsfirelens", "options": options, **more},
    }


@pytest.fixture
async def hatchery(tmp_path: Path) -> AsyncIterator[Hatchery]:
    async with hatching(tmp_path) as hatchery:
        world = hatchery.world
        push(world.store, world.settings, "app", "1", ("sh", "-c", APP))
        command = ("perl", "/router.pl", CONFIGURATION)
        push(world.store, world.settings, "router", "1", command, with_router(tmp_path))
        api.invoke(world.store, "logs", "CreateLogGroup", {"logGroupName": "/app"})
        yield hatchery


async def test_output_goes_by_the_router_that_starts_first_and_ends_last(
    hatchery: Hatchery,
) -> None:
    containers = [app({"Name": "stdout", "label": "plain", "exclude-pattern": "^noise"}), router()]
    arn = await hatchery.run(containers)
    number = arn.rpartition("/")[2]

    def printed() -> list[str]:
        return hatchery.logged(arn, "log_router")

    def records() -> list[dict[str, str]]:
        return [json.loads(line) for line in printed() if line.startswith("{")]

    await hatchery.until(arn, lambda _: len(records()) == 4)
    address, problem, first, second = records()
    assert printed()[0].startswith("ready")
    task = hatchery.cloud.task(arn)
    ids = {one["name"]: one["runtimeId"] for one in task["containers"]}
    assert datetime.now(UTC).timestamp() - float(address.pop("time")) < 60
    assert address == {
        "container_id": ids["app"],
        "container_name": "app",
        "ecs_cluster": "c",
        "ecs_task_arn": arn,
        "ecs_task_definition": "app:1",
        "label": "plain",
        "log": "127.0.0.1:24224",
        "mine": "yes",
        "source": "stdout",
        "tag": f"app-firelens-{number}",
    }
    assert (problem["log"], problem["source"]) == ("problem", "stderr")
    assert [len(first["log"]), len(second["log"])] == [16_384, LONG - 16_384]
    assert first["partial_message"] == second["partial_message"] == "true"
    assert first["partial_id"] == second["partial_id"]
    assert [first["partial_ordinal"], second["partial_ordinal"]] == ["1", "2"]
    assert [first["partial_last"], second["partial_last"]] == ["false", "true"]
    hatchery.cloud("StopTask", cluster="c", task=arn)
    await hatchery.until(arn, lambda task: task["lastStatus"] == "DEPROVISIONING")
    assert [int(one["log"]) for one in records()[4:]] == list(range(1, LAST + 1))
    assert printed()[-1] == "bye"


async def test_a_task_whose_log_options_name_no_output_does_not_start(hatchery: Hatchery) -> None:
    arn = await hatchery.run([app({"host": "x"}), router()])
    task = await hatchery.until(arn, lambda task: task["lastStatus"] == "DEPROVISIONING")
    assert task["stoppedReason"] == (
        "ResourceInitializationError: unable to generate firelens config file: unable to apply log"
        " options of container app to firelens config: missing output key Name which is required"
        " for firelens configuration of type fluentbit"
    )


class Routed(ConmonsDirectory):
    """One whose output goes to a router, which is outside of any container."""

    def __init__(self, top: Path, buffer_lines: int) -> None:
        self.settings = Settings(top)
        super().__init__(self.settings)
        self.place = top / "router"
        self.place.mkdir()
        order = RouterOrder(
            "cid-1", "web", "router", str(self.place), "web-firelens-1", True, buffer_lines
        )
        write_order(self.directory, order)
        self.conf = top / "router.conf"
        self.conf.write_text(
            f"[INPUT]\n    Name forward\n    unix_path {self.place / SOCKET}\n"
            "[OUTPUT]\n    Name stdout\n    Match *\n"
        )
        self.output = top / "output"
        self.router: asyncio.subprocess.Process | None = None

    async def start_router(self) -> None:
        with self.output.open("ab") as output:
            self.router = await asyncio.create_subprocess_exec(
                "perl", SCRIPT, self.conf, stdout=output
            )

    def send_router(self, number: signal.Signals) -> None:
        assert self.router is not None
        self.router.send_signal(number)

    async def kill_router(self) -> None:
        assert self.router is not None
        self.router.kill()
        await self.router.wait()

    async def kill_driver(self) -> None:
        pid = self.driver.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await wait_end(pid, 5)

    def taken(self) -> list[str]:
        """What the routers printed; of one that was killed, without the line amid which it was."""
        lines = self.output.read_text().splitlines()
        return [json.loads(line)["log"] for line in lines if re.fullmatch(r"\{.*\}", line)]

    def told(self) -> str:
        return (self.driver.directory / NAMES.log).read_text()


@pytest.fixture
async def routed(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Routed]:
    routed = Routed(tmp_path, request.param)
    yield routed
    await end_log_driver(routed.settings)
    for process in (routed.router, routed.monitor):
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()


async def true(what: Callable[[], object], limit_s: float = 60) -> None:
    """Wait for what another process does."""
    async with asyncio.timeout(limit_s):
        while not what():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("routed", [1 << 20], indirect=True)
async def test_nothing_is_lost_whoever_dies(routed: Routed) -> None:
    await routed.begin()
    wanted: list[str] = []
    for turn in range(4):
        await routed.start_router()
        some = [f"{turn}-{number}" for number in range(5000)]
        wanted += some
        routed.print(*some)
        await asyncio.sleep(0.05 * turn)
        if turn % 2:
            await routed.kill_driver()
        await routed.kill_router()
        await routed.driver.take()
    await routed.start_router()
    await true(lambda: routed.taken()[-1:] == wanted[-1:])
    # What a router dies with in its hands is not taken.
    routed.send_router(signal.SIGSTOP)
    wanted.append("unread")
    routed.print("unread")
    await true(lambda: Position.read(routed.directory).until or sent(routed.directory))
    await routed.kill_router()
    await routed.start_router()
    routed.print("the end")
    await true(lambda: routed.taken()[-1:] == ["the end"])
    await routed.end()
    await true(lambda: sent(routed.directory))
    # A batch whose acknowledgement was lost comes again, as a whole.
    assert list(dict.fromkeys(routed.taken())) == [*wanted, "the end"]


@pytest.mark.parametrize("routed", [100], indirect=True)
async def test_what_is_beyond_the_buffer_is_lost_and_counted(routed: Routed) -> None:
    await routed.begin()
    routed.print("first")
    await true(lambda: Position.read(routed.directory).until)
    many = [f"line {number}" for number in range(500)]
    routed.print(*many[:300])
    await asyncio.sleep(0.5)  # another attempt, and a look at the buffer
    routed.print(*many[300:])
    await routed.start_router()
    await true(lambda: sent(routed.directory))
    routed.print("after")
    await true(lambda: routed.taken()[-1:] == ["after"])
    await routed.end()
    assert routed.taken() == ["first", *many[:99], "after"]
    assert f"{routed.directory}: 401 lines lost: the buffer was full" in routed.told()
