"""Container Insights: what clusters that ask for it hold, and what their tasks use. Pure.

As in AWS there is nothing of a cluster without a running task.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-ECS.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from hiyoko.reconcile.samples import Sample, sample
from hiyoko.services.ecs.model import Service, Task, TaskView

NAMESPACE = "ECS/ContainerInsights"
COUNT, NO_UNIT, MEGABYTES = "Count", "None", "Megabytes"
PENDING = ("PROVISIONING", "PENDING")
Dimensions = list[tuple[str, str]]


def usage_samples(task: Task, cpu_units: float, memory_mib: float, at: int) -> Iterator[Sample]:
    """What a running task uses, and was given: of its cluster, its family and its service."""
    whole = ("ClusterName", _name(task.cluster))
    places: list[Dimensions] = [[whole], [whole, ("TaskDefinitionFamily", task.family)]]
    if task.service:
        places.append([whole, ("ServiceName", _name(task.service))])
    values = {
        "CpuUtilized": (NO_UNIT, cpu_units),
        "CpuReserved": (NO_UNIT, float(task.cpu)),
        "MemoryUtilized": (MEGABYTES, memory_mib),
        "MemoryReserved": (MEGABYTES, float(task.memory)),
    }
    for dimensions in places:
        for metric, (unit, value) in values.items():
            yield sample(metric, unit, dimensions, at, {value: 1.0})


def count_samples(
    cluster: str, services: Iterable[Service], views: Iterable[TaskView], at: int
) -> Iterator[Sample]:
    """How many tasks, services and deployments a cluster (its ARN) has."""
    inside = [view for view in views if view.task.cluster == cluster]
    active = [one for one in services if one.cluster == cluster and one.deleted_at is None]
    running = Counter(view.task.service for view in inside if view.status == "RUNNING")
    pending = Counter(view.task.service for view in inside if view.status in PENDING)
    whole = ("ClusterName", _name(cluster))
    if not running:
        return
    yield sample("TaskCount", COUNT, [whole], at, {float(running.total()): 1.0})
    yield sample("ServiceCount", COUNT, [whole], at, {float(len(active)): 1.0})
    for service in active:
        values = {
            "RunningTaskCount": running[service.arn],
            "PendingTaskCount": pending[service.arn],
            "DesiredTaskCount": service.desired_count,
            "DeploymentCount": len(service.deployments),
        }
        for metric, value in values.items():
            whose = [whole, ("ServiceName", service.name)]
            yield sample(metric, COUNT, whose, at, {float(value): 1.0})


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]
