"""The ``overrides`` of RunTask: what one task changes of its definition.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskOverride.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hiyoko.api import unsupported
from hiyoko.services.ecs import definition_parse
from hiyoko.services.ecs.definition_checks import FILES_MAX, check_size
from hiyoko.services.ecs.definition_limits import check_limits, check_parts
from hiyoko.services.ecs.errors import ClientException, InvalidParameter
from hiyoko.services.ecs.model import (
    ContainerDefinition,
    ContainerOverride,
    Overrides,
    TaskDefinition,
)

CHARACTERS_MAX = 8192
"""Of all overrides together, with what makes them JSON."""


def overrides_in(request: Mapping[str, Any], definition: TaskDefinition) -> Overrides:
    """What a task is given beside its definition. What would not fit into that is refused."""
    if request.get("inferenceAcceleratorOverrides"):
        raise unsupported("overrides.inferenceAcceleratorOverrides")
    if len(json.dumps(request, separators=(",", ":"), ensure_ascii=False)) > CHARACTERS_MAX:
        raise InvalidParameter(f"The overrides have more than {CHARACTERS_MAX} characters.")
    try:
        found = Overrides(
            tuple(_container(one, definition) for one in request.get("containerOverrides", ())),
            definition_parse.cpu_units(request["cpu"]) if request.get("cpu") else "",
            definition_parse.memory_mib(request["memory"]) if request.get("memory") else "",
            request.get("taskRoleArn") or "",
            request.get("executionRoleArn") or "",
            definition_parse.ephemeral_gib(request),
        )
        _check(found, definition)
    except ClientException as error:  # RunTask says the same with a code of its own
        raise InvalidParameter(error.message) from error
    return found


def _container(request: Mapping[str, Any], definition: TaskDefinition) -> ContainerOverride:
    if request.get("resourceRequirements"):
        raise unsupported("overrides.containerOverrides.resourceRequirements")
    name = request.get("name") or ""
    if definition.container(name) is None:
        raise InvalidParameter(
            f"Override for container named {name} is not a container in the TaskDefinition."
        )
    files = request.get("environmentFiles")
    if len(files or ()) > FILES_MAX:
        raise InvalidParameter(f"Too many environment files; the maximum is {FILES_MAX}.")
    return ContainerOverride(
        name,
        tuple(request["command"]) if request.get("command") is not None else None,
        definition_parse.environment(request),
        request.get("cpu"),
        request.get("memory"),
        request.get("memoryReservation"),
        tuple(map(definition_parse.environment_file, files)) if files is not None else None,
    )


def _check(overrides: Overrides, definition: TaskDefinition) -> None:
    """The task's size, and its containers in it, as they are with the overrides."""
    names = [one.name for one in overrides.containers]
    for name in names:
        if names.count(name) > 1:
            raise InvalidParameter(f"Container {name} is overridden more than once.")
    if any(one.environment_files for one in overrides.containers) and not (
        overrides.execution_role or definition.execution_role
    ):
        raise InvalidParameter(
            "Fargate requires task definition to have execution role ARN to support environment"
            " files."
        )
    cpu, memory = overrides.cpu or definition.cpu, overrides.memory or definition.memory
    if overrides.cpu or overrides.memory:
        check_size(cpu, memory)
    containers = [_changed(one, overrides.container(one.name)) for one in definition.containers]
    for one in containers:
        check_limits(one)
    check_parts(containers, int(cpu), int(memory))


def _changed(one: ContainerDefinition, override: ContainerOverride) -> ContainerDefinition:
    return replace(
        one,
        cpu=one.cpu if override.cpu is None else override.cpu,
        memory=one.memory if override.memory is None else override.memory,
        memory_reservation=(
            one.memory_reservation
            if override.memory_reservation is None
            else override.memory_reservation
        ),
    )
