"""Services: so many tasks, always, and the deployments by which they change."""

from __future__ import annotations

import re
from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.ecs import (
    capacity,
    connect,
    connect_views,
    deployment_views,
    deployments,
    names,
    networks,
    rows,
    service_views,
    sight,
    tasks,
    views,
)
from hiyoko.services.ecs.errors import InvalidParameter, ServiceNotActive, ServiceNotFound
from hiyoko.services.ecs.model import (
    BY_PROVIDER,
    Cluster,
    Connect,
    LoadBalancer,
    Service,
    TaskDefinition,
)
from hiyoko.services.ecs.registries import registries_in
from hiyoko.services.ecs.service_parse import (
    Rollout,
    load_balancers_in,
    rebalancing_in,
    refuse_ineffective,
    rollout_in,
)

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")


@operation("CreateService")
def create_service(call: Call, request: Request) -> Response:
    """Wish for a service. Asking again with the same parameters returns the first one."""
    refuse_ineffective(request)
    name = request["serviceName"]
    if not _NAME.fullmatch(name):
        raise InvalidParameter("The service name contains invalid characters.")
    cluster = names.cluster_of(call, request.get("cluster"))
    old = names.find_service(call, cluster, name)
    if old is not None and _status(call, old) == "DRAINING":
        raise InvalidParameter("Unable to Start a service that is still Draining.")
    service, content = _wanted(call, request, cluster)
    if old is not None and old.deleted_at is None:
        if not _same(old, service, content):
            raise InvalidParameter("Creation of service was not idempotent.")
        return {"service": _view(call, old)}
    if old is not None:
        rows.delete_service(call.tx, old.arn)
    service = deployments.begin(call, service, content)
    rows.put_service(call.tx, service)
    return {"service": {**_view(call, service), "tags": names.tags_out(service.tags)}}


def _wanted(call: Call, request: Request, cluster: Cluster) -> tuple[Service, deployments.Content]:
    """The service without a deployment yet, and what its first one shall be."""
    if not request.get("taskDefinition"):
        raise InvalidParameter("TaskDefinition can not be blank.")
    definition = names.usable_definition(call, request["taskDefinition"])
    tasks.refuse_ineffective(request, ())
    tasks.check_exec(bool(request.get("enableExecuteCommand")), definition.task_role)
    launched_by, strategy = capacity.launched_in(request, cluster)
    network, _ = networks.network_in(call, request)
    rollout = rollout_in(request.get("deploymentConfiguration") or {}, Rollout())
    kind = rollout.strategy.kind
    balancers = load_balancers_in(call, request.get("loadBalancers"), definition, kind)
    grace = _grace(request, bool(balancers))
    version = request.get("platformVersion") or "LATEST"
    service = Service(
        account=call.account,
        region=call.region,
        arn=names.service_arn(call, cluster.name, request["serviceName"]),
        cluster=cluster.arn,
        name=request["serviceName"],
        created_at=call.now,
        created_by=call.principal,
        desired_count=_required_count(request),
        deployments=(),
        launched_by=launched_by,
        strategy=strategy,
        platform_version=version,
        minimum_percent=rollout.minimum,
        maximum_percent=rollout.maximum,
        breaker=rollout.breaker,
        rollback=rollout.rollback,
        threshold=rollout.threshold,
        reset_on_healthy=rollout.reset_on_healthy,
        grace_s=grace if grace is not None or not balancers else 0,
        propagate_tags=request.get("propagateTags") or "NONE",
        managed_tags=bool(request.get("enableECSManagedTags")),
        rebalancing=rebalancing_in(request, rollout.maximum, None),
        exec_enabled=bool(request.get("enableExecuteCommand")),
        deployment_strategy=rollout.strategy,
        tags=names.tags_in(request),
    )
    registries = registries_in(call, request.get("serviceRegistries"), definition)
    offered = connect.connect_in(
        call, request.get("serviceConnectConfiguration"), cluster, definition, service.arn
    )
    _check_traffic(kind, balancers, offered)
    content = deployments.Content(definition, network, balancers, version, registries, offered)
    return service, content


def _check_traffic(kind: str, balancers: tuple[LoadBalancer, ...], offered: Connect | None) -> None:
    """What shifts traffic step by step needs some: of a load balancer, or by Service Connect.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/linear-deployment-implementation.html
    """
    connected = offered is not None and offered.services
    if kind in ("LINEAR", "CANARY") and not balancers and not connected:
        raise InvalidParameter(
            f"The {kind} deployment strategy requires a load balancer or Service Connect."
        )


def _required_count(request: Request) -> int:
    if request.get("desiredCount") is None:
        raise InvalidParameter("desiredCount can not be null.")
    return _desired(request, default=0)


def _desired(request: Request, default: int) -> int:
    desired = request.get("desiredCount")
    desired = default if desired is None else int(desired)
    if desired < 0:
        raise InvalidParameter("desiredCount can not be negative.")
    return desired


