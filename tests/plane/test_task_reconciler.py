"""Tasks that ECS wishes become containers; what these do becomes sightings, logs and states."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.api.ecs_cloud import ROLE
from tests.plane.registry_world import (
    ECR,
    push,
)
from tests.plane.task_world import GROUP, Hatchery, hatching

import hiyoko.services.iam
import hiyoko.services.logs
import hiyoko.services.sts  # noqa: F401 - registers the operations
from hiyoko import api
from hiyoko.plane.log_driver.control import LogDriverPlane


@pytest.fixture
async def hatchery(tmp_path: Path) -> AsyncIterator[Hatchery]:
    async with hatching(tmp_path) as hatchery:
        yield hatchery


async def test_a_task_runs_logs_and_is_stopped(hatchery: Hatchery) -> None:
    script = "trap 'echo bye; exit 7' TERM; echo hello; while :; do sleep 0.05; done"
    digest = push(hatchery.world.store, hatchery.world.settings, "app", "1", ("sh", "-c", script))
    api.invoke(hatchery.world.store, "logs", "CreateLogGroup", {"logGroupName": "/app"})
    arn = await hatchery.run_task(stopTimeout=5)
    task = await hatchery.until(arn, lambda task: task["lastStatus"] == "RUNNING")
    assert task["containers"][0]["imageDigest"] == digest
    assert task["pullStoppedAt"] >= task["pullStartedAt"]
    await hatchery.until(arn, lambda _: hatchery.logged(arn) == ["hello"])
    # A daemon that starts anew finds everything as it should be, and does nothing.
    await hatchery.plane.close()
    hatchery.again()
    assert (await hatchery.activate()).quiet
    hatchery.cloud("StopTask", cluster="c", task=arn)
    task = await hatchery.until(arn, lambda task: task["lastStatus"] == "DEPROVISIONING")
    assert task["containers"][0]["exitCode"] == 7
    assert hatchery.logged(arn) == ["hello", "bye"]
    assert (await hatchery.activate()).quiet
    assert list(hatchery.world.settings.task_dir.iterdir()) == []


async def test_an_essential_exit_stops_the_task(hatchery: Hatchery) -> None:
    command = ("sh", "-c", "echo done; exit 5")
    push(hatchery.world.store, hatchery.world.settings, "app", "1", command)
    api.invoke(hatchery.world.store, "logs", "CreateLogGroup", {"logGroupName": "/app"})
    arn = await hatchery.run_task()
    task = await hatchery.until(arn, lambda task: task["lastStatus"] == "DEPROVISIONING")
    assert task["stoppedReason"] == "Essential container in task exited"
    assert task["containers"][0]["exitCode"] == 5
    assert hatchery.logged(arn) == ["done"]


async def test_a_missing_log_group_stops_the_task_before_its_container(hatchery: Hatchery) -> None:
    push(hatchery.world.store, hatchery.world.settings, "app", "1", ("true",))
    arn = await hatchery.run_task()
    task = await hatchery.until(arn, lambda task: task["lastStatus"] == "DEPROVISIONING")
    assert task["stoppedReason"] == (
        "ResourceInitializationError: failed to validate logger args: create stream has been"
        " retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException:"
        " The specified log group does not exist."
    )
    assert "exitCode" not in task["containers"][0]


async def test_a_log_group_is_made_when_asked_for(hatchery: Hatchery) -> None:
    push(
        hatchery.world.store, hatchery.world.settings, "app", "1", ("sh", "-c", "echo x; sleep 60")
    )
    arn = await hatchery.run_task(options={"awslogs-create-group": "true"}, stopTimeout=2)
    await hatchery.until(arn, lambda task: task["lastStatus"] == "RUNNING")
    await hatchery.until(arn, lambda _: hatchery.logged(arn) == ["x"])


async def test_a_task_stopped_before_anything_was_begun_is_gone(hatchery: Hatchery) -> None:
    arn = await hatchery.run_task()
    hatchery.cloud("StopTask", cluster="c", task=arn)
    task = await hatchery.until(arn, lambda task: task["lastStatus"] == "DEPROVISIONING")
    assert task["stopCode"] == "UserInitiated"


async def test_the_log_driver_is_there_before_a_container_could_be(hatchery: Hatchery) -> None:
    options = GROUP | {"awslogs-stream-prefix": "ecs"}
    log = {"logDriver": "awslogs", "options": options}
    container = {"name": "web", "image": f"{ECR}/app:1", "logConfiguration": log}
    hatchery.cloud.define(containerDefinitions=[container], executionRoleArn=ROLE)
    hatchery.cloud.run_task()  # on an interface that does not stand yet
    settings = hatchery.world.settings
    driver = LogDriverPlane(settings.task_dir, settings.run_dir / "log_driver")
    assert driver.pid() is None
    await hatchery.activate()
    async with asyncio.timeout(60):
        while driver.pid() is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_the_end_of_the_log_driver_is_heard_again_and_again(hatchery: Hatchery) -> None:
    """Also of one that was started by the look before, and has not been seen by another yet."""
    push(hatchery.world.store, hatchery.world.settings, "app", "1", ("sleep", "60"))
    api.invoke(hatchery.world.store, "logs", "CreateLogGroup", {"logGroupName": "/app"})
    arn = await hatchery.run_task(stopTimeout=2)
    await hatchery.until(arn, lambda task: task["lastStatus"] == "RUNNING")
    settings = hatchery.world.settings
    driver = LogDriverPlane(settings.task_dir, settings.run_dir / "log_driver")
    while not (await hatchery.activate()).quiet:
        pass
    for _ in range(2):
        pid = driver.pid()
        assert pid is not None
        hatchery.woken.clear()
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(20):
            await hatchery.woken.wait()
        await hatchery.activate()
        assert driver.pid() != pid


async def test_a_start_timeout_stops_a_task_whose_dependency_does_not_come_up(
    hatchery: Hatchery,
) -> None:
    push(hatchery.world.store, hatchery.world.settings, "app", "1", ("sleep", "60"))
    api.invoke(hatchery.world.store, "logs", "CreateLogGroup", {"logGroupName": "/app"})
    first = {
        "name": "first",
        "image": f"{ECR}/app:1",
        "essential": False,
        "startTimeout": 2,
        "stopTimeout": 2,
        "healthCheck": {"command": ["CMD", "true"], "interval": 300},
    }
    needs = [{"containerName": "first", "condition": "HEALTHY"}]
    arn = await hatchery.run_task(dependsOn=needs, others=[first])
    report = await hatchery.activate()
    while report.again_s is None:
        await hatchery.woken.wait()
        hatchery.woken.clear()
        report = await hatchery.activate()
    # Nothing but time makes the difference: the report asks for another look in time.
    assert report.again_s <= 2
    task = await hatchery.until(arn, lambda task: task["lastStatus"] == "DEPROVISIONING")
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"] == (
        "dependency graph: container ordering dependency [first] for target [web] has timed out."
    )
