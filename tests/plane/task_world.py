"""Tasks as ECS wishes them, made by the real reconciler on the test's registry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tests.api.ecs_cloud import ROLE, Cloud
from tests.plane.registry_world import ECR, ENI, RegistryWorld, registry_world

import hiyoko.services.iam
import hiyoko.services.logs
import hiyoko.services.sts  # noqa: F401 - registers the operations
from hiyoko import api
from hiyoko.clock import SystemClock
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
        return await self.run([container, *others])

    async def run(self, containers: list[dict[str, Any]], **definition: Any) -> str:
        """A task of these containers."""
        self.cloud.define(containerDefinitions=containers, executionRoleArn=ROLE, **definition)
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

    def logged(self, arn: str, container: str = "web") -> list[str]:
        stream = f"ecs/{container}/{arn.rpartition('/')[2]}"
        request = {"logGroupName": "/app", "logStreamName": stream, "startFromHead": True}
        found: list[str] = []
        while True:
            try:
                page = api.invoke(self.world.store, "logs", "GetLogEvents", request)
            except api.AwsError:  # the stream is made just before the container starts
                return []
            if not page["events"]:
                return found
            found += [event["message"] for event in page["events"]]
            request["nextToken"] = page["nextForwardToken"]


@asynccontextmanager
async def hatching(directory: Path) -> AsyncIterator[Hatchery]:
    """ECS with a cluster, on the test's registry; no task is left behind."""
    async with registry_world(directory) as world:
        hatchery = Hatchery(world)
        hatchery.cloud.on_one_subnet()
        yield hatchery
        for arn in hatchery.cloud("ListTasks", cluster="c")["taskArns"]:
            hatchery.cloud("StopTask", cluster="c", task=arn)
            await hatchery.until(arn, lambda task: task["lastStatus"] == "DEPROVISIONING")
        await hatchery.plane.close()
        for path in hatchery.handles:
            await run("umount", str(path))
            path.unlink()
        remove_groups(world.settings)
