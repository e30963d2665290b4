"""What a task definition says of a container's surroundings is what the container finds."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.plane.registry_world import (
    ECR,
    ENI,
    Driver,
    make_container,
    make_task,
    push,
    push_index,
    registry_world,
)

from hiyoko.blueprint.tasks import Container, Mount, Task
from hiyoko.plane import user_namespaces
from hiyoko.plane.containers.cgroups import (
    CGROUPS,
    limits_enforced,
    real_root,
    remove_groups,
    task_group,
)
from hiyoko.plane.containers.directory import ContainerState, task_id
from hiyoko.plane.containers.storage import storage_mib
from hiyoko.plane.log_driver.lines import parse_lines
from hiyoko.plane.process import run

IMAGE = f"{ECR}/app:1"


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[Driver]:
    async with registry_world(tmp_path) as world:
        driver = Driver(world)
        push(world.store, world.settings, "app", "1", ())
        yield driver
        await driver.settle()
        await driver.plane.close()
        remove_groups(world.settings)


def container(*argv: str, **more: Any) -> Container:
    """One that needs no time to end."""
    return make_container(*argv, stop_timeout_s=0, **more)


async def state(driver: Driver, task: Task, name: str) -> ContainerState:
    seen = await driver.plane.observe()
    return seen.tasks[task_id(task.arn)].containers[name]


async def owner(driver: Driver, task: Task, name: str) -> int:
    """Whose a container's process is, outside of it."""
    return os.stat(f"/proc/{(await state(driver, task, name)).pid}").st_uid  # noqa: PTH116


@pytest.mark.skipif(not limits_enforced(), reason="control groups can't be made here")
async def test_the_containers_of_a_task_share_what_the_task_has(driver: Driver) -> None:
    greedy = "x=0123456789abcdef; while :; do x=$x$x; done"
    other = container(IMAGE, "sh", "-c", "sleep 1; exec sleep 60", name="other")
    task = make_task(1, other, container(IMAGE, "sh", "-c", greedy))
    task = replace(task, memory_mib=16)
    ended = await driver.until(task, "STOPPED")
    assert ended.exit_code == 137
    assert ended.reason == "OutOfMemoryError: Container killed due to memory usage"
    assert (await state(driver, task, "other")).status == "RUNNING"
    group = task_group(driver.world.settings, task_id(task.arn))
    quota, unified = CGROUPS / "cpu" / group / "cpu.cfs_quota_us", CGROUPS / group / "cpu.max"
    assert (quota if quota.exists() else unified).read_text().split()[0] == "25000"
    await driver.settle(replace(task, run=False))
    # Told of the one that was killed, not of those that only shared the group.
    assert task_id(task.arn) not in {name for _, names, _ in os.walk(CGROUPS) for name in names}


@pytest.mark.skipif(not real_root(), reason="no file system can be mounted here")
async def test_more_than_the_ephemeral_storage_is_refused_by_the_kernel(driver: Driver) -> None:
    script = (
        "busybox fallocate -l 700000000 /one && echo one fits;"
        " busybox fallocate -l 700000000 /two || echo two is too much; exec sleep 60"
    )
    task = replace(make_task(1, container(IMAGE, "sh", "-c", script)), storage_gib=1)
    await driver.until(task, "RUNNING")
    assert await driver.line(task, "one fits")
    assert await driver.line(task, "No space left")
    told = storage_mib(driver.plane.directory(task.arn))  # EphemeralStorageMetrics
    assert told is not None
    assert 667 <= told[0] < told[1] <= 1024
    await driver.settle(replace(task, run=False))
    assert str(driver.world.settings.task_dir) not in await run("mount")


async def test_an_image_of_another_architecture_ends_as_on_aws(driver: Driver) -> None:
    push_index(driver.world.store, driver.world.settings, "many", "1", ("sh", "-c", "sleep 60"))
    image = f"{ECR}/many:1"
    ours = make_task(1, container(image))
    await driver.until(ours, "RUNNING")
    await driver.settle(replace(ours, run=False))
    theirs = replace(make_task(2, container(image)), architecture="arm64")
    ended = await driver.until(theirs, "STOPPED")
    assert ended.exit_code != 0
    assert "exec format error" in await driver.line(theirs, "exec")
    none = replace(make_task(3, container(image)), architecture="riscv64")
    await driver.settle(none)
    assert driver.progress(none).failure.endswith(
        "image Manifest does not contain descriptor matching platform 'linux/riscv64'"
    )


async def test_input_stays_open_and_a_terminal_is_one(driver: Driver) -> None:
    script = "test -t 1 && echo a terminal; cat; echo its input has ended; exec sleep 60"
    plain = make_task(1, container(IMAGE, "sh", "-c", script))
    await driver.until(plain, "RUNNING")
    assert await driver.line(plain, "terminal|input") == "its input has ended"
    await driver.settle(replace(plain, run=False))
    one = container(IMAGE, "sh", "-c", script, interactive=True, terminal=True)
    both = make_task(2, one)
    await driver.until(both, "RUNNING")
    assert (await driver.line(both, "terminal|input")).strip() == "a terminal"
    log = driver.plane.directory(both.arn).container(both.arn, "web").log
    assert "ended" not in log.read_text()


