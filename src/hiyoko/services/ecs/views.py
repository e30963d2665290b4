"""What all views share, and clusters as the API shows them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hiyoko.services.ecs import exec_logging
from hiyoko.services.ecs.model import (
    Cluster,
    Tags,
)
from hiyoko.services.ecs.names import tags_out

if TYPE_CHECKING:
    from hiyoko.services.ecs.sight import Counts
Shape = dict[str, Any]
PLATFORM = "1.4.0"
"""What LATEST means on Linux."""


def missing(arn: str) -> Shape:
    """A failure entry of a describe operation."""
    return {"arn": arn, "reason": "MISSING"}


def pairs(tags: Tags) -> list[Shape]:
    """Names and values as ECS shows an environment, say."""
    return [{"name": key, "value": value} for key, value in tags]


def files_out(arns: Iterable[str]) -> list[Shape]:
    """Environment files, by their ARNs."""
    return [{"value": arn, "type": "s3"} for arn in arns]


def without_none(shape: Mapping[str, Any]) -> Shape:
    """A shape without the members that have no value: AWS leaves them out."""
    return {key: value for key, value in shape.items() if value is not None}


def strategy(items: tuple[tuple[str, int, int], ...]) -> list[Shape]:
    """A capacity provider strategy."""
    return [
        {"capacityProvider": name, "weight": weight, "base": base} for name, weight, base in items
    ]


def cluster(one: Cluster, counts: Counts, include: Container[str]) -> Shape:
    """A cluster with what ``include`` names."""
    return {
        "clusterArn": one.arn,
        "clusterName": one.name,
        "status": "ACTIVE" if one.deleted_at is None else "INACTIVE",
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": counts.running,
        "pendingTasksCount": counts.pending,
        "activeServicesCount": counts.active_services,
        "statistics": [],
        "tags": tags_out(one.tags) if "TAGS" in include else [],
        "settings": [{"name": "containerInsights", "value": one.container_insights}]
        if "SETTINGS" in include
        else [],
        "capacityProviders": list(one.capacity_providers),
        "defaultCapacityProviderStrategy": strategy(one.strategy),
        **_connect_defaults(one),
        **(exec_logging.configuration(one) if "CONFIGURATIONS" in include else {}),
    }


def _connect_defaults(one: Cluster) -> Shape:
    if not one.connect_namespace:
        return {}
    return {"serviceConnectDefaults": {"namespace": one.connect_namespace}}


def launched(launched_by: str, *, task: bool) -> Shape:
    """By launch type or by capacity provider; a service names the latter in its strategy."""
    if launched_by.startswith("provider:"):
        provider = launched_by.removeprefix("provider:")
        return {"capacityProviderName": provider, "launchType": "FARGATE"} if task else {}
    return {"launchType": launched_by}
