"""Short names and ARNs: ECS takes either wherever it names a thing of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from hiyoko.api import Call
from hiyoko.services.ecs import rows
from hiyoko.services.ecs.errors import ClientException, InvalidParameter
from hiyoko.services.ecs.model import Cluster, Service, Tags, TaskDefinition

DEFAULT_CLUSTER = "default"


def cluster_name(reference: str | None) -> str:
    """The name in a cluster's name or ARN; ``default`` when there is none."""
    return (reference or DEFAULT_CLUSTER).rsplit("/", 1)[-1]


def cluster_of(call: Call, reference: str | None) -> Cluster:
    """The active cluster that a request names."""
    return rows.get_cluster(call.tx, call.account, call.region, cluster_name(reference))


def service_arn(call: Call, cluster: str, reference: str) -> str:
    """The ARN of a service of the cluster (by name) that is given by name or ARN."""
    return call.arn("ecs", f"service/{cluster}/{reference.rsplit('/', 1)[-1]}")


def task_arn(call: Call, cluster: str, reference: str) -> str:
    """The ARN of a task of the cluster (by name) that is given by id or ARN."""
    return call.arn("ecs", f"task/{cluster}/{reference.rsplit('/', 1)[-1]}")


def find_service(call: Call, cluster: Cluster, reference: str) -> Service | None:
    """The service of this cluster with this name or ARN."""
    return rows.find_service(call.tx, service_arn(call, cluster.name, reference))


def find_definition(call: Call, reference: str) -> TaskDefinition | None:
    """The revision named by ARN, ``family:revision``, or ``family`` (its newest ACTIVE one)."""
    name = reference.rsplit("task-definition/", 1)[-1]
    family, _, revision = name.partition(":")
    found = rows.list_definitions(call.tx, call.account, call.region, family)
    if not revision:
        found = [one for one in found if one.status == "ACTIVE"]
        return found[-1] if found else None
    return next((one for one in found if str(one.revision) == revision), None)


def usable_definition(call: Call, reference: str) -> TaskDefinition:
    """The ACTIVE revision that a task or service may be started from."""
    definition = find_definition(call, reference)
    if definition is None:
        raise ClientException("TaskDefinition not found.")
    if definition.status != "ACTIVE":
        raise ClientException("TaskDefinition is inactive")
    return definition


def role_arn(call: Call, role: str) -> str:
    """The ARN of a role of the account's that may be given by its name."""
    return (
        role if not role or role.startswith("arn:") else f"arn:aws:iam::{call.account}:role/{role}"
    )


def tags_in(request: Mapping[str, Any], member: str = "tags") -> Tags:
    """The tags of a request; keys and values as they came."""
    tags = tuple((tag.get("key", ""), tag.get("value", "")) for tag in request.get(member) or ())
    if len({key for key, _ in tags}) != len(tags):
        raise InvalidParameter("Duplicate keys are not allowed in tags.")
    if len(tags) > 50:
        raise InvalidParameter("The maximum number of tags is 50.")
    if any(key.lower().startswith("aws:") for key, _ in tags):
        raise InvalidParameter("Tag keys may not begin with aws:.")
    return tags


def tags_out(tags: Tags) -> list[dict[str, str]]:
    """Tags as the API shows them."""
    return [{"key": key, "value": value} for key, value in tags]


def seconds(moment: object) -> float:
    """A timestamp of a request, in seconds since the epoch."""
    return moment.timestamp() if isinstance(moment, datetime) else float(str(moment))


def page(
    items: Iterable[str], request: Mapping[str, Any], member: str, size: int = 100
) -> dict[str, Any]:
    """One page of ``items``, of which no more are asked for than it takes.

    The token is the last item shown, so pages survive changes.
    """
    token, limit = request.get("nextToken"), request.get("maxResults") or size
    if not 1 <= limit <= 100:
        raise InvalidParameter("The specified maxResults is invalid.")
    left = iter(items)
    # To look for the token is to pass all items up to it.
    if token and token not in left:
        raise InvalidParameter("Invalid token.")
    found = list(islice(left, limit + 1))
    answer: dict[str, Any] = {member: found[:limit]}
    if len(found) > limit:
        answer["nextToken"] = found[limit - 1]
    return answer
