"""Tasks: wishes that a set of containers runs, and their end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, operation, unsupported
from hiyoko.services.ecs import (
    capacity,
    connect,
    names,
    networks,
    rows,
    sight,
    task_views,
    views,
)
from hiyoko.services.ecs.errors import (
    InvalidParameter,
    NoAddressLeft,
    RoleNotAssumable,
    ServiceNotFound,
)
from hiyoko.services.ecs.model import (
    Cluster,
    ConnectLog,
    ConnectService,
    Network,
    Overrides,
    Stop,
    Strategy,
    Tags,
    Task,
    TaskDefinition,
)
from hiyoko.services.ecs.task_overrides import overrides_in
from hiyoko.services.iam import rows as iam

TASKS = "ecs-tasks.amazonaws.com"
"""The service that a task's roles have to trust."""
PLATFORM_VERSIONS = ("LATEST", "1.4.0")


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything that the tasks of one RunTask or of one deployment have in common."""

    cluster: Cluster
    definition: TaskDefinition
    network: Network
    subnets: tuple[networks.Subnet, ...]
    group: str
    launched_by: str
    strategy: Strategy = ()
    held: Mapping[str, int] = field(default_factory=dict)
    """How many tasks each capacity provider has already, where a strategy spreads them."""
    started_by: str = ""
    service: str = ""
    deployment: str = ""
    overrides: Overrides = field(default_factory=Overrides)
    tags: Tags = ()
    client_token: str = ""
    digests: Tags = ()
    rebalances: bool = False
    registrations: tuple[tuple[str, int], ...] = ()
    proxied: bool = False
    """With Service Connect."""
    proxy_log: ConnectLog | None = None
    endpoints: tuple[ConnectService, ...] = ()
    ingress: tuple[tuple[int, int], ...] = ()
    exec_enabled: bool = False


CLUSTER_TAG = "aws:ecs:clusterName"
"""https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-using-tags.html"""
TOKEN_MAX = 64
_STARTED_BY = re.compile(r"[A-Za-z0-9_/-]{0,128}")


def check_words(request: Request) -> None:
    """What RunTask is given to know its tasks by, and where they would go on other machines.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
    """
    for member, kind in (
        ("placementConstraints", "constraints"),
        ("placementStrategy", "strategies"),
    ):
        if request.get(member):
            raise InvalidParameter(f"Placement {kind} are not supported with FARGATE launch type.")
    if not _STARTED_BY.fullmatch(request.get("startedBy") or ""):
        raise InvalidParameter(
            "startedBy can have up to 128 letters, numbers, hyphens, slashes and underscores."
        )
    if len(request.get("clientToken") or "") > TOKEN_MAX:
        raise InvalidParameter(f"clientToken can have up to {TOKEN_MAX} characters.")


def refuse_ineffective(request: Request, members: tuple[str, ...]) -> None:
    """Refuse what RunTask and CreateService take and we would not act on."""
    for member in members:
        if request.get(member):
            raise unsupported(member)
    version = request.get("platformVersion") or "LATEST"
    if version not in PLATFORM_VERSIONS:
        raise InvalidParameter("The specified platform version does not exist.")


@operation("RunTask")
def run_task(call: Call, request: Request) -> Response:
    """Wish for ``count`` tasks, each with an interface of its own."""
    refuse_ineffective(
        request,
        (
            "volumeConfigurations",
            "referenceId",
        ),
    )
    check_words(request)
    count = 1 if request.get("count") is None else request["count"]
    if not 1 <= count <= 10:
        raise InvalidParameter("Count must be between 1 and 10.")
    cluster = names.cluster_of(call, request.get("cluster"))
    definition = names.usable_definition(call, request["taskDefinition"])
    kind, strategy = capacity.launched_in(request, cluster)
    network, subnets = networks.network_in(call, request)
    propagate = request.get("propagateTags")
    if propagate == "SERVICE":
        raise InvalidParameter("Tags can only be propagated from the service for service tasks.")
    tags = dict(definition.tags) if propagate == "TASK_DEFINITION" else {}
    tags.update(names.tags_in(request))
    if request.get("enableECSManagedTags"):
        tags[CLUSTER_TAG] = cluster.name
    launch = Launch(
        cluster=cluster,
        definition=definition,
        network=network,
        subnets=subnets,
        group=request.get("group") or f"family:{definition.family}",
        launched_by=kind,
        strategy=strategy,
        started_by=request.get("startedBy") or "",
        overrides=overrides_in(request.get("overrides") or {}, definition),
        tags=tuple(tags.items()),
        client_token=request.get("clientToken") or "",
        exec_enabled=bool(request.get("enableExecuteCommand")),
    )
    check_exec(launch.exec_enabled, launch.overrides.task_role or definition.task_role)
    return _ran(call, _started_with(call, launch, count) or start(call, launch, count))


def check_exec(enabled: bool, task_role: str) -> None:
    """ECS Exec takes a task role: its agent opens its channel with that."""
    if enabled and not task_role:
        raise InvalidParameter(
            "The service couldn't be created because a valid taskRoleArn is not being used."
            " Specify a valid task role in your task definition and try again."
        )


def _ran(call: Call, tasks: list[Task]) -> Response:
    shown = [task_views.task(sight.view(call.tx, task), include=("TAGS",)) for task in tasks]
    return {"tasks": shown, "failures": []}


def _started_with(call: Call, launch: Launch, count: int) -> list[Task]:
    """What an earlier RunTask with the same client token started.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html
    """
    if not launch.client_token:
        return []
    tasks = rows.list_tasks(call.tx, cluster=launch.cluster.arn)
    found = [task for task in tasks if task.client_token == launch.client_token]
    wanted = (
        launch.definition.arn,
        launch.group,
        launch.started_by,
        launch.overrides,
        launch.exec_enabled,
    )
    same = (
        (task.definition_arn, task.group, task.started_by, task.overrides, task.exec_enabled)
        == wanted
        for task in found
    )
    if found and not (len(found) == count and all(same)):
        raise AwsError(
            "ConflictException",
            "The specified client token was already used with other parameters.",
            fields={"resourceIds": [task.arn for task in found]},
        )
    return found


def _check_roles(call: Call, launch: Launch) -> None:
    """Both roles must be there and trust ECS's tasks.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
    """
    definition, overrides = launch.definition, launch.overrides
    for arn in (
        overrides.execution_role or definition.execution_role,
        overrides.task_role or definition.task_role,
    ):
        role = iam.find_role_by_arn(call.tx, arn) if arn else None
        if arn and (role is None or not role.trusts(TASKS)):
            raise RoleNotAssumable(arn)


def start(call: Call, launch: Launch, count: int = 1) -> list[Task]:
    """Write the wishes for so many tasks, spread over capacity providers as the strategy says.

    RoleNotAssumable; NoAddressLeft when there is no place for all of them.
    """
    _check_roles(call, launch)
    return [_start(call, launch, launched_by) for launched_by in _spread(launch, count)]


def start_what_fits(call: Call, launch: Launch, count: int) -> tuple[list[Task], str]:
    """As ``start``, but as many as have a place, and why the others have none."""
    _check_roles(call, launch)
    started: list[Task] = []
    for launched_by in _spread(launch, count):
        try:
            started.append(_start(call, launch, launched_by))
        except NoAddressLeft as error:
            if not started:
                raise
            return started, error.message
    return started, ""


def _spread(launch: Launch, count: int) -> list[str]:
    """What launches each of so many tasks."""
    if not launch.strategy:
        return [launch.launched_by] * count
    return [f"provider:{name}" for name in capacity.spread(launch.strategy, launch.held, count)]


def _start(call: Call, launch: Launch, launched_by: str) -> Task:
    """Write the wish for one task and for its interface."""
    attachment = call.ids.uuid()
    subnet, interface = _place(call, launch, attachment)
    task_id = call.ids.hex(32)
    proxy = f"{connect.PROXY_NAME}{call.ids.hex(5)}" if launch.proxied else ""
    containers = (*(one.name for one in launch.definition.containers), proxy)
    task = Task(
        account=call.account,
        region=call.region,
        arn=names.task_arn(call, launch.cluster.name, task_id),
        task_id=task_id,
        cluster=launch.cluster.arn,
        definition_arn=launch.definition.arn,
        family=launch.definition.family,
        group=launch.group,
        created_at=call.now,
        eni_id=interface["NetworkInterfaceId"],
        subnet_id=subnet.id,
        vpc_id=subnet.vpc,
        zone=subnet.zone,
        address=interface["PrivateIpAddress"],
        mac=interface["MacAddress"],
        private_dns=interface["PrivateDnsName"],
        attachment_id=attachment,
        cpu=launch.overrides.cpu or launch.definition.cpu,
        memory=launch.overrides.memory or launch.definition.memory,
        container_ids=tuple((name, call.ids.uuid()) for name in containers if name),
        service=launch.service,
        deployment=launch.deployment,
        started_by=launch.started_by,
        launched_by=launched_by,
        overrides=launch.overrides,
        tags=launch.tags,
        client_token=launch.client_token,
        digests=launch.digests,
        rebalances=launch.rebalances,
        registrations=launch.registrations,
        proxy=proxy,
        proxy_log=launch.proxy_log,
        endpoints=launch.endpoints,
        ingress=launch.ingress,
        exec_enabled=launch.exec_enabled,
    )
    rows.put_task(call.tx, task)
    return task


def _place(
    call: Call, launch: Launch, attachment: str
) -> tuple[networks.Subnet, Mapping[str, Any]]:
    """The best subnet that still has an address, and the interface in it."""
    subnets = launch.subnets
    spread = rows.TASKS.derived(call.tx, networks.Spread)
    while True:
        subnet = spread.choose_subnet(subnets, launch.cluster.arn, launch.group)
        try:
            return subnet, networks.create_interface(call, launch.network, subnet, attachment)
        except NoAddressLeft:
            subnets = tuple(one for one in subnets if one.id != subnet.id)
            if not subnets:
                raise


@operation("StopTask")
def stop_task(call: Call, request: Request) -> Response:
    """Wish that a task ends, at once: a load balancer's drain is not waited for."""
    cluster = names.cluster_of(call, request.get("cluster"))
    task = rows.find_task(call.tx, names.task_arn(call, cluster.name, request["task"]))
    if task is None:
        raise InvalidParameter("The referenced task was not found.")
    view = sight.view(call.tx, task)
    if view.stop is None or view.stop.drain:
        reason = request.get("reason") or "Task stopped by user"
        stop = view.stop or Stop(call.now, "UserInitiated", reason)
        task = replace(task, stop=replace(stop, drain=False))
        rows.put_task(call.tx, task)
    return {"task": task_views.task(sight.view(call.tx, task))}


