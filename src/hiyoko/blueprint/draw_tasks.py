"""Task rows become what the task plane needs: namespaces, containers, limits, where logs go."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network

import hiyoko.services.ecs.model as model
from hiyoko.blueprint.draw_firelens import (
    ADDRESS,
    dependencies,
    log_router,
    routed_log,
    router_secrets,
)
from hiyoko.blueprint.draw_proxies import alias_addresses
from hiyoko.blueprint.tasks import Container, Identity, LogTarget, Mount, Task

LEAST_CPU_SHARES = 2
"""What the kernel takes as its minimum; ECS passes it for cpu 0."""
DEFAULT_STOP_TIMEOUT_S = 30


def draw_task(
    view: model.TaskView, vpcs: Mapping[str, IPv4Network], subnets: Mapping[str, str]
) -> Task | None:
    """Draw one; None where nothing is left of it, of its VPC neither.

    ``vpcs`` (the primary CIDR block) and ``subnets`` (theirs) by id.

    A task that failed or whose essential container ended is not to run, whether or not that has
    been written down yet.
    """
    if view.task.ended_at is not None or (view.stop is not None and view.gone):
        return None
    place = view.task
    return _task(view, vpcs[place.vpc_id], subnets.get(place.subnet_id, ""))


def _task(view: model.TaskView, vpc: IPv4Network, subnet: str) -> Task:
    task, stop = view.task, view.stop
    return Task(
        arn=task.arn,
        account=task.account,
        region=task.region,
        zone=task.zone,
        eni_id=task.eni_id,
        vpc_id=task.vpc_id,
        address=IPv4Address(task.address),
        hostname=f"ip-{task.address.replace('.', '-')}.{search_domain(task.region)}",
        resolver=vpc.network_address + 2,
        search_domain=search_domain(task.region),
        cpu_units=int(task.cpu),
        memory_mib=int(task.memory),
        containers=tuple(
            _container(task, one, view.definition) for one in view.definition.containers
        ),
        run=stop is None or stop.drain,
        identity=_identity(view, subnet),
        aliases=tuple(
            (name, str(address)) for name, address in alias_addresses(task.endpoints).items()
        ),
        proxy=task.proxy,
        proxy_log=_log(task, task.proxy, _proxy_log(task)),
        architecture="arm64" if view.architecture == "arm64" else "amd64",
        shared_pids=view.definition.pid_mode == "task",
        storage_gib=view.ephemeral_gib,
        exec_enabled=task.exec_enabled,
    )


def _identity(view: model.TaskView, subnet: str) -> Identity:
    task, role = view.task, view.task.overrides.task_role or view.definition.task_role
    return Identity(
        cluster=task.cluster,
        family=task.family,
        revision=view.definition.revision,
        service=task.service.rpartition("/")[2],
        launch_type="FARGATE",
        role=role,
        credentials_id=task.attachment_id if role else "",
        mac=task.mac,
        subnet_cidr=subnet,
        tags=task.tags,
        execution_role=task.overrides.execution_role or view.definition.execution_role,
    )


def search_domain(region: str) -> str:
    """The search list of the VPC's default DHCP option set."""
    return "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"


def _mounts(
    one: model.ContainerDefinition, whole: model.TaskDefinition, above: frozenset[str] = frozenset()
) -> tuple[Mount, ...]:
    """A container's own mounts, then those that it shares, the paths each once."""
    found = {m.path: Mount(m.volume, m.path, m.read_only) for m in one.mounts}
    for name, read_only in one.volumes_from:
        source = whole.container(name)
        if source is None or name in above:
            continue
        for mount in _mounts(source, whole, above | {one.name}):
            shared = Mount(mount.volume, mount.path, mount.read_only or read_only)
            found.setdefault(mount.path, shared)
    return tuple(found.values())


