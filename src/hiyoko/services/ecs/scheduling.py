"""The service scheduler's hands: each operation is one decision, carried out and noted.

They exist for ``reconcile.ecs_services``; the gateway does not know them. A decision and its
line in the service's history are one transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.ecs import deployments, events, names, networks, rows, sight, tasks
from hiyoko.services.ecs.errors import ServiceNotFound
from hiyoko.services.ecs.model import Deployment, Service, Stop, Task
from hiyoko.services.ecs.task_definitions import sweep_definition


def service_in(call: Call, request: Request) -> Service:
    """The service that a request names; ServiceNotFound when there is none."""
    service = rows.find_service(call.tx, request["Service"])
    if service is None:
        raise ServiceNotFound
    return service


def note(call: Call, service: Service, message: str) -> None:
    """Add a line to a service's history."""
    rows.insert_event(
        call.tx, service.arn, call.ids.uuid(), call.now, f"(service {service.name}) {message}"
    )


def change(
    call: Call, service: Service, deployment: str, how: Callable[[Deployment], Deployment]
) -> Service:
    """Write one deployment of a service anew."""
    changed = replace(
        service,
        deployments=tuple(how(one) if one.id == deployment else one for one in service.deployments),
    )
    rows.put_service(call.tx, changed)
    return changed


def _named(items: list[Task]) -> str:
    return " ".join(f"(task {task.task_id})" for task in items)


def _launch(call: Call, service: Service, deployment: Deployment, zone: str = "") -> tasks.Launch:
    """What tasks of a deployment have in common; in one zone only where it is named."""
    definition = rows.get_definition(call.tx, deployment.definition_arn)
    cluster = names.cluster_of(call, service.cluster)
    subnets = networks.find_subnets(call, deployment.network.subnets)
    offered = deployment.connect.services if deployment.connect is not None else ()
    return tasks.Launch(
        cluster=cluster,
        definition=definition,
        network=deployment.network,
        subnets=tuple(one for one in subnets if zone in ("", one.zone)),
        group=f"service:{service.name}",
        launched_by=service.launched_by,
        strategy=service.strategy,
        held=_held(call, service, deployment),
        started_by=deployment.id,
        service=service.arn,
        deployment=deployment.id,
        tags=_task_tags(service, definition.tags, cluster.name),
        digests=deployment.digests,
        exec_enabled=service.exec_enabled,
        rebalances=bool(zone),
        registrations=_registrations(deployment),
        proxied=deployment.connect is not None,
        proxy_log=deployment.connect.log if deployment.connect is not None else None,
        endpoints=deployment.endpoints,
        ingress=tuple((one.ingress_port, one.port) for one in offered if one.ingress_port),
    )


def _registrations(deployment: Deployment) -> tuple[tuple[str, int], ...]:
    """Where its tasks are registered: by their service registry, and by Service Connect."""
    offered = deployment.connect.services if deployment.connect is not None else ()
    return (
        *((one.arn, one.told_port) for one in deployment.registries),
        *((one.registry, one.told_port) for one in offered),
    )


def _held(call: Call, service: Service, deployment: Deployment) -> dict[str, int]:
    """How many tasks of a deployment each capacity provider has."""
    held: dict[str, int] = {}
    for task in rows.list_tasks(call.tx, service=service.arn):
        if task.deployment == deployment.id and task.stop is None:
            name = task.launched_by.removeprefix("provider:")
            held[name] = held.get(name, 0) + 1
    return held


@operation("_StartServiceTasks")
def start_service_tasks(call: Call, request: Request) -> Response:
    """Start tasks of a deployment; ``{Service, Deployment, Count, Replaced}``."""
    service = service_in(call, request)
    deployment = next(one for one in service.deployments if one.id == request["Deployment"])
    launch = _launch(call, service, deployment)
    started, refusal = tasks.start_what_fits(call, launch, request["Count"])
    message = f"has started {len(started)} tasks: {_named(started)}."
    if request.get("Replaced"):
        message += f" Amazon ECS replaced {request['Replaced']} tasks due to an unhealthy status."
    note(call, service, message)
    if refusal:
        note(call, service, f"was unable to place a task. Reason: {refusal}")
        events.tell_action(call, service, "SERVICE_TASK_PLACEMENT_FAILURE", refusal)
    if deployment is service.primary:
        deployments.note_start(call, deployment)
    return {"Tasks": [task.arn for task in started]}


