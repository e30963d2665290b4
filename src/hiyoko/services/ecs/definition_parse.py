"""A RegisterTaskDefinition request becomes a model; what would do nothing is refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hiyoko.api import Request, unsupported
from hiyoko.services.ecs.errors import ClientException
from hiyoko.services.ecs.firelens_options import firelens_configuration
from hiyoko.services.ecs.log_options import log_configuration
from hiyoko.services.ecs.model import (
    ContainerDefinition,
    HealthCheck,
    MountPoint,
    PortMapping,
    RestartPolicy,
    Tags,
    Ulimit,
)

NOT_ON_FARGATE = (
    "privileged",
    "links",
    "hostname",
    "extraHosts",
    "dnsServers",
    "dnsSearchDomains",
    "dockerSecurityOptions",
)
"""AWS refuses these itself; its text is recorded for ``privileged`` only."""

DROPPABLE = {
    *("ALL", "AUDIT_CONTROL", "AUDIT_WRITE", "BLOCK_SUSPEND", "CHOWN", "DAC_OVERRIDE"),
    *("DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE"),
    *("LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN"),
    *("NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP"),
    *("SETUID", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT"),
    *("SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "SYSLOG"),
    *("WAKE_ALARM",),
}
"""https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_KernelCapabilities.html"""

NOT_HERE = (
    "repositoryCredentials",
    "resourceRequirements",
    "disableNetworking",
    "credentialSpecs",
)


def container(request: Mapping[str, Any]) -> ContainerDefinition:
    """One container definition."""
    _refuse(request)
    linux = request.get("linuxParameters") or {}
    _check_linux(linux)
    health = request.get("healthCheck")
    firelens = firelens_configuration(request.get("firelensConfiguration"))
    return ContainerDefinition(
        name=request.get("name") or "",
        image=request.get("image") or "",
        essential=request.get("essential", True) is not False,
        cpu=int(request.get("cpu") or 0),
        memory=request.get("memory"),
        memory_reservation=request.get("memoryReservation"),
        command=tuple(request.get("command") or ()),
        entry_point=tuple(request.get("entryPoint") or ()),
        environment=environment(request),
        ports=tuple(_port(one) for one in request.get("portMappings") or ()),
        # A router is root unless it is said otherwise, and is shown so.
        user=request.get("user") or ("0" if firelens else ""),
        working_directory=request.get("workingDirectory") or "",
        read_only_root=request.get("readonlyRootFilesystem"),
        stop_timeout_s=request.get("stopTimeout"),
        log=log_configuration(request.get("logConfiguration")),
        health=_health(health) if health else None,
        depends_on=tuple(
            (one["containerName"], one["condition"]) for one in request.get("dependsOn") or ()
        ),
        docker_labels=tuple((request.get("dockerLabels") or {}).items()),
        secrets=tuple((one["name"], one["valueFrom"]) for one in request.get("secrets") or ()),
        environment_files=tuple(map(environment_file, request.get("environmentFiles") or ())),
        mounts=tuple(
            MountPoint(
                one.get("sourceVolume") or "",
                one.get("containerPath") or "",
                bool(one.get("readOnly")),
            )
            for one in request.get("mountPoints") or ()
        ),
        volumes_from=tuple(
            (one.get("sourceContainer") or "", bool(one.get("readOnly")))
            for one in request.get("volumesFrom") or ()
        ),
        ulimits=tuple(
            Ulimit(one["name"], int(one["softLimit"]), int(one["hardLimit"]))
            for one in request.get("ulimits") or ()
        ),
        system_controls=tuple(map(_system_control, request.get("systemControls") or ())),
        init_process=linux.get("initProcessEnabled"),
        capabilities=tuple((linux.get("capabilities") or {}).get("add") or ()),
        dropped=tuple((linux.get("capabilities") or {}).get("drop") or ()),
        interactive=request.get("interactive"),
        pseudo_terminal=request.get("pseudoTerminal"),
        start_timeout_s=request.get("startTimeout"),
        restart=_restart(request.get("restartPolicy")),
        version_consistency=request.get("versionConsistency") or "",
        firelens=firelens,
    )


def volumes(request: Request) -> tuple[str, ...]:
    """The names of the task's own volumes: empty directories that its containers share."""
    for one in request.get("volumes") or ():
        for member in ("efsVolumeConfiguration", "s3filesVolumeConfiguration"):
            if one.get(member):
                raise unsupported(f"volumes.{member}")
        for member in ("dockerVolumeConfiguration", "fsxWindowsFileServerVolumeConfiguration"):
            if one.get(member):
                raise ClientException(
                    f"Fargate compatible task definitions do not support {member}"
                )
        if (one.get("host") or {}).get("sourcePath"):
            raise ClientException(
                "Fargate compatible task definitions do not support host sourcePath"
            )
        if one.get("configuredAtLaunch"):
            raise unsupported("volumes.configuredAtLaunch")
    return tuple(one.get("name") or "" for one in request.get("volumes") or ())


def environment_file(request: Mapping[str, Any]) -> str:
    """The ARN of an environment file: S3 alone can hold one, and its name ends in ``.env``."""
    arn = str(request["value"])
    if not re.fullmatch(r"arn:aws[a-z-]*:s3:::[^/]+/.+\.env", arn):
        raise ClientException(
            f"Invalid environment file {arn}: it must be the ARN of an S3 object whose name ends"
            " in .env."
        )
    return arn


# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_SystemControl.html
_CONTROLS = re.compile(
    r"net\.[a-z0-9_.]+|fs\.mqueue\.[a-z_]+|kernel\.(?:msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni"
    r"|shm_rmid_forced)"
)