def _container(
    task: model.Task, definition: model.ContainerDefinition, whole: model.TaskDefinition
) -> Container:
    override = task.overrides.container(definition.name)
    command = definition.command if override.command is None else override.command
    cpu = definition.cpu if override.cpu is None else override.cpu
    memory = definition.memory if override.memory is None else override.memory
    files = override.environment_files
    if files is None:
        files = definition.environment_files
    stop_timeout, restart = definition.stop_timeout_s, definition.restart
    check = definition.health or model.HealthCheck(command=())
    return Container(
        name=definition.name,
        image=definition.image,
        essential=definition.essential,
        command=command,
        entry_point=definition.entry_point,
        environment=_environment(task, definition, override),
        user=definition.user,
        working_directory=definition.working_directory,
        cpu_shares=max(LEAST_CPU_SHARES, cpu),
        memory_mib=memory,
        read_only_root=bool(definition.read_only_root),
        stop_timeout_s=DEFAULT_STOP_TIMEOUT_S if stop_timeout is None else stop_timeout,
        log=routed_log(task, definition, whole) or _log(task, definition.name, definition.log),
        health_command=check.command,
        health_interval_s=check.interval_s,
        health_timeout_s=check.timeout_s,
        health_retries=check.retries,
        health_start_period_s=check.start_period_s or 0,
        depends_on=dependencies(definition, whole),
        secrets=(*definition.secrets, *router_secrets(definition, whole)),
        environment_files=files,
        mounts=_mounts(definition, whole),
        ulimits=tuple((limit.name, limit.soft, limit.hard) for limit in definition.ulimits),
        system_controls=definition.system_controls,
        init_process=bool(definition.init_process),
        capabilities=definition.capabilities,
        dropped=definition.dropped,
        interactive=bool(definition.interactive),
        terminal=bool(definition.pseudo_terminal),
        arn=task.container_arn(definition.name),
        start_timeout_s=definition.start_timeout_s,
        restart_period_s=restart.period_s if restart is not None and restart.enabled else None,
        restart_ignores=restart.ignored_exit_codes if restart is not None else (),
        digest=dict(task.digests).get(definition.name, ""),
        router=log_router(task, definition, whole),
    )


def _environment(
    task: model.Task, definition: model.ContainerDefinition, override: model.ContainerOverride
) -> tuple[tuple[str, str], ...]:
    """Fargate's own, the definition's, the task's, a router's address: the later one wins."""
    merged = {
        "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
        "AWS_REGION": task.region,
        "AWS_DEFAULT_REGION": task.region,
    }
    merged.update(definition.environment)
    merged.update(override.environment)
    if definition.log is not None and definition.log.routed:
        merged.update(ADDRESS)
    return tuple(merged.items())


def _proxy_log(task: model.Task) -> model.LogConfiguration | None:
    log = task.proxy_log
    return model.LogConfiguration("awslogs", log.options) if log is not None else None


def _log(task: model.Task, name: str, log: model.LogConfiguration | None) -> LogTarget | None:
    """Where a container's log goes, by the container's name."""
    if log is None or log.routed:
        return None
    prefix = log.option("awslogs-stream-prefix")
    return LogTarget(
        group=log.option("awslogs-group"),
        stream=f"{prefix}/{name}/{task.task_id}",
        region=log.option("awslogs-region"),
        create_group=log.option("awslogs-create-group", "false") == "true",
        multiline_pattern=log.option("awslogs-multiline-pattern"),
        datetime_format=log.option("awslogs-datetime-format"),
        # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-account-settings.html:
        # the default of new accounts since June 2025.
        blocking=log.option("mode", "non-blocking") == "blocking",
        buffer_bytes=_bytes(log.option("max-buffer-size", "10m")),
    )


def _bytes(size: str) -> int:
    """``10m``, ``512 KB`` or ``1048576``: powers of 1024, as Docker reads sizes."""
    number = size.rstrip("bBiIkKmMgG ")
    unit = size[len(number) :].strip().lower()[:1]
    return int(number) << {"k": 10, "m": 20, "g": 30}.get(unit, 0)
