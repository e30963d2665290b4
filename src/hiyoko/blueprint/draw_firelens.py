"""FireLens: which container routes whose output, and what both are given for it.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_firelens.html; what the agent does
of it is in its source (https://github.com/aws/amazon-ecs-agent, agent/taskresource/firelens).
"""

from __future__ import annotations

import hiyoko.services.ecs.model as model
from hiyoko.blueprint.tasks import LogOutput, LogRouter, RoutedLog

BUFFER_LIMIT, BUFFER_LINES = "log-driver-buffer-limit", "1048576"
ADDRESS = (("FLUENT_HOST", "127.0.0.1"), ("FLUENT_PORT", "24224"))
"""Where a program may log without its standard output, told to each container that is routed."""
_PLACEHOLDER = {"fluentbit": "${%s}", "fluentd": "\"#{ENV['%s']}\""}
"""How a router's configuration names a variable of its environment."""


def routed_log(
    task: model.Task, definition: model.ContainerDefinition, whole: model.TaskDefinition
) -> RoutedLog | None:
    """Where the output of a container goes whose driver is awsfirelens."""
    log, router = definition.log, whole.router
    if log is None or not log.routed or router is None or router.firelens is None:
        return None
    return RoutedLog(
        router=router.name,
        tag=f"{definition.name}-firelens-{task.task_id}",
        # Fluentd's input for sockets (in_unix) answers nothing.
        acknowledges=router.firelens.kind == "fluentbit",
        buffer_lines=int(log.option(BUFFER_LIMIT, BUFFER_LINES)),
    )


def log_router(
    task: model.Task, definition: model.ContainerDefinition, whole: model.TaskDefinition
) -> LogRouter | None:
    """What a container that is the task's log router does."""
    firelens = definition.firelens
    if firelens is None:
        return None
    fields = (
        ("ecs_cluster", task.cluster.rpartition("/")[2]),
        ("ecs_task_arn", task.arn),
        ("ecs_task_definition", f"{whole.family}:{whole.revision}"),
    )
    told = firelens.option("enable-ecs-log-metadata", "true") == "true"
    return LogRouter(
        kind=firelens.kind,
        outputs=tuple(
            LogOutput(one.name, _options(index, one.log, firelens.kind))
            for index, one in enumerate(whole.containers)
            if one.log is not None and one.log.routed
        ),
        fields=fields if told else (),
        include=firelens.option("config-file-value"),
        memory_mib=definition.memory_reservation,
    )


def _options(index: int, log: model.LogConfiguration, kind: str) -> model.Tags:
    """All but what is the driver's own; a secret is named by its variable."""
    options = {name: value for name, value in log.options if name != BUFFER_LIMIT}
    options |= {name: _PLACEHOLDER[kind] % f"{name}_{index}" for name, _ in log.secrets}
    return tuple(sorted(options.items()))


def router_secrets(
    definition: model.ContainerDefinition, whole: model.TaskDefinition
) -> model.Tags:
    """The variables with which a router finds the secrets of others' options."""
    if definition.firelens is None:
        return ()
    return tuple(
        (f"{name}_{index}", source)
        for index, one in enumerate(whole.containers)
        for name, source in (one.log.secrets if one.log is not None else ())
    )


def dependencies(
    definition: model.ContainerDefinition, whole: model.TaskDefinition
) -> tuple[tuple[str, str], ...]:
    """A container's own ones, and that its router starts before it and ends after it.

    Not when there is an order already: its own one, or of the router after others.
    """
    log, router = definition.log, whole.router
    if log is None or not log.routed or router is None or router.depends_on:
        return definition.depends_on
    if any(name == router.name for name, _ in definition.depends_on):
        return definition.depends_on
    return (*definition.depends_on, (router.name, "START"))