@operation("_RebalanceService")
def rebalance_service(call: Call, request: Request) -> Response:
    """Start a task in the poorest zone; ``{Service, Zone, Message}`` (how the tasks are spread)."""
    service, zone = service_in(call, request), request["Zone"]
    [task] = tasks.start(call, _launch(call, service, service.primary, zone))
    note(call, service, request["Message"])
    note(call, service, f"has started 1 tasks in {zone} to AZ Rebalance: {_named([task])}.")
    events.tell_action(call, service, "SERVICE_REBALANCING_STARTED")
    return {"Tasks": [task.arn]}


@operation("_EndRebalancing")
def end_rebalancing(call: Call, request: Request) -> Response:
    """The zones are even again; ``{Service, Message}``."""
    service = service_in(call, request)
    for task in rows.list_tasks(call.tx, service=service.arn):
        if task.rebalances:
            rows.put_task(call.tx, replace(task, rebalances=False))
    note(call, service, request["Message"])
    events.tell_action(call, service, "SERVICE_REBALANCING_COMPLETED")
    return {}


def _task_tags(
    service: Service, definition_tags: tuple[tuple[str, str], ...], cluster: str
) -> tuple[tuple[str, str], ...]:
    tags: dict[str, str] = {}
    if service.managed_tags:
        tags |= {"aws:ecs:clusterName": cluster, "aws:ecs:serviceName": service.name}
    if service.propagate_tags == "SERVICE":
        tags.update(service.tags)
    elif service.propagate_tags == "TASK_DEFINITION":
        tags.update(definition_tags)
    return tuple(tags.items())


@operation("_StopServiceTasks")
def stop_service_tasks(call: Call, request: Request) -> Response:
    """End tasks after their targets have drained.

    ``{Service, Tasks: [{Task, Reason}], Failed, Zone}``. ``Failed`` counts them as failures of
    their deployment (they were found unhealthy); a ``Zone`` has too many of them.
    """
    service = service_in(call, request)
    running: list[Task] = []
    pending: list[Task] = []
    for item in request["Tasks"]:
        task = rows.find_task(call.tx, item["Task"])
        if task is None or task.stop is not None:
            continue
        status = sight.view(call.tx, task).status
        found = _deployment_balancers(service, task) or bool(task.registrations)
        drain = status == "RUNNING" and found
        stop = Stop(call.now, "ServiceSchedulerInitiated", item["Reason"], drain)
        rows.put_task(call.tx, replace(task, stop=stop))
        (running if status == "RUNNING" else pending).append(task)
        if request.get("Failed"):
            service = change(call, service, task.deployment, _failed_once)
    if running:
        zone = request.get("Zone")
        why = f" in {zone} due to AZ rebalancing" if zone else ""
        note(call, service, f"has stopped {len(running)} running tasks{why}: {_named(running)}.")
    if pending:
        note(call, service, f"stopped {len(pending)} pending tasks.")
    return {}


def _failed_once(one: Deployment) -> Deployment:
    if one.completed_at is not None:
        return one
    return replace(one, failed_tasks=one.failed_tasks + 1)


def _deployment_balancers(service: Service, task: Task) -> bool:
    return any(one.id == task.deployment and one.load_balancers for one in service.deployments)


@operation("_ReleaseTask")
def release_task(call: Call, request: Request) -> Response:
    """The task's targets have drained: now its containers may be stopped; ``{Task}``."""
    task = rows.find_task(call.tx, request["Task"])
    if task is not None and task.stop is not None:
        rows.put_task(call.tx, replace(task, stop=replace(task.stop, drain=False)))
    return {}


@operation("_RegisterServiceTargets")
def register_service_targets(call: Call, request: Request) -> Response:
    """Register running tasks in a target group; ``{Service, TargetGroupArn, Targets}``."""
    service = service_in(call, request)
    group, targets = request["TargetGroupArn"], request["Targets"]
    call.invoke("elbv2", "RegisterTargets", {"TargetGroupArn": group, "Targets": targets})
    note(call, service, f"registered {len(targets)} targets in (target-group {group})")
    return {}