def _grace(request: Request, balanced: bool) -> int | None:
    grace: int | None = request.get("healthCheckGracePeriodSeconds")
    if grace and not balanced:
        raise InvalidParameter(
            "Health check grace period is only valid for services configured to use load balancers"
        )
    return grace if balanced else None


def _same(old: Service, new: Service, content: deployments.Content) -> bool:
    def settings(one: Service) -> tuple[object, ...]:
        return (
            one.desired_count,
            (one.launched_by, one.strategy),
            one.platform_version,
            (one.minimum_percent, one.maximum_percent, one.breaker, one.rollback),
            one.grace_s,
            (one.rebalancing, one.threshold, one.reset_on_healthy, one.exec_enabled),
            one.deployment_strategy,
        )

    primary = old.primary
    had = (
        primary.definition_arn,
        primary.network,
        primary.load_balancers,
        primary.registries,
        primary.connect,
    )
    wanted = (
        content.definition.arn,
        content.network,
        content.load_balancers,
        content.registries,
        content.connect,
    )
    return settings(old) == settings(new) and had == wanted


@operation("UpdateService")
def update_service(call: Call, request: Request) -> Response:
    """Change a service; what its tasks are made of changes by a new deployment."""
    refuse_ineffective(request)
    tasks.refuse_ineffective(request, ())
    cluster, service = _active(call, request)
    service = _relaunched(request, cluster, service)
    definition = (
        names.usable_definition(call, request["taskDefinition"])
        if request.get("taskDefinition")
        else rows.get_definition(call.tx, service.primary.definition_arn)
    )
    service = _settings(call, request, service)
    tasks.check_exec(service.exec_enabled, definition.task_role)
    service = _deployed(call, request, service, definition)
    rows.put_service(call.tx, service)
    return {"service": _view(call, service)}


def _relaunched(request: Request, cluster: Cluster, service: Service) -> Service:
    """With another capacity provider strategy; an empty one goes back to the launch type."""
    given = request.get("capacityProviderStrategy")
    if given is None:
        return service
    strategy = capacity.strategy_in(given)
    capacity.check_associated(strategy, cluster.capacity_providers)
    if strategy != service.strategy and not request.get("forceNewDeployment"):
        raise InvalidParameter(
            "When switching from launch type to capacity provider strategy on an existing service,"
            " or making a change to a capacity provider strategy on a service that is already"
            " using one, you must force a new deployment."
        )
    kind = BY_PROVIDER if strategy else capacity.FARGATE
    return replace(service, launched_by=kind, strategy=strategy)


def _settings(call: Call, request: Request, service: Service) -> Service:
    """What changes without a deployment."""
    old = Rollout(
        service.minimum_percent,
        service.maximum_percent,
        service.breaker,
        service.rollback,
        service.threshold,
        service.reset_on_healthy,
        service.deployment_strategy,
    )
    rollout = rollout_in(request.get("deploymentConfiguration") or {}, old)
    desired = _desired(request, service.desired_count)
    if desired != service.desired_count:
        primary = replace(service.primary, updated_at=call.now)
        service = replace(service, deployments=(primary, *service.deployments[1:]))
    managed = request.get("enableECSManagedTags")
    exec_enabled = request.get("enableExecuteCommand")
    return replace(
        service,
        desired_count=desired,
        minimum_percent=rollout.minimum,
        maximum_percent=rollout.maximum,
        breaker=rollout.breaker,
        rollback=rollout.rollback,
        threshold=rollout.threshold,
        reset_on_healthy=rollout.reset_on_healthy,
        rebalancing=rebalancing_in(request, rollout.maximum, service.rebalancing),
        deployment_strategy=rollout.strategy,
        propagate_tags=request.get("propagateTags") or service.propagate_tags,
        managed_tags=service.managed_tags if managed is None else managed,
        exec_enabled=service.exec_enabled if exec_enabled is None else exec_enabled,
    )


