"""CloudFormation's ECS types, made by the operations that clients call.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_ECS.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hiyoko.template.resource_type import (
    Handle,
    Made,
    NotStabilizedError,
    Progress,
    ResourceType,
    conditional,
    in_place,
    register,
    replaces,
)
from hiyoko.template.tagging import lower_tags, own_tags, tag_keys_to_drop, tags_to_write

Shown = dict[str, Any]

# Maps whose keys are the user's own: they are not renamed.
_VERBATIM = {"DockerLabels", "Options", "DriverOpts", "Labels"}
# Names that do not simply begin with a small letter.
_RENAMED = {"EFSVolumeConfiguration": "efsVolumeConfiguration", "IAM": "iam"}

_DEFINITION = (
    "ContainerDefinitions",
    "Cpu",
    "EphemeralStorage",
    "ExecutionRoleArn",
    "Family",
    "IpcMode",
    "Memory",
    "NetworkMode",
    "PidMode",
    "PlacementConstraints",
    "ProxyConfiguration",
    "RequiresCompatibilities",
    "RuntimePlatform",
    "TaskRoleArn",
    "Volumes",
)
_SERVICE_FIXED = ("ServiceName", "Cluster", "SchedulingStrategy")
_SERVICE_UPDATABLE = (
    "AvailabilityZoneRebalancing",
    "CapacityProviderStrategy",
    "DeploymentConfiguration",
    "DesiredCount",
    "EnableECSManagedTags",
    "EnableExecuteCommand",
    "HealthCheckGracePeriodSeconds",
    "LoadBalancers",
    "NetworkConfiguration",
    "PlacementConstraints",
    "PlacementStrategies",
    "PlatformVersion",
    "PropagateTags",
    "ServiceConnectConfiguration",
    "ServiceRegistries",
    "TaskDefinition",
)


def camel(value: Any) -> Any:
    """CloudFormation's names as ECS's API has them: ``ContainerPort`` → ``containerPort``."""
    if isinstance(value, list):
        return [camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        _RENAMED.get(key, key[:1].lower() + key[1:]): inner if key in _VERBATIM else camel(inner)
        for key, inner in value.items()
    }


def _call(handle: Handle, operation: str, **request: Any) -> Shown:
    return handle.invoke("ecs", operation, request)


def _tags(handle: Handle) -> list[dict[str, str]]:
    return lower_tags(own_tags(handle))


def _retag(handle: Handle, arn: str) -> None:
    if drop := tag_keys_to_drop(handle):
        _call(handle, "UntagResource", resourceArn=arn, tagKeys=drop)
    if write := tags_to_write(handle):
        _call(handle, "TagResource", resourceArn=arn, tags=lower_tags(write))


_CLUSTER = (
    "CapacityProviders",
    "ClusterSettings",
    "Configuration",
    "DefaultCapacityProviderStrategy",
    "ServiceConnectDefaults",
)


def _create_cluster(handle: Handle) -> Made:
    given = camel(handle.given(*_CLUSTER))
    if "clusterSettings" in given:
        given["settings"] = given.pop("clusterSettings")
    name = handle.properties.get("ClusterName") or handle.name(255)
    answer = _call(handle, "CreateCluster", clusterName=name, tags=_tags(handle), **given)
    return Made(name, {"Arn": answer["cluster"]["clusterArn"]})


def _update_cluster(handle: Handle) -> None:
    name = handle.physical_id
    if handle.changed("ClusterSettings"):
        settings = camel(handle.properties.get("ClusterSettings", []))
        _call(handle, "UpdateClusterSettings", cluster=name, settings=settings)
    if handle.changed("CapacityProviders", "DefaultCapacityProviderStrategy"):
        _put_providers(handle)
    if handle.changed("Configuration", "ServiceConnectDefaults"):
        given = camel(handle.given("Configuration", "ServiceConnectDefaults"))
        _call(handle, "UpdateCluster", cluster=name, **given)
    _retag(handle, handle.attributes["Arn"])


def _put_providers(handle: Handle) -> None:
    _call(
        handle,
        "PutClusterCapacityProviders",
        cluster=handle.properties.get("Cluster", handle.physical_id),
        capacityProviders=handle.properties.get("CapacityProviders", []),
        defaultCapacityProviderStrategy=camel(
            handle.properties.get("DefaultCapacityProviderStrategy", [])
        ),
    )


def _delete_cluster(handle: Handle) -> None:
    _call(handle, "DeleteCluster", cluster=handle.physical_id)


def _associate_providers(handle: Handle) -> Made:
    _put_providers(handle)
    return Made(str(handle.properties["Cluster"]))


def _dissociate_providers(handle: Handle) -> None:
    _call(
        handle,
        "PutClusterCapacityProviders",
        cluster=handle.physical_id,
        capacityProviders=[],
        defaultCapacityProviderStrategy=[],
    )


def _register_definition(handle: Handle) -> Made:
    given = {"Family": handle.name(255), **handle.given(*_DEFINITION)}
    tags = {"tags": _tags(handle)} if own_tags(handle) else {}
    answer = _call(handle, "RegisterTaskDefinition", **camel(given), **tags)
    return Made(str(answer["taskDefinition"]["taskDefinitionArn"]))


def _deregister_definition(handle: Handle) -> None:
    _call(handle, "DeregisterTaskDefinition", taskDefinition=handle.physical_id)


def _create_service(handle: Handle) -> Made:
    given = handle.given(
        "Cluster", "SchedulingStrategy", "LaunchType", "DeploymentController", *_SERVICE_UPDATABLE
    )
    # A service without a wish for a count runs one task.
    given.setdefault("DesiredCount", 1)
    request = camel(given)
    if own_tags(handle):
        request["tags"] = _tags(handle)
    name = handle.properties.get("ServiceName") or handle.name(255)
    answer = _call(handle, "CreateService", serviceName=name, **request)
    arn = str(answer["service"]["serviceArn"])
    return Made(arn, {"ServiceArn": arn, "Name": name})


def _named(handle: Handle) -> Shown:
    cluster = handle.properties.get("Cluster")
    return {"service": handle.physical_id, **({"cluster": cluster} if cluster else {})}


def _update_service(handle: Handle) -> None:
    changed = [name for name in _SERVICE_UPDATABLE if handle.changed(name)]
    force = handle.changed("ForceNewDeployment") and _forced(handle)
    if changed or force:
        # A count that the template no longer names stays as it is: something else may set it.
        request = camel(handle.given(*changed))
        if "CapacityProviderStrategy" in changed:
            request.setdefault("capacityProviderStrategy", [])
            force = True
        if force:
            request["forceNewDeployment"] = True
        _call(handle, "UpdateService", **_named(handle), **request)
    _retag(handle, handle.physical_id)


def _forced(handle: Handle) -> bool:
    """A new nonce asks for a new deployment, where that is enabled."""
    given = handle.properties.get("ForceNewDeployment") or {}
    return given.get("EnableForceNewDeployment") in (True, "true")


def _service(handle: Handle) -> Shown | None:
    named = _named(handle)
    services = [named.pop("service")]
    answer = _call(handle, "DescribeServices", services=services, **named)
    return next((dict(item) for item in answer["services"]), None)


def _failure(handle: Handle) -> str:
    """What ended the newest deployment. AWS's words are known of the circuit breaker only."""
    found = _call(handle, "ListServiceDeployments", **_named(handle))["serviceDeployments"]
    why = str(found[0].get("statusReason") or "") if found else ""
    if why and "circuit breaker" not in why:
        return why.rstrip(".")
    return "ECS Deployment Circuit Breaker was triggered"


