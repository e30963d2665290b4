"""Tasks that ECS wishes become containers; what these do becomes sightings, logs and states."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.api.ecs_cloud import ROLE, Cloud
from tests.plane.registry_world import (
    ECR,
    ENI,
    RegistryWorld,
    push,
    registry_world,
)

import hiyoko.services.iam
import hiyoko.services.logs
import hiyoko.services.sts  # noqa: F401 - registers the operations
from hiyoko import api
from hiyoko.clock import SystemClock
from hiyoko.plane.awslogs.control import AwslogsPlane
from hiyoko.plane.containers.cgroups import remove_groups
from hiyoko.plane.containers.plane import ContainerPlane
from hiyoko.plane.process import NETNS_DIR, run
from hiyoko.reconcile.report import Report
from hiyoko.reconcile.role_keys import role_keys
from hiyoko.reconcile.tasks import TaskReconciler
from hiyoko.services.ec2.seen import INTERFACES_SEEN, InterfaceSeen

GROUP = {"awslogs-group": "/app", "awslogs-region": "ap-northeast-1"}


class Hatchery:
    """The reconciler with a store of its own, on the test's registry."""

    def __init__(self, world: RegistryWorld) -> None:
        # One store for the registry and for ECS, as in the daemon.
        self.cloud = Cloud(store=world.store)
        self.world = world
        self.woken = asyncio.Event()
        self.handles: list[Path] = []
        self.again()
        world.store.watch(lambda _: self.woken.set())

    def again(self) -> None:
        """A reconciler that remembers nothing."""
        keys = role_keys(self.world.store, SystemClock())
        self.plane = ContainerPlane(self.world.settings, self.world.trust, self.woken.set, keys)
        self.reconciler = TaskReconciler(self.world.store, self.plane)

    async def activate(self) -> Report:
        report = await self.reconciler.activate()
        assert report.refusals == {}
        return report

    async def until(self, arn: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        with self.world.store.listening(lambda _: self.woken.set()):
            return await self._until(arn, wanted)

    async def _until(self, arn: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while True:
                self.woken.clear()
                report = await self.activate()
                task = self.cloud.task(arn)
                if wanted(task):
                    return task
                if report.quiet:
                    # As the loop does: time may be what makes the difference.
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self.woken.wait(), report.again_s)

    async def run_task(self, **definition: Any) -> str:
        others = definition.pop("others", ())
        options = GROUP | {"awslogs-stream-prefix": "ecs"} | definition.pop("options", {})
        container = {
            "name": "web",
            "image": f"{ECR}/app:1",
            "essential": True,
            "logConfiguration": {"logDriver": "awslogs", "options": options},
            **definition,
        }
        self.cloud.define(containerDefinitions=[container, *others], executionRoleArn=ROLE)
        task = self.cloud.run_task()[0]
        await self.attach_one(task)
        arn: str = task["taskArn"]
        return arn

    async def attach_one(self, task: dict[str, Any]) -> None:
        details = {one["name"]: one["value"] for one in task["attachments"][0]["details"]}
        eni = details["networkInterfaceId"]
        # The test's one namespace under the name of the task's interface.
        self.handles.append(NETNS_DIR / eni)
        self.handles[-1].touch()
        await run("mount", "--bind", str(NETNS_DIR / ENI), str(self.handles[-1]))
        with self.world.store.transaction() as tx:
            INTERFACES_SEEN.put(tx, InterfaceSeen(eni, 1.0))

    def logged(self, arn: str) -> list[str]:
        stream = f"ecs/web/{arn.rpartition('/')[2]}"
        request = {"logGroupName": "/app", "logStreamName": stream, "startFromHead": True}
        try:
            events = api.invoke(self.world.store, "logs", "GetLogEvents", request)["events"]
        except api.AwsError:  # the stream is made just before the container starts
            return []
        return [event["message"] for event in events]


@pytest.fixture
async def hatchery(tmp_path: Path) -> AsyncIterator[Hatchery]:
    async with registry_world(tmp_path) as world:
        hatchery = Hatchery(world)
        cloud = hatchery.cloud
        cloud.vpc = cloud("CreateVpc", "ec2", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = cloud("CreateSubnet", "ec2", VpcId=cloud.vpc, CidrBlock="10.0.0.0/24")
        cloud.subnets.append(subnet["Subnet"]["SubnetId"])
        cloud("CreateCluster", clusterName="c")
        cloud.trust()
        yield hatchery
        for arn in hatchery.cloud("ListTasks", cluster="c")["taskArns"]:
            hatchery.cloud("StopTask", cluster="c", task=arn)
            await hatchery.until(arn, lambda task: task["lastStatus"] == "DEPROVISIONING")
        await hatchery.plane.close()
        for path in hatchery.handles:
            await run("umount", str(path))
            path.unlink()
        remove_groups(world.settings)


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
    driver = AwslogsPlane(settings.task_dir, settings.run_dir / "awslogs")
    assert driver.pid() is None
    await hatchery.activate()
    async with asyncio.timeout(60):
        while driver.pid() is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


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