def _deployed(
    call: Call, request: Request, service: Service, definition: TaskDefinition
) -> Service:
    """A new PRIMARY deployment where the request asks for one."""
    primary = service.primary
    network, balancers = primary.network, primary.load_balancers
    if request.get("networkConfiguration"):
        network, _ = networks.network_in(call, request)
    kind = service.deployment_strategy.kind
    if request.get("loadBalancers") is not None:
        balancers = load_balancers_in(call, request["loadBalancers"], definition, kind)
    elif definition.arn != primary.definition_arn or not _shifts(kind, balancers):
        shown = service_views.load_balancers(primary.load_balancers)
        balancers = load_balancers_in(call, shown, definition, kind)
    registries = primary.registries
    if request.get("serviceRegistries") is not None:
        registries = registries_in(call, request["serviceRegistries"], definition)
    offered = primary.connect
    given = request.get("serviceConnectConfiguration")
    if given is None and definition.arn != primary.definition_arn:
        given = connect_views.shown(primary.connect)
    if given is not None:
        cluster = names.cluster_of(call, service.cluster)
        offered = connect.connect_in(call, given, cluster, definition, service.arn)
    _check_traffic(kind, balancers, offered)
    grace = _grace(request, bool(balancers))
    if not balancers:
        service = replace(service, grace_s=None)
    elif grace is not None or service.grace_s is None:
        service = replace(service, grace_s=grace or 0)
    version = request.get("platformVersion") or service.platform_version
    wanted = (definition.arn, network, balancers, version, registries, offered)
    current = (
        primary.definition_arn,
        primary.network,
        primary.load_balancers,
        service.platform_version,
        primary.registries,
        primary.connect,
    )
    if wanted == current and not request.get("forceNewDeployment"):
        return service
    content = deployments.Content(definition, network, balancers, version, registries, offered)
    return deployments.begin(call, service, content)


def _shifts(kind: str, balancers: tuple[LoadBalancer, ...]) -> bool:
    """Whether load balancers that were checked before have what a strategy needs of them."""
    return kind == "ROLLING" or (bool(balancers) and all(one.advanced for one in balancers))


@operation("DeleteService")
def delete_service(call: Call, request: Request) -> Response:
    """Wish that a service and its tasks end."""
    _, service = _active(call, request)
    if service.desired_count > 0 and not request.get("force"):
        raise InvalidParameter("The service cannot be stopped while it is scaled above 0.")
    service = replace(service, desired_count=0, deleted_at=call.now)
    rows.put_service(call.tx, service)
    # As in AWS, its deployments go at once; its revisions are named by the tasks that still run.
    rows.SERVICE_DEPLOYMENTS.delete(call.tx, service=service.arn)
    # It shows DRAINING in this answer even when there is nothing to drain.
    history = rows.list_events(call.tx, service.arn)
    seen = sight.service_views(call.tx, service.arn)
    return {"service": service_views.service(service, "DRAINING", seen, history)}


def _active(call: Call, request: Request) -> tuple[Cluster, Service]:
    cluster = names.cluster_of(call, request.get("cluster"))
    service = names.find_service(call, cluster, request["service"])
    if service is None:
        raise ServiceNotFound
    if service.deleted_at is not None:
        raise ServiceNotActive
    return cluster, service


@operation("DescribeServices")
def describe_services(call: Call, request: Request) -> Response:
    """Describe services; unknown ones are named in ``failures``."""
    if not request["services"]:
        raise InvalidParameter("Services cannot be empty.")
    if len(request["services"]) > 10:
        raise InvalidParameter("Services cannot have more than 10 items.")
    cluster = names.cluster_of(call, request.get("cluster"))
    found, failures = [], []
    for reference in request["services"]:
        service = names.find_service(call, cluster, reference)
        if service is None:
            failures.append(views.missing(names.service_arn(call, cluster.name, reference)))
            continue
        shape = _view(call, service)
        if "TAGS" in (request.get("include") or ()):
            shape["tags"] = names.tags_out(service.tags)
        found.append(shape)
    return {"services": found, "failures": failures}


@operation("ListServices")
def list_services(call: Call, request: Request) -> Response:
    """ARNs of the active services, ten a page."""
    if (request.get("resourceManagementType") or "CUSTOMER") != "CUSTOMER":
        raise unsupported("resourceManagementType", request["resourceManagementType"])
    cluster = names.cluster_of(call, request.get("cluster"))
    strategy = request.get("schedulingStrategy") or "REPLICA"
    kind = request.get("launchType") or "FARGATE"
    arns = [
        service.arn
        for service in rows.list_services(call.tx, cluster=cluster.arn)
        if service.deleted_at is None and strategy == "REPLICA" and kind == "FARGATE"
    ]
    return names.page(arns, request, "serviceArns", size=10)


@operation("ListServicesByNamespace")
def list_services_by_namespace(call: Call, request: Request) -> Response:
    """ARNs of the services that are in a namespace by Service Connect, of every cluster."""
    namespace = connect.find_namespace(call, request["namespace"])
    arns = [one.arn for one in connect.services_in(call, namespace["Arn"])]
    return names.page(arns, request, "serviceArns", size=10)


def _status(call: Call, service: Service) -> str:
    return sight.service_status(service, sight.service_views(call.tx, service.arn))


def _view(call: Call, service: Service) -> Response:
    seen = sight.service_views(call.tx, service.arn)
    status = sight.service_status(service, seen)
    shape = service_views.service(service, status, seen, rows.list_events(call.tx, service.arn))
    shape["currentServiceRevisions"] = deployment_views.current_revisions(service, seen)
    record = rows.SERVICE_DEPLOYMENTS.find(call.tx, arn=service.primary.record)
    if record is not None and not record.ended:
        shape["currentServiceDeployment"] = record.arn
    return shape
