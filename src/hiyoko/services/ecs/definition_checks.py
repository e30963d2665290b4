"""What Fargate asks of a task definition before it takes it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hiyoko.api import Request, unsupported
from hiyoko.services.ecs.definition_limits import check_limits, check_parts
from hiyoko.services.ecs.errors import ClientException
from hiyoko.services.ecs.firelens_options import check_router
from hiyoko.services.ecs.model import ContainerDefinition

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
SIZES: Mapping[int, Sequence[int]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}

_ECR = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/")
FILES_MAX = 10
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_PORT_NAME = re.compile(r"[a-z0-9_][a-z0-9_-]{0,63}")


def check_level(request: Request) -> None:
    """Network mode and the presence of a size."""
    requires = request.get("requiresCompatibilities") or ()
    if requires and "FARGATE" not in requires:
        raise unsupported("requiresCompatibilities", list(requires))
    if request.get("networkMode") != "awsvpc":
        raise ClientException("Fargate only supports network mode \u2018awsvpc\u2019.")
    for member in ("cpu", "memory"):
        if not request.get(member):
            raise ClientException(f"Fargate requires that '{member}' be defined at the task level.")


def check_size(cpu: str, memory: str) -> None:
    """Only certain pairs of CPU and memory exist."""
    if int(memory) not in SIZES.get(int(cpu), ()):
        raise ClientException(
            f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory."
            " See the Amazon ECS documentation for the valid values."
        )


def check_volumes(containers: Sequence[ContainerDefinition], volumes: Sequence[str]) -> None:
    """Mounts name volumes of the task, and containers of it to share them with."""
    for name in volumes:
        if not _NAME.fullmatch(name):
            raise ClientException("Volume name contains invalid characters.")
        if volumes.count(name) > 1:
            raise ClientException(f"Volume name {name} is not unique.")
    names = {one.name for one in containers}
    for one in containers:
        for mount in one.mounts:
            if mount.volume not in volumes:
                raise ClientException(f"Unknown volume '{mount.volume}'.")
            if not mount.path.startswith("/"):
                raise ClientException(f"Invalid container path '{mount.path}': it is not absolute.")
        for source, _ in one.volumes_from:
            if source not in names or source == one.name:
                raise ClientException(f"Unknown source container '{source}' in volumesFrom.")


def check_containers(
    containers: Sequence[ContainerDefinition], execution_role: str, cpu: str, memory: str
) -> None:
    """The containers one by one and together, in a task of this size."""
    if not containers:
        raise ClientException("Container list cannot be empty.")
    if len(containers) > 10:
        raise ClientException("Too many containers; the maximum is 10.")
    names = [one.name for one in containers]
    for one in containers:
        _check_container(one, execution_role)
        _check_variables(one, execution_role)
        check_limits(one)
        if names.count(one.name) > 1:
            raise ClientException(f"Container name {one.name} is not unique.")
    if not any(one.essential for one in containers):
        raise ClientException("Task definition doesn't have any essential container.")
    check_parts(containers, int(cpu), int(memory))
    _check_ports(containers)
    check_router(containers)
    _check_dependencies({one.name: one for one in containers})


def _check_ports(containers: Sequence[ContainerDefinition]) -> None:
    mappings = [port for one in containers for port in one.ports]
    ports = [(port.container_port, port.protocol) for port in mappings]
    for port in ports:
        if ports.count(port) > 1:
            raise ClientException(
                f"The containers have conflicting port mappings: {port[0]}/{port[1]}."
            )
    # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_PortMapping.html
    names = [port.name for port in mappings if port.name]
    for name in names:
        if not _PORT_NAME.fullmatch(name):
            raise ClientException(f"Invalid port mapping name {name}.")
        if names.count(name) > 1:
            raise ClientException(f"The port mapping name {name} is not unique.")
    if any(port.app_protocol and not port.name for port in mappings):
        raise ClientException("A port mapping with an appProtocol must have a name.")


def _check_container(one: ContainerDefinition, execution_role: str) -> None:
    if not _NAME.fullmatch(one.name):
        raise ClientException("Container.name contains invalid characters.")
    if not one.image:
        raise ClientException("Container.image should not be null or empty.")
    if not execution_role and _ECR.match(one.image):
        raise ClientException(
            "Fargate requires task definition to have execution role ARN to support ECR images."
        )
    if not execution_role and one.log is not None and not one.log.routed:
        raise ClientException(
            "Fargate requires task definition to have execution role ARN to support log driver"
            " awslogs."
        )


def _check_variables(one: ContainerDefinition, execution_role: str) -> None:
    for kind, used in (
        ("secrets", one.secrets),
        ("environment files", one.environment_files),
        ("secretOptions", one.log.secrets if one.log is not None else ()),
    ):
        if used and not execution_role:
            raise ClientException(
                f"Fargate requires task definition to have execution role ARN to support {kind}."
            )
    if len(one.environment_files) > FILES_MAX:
        raise ClientException(f"Too many environment files; the maximum is {FILES_MAX}.")
    variables = [name for name, _ in (*one.environment, *one.secrets)]
    if not all(variables):
        raise ClientException("The name of an environment variable should not be null or empty.")
    if not all(source for _, source in one.secrets):
        raise ClientException("The valueFrom of a secret should not be null or empty.")
    for name, _ in one.secrets:
        if variables.count(name) > 1:
            raise ClientException(
                f"The secret name must be unique and not shared with any new or existing"
                f" environment variables set on the container, such as '{name}'."
            )


def _check_dependencies(containers: Mapping[str, ContainerDefinition]) -> None:
    for one in containers.values():
        for name, condition in one.depends_on:
            wanted = containers.get(name)
            if wanted is None:
                raise ClientException(
                    f"Cannot depend on container + '{name}' because it does not exist"
                )
            if condition == "HEALTHY" and wanted.health is None:
                raise ClientException(
                    "A dependency container with HEALTHY condition must have health check"
                    " configured"
                )
            if condition in ("SUCCESS", "COMPLETE") and wanted.essential:
                raise ClientException(
                    "A dependency container with SUCCESS or COMPLETE condition cannot be an"
                    " essential container"
                )
    settled: set[str] = set()
    while ready := [
        name
        for name, one in containers.items()
        if name not in settled and all(other in settled for other, _ in one.depends_on)
    ]:
        settled.update(ready)
    if len(settled) < len(containers):
        raise ClientException("Container dependencies must not form a cycle.")