def _system_control(request: Mapping[str, Any]) -> tuple[str, str]:
    name = request.get("namespace") or ""
    if not _CONTROLS.fullmatch(name):
        raise ClientException(f"Invalid system control {name}: it belongs to no namespace.")
    return name, request.get("value") or ""


def _check_linux(request: Mapping[str, Any]) -> None:
    """Fargate takes an init process and one capability."""
    for member in ("devices", "sharedMemorySize", "tmpfs", "maxSwap", "swappiness"):
        if request.get(member):
            raise ClientException(f"Fargate compatible task definitions do not support {member}")
    capabilities = request.get("capabilities") or {}
    if any(one != "SYS_PTRACE" for one in capabilities.get("add") or ()):
        raise ClientException(
            "Fargate compatible task definitions can add only the SYS_PTRACE capability"
        )
    for name in capabilities.get("drop") or ():
        if name not in DROPPABLE:
            raise ClientException(f"Invalid capability to drop: {name}.")


def environment(request: Mapping[str, Any]) -> Tags:
    """The ``environment`` member."""
    pairs = request.get("environment") or ()
    return tuple((pair.get("name", ""), pair.get("value", "")) for pair in pairs)


def _refuse(request: Mapping[str, Any]) -> None:
    for member in NOT_ON_FARGATE:
        if request.get(member):
            raise ClientException(f"Fargate compatible task definitions do not support {member}")
    for member in NOT_HERE:
        if request.get(member):
            raise unsupported(f"containerDefinitions.{member}")


def _port(request: Mapping[str, Any]) -> PortMapping:
    if request.get("containerPortRange"):
        raise unsupported("containerDefinitions.portMappings.containerPortRange")
    port = int(request.get("containerPort") or 0)
    host = request.get("hostPort")
    if host and host != port:
        raise ClientException(
            "When networkMode=awsvpc, the host ports and container ports in port mappings must"
            " match."
        )
    return PortMapping(
        port,
        request.get("protocol") or "tcp",
        request.get("name") or "",
        request.get("appProtocol") or "",
    )


def _health(request: Mapping[str, Any]) -> HealthCheck:
    return HealthCheck(
        tuple(request["command"]),
        int(request.get("interval", 30)),
        int(request.get("timeout", 5)),
        int(request.get("retries", 3)),
        request.get("startPeriod"),
    )


def _restart(request: Mapping[str, Any] | None) -> RestartPolicy | None:
    if not request:
        return None
    period = request.get("restartAttemptPeriod")
    return RestartPolicy(
        bool(request["enabled"]),
        tuple(int(code) for code in request.get("ignoredExitCodes") or ()),
        300 if period is None else int(period),
    )


_NUMBER = re.compile(r"[0-9]+")
_VCPU = re.compile(r"(\d*\.?\d+)\s*vcpu", re.IGNORECASE)
_GB = re.compile(r"(\d*\.?\d+)\s*gb", re.IGNORECASE)


def cpu_units(text: str) -> str:
    """``256`` and ``.25 vCPU`` are the same size."""
    match = _VCPU.fullmatch(text.strip())
    if match:
        return str(int(float(match[1]) * 1024))
    if not _NUMBER.fullmatch(text.strip()):
        raise ClientException(
            "Invalid 'cpu' setting for task. For more information, see the Troubleshooting section"
            " of the Amazon ECS Developer Guide."
        )
    return str(int(text))


def memory_mib(text: str) -> str:
    """``1024`` and ``1 GB`` are the same size."""
    match = _GB.fullmatch(text.strip())
    if match:
        return str(int(float(match[1]) * 1024))
    if not _NUMBER.fullmatch(text.strip()):
        raise ClientException(
            "Invalid 'memory' setting for task. For more information, see the Troubleshooting"
            " section of the Amazon ECS Developer Guide."
        )
    return str(int(text))


def refuse_task_level(request: Request) -> None:
    """Refuse what has no effect outside the containers."""
    for member in (
        "ipcMode",
        "proxyConfiguration",
        "inferenceAccelerators",
        "enableFaultInjection",
        "trustedExecutionConfiguration",
    ):
        if request.get(member):
            raise unsupported(member)
    if request.get("placementConstraints"):
        raise ClientException(
            "Fargate compatible task definitions do not support placementConstraints"
        )
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html
    if request.get("pidMode") not in (None, "", "task"):
        raise ClientException(
            f"Fargate compatible task definitions do not support pidMode {request['pidMode']}"
        )
    if request.get("pidMode") == "task" and any(map(_traces, request["containerDefinitions"])):
        # The process that holds the shared namespace is the world's: whoever may trace it is out.
        raise unsupported(
            "containerDefinitions.linuxParameters.capabilities.add", "SYS_PTRACE with pidMode task"
        )
    platform = request.get("runtimePlatform") or {}
    if platform.get("operatingSystemFamily", "LINUX") != "LINUX":
        raise unsupported(
            "runtimePlatform.operatingSystemFamily", platform["operatingSystemFamily"]
        )


def _traces(container: Mapping[str, Any]) -> bool:
    capabilities = (container.get("linuxParameters") or {}).get("capabilities") or {}
    return "SYS_PTRACE" in (capabilities.get("add") or ())


def ephemeral_gib(request: Mapping[str, Any]) -> int | None:
    """The size of ``ephemeralStorage``; None when it is not given."""
    storage = request.get("ephemeralStorage")
    if not storage:
        return None
    size = int(storage["sizeInGiB"])
    if size < 21:
        raise ClientException("EphemeralStorage size should be at least 21.")
    if size > 200:
        raise ClientException("EphemeralStorage size should be at most 200.")
    return size