def _given_up(handle: Handle, deployments: Sequence[Shown]) -> bool:
    """Whether what the stack wishes for has failed, or something else has taken its place.

    A failed deployment of other content, whose tasks are still there, is the update that a
    stack's own rollback takes back.
    """
    primary, *others = deployments
    if primary.get("rolloutState") == "FAILED" or not _is_defined(handle, primary):
        return True
    return "rolling back" in primary.get("rolloutStateReason", "") and any(
        one.get("rolloutState") == "FAILED" and _is_defined(handle, one) and _is_placed(handle, one)
        for one in others
    )


def _is_defined(handle: Handle, deployment: Shown) -> bool:
    """Whether its tasks are of the wished definition: an ARN, a revision or a family.

    One that this update does not change may be another meanwhile: that is no failure of it.
    """
    if not handle.changed("TaskDefinition"):
        return True
    arn = deployment["taskDefinition"]
    revision = arn.rpartition("/")[2]
    wished = handle.properties.get("TaskDefinition")
    return wished in (None, arn, revision, revision.partition(":")[0])


def _is_placed(handle: Handle, deployment: Shown) -> bool:
    """Whether its tasks are in the wished network."""
    wished = camel(handle.given("NetworkConfiguration")).get("networkConfiguration")
    if wished is None:
        return True
    place, shown = wished["awsvpcConfiguration"], deployment["networkConfiguration"]
    return all(
        set(place.get(name) or ()) == set(shown["awsvpcConfiguration"].get(name) or ())
        for name in ("subnets", "securityGroups")
    )


