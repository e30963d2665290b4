"""The OCI runtime specification of a task's container, as data: nothing left to decide.

https://github.com/opencontainers/runtime-spec/blob/main/config.md. The limits are Fargate's
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html): no added
capabilities, no new privileges, 65535 open files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hiyoko.blueprint.tasks import Container, Task
from hiyoko.plane.addresses import AGENT_ADDRESS
from hiyoko.plane.containers.blobs import ImageConfig
from hiyoko.plane.containers.directory import runtime_id
from hiyoko.plane.containers.seccomp import seccomp_profile
from hiyoko.plane.process import NETNS_DIR
from hiyoko.plane.user_namespaces import IDS, UserNamespace

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OPEN_FILES = 65535
PROCESSES = 4096
"""Of one container, threads too: so many that a program is not in want, and a fork bomb ends."""
OOM_SCORE = 500
"""Where memory has no limit, the kernel ends a task before it ends what carries everybody's."""
INIT_PATH = "/dev/init"
INIT_PROGRAM = "/usr/bin/tini-static"
"""What reaps orphans and passes signals on, when a definition asks for it."""
TRUST_PATH = "/etc/aws-ca-bundle.pem"
"""Whom a container shall trust: the authority of this internet, on AWS a public one."""
TRUST_VARIABLES = ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")

CAPABILITIES = tuple(
    f"CAP_{name}"
    for name in (
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
        "NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    )
)  # fmt: skip
"""Docker's default set, which Fargate keeps."""
_NEEDS_DEVICE_RULES = "CAP_MKNOD"
"""Safe only where a control group says which devices may be opened."""

MASKED = (
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
    "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
    "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
)  # fmt: skip
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the process runs as, looked up in the image's own user files."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/root"


@dataclass(frozen=True, slots=True)
class Place:
    """A file or directory of ours at a path of the container."""

    path: str
    source: Path
    read_only: bool


def find_identity(user: str, passwd: str, group: str) -> Identity:
    """``user[:group]`` by name or number, as Docker resolves it. Raises ValueError."""
    name, _, group_name = (user or "0").partition(":")
    accounts = [line.split(":") for line in passwd.splitlines() if line.count(":") >= 6]
    known = next((a for a in accounts if a[0] == name or a[2] == name), None)
    if known is None and not name.isdigit():
        raise ValueError(f"unable to find user {name}: no matching entries in passwd file")
    uid = int(known[2]) if known else int(name)
    gid = int(known[3]) if known else 0
    groups = [line.split(":") for line in group.splitlines() if line.count(":") >= 3]
    if group_name:
        found = next((g for g in groups if group_name in (g[0], g[2])), None)
        if found is None and not group_name.isdigit():
            raise ValueError(
                f"unable to find group {group_name}: no matching entries in group file"
            )
        return Identity(uid, int(found[2]) if found else int(group_name), (), _home(known))
    more = tuple(int(g[2]) for g in groups if known and known[0] in g[3].split(","))
    return Identity(uid, gid, more, _home(known))


def _home(known: list[str] | None) -> str:
    return known[5] if known and known[5] else "/"


def arguments(container: Container, image: ImageConfig) -> tuple[str, ...]:
    """Entry point and command: overriding the entry point drops the image's command too."""
    init = (INIT_PATH, "--") if container.init_process else ()
    if container.entry_point:
        return (*init, *container.entry_point, *container.command)
    return (*init, *image.entry_point, *(container.command or image.command))


def environment(
    container: Container,
    image: ImageConfig,
    hostname: str,
    home: str,
    told: Mapping[str, str] = MappingProxyType({}),
    fetched: Mapping[str, str] = MappingProxyType({}),
) -> tuple[str, ...]:
    """Defaults < the agent's own (``told``) < the image's < what was fetched < the definition's."""
    merged = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname, "HOME": home}
    merged.update(told)
    merged.update(image.environment)
    merged.update(fetched)
    merged.update(container.environment)
    return tuple(f"{name}={value}" for name, value in merged.items())


