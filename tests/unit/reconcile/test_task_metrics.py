"""What services use of what their tasks were given: by the minute, by time that really went by."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.api.ecs_cloud import Cloud

import hiyoko.services.cloudwatch  # noqa: F401  registers the operations
from hiyoko.plane.containers.usage import TaskUsage
from hiyoko.reconcile.describe import describe
from hiyoko.reconcile.loop import Loop
from hiyoko.reconcile.report import Report
from hiyoko.reconcile.task_metrics import TaskMetricsReconciler

SECOND_NS = 1_000_000_000
MIB = 1024 * 1024


@dataclass
class Kernel:
    """Counters of tasks by ARN; ``spend`` lets time go by on the monotonic clock."""

    at_s: float = 5000.0
    cpu_ns: dict[str, int] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)

    def usage(self, arn: str) -> TaskUsage | None:
        if arn not in self.cpu_ns:
            return None
        return TaskUsage(self.cpu_ns[arn], self.memory.get(arn, 0), self.at_s)

    def spend(self, seconds: float, **cores: float) -> None:
        self.at_s += seconds
        for arn, share in zip(self.cpu_ns, cores.values(), strict=True):
            self.cpu_ns[arn] += int(share * seconds * SECOND_NS)


class World:
    """The service ``web`` (a quarter of a core, 512 MiB a task) with two running tasks."""

    def __init__(self) -> None:
        self.cloud, self.kernel = Cloud.ready(), Kernel()
        self.cloud.clock.time = 1_790_000_040.0
        self.cloud.serve()
        self.cloud.schedule()
        self.cloud.run()
        for task in self.cloud.tasks():
            self.kernel.cpu_ns[task["taskArn"]] = 7 * SECOND_NS

    def look(self) -> Report:
        reconciler = TaskMetricsReconciler(self.cloud.store, self.kernel.usage, self.cloud.clock)
        return asyncio.run(reconciler.activate())

    def points(self, name: str = "CPUUtilization") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.cloud(
            "GetMetricStatistics",
            "cloudwatch",
            Namespace="AWS/ECS",
            MetricName=name,
            Dimensions=[
                {"Name": "ServiceName", "Value": "web"},
                {"Name": "ClusterName", "Value": "c"},
            ],
            StartTime=self.cloud.clock.time - 600,
            EndTime=self.cloud.clock.time + 60,
            Period=60,
            Statistics=["Average", "Minimum", "Maximum", "SampleCount"],
        )["Datapoints"]
        return found


@pytest.fixture
def world() -> World:
    return World()


def test_the_average_minimum_and_maximum_are_of_the_tasks(world: World) -> None:
    first = world.look()
    assert first.again_s == 61
    assert world.points() == []
    world.kernel.spend(60, one=0.25, other=0.05)
    world.cloud.clock.time += 61
    assert world.look().saw_change
    (point,) = world.points()
    assert point["Unit"] == "Percent"
    assert point["Timestamp"] == 1_790_000_040.0
    assert point["SampleCount"] == 2
    assert [round(point[name], 6) for name in ("Average", "Minimum", "Maximum")] == [60, 20, 100]


def test_memory_is_a_share_of_the_tasks(world: World) -> None:
    world.look()
    world.kernel.memory = dict.fromkeys(world.kernel.cpu_ns, 128 * MIB)
    world.kernel.spend(60, one=0, other=0)
    world.cloud.clock.time += 60
    world.look()
    assert [point["Average"] for point in world.points("MemoryUtilization")] == [25]


def test_within_a_minute_nothing_is_asked_and_nobody_is_woken(world: World) -> None:
    woken = []
    world.look()
    world.cloud.store.watch(lambda _: woken.append(True))
    assert world.look().quiet
    world.kernel.spend(60, one=0.1, other=0.1)
    world.cloud.clock.time += 60
    world.look()
    world.look()
    assert len(world.points()) == 1
    assert woken == []


def test_a_clock_that_is_set_changes_no_percentage(world: World) -> None:
    world.look()
    world.kernel.spend(2, one=0.125, other=0.125)
    world.cloud.clock.time += 3600
    world.look()
    (point,) = world.points()
    assert round(point["Average"], 6) == 50


def test_counters_that_begin_anew_are_not_counted(world: World) -> None:
    world.look()
    world.kernel.spend(60, one=0.1, other=0.1)
    restarted = next(iter(world.kernel.cpu_ns))
    world.kernel.cpu_ns[restarted] = SECOND_NS
    world.cloud.clock.time += 60
    world.look()
    assert [point["SampleCount"] for point in world.points()] == [1]
    world.kernel.spend(60, one=0.1, other=0.1)
    world.cloud.clock.time += 60
    world.look()
    assert [point["SampleCount"] for point in world.points()] == [1, 2]


def test_without_control_groups_there_is_no_metric(world: World) -> None:
    world.kernel.cpu_ns.clear()
    world.look()
    world.cloud.clock.time += 60
    world.look()
    assert world.points() == []


def test_a_task_without_a_service_is_nobodys(world: World) -> None:
    world.look()
    (task,) = world.cloud.run_task()
    world.cloud.run(task)
    world.kernel.cpu_ns[task["taskArn"]] = 0
    world.kernel.spend(60, one=0.1, other=0.1, third=1)
    world.cloud.clock.time += 60
    world.look()
    assert [point["SampleCount"] for point in world.points()] == [2]
    names = world.cloud("ListMetrics", "cloudwatch", Namespace="AWS/ECS")["Metrics"]
    assert len(names) == 2


def test_container_insights_tell_of_clusters_that_ask_for_them(world: World) -> None:
    def told(metric: str, **dimensions: str) -> list[tuple[float, float]]:
        found = world.cloud(
            "GetMetricStatistics",
            "cloudwatch",
            Namespace="ECS/ContainerInsights",
            MetricName=metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=world.cloud.clock.time - 600,
            EndTime=world.cloud.clock.time + 60,
            Period=60,
            Statistics=["Sum", "SampleCount"],
        )["Datapoints"]
        return [(round(one["Sum"], 6), one["SampleCount"]) for one in found]

    settings = [{"name": "containerInsights", "value": "enabled"}]
    world.cloud("UpdateClusterSettings", cluster="c", settings=settings)
    (lonely,) = world.cloud.run_task()
    world.cloud.run(lonely)
    world.cloud("UpdateService", cluster="c", service="web", desiredCount=3)
    world.kernel.cpu_ns[lonely["taskArn"]] = 0
    world.look()
    world.kernel.memory = dict.fromkeys(world.kernel.cpu_ns, 128 * MIB)
    world.kernel.spend(60, one=0.25, other=0.05, third=0.5)
    world.cloud.clock.time += 60
    world.look()
    whole, family = {"ClusterName": "c"}, {"TaskDefinitionFamily": "app"}
    service = {"ServiceName": "web"}
    assert told("CpuUtilized", **whole) == told("CpuUtilized", **whole, **family) == [(819.2, 3)]
    assert told("CpuUtilized", **whole, **service) == [(307.2, 2)]
    assert told("CpuReserved", **whole) == [(768, 3)]
    assert told("MemoryUtilized", **whole, **service) == [(256, 2)]
    assert told("MemoryReserved", **whole, **service) == [(1024, 2)]
    assert (told("TaskCount", **whole), told("ServiceCount", **whole)) == (
        [(3, 1), (3, 1)],
        [(1, 1), (1, 1)],
    )
    counts = {"RunningTaskCount": 2, "PendingTaskCount": 0, "DesiredTaskCount": 3}
    for metric, count in (counts | {"DeploymentCount": 1}).items():
        assert told(metric, **whole, **service)[-1][0] == count
    assert len(world.points()) == 1
    settings[0]["value"] = "disabled"
    world.cloud("UpdateClusterSettings", cluster="c", settings=settings)
    world.cloud.clock.time += 60
    world.look()
    assert len(told("TaskCount", **whole)) == 2


def test_the_status_says_what_this_host_does_not_enforce(world: World) -> None:
    def notes(*, limits: bool = True, storage: str = "", refused: str = "") -> list[str]:
        told: list[str] = describe(world.cloud.store, Loop.of([]), limits, storage, refused)[
            "notes"
        ]
        return told

    assert "no metrics AWS/ECS CPUUtilization" in notes(limits=False)[0]
    assert notes(storage="no mkfs.ext4") == [
        "Ephemeral storage of tasks has no end but the disk's: no mkfs.ext4."
    ]
    assert notes(refused="an old kernel") == [
        "Tasks have no user namespaces of their own, so their root is the world's: an old kernel."
    ]
    assert notes() == []