def _service_stable(handle: Handle) -> Progress:
    """Steady: one deployment, complete, with the wished definition and number of tasks."""
    service = _service(handle)
    if service is None or service["status"] != "ACTIVE":
        raise NotStabilizedError(f"Service {handle.physical_id} is not active.")
    deployments = service["deployments"]
    if _given_up(handle, deployments):
        raise NotStabilizedError(f"Error occurred during operation '{_failure(handle)}'.")
    steady = (
        len(deployments) == 1
        and service["runningCount"] == service["desiredCount"]
        and deployments[0].get("rolloutState", "COMPLETED") == "COMPLETED"
    )
    return Progress.DONE if steady else Progress.WAITING


def _delete_service(handle: Handle) -> None:
    """Scale to none and delete; the tasks drain afterwards."""
    _call(handle, "DeleteService", force=True, **_named(handle))


def _service_gone(handle: Handle) -> Progress:
    service = _service(handle)
    gone = service is None or service["status"] == "INACTIVE"
    return Progress.DONE if gone else Progress.WAITING


register(
    ResourceType(
        "AWS::ECS::Cluster",
        {**in_place(*_CLUSTER, "Tags"), **replaces("ClusterName")},
        _create_cluster,
        _delete_cluster,
        _update_cluster,
        attributes=frozenset({"Arn"}),
        named="ClusterName",
        tags=True,
        busy=frozenset({"ClusterContainsTasksException", "ClusterContainsServicesException"}),
    ),
    ResourceType(
        "AWS::ECS::ClusterCapacityProviderAssociations",
        {**in_place("CapacityProviders", "DefaultCapacityProviderStrategy"), **replaces("Cluster")},
        _associate_providers,
        _dissociate_providers,
        _put_providers,
        required=frozenset({"Cluster", "DefaultCapacityProviderStrategy"}),
    ),
    ResourceType(
        "AWS::ECS::TaskDefinition",
        {**in_place("Tags"), **replaces(*_DEFINITION)},
        _register_definition,
        _deregister_definition,
        lambda handle: _retag(handle, handle.physical_id),
        read=lambda handle: {"TaskDefinitionArn": handle.physical_id},
        attributes=frozenset({"TaskDefinitionArn"}),
        tags=True,
    ),
    ResourceType(
        "AWS::ECS::Service",
        {
            **in_place(*_SERVICE_UPDATABLE, "ForceNewDeployment", "Tags"),
            **replaces(*_SERVICE_FIXED, "DeploymentController"),
            **conditional("LaunchType"),
        },
        _create_service,
        _delete_service,
        _update_service,
        stable=_service_stable,
        gone=_service_gone,
        attributes=frozenset({"Name", "ServiceArn"}),
        named="ServiceName",
        tags=True,
        missing=frozenset({"ServiceNotFoundException", "ServiceNotActiveException"}),
    ),
)