def told(task: Task, container: Container) -> dict[str, str]:
    """Where a container finds its metadata, its role's keys, and whom to trust.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html
    """
    cid = runtime_id(task.arn, container.name)
    found = dict.fromkeys(TRUST_VARIABLES, TRUST_PATH)
    found["ECS_CONTAINER_METADATA_URI"] = f"http://{AGENT_ADDRESS}/v3/{cid}"
    found["ECS_CONTAINER_METADATA_URI_V4"] = f"http://{AGENT_ADDRESS}/v4/{cid}"
    found["ECS_AGENT_URI"] = f"http://{AGENT_ADDRESS}/api/{cid}"
    if task.identity.role:
        path = f"/v2/credentials/{task.identity.credentials_id}"
        found["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = path
    return found


def _mount(target: str, kind: str, options: tuple[str, ...], source: str = "") -> dict[str, Any]:
    return {
        "destination": target,
        "type": kind,
        "source": source or kind,
        "options": list(options),
    }


def _mounts(files: Path) -> list[dict[str, Any]]:
    safe = ("nosuid", "noexec", "nodev")
    return [
        _mount("/proc", "proc", safe),
        _mount("/dev", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k"), "tmpfs"),
        _mount(
            "/dev/pts",
            "devpts",
            ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        ),
        _mount("/dev/shm", "tmpfs", (*safe, "mode=1777", "size=65536k"), "shm"),
        _mount("/dev/mqueue", "mqueue", safe),
        _mount("/sys", "sysfs", (*safe, "ro")),
        *(
            _mount(
                f"/etc/{name}", "bind", ("rbind", "rprivate", "nosuid", "nodev"), str(files / name)
            )
            for name in ("resolv.conf", "hosts", "hostname")
        ),
        _mount(TRUST_PATH, "bind", ("bind", "ro", "nosuid", "nodev"), str(files / "trust.pem")),
    ]


def _bound(place: Place) -> dict[str, Any]:
    options = ("rbind", "rprivate", "nosuid", "nodev", "ro" if place.read_only else "rw")
    return _mount(place.path, "bind", options, str(place.source))


def _shared(container: Container, volumes: Path) -> list[dict[str, Any]]:
    found = [
        _bound(Place(mount.path, volumes / mount.volume, mount.read_only))
        for mount in container.mounts
    ]
    if container.init_process:
        found.append(_mount(INIT_PATH, "bind", ("bind", "ro", "nosuid", "nodev"), INIT_PROGRAM))
    return found


def of_network(control: str) -> bool:
    """Whether a system control is the network namespace's; else it is the IPC namespace's."""
    return control.startswith("net.")


def _limits(container: Container, open_files: int, processes: int | None) -> list[dict[str, Any]]:
    limits = {"nofile": (open_files, open_files)}
    if processes is not None:
        limits["nproc"] = (processes, processes)
    limits.update({name: (soft, hard) for name, soft, hard in container.ulimits})
    return [
        {"type": f"RLIMIT_{name.upper()}", "soft": _bounded(soft), "hard": _bounded(hard)}
        for name, (soft, hard) in limits.items()
    ]


def _bounded(limit: int) -> int:
    """-1 is unlimited, which the runtime takes as the greatest number there is."""
    return limit if limit >= 0 else (1 << 64) - 1


def _resources(task: Task, container: Container) -> dict[str, Any]:
    """cgroup limits: CPU weight within the task, whose group has the cap; memory, processes."""
    memory = container.memory_mib or task.memory_mib
    resources: dict[str, Any] = {
        "cpu": {"shares": max(2, container.cpu_shares)},
        "memory": {"limit": memory << 20} if memory else {},
        "pids": {"limit": PROCESSES},
        "devices": [{"allow": False, "access": "rwm"}],
    }
    return resources


def _capabilities(container: Container, *, guarded: bool) -> list[str]:
    """What its root may; ``guarded``: a control group says which devices may be opened."""
    found = () if "ALL" in container.dropped else CAPABILITIES
    found = (*found, *(f"CAP_{name}" for name in container.capabilities))
    without = {f"CAP_{name}" for name in container.dropped}
    without |= set() if guarded else {_NEEDS_DEVICE_RULES}
    return [name for name in found if name not in without]


def _namespaces(task: Task, shared_pids: str, users: UserNamespace | None) -> list[dict[str, str]]:
    """New ones, but for those that are the task's."""
    return [
        *([{"type": "user", "path": str(users.path)}] if users is not None else []),
        {"type": "pid"} | ({"path": shared_pids} if shared_pids else {}),
        {"type": "mount"},
        {"type": "ipc"},
        {"type": "uts"},
        {"type": "cgroup"},
        {"type": "network", "path": str(NETNS_DIR / task.eni_id)},
    ]


def render_config(
    task: Task,
    container: Container,
    image: ImageConfig,
    identity: Identity,
    *,
    rootfs: Path,
    files: Path,
    volumes: Path,
    cgroup: str | None,
    open_files: int = OPEN_FILES,
    processes: int | None = None,
    fetched: Mapping[str, str] = MappingProxyType({}),
    shared_pids: str = "",
    places: Iterable[Place] = (),
    users: UserNamespace | None = None,
) -> dict[str, Any]:
    """``config.json``. ``files`` holds resolv.conf, hosts, hostname; no ``cgroup``: no limits
    but ``processes``, which then counts all of the user's in this world.

    ``fetched`` are the variables of secrets and environment files. ``shared_pids`` is the path of
    the pid namespace that the task's containers share, ``users`` their user namespace; ``places``
    are mounted besides.
    """
    capabilities = _capabilities(container, guarded=cgroup is not None)
    linux: dict[str, Any] = {
        "namespaces": _namespaces(task, shared_pids, users),
        "maskedPaths": list(MASKED),
        "readonlyPaths": list(READ_ONLY),
        "seccomp": seccomp_profile(container.capabilities),
        # Fargate lets any user bind low ports, as Docker does since 20.10.
        "sysctl": {
            "net.ipv4.ip_unprivileged_port_start": "0",
            **{name: value for name, value in container.system_controls if of_network(name)},
        },
    }
    if users is not None:
        ids = [{"containerID": 0, "hostID": users.first, "size": IDS}]
        linux |= {"uidMappings": ids, "gidMappings": ids}
    if cgroup is not None:
        linux["cgroupsPath"] = cgroup
        linux["resources"] = _resources(task, container)
    return {
        "ociVersion": "1.0.2",
        "hostname": task.hostname,
        "root": {"path": str(rootfs), "readonly": container.read_only_root},
        "process": {
            "terminal": container.terminal,
            "user": {
                "uid": identity.uid,
                "gid": identity.gid,
                "additionalGids": list(identity.groups),
            },
            "args": list(arguments(container, image)),
            "env": list(
                environment(
                    container, image, task.hostname, identity.home, told(task, container), fetched
                )
            ),
            "cwd": container.working_directory or image.working_directory,
            "capabilities": {
                # A user other than root starts without any, as under Docker.
                "bounding": capabilities,
                "effective": capabilities if identity.uid == 0 else [],
                "permitted": capabilities if identity.uid == 0 else [],
            },
            "rlimits": _limits(container, open_files, processes if cgroup is None else None),
            "noNewPrivileges": True,
            "oomScoreAdj": OOM_SCORE,
        },
        "mounts": [*_mounts(files), *map(_bound, places), *_shared(container, volumes)],
        "linux": linux,
    }
