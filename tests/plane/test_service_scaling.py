"""A real task works hard, its service gets a second one: from the kernel's counters to a container.

Minutes are the clock's, which the test moves; what the tasks use is measured by time that goes by.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.api.ecs_cloud import ROLE
from tests.golden.golden import FixedClock
from tests.plane.registry_world import ECR, ENI, push, registry_world
from tests.plane.task_world import GROUP, Hatchery

import hiyoko.services.application_autoscaling
import hiyoko.services.cloudwatch
import hiyoko.services.logs  # noqa: F401  registers the operations
from hiyoko import api
from hiyoko.clock import SystemClock
from hiyoko.plane.containers.cgroups import limits_enforced, remove_groups
from hiyoko.plane.process import NETNS_DIR, run
from hiyoko.reconcile.alarms import AlarmReconciler
from hiyoko.reconcile.ecs_services import EcsServicesReconciler
from hiyoko.reconcile.scaling import ScalingReconciler
from hiyoko.reconcile.task_metrics import TaskMetricsReconciler
from hiyoko.services.ec2.seen import INTERFACES_SEEN, InterfaceSeen

pytestmark = pytest.mark.skipif(not limits_enforced(), reason="control groups can't be made here")

BUSY = (
    "trap 'exit 0' TERM; while :; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo round;"
    " done"
)
WEB = {
    "ServiceNamespace": "ecs",
    "ResourceId": "service/c/web",
    "ScalableDimension": "ecs:service:DesiredCount",
}


WHILE_S = 1.0
TARGET_PERCENT = 20.0
"""Of a quarter of a core: what a busy task gets also where others are busy, too."""


class Site(Hatchery):
    """The hatchery with the upper reconcilers, on a clock that the test moves."""

    def again(self) -> None:
        super().again()
        self.clock = FixedClock(SystemClock().now() // 60 * 60)
        self.cloud.clock = self.clock
        store, usage = self.cloud.store, self.plane.usage
        self.services = EcsServicesReconciler(store, self.clock)
        self.metrics = TaskMetricsReconciler(store, usage, self.clock)
        self.alarms = AlarmReconciler(store, self.clock)
        self.scaling = ScalingReconciler(store, self.clock)

    async def attach(self) -> None:
        """Every task's interface stands: the test's one namespace under many names."""
        for task in self.cloud.tasks():
            details = {one["name"]: one["value"] for one in task["attachments"][0]["details"]}
            path = NETNS_DIR / details["networkInterfaceId"]
            if path not in self.handles:
                self.handles.append(path)
                path.touch()
                await run("mount", "--bind", str(NETNS_DIR / ENI), str(path))
                with self.cloud.store.transaction() as tx:
                    INTERFACES_SEEN.put(tx, InterfaceSeen(path.name, self.clock.now()))

    async def steady(self, count: int) -> list[str]:
        """So many tasks run; their ARNs."""
        while not (await self.services.activate()).quiet:
            await self.attach()
        arns = [task["taskArn"] for task in self.cloud.tasks()]
        assert len(arns) == count
        for arn in arns:
            await self.until(arn, lambda task: task["lastStatus"] == "RUNNING")
        return arns

    async def minute(self, arn: str) -> None:
        """The task works for a while, then the minute is over.

        The while is long beside the tenths of a second by which the kernel hands out a quota.
        """
        rounds, begun = len(self.logged(arn)), time.monotonic()
        await self.until(arn, lambda _: len(self.logged(arn)) >= rounds + 3)
        await asyncio.sleep(max(0.0, begun + WHILE_S - time.monotonic()))
        self.clock.time = self.clock.time // 60 * 60 + 63
        await self.metrics.activate()
        await self.alarms.activate()

    def ask(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        return api.invoke(self.cloud.store, service, operation, request, clock=self.clock)

    @property
    def cpu(self) -> list[float]:
        points = self.ask(
            "cloudwatch",
            "GetMetricStatistics",
            Namespace="AWS/ECS",
            MetricName="CPUUtilization",
            Dimensions=[
                {"Name": "ClusterName", "Value": "c"},
                {"Name": "ServiceName", "Value": "web"},
            ],
            StartTime=self.clock.time - 3600,
            EndTime=self.clock.time,
            Period=60,
            Statistics=["Average"],
        )["Datapoints"]
        return [point["Average"] for point in points]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with registry_world(tmp_path) as world:
        site = Site(world)
        cloud = site.cloud
        cloud.on_one_subnet()
        yield site
        for task in cloud.tasks():
            cloud("StopTask", cluster="c", task=task["taskArn"])
        for task in cloud.tasks("STOPPED"):
            await site.until(task["taskArn"], lambda one: one["lastStatus"] == "DEPROVISIONING")
        await site.plane.close()
        for path in site.handles:
            await run("umount", str(path))
            path.unlink()
        remove_groups(world.settings)


async def test_load_on_a_task_brings_its_service_another_one(site: Site) -> None:
    push(site.world.store, site.world.settings, "app", "1", ("sh", "-c", BUSY))
    api.invoke(site.world.store, "logs", "CreateLogGroup", {"logGroupName": "/app"})
    log = {"logDriver": "awslogs", "options": GROUP | {"awslogs-stream-prefix": "ecs"}}
    container = {
        "name": "web",
        "image": f"{ECR}/app:1",
        "logConfiguration": log,
    }
    site.cloud.define(containerDefinitions=[container], executionRoleArn=ROLE)
    site.cloud.serve(desiredCount=1)
    [busy] = await site.steady(1)
    scaling = "application-autoscaling"
    site.ask(scaling, "RegisterScalableTarget", **WEB, MinCapacity=1, MaxCapacity=2)
    config = {
        "TargetValue": TARGET_PERCENT,
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
        },
    }
    site.ask(
        scaling,
        "PutScalingPolicy",
        **WEB,
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=config,
    )
    await site.metrics.activate()
    for _ in range(3):
        await site.minute(busy)
    # No more than its quarter of a core, by the kernel; as much as others leave, by the scheduler.
    assert len(site.cpu) == 3
    assert all(TARGET_PERCENT < value < 120 for value in site.cpu), site.cpu
    assert site.cloud.service()["desiredCount"] == 2
    await site.steady(2)
    await site.scaling.activate()
    [activity] = site.ask(scaling, "DescribeScalingActivities", ServiceNamespace="ecs")[
        "ScalingActivities"
    ]
    assert activity["StatusMessage"] == (
        "Successfully set desired count to 2. Change successfully fulfilled by ecs."
    )


async def test_an_interrupted_spot_task_is_signalled_at_once_and_killed_in_time(site: Site) -> None:
    script = "trap 'echo notice' TERM; echo up; while :; do sleep 0.05; done"
    push(site.world.store, site.world.settings, "app", "1", ("sh", "-c", script))
    api.invoke(site.world.store, "logs", "CreateLogGroup", {"logGroupName": "/app"})
    log = {"logDriver": "awslogs", "options": GROUP | {"awslogs-stream-prefix": "ecs"}}
    container = {"name": "web", "image": f"{ECR}/app:1", "logConfiguration": log, "stopTimeout": 1}
    site.cloud.define(containerDefinitions=[container], executionRoleArn=ROLE)
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    providers = {"capacityProviders": ["FARGATE_SPOT"], "defaultCapacityProviderStrategy": spot}
    site.cloud("PutClusterCapacityProviders", cluster="c", **providers)
    [task] = site.cloud.run_task(launchType=None)
    await site.attach()
    arn = task["taskArn"]
    # What it says may be read a moment before the daemon has seen that it runs.
    await site.until(arn, lambda one: one["lastStatus"] == "RUNNING" and site.logged(arn) == ["up"])
    site.cloud("_InterruptSpot")
    await site.until(arn, lambda _: site.logged(arn) == ["up", "notice"])
    ended = await site.until(arn, lambda one: one["lastStatus"] == "DEPROVISIONING")
    assert ended["stopCode"] == "SpotInterruption"
    assert ended["containers"][0]["exitCode"] == 137
