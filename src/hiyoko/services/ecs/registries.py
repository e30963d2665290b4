"""Tasks as instances of Cloud Map's services: what a service asks for, and the scheduler's hands.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-discovery.html
"""

from __future__ import annotations

from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.ecs import rows
from hiyoko.services.ecs.errors import InvalidParameter
from hiyoko.services.ecs.model import Registry, Task, TaskDefinition

ADDRESS, PORT = "AWS_INSTANCE_IPV4", "AWS_INSTANCE_PORT"


def registries_in(call: Call, items: object, definition: TaskDefinition) -> tuple[Registry, ...]:
    """The ``serviceRegistries``: services of Cloud Map that exist, with the ports they need."""
    if not isinstance(items, (list, tuple)):
        return ()
    if len(items) > 1:
        raise InvalidParameter("service registries can have at most 1 items.")
    return tuple(_registry(call, item, definition) for item in items)


def _registry(call: Call, item: dict[str, Any], definition: TaskDefinition) -> Registry:
    arn = item.get("registryArn") or ""
    found = _cloud_map_service(call, arn)
    registry = Registry(
        arn=arn,
        port=int(item.get("port") or 0),
        container=item.get("containerName") or "",
        container_port=int(item.get("containerPort") or 0),
    )
    if bool(registry.container) != bool(registry.container_port):
        raise InvalidParameter(
            "The values for 'containerName' and 'containerPort' of a service registry must be"
            " specified together."
        )
    if registry.container and registry.port:
        raise InvalidParameter(
            "A service registry has a value for 'port', or values for 'containerName' and"
            " 'containerPort', not both."
        )
    if registry.container:
        _check_container(registry, definition)
    kinds = [one["Type"] for one in found.get("DnsConfig", {}).get("DnsRecords", ())]
    if "SRV" in kinds and not registry.told_port:
        raise InvalidParameter(
            "A service registry with SRV records needs a value for 'port', or values for"
            " 'containerName' and 'containerPort'."
        )
    if "CNAME" in kinds:
        raise InvalidParameter("A task has an address: a CNAME record cannot lead to it.")
    return registry


def _cloud_map_service(call: Call, arn: str) -> dict[str, Any]:
    try:
        answer = call.invoke("servicediscovery", "GetService", {"Id": arn})
    except AwsError as error:
        raise InvalidParameter(
            f"Unable to retrieve the service registry {arn}: {error.message}"
            f" (ErrorCode: {error.code})"
        ) from error
    return dict(answer["Service"])


def _check_container(registry: Registry, definition: TaskDefinition) -> None:
    container = definition.container(registry.container)
    if container is None:
        raise InvalidParameter(
            f"The container {registry.container} does not exist in the task definition."
        )
    if registry.container_port not in [one.container_port for one in container.ports]:
        raise InvalidParameter(
            f"The container {registry.container} did not have a container port"
            f" {registry.container_port} defined."
        )


@operation("_RegisterTask")
def register_task(call: Call, request: Request) -> Response:
    """Register a running task; ``{Task, Registry, Health}``."""
    task = rows.find_task(call.tx, request["Task"])
    if task is None:
        return {}
    found = _cloud_map_service(call, request["Registry"])
    attributes = _attributes(task, dict(task.registrations)[request["Registry"]])
    if "HealthCheckCustomConfig" in found:
        attributes["AWS_INIT_HEALTH_STATUS"] = request["Health"]
    instance = {
        "ServiceId": found["Id"],
        "InstanceId": task.task_id,
        "CreatorRequestId": call.ids.uuid(),
        "Attributes": attributes,
    }
    call.invoke("servicediscovery", "RegisterInstance", instance)
    return {}


def _attributes(task: Task, port: int) -> dict[str, str]:
    attributes = {
        ADDRESS: task.address,
        "AVAILABILITY_ZONE": task.zone,
        "REGION": task.region,
        "ECS_CLUSTER_NAME": task.cluster.rpartition("/")[2],
        "ECS_SERVICE_NAME": task.service.rpartition("/")[2],
        "ECS_TASK_DEFINITION_FAMILY": task.family,
    }
    return attributes | ({PORT: str(port)} if port else {})


@operation("_TellTaskHealth")
def tell_task_health(call: Call, request: Request) -> Response:
    """Tell Cloud Map what a task's containers say of their health; ``{Task, Registry, Health}``."""
    task = rows.find_task(call.tx, request["Task"])
    if task is not None:
        told = {
            "ServiceId": request["Registry"].rpartition("/")[2],
            "InstanceId": task.task_id,
            "Status": request["Health"],
        }
        call.invoke("servicediscovery", "UpdateInstanceCustomHealthStatus", told)
    return {}


@operation("_DeregisterTask")
def deregister_task(call: Call, request: Request) -> Response:
    """Take a task that ends out of Cloud Map; ``{Task, Registry}``."""
    task = rows.find_task(call.tx, request["Task"])
    if task is not None:
        instance = {
            "ServiceId": request["Registry"].rpartition("/")[2],
            "InstanceId": task.task_id,
        }
        call.invoke("servicediscovery", "DeregisterInstance", instance)
    return {}


@operation("_DropRegistry")
def drop_registry(call: Call, request: Request) -> Response:
    """Delete a service of Cloud Map that ECS made and nobody uses; ``{Registry}``."""
    call.invoke("servicediscovery", "DeleteService", {"Id": request["Registry"]})
    return {}
