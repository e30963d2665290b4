"""Tags of clusters, services, tasks and task definitions, by ARN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.ecs import names, rows
from hiyoko.services.ecs.errors import InvalidParameter, ResourceNotFound
from hiyoko.services.ecs.model import Tags

Put = Callable[[Tags], object]


def _tagged(call: Call, arn: str) -> tuple[Tags, Put]:
    """The tags of the resource with this ARN, and how to write others."""
    kind = arn.split(":", 5)[-1].split("/", 1)[0]
    if kind == "cluster":
        name = names.cluster_name(arn)
        cluster = rows.find_cluster(call.tx, call.account, call.region, name)
        if cluster is not None and cluster.deleted_at is None:
            return cluster.tags, lambda tags: rows.CLUSTERS.put(
                call.tx, replace(cluster, tags=tags)
            )
    elif kind == "service":
        service = rows.find_service(call.tx, arn)
        if service is not None:
            return service.tags, lambda tags: rows.put_service(call.tx, replace(service, tags=tags))
    elif kind == "task":
        task = rows.find_task(call.tx, arn)
        if task is not None:
            return task.tags, lambda tags: rows.put_task(call.tx, replace(task, tags=tags))
    elif kind == "task-definition":
        definition = rows.find_definition(call.tx, arn)
        if definition is not None:
            return definition.tags, lambda tags: rows.DEFINITIONS.put(
                call.tx, replace(definition, tags=tags)
            )
    else:
        raise InvalidParameter("The specified resourceArn is not a valid ECS resource.")
    raise ResourceNotFound


@operation("TagResource")
def tag_resource(call: Call, request: Request) -> Response:
    """Add tags; one with a known key gets the new value."""
    tags, put = _tagged(call, request["resourceArn"])
    merged = dict(tags)
    merged.update(names.tags_in(request))
    put(tuple(merged.items()))
    return {}


@operation("UntagResource")
def untag_resource(call: Call, request: Request) -> Response:
    """Remove tags by key."""
    tags, put = _tagged(call, request["resourceArn"])
    gone = set(request["tagKeys"])
    put(tuple((key, value) for key, value in tags if key not in gone))
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(call: Call, request: Request) -> Response:
    """The tags of a resource."""
    tags, _ = _tagged(call, request["resourceArn"])
    return {"tags": names.tags_out(tags)}