async def test_containers_see_each_other_s_processes_when_the_task_shares_them(
    driver: Driver,
) -> None:
    first = container(IMAGE, "sleep", "4321", name="first")
    script = "while :; do busybox ps -o pid,args; sleep 0.1; done"
    task = make_task(1, first, container(IMAGE, "sh", "-c", script))
    await driver.until(task, "RUNNING")
    assert "sh -c" in await driver.line(task, "sh -c while")
    log = driver.plane.directory(task.arn).container(task.arn, "web").log
    assert "sleep 4321" not in log.read_text()
    await driver.settle(replace(task, run=False))
    shared = replace(make_task(2, first, container(IMAGE, "sh", "-c", script)))
    shared = replace(shared, shared_pids=True)
    await driver.until(shared, "RUNNING")
    assert await driver.line(shared, "sleep 4321")
    # One container's end is not the other's.
    await run("kill", "-9", str((await state(driver, shared, "first")).pid))
    await driver.until_container(shared, "first", "STOPPED")
    assert (await state(driver, shared, "web")).status == "RUNNING"
    await driver.settle(replace(shared, run=False))
    assert task_id(shared.arn) not in await run("ps", "axww")


async def test_what_holds_the_shared_processes_shows_nothing_of_the_host(driver: Driver) -> None:
    look = "for what in root cwd exe fd/0 environ; do busybox ls -L /proc/1/$what; done 2>&1"
    script = f"{look}; cat /proc/1/environ 2>&1; echo seen; exec sleep 60"
    task = replace(make_task(1, container(IMAGE, "sh", "-c", script)), shared_pids=True)
    await driver.until(task, "RUNNING")
    assert await driver.line(task, "^seen")
    said = driver.plane.directory(task.arn).container(task.arn, "web").log.read_text()
    assert said.count("Permission denied") == 5, said
    assert "PATH=" not in said


async def test_root_in_a_container_is_nobody_outside_and_root_inside(driver: Driver) -> None:
    users = user_namespaces.find(ENI)
    if users is None:
        pytest.skip("tasks have no user namespaces here")
    script = (
        "busybox id -u; echo own > /data/own; echo web > /data/web && busybox chown 33:33 /data/web"
        " && echo new > /new && busybox chown 33:33 /etc/group && busybox rm /bin/false"
        " && echo 10.1.1.1 more >> /etc/hosts && busybox su -s /bin/sh web -c 'busybox id -u'"
        " && echo opened anew > /dev/stdout; exec sleep 60"
    )
    data = Mount("data", "/data")
    first = container(IMAGE, "sh", "-c", script, mounts=(data,))
    told = "until test -w /data/web; do sleep 0.1; done; echo seen >> /data/web; {}"
    told = told.format("echo as web > /dev/stderr; busybox stat -c %u /data/own; exec sleep 60")
    second = container(IMAGE, "sh", "-c", told, name="other", user="web", mounts=(data,))
    task = make_task(1, first, replace(second, depends_on=(("web", "START"),)))
    await driver.until(task, "RUNNING")
    assert await driver.line(task, "opened anew")
    log = driver.plane.directory(task.arn).container(task.arn, "web").log
    assert [line.message for line in parse_lines(log.read_bytes())][:2] == ["0", "33"]
    await driver.until_container(task, "other", "RUNNING")
    assert await driver.line(task, "^0$", "other")
    directory = driver.plane.directory(task.arn)
    for name, uid in (("web", 0), ("other", 33)):
        assert await owner(driver, task, name) == users.first + uid
    owners = {path.name: path.stat().st_uid for path in (directory.volumes / "data").iterdir()}
    assert owners == {"own": users.first, "web": users.first + 33}
    assert (directory.volumes / "data" / "web").read_text() == "web\nseen\n"
    upper = directory.container(task.arn, "web").writable / "upper"
    assert (upper / "new").stat().st_uid == users.first
    assert (upper / "etc" / "group").stat().st_uid == users.first + 33
    layers = driver.world.settings.image_dir / "layers"
    assert {path.stat().st_uid for path in layers.rglob("*")} == {0}
    await driver.settle(replace(task, run=False))
    await driver.settle()
    assert not directory.path.exists()


async def test_a_user_beyond_the_ids_of_a_task_is_refused_by_name(driver: Driver) -> None:
    if user_namespaces.find(ENI) is None:
        pytest.skip("tasks have no user namespaces here")
    task = make_task(1, container(IMAGE, "sleep", "60", user="65536"))
    await driver.settle(task)
    failure = driver.progress(task).failure
    assert failure.startswith("CannotStartContainerError: ")
    assert "cannot set uid to unmapped user" in failure


async def test_dropped_capabilities_are_gone(driver: Driver) -> None:
    one = container(
        IMAGE, "sh", "-c", "cat /proc/self/status; exec sleep 60", dropped=("NET_RAW", "CHOWN")
    )
    task = make_task(1, one)
    await driver.until(task, "RUNNING")
    effective = int((await driver.line(task, "CapBnd")).split()[1], 16)
    assert effective & (1 << 13 | 1) == 0
    assert effective & 1 << 10  # NET_BIND_SERVICE stays
    none = make_task(2, replace(one, dropped=("ALL",)))
    await driver.settle(replace(task, run=False))
    await driver.until(none, "RUNNING")
    assert re.search(r"\b0{16}\b", await driver.line(none, "CapBnd"))