@operation("DescribeTasks")
def describe_tasks(call: Call, request: Request) -> Response:
    """Describe tasks, stopped ones for an hour; unknown ones are named in ``failures``."""
    if not request["tasks"]:
        raise InvalidParameter("Tasks cannot be empty.")
    if len(request["tasks"]) > 100:
        raise InvalidParameter("Tasks cannot have more than 100 items.")
    cluster = names.cluster_of(call, request.get("cluster"))
    found, failures = [], []
    for reference in request["tasks"]:
        arn = names.task_arn(call, cluster.name, reference)
        task = rows.find_task(call.tx, arn)
        if task is None:
            failures.append(views.missing(arn))
        else:
            view = sight.view(call.tx, task)
            found.append(task_views.task(view, include=request.get("include") or ()))
    return {"tasks": found, "failures": failures}


@operation("ListTasks")
def list_tasks(call: Call, request: Request) -> Response:
    """ARNs of tasks by their *desired* status, RUNNING unless asked otherwise."""
    for member in ("containerInstance", "daemonName"):
        if request.get(member):
            raise unsupported(member)
    others = ("family", "serviceName", "desiredStatus", "launchType")
    if request.get("startedBy") and any(request.get(name) for name in others):
        raise InvalidParameter("startedBy must be the only filter.")
    cluster = names.cluster_of(call, request.get("cluster"))
    service = ""
    if request.get("serviceName"):
        found = names.find_service(call, cluster, request["serviceName"])
        if found is None:
            raise ServiceNotFound
        service = found.arn
    desired = request.get("desiredStatus") or "RUNNING"
    wanted = (
        task
        for task in rows.list_tasks(call.tx, cluster=cluster.arn, service=service)
        if request.get("family") in (None, "", task.family)
        and request.get("startedBy") in (None, "", task.started_by)
        and request.get("launchType") in (None, "", "FARGATE")
    )
    arns = (task.arn for task in wanted if sight.view(call.tx, task).desired_status == desired)
    return names.page(arns, request, "taskArns")