@operation("_DeregisterServiceTargets")
def deregister_service_targets(call: Call, request: Request) -> Response:
    """Let a target group drain tasks that end; ``{Service, TargetGroupArn, Targets, TaskSet}``."""
    service = service_in(call, request)
    group, targets = request["TargetGroupArn"], request["Targets"]
    call.invoke("elbv2", "DeregisterTargets", {"TargetGroupArn": group, "Targets": targets})
    note(call, service, f"deregistered {len(targets)} targets in (target-group {group})")
    note(call, service, f"has begun draining connections on {len(targets)} tasks.")
    return {}


@operation("_NoteServiceEvent")
def note_service_event(call: Call, request: Request) -> Response:
    """Add a line to a service's history; ``{Service, Message, Event, Reason}``.

    ``Event`` is the name by which EventBridge is told of it, if it is.
    """
    service = service_in(call, request)
    note(call, service, request["Message"])
    if request.get("Event"):
        events.tell_action(call, service, request["Event"], request.get("Reason") or "")
    return {}


@operation("_ResolveImages")
def resolve_images(call: Call, request: Request) -> Response:
    """Pin the PRIMARY deployment's images; ``{Service, Digests}`` (by container)."""
    service = service_in(call, request)
    resolved = deployments.resolve(call, service.primary, dict(request["Digests"]))
    change(call, service, resolved.id, lambda _: resolved)
    return {}


@operation("_DropDeployments")
def drop_deployments(call: Call, request: Request) -> Response:
    """Forget ACTIVE deployments whose last task has stopped; ``{Service, Deployments}``."""
    service = service_in(call, request)
    gone = set(request["Deployments"])
    kept = tuple(one for one in service.deployments if one.id not in gone or one is service.primary)
    rows.put_service(call.tx, replace(service, deployments=kept))
    return {}


@operation("_ResetFailures")
def reset_failures(call: Call, request: Request) -> Response:
    """A task of the PRIMARY deployment is well: failures are counted from 0; ``{Service}``.

    The circuit breaker goes on counting when it was told not to start anew.
    """
    service = service_in(call, request)
    keep = service.reset_on_healthy is False

    def reset(one: Deployment) -> Deployment:
        failed = one.failed_tasks if keep else 0
        return replace(one, failed_tasks=failed, start_failures=0, last_failure_at=0.0)

    change(call, service, service.primary.id, reset)
    return {}


@operation("_ForgetService")
def forget_service(call: Call, request: Request) -> Response:
    """Remove a service that has been INACTIVE for long; ``{Service}``."""
    service = rows.find_service(call.tx, request["Service"])
    if service is not None and service.deleted_at is not None:
        rows.delete_service(call.tx, service.arn)
    return {}


@operation("_EndTask")
def end_task(call: Call, request: Request) -> Response:
    """Write down the end that the containers brought about; ``{Task}``.

    One that never ran is a failure of its deployment, unless everything ended with it.
    """
    task = rows.find_task(call.tx, request["Task"])
    if task is None or (task.stop is not None and not task.stop.drain):
        return {}
    view = sight.view(call.tx, task)
    if view.stop is None:
        return {}
    rows.put_task(call.tx, replace(task, stop=replace(view.stop, drain=False)))
    service = rows.find_service(call.tx, task.service) if task.service else None
    if service is not None and view.started_at is None and not view.lost:

        def failed(one: Deployment) -> Deployment:
            return replace(
                _failed_once(one),
                start_failures=one.start_failures + 1,
                last_failure_at=call.now,
            )

        change(call, service, task.deployment, failed)
    return {}


@operation("_CloseTask")
def close_task(call: Call, request: Request) -> Response:
    """A stopped task has left the world: its interface goes, it is STOPPED; ``{Task}``."""
    task = rows.find_task(call.tx, request["Task"])
    if task is not None and task.ended_at is None and sight.view(call.tx, task).gone:
        call.invoke("ec2", "_DeleteManagedInterface", {"NetworkInterfaceId": task.eni_id})
        rows.put_task(call.tx, replace(task, ended_at=call.now))
    return {}


@operation("_ForgetTask")
def forget_task(call: Call, request: Request) -> Response:
    """Remove a task that stopped long ago; ``{Task}``."""
    task = rows.find_task(call.tx, request["Task"])
    if task is not None and task.ended_at is not None:
        rows.forget_task(call.tx, task.arn)
        definition = rows.find_definition(call.tx, task.definition_arn)
        if definition is not None:
            sweep_definition(call, definition)
    return {}
