"""What a container uses, as the kernel counts it, in the shape of Docker's statistics.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate-response.html
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from hiyoko.plane.containers.cgroups import CGROUPS, task_group
from hiyoko.plane.containers.directory import ContainerDirectory
from hiyoko.settings import Settings

Shape = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TaskUsage:
    """What a task's containers, and ours on its account, have used: processor time so far, memory.

    ``at_s`` is on the host's monotonic clock. Memory is without pages of files that nobody has
    used lately: the kernel takes those back when it needs them.
    """

    cpu_ns: int
    memory_bytes: int
    at_s: float


def container_usage(settings: Settings, container: ContainerDirectory) -> Shape | None:
    """The counters of a running container; None where the host gives it no control group."""
    whole = _counted(f"{task_group(settings, container.path.parent.name)}/{container.cid}")
    if whole is None:
        return None
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    online = os.cpu_count() or 1
    return {
        "read": now,
        "id": container.cid,
        "name": container.name,
        "num_procs": 0,
        "cpu_stats": {
            "cpu_usage": {"total_usage": whole["cpu_ns"]},
            "system_cpu_usage": _system_ns(),
            "online_cpus": online,
        },
        "memory_stats": {
            "usage": whole["memory"],
            "limit": whole["limit"],
            "stats": whole["stats"],
        },
        "pids_stats": {"current": whole["pids"]},
        "networks": _networks(container),
    }


def task_usage(settings: Settings, task: str) -> TaskUsage | None:
    """The counters of all groups in a task's, by its id; None where there are none."""
    group = task_group(settings, task)
    counted = [one for one in map(_counted, _inside(group)) if one]
    if not counted:
        return None
    return TaskUsage(
        sum(one["cpu_ns"] for one in counted),
        sum(one["memory"] - _inactive(one["stats"]) for one in counted),
        monotonic(),
    )


def _inactive(stats: dict[str, int]) -> int:
    return stats.get("total_inactive_file", stats.get("inactive_file", 0))


def _inside(group: str) -> Iterator[str]:
    for top in (CGROUPS / group, CGROUPS / "memory" / group):
        if top.is_dir():
            yield from (f"{group}/{one.name}" for one in top.iterdir() if one.is_dir())


def _counted(group: str) -> Shape | None:
    unified = CGROUPS / group
    return _unified(unified) if unified.is_dir() else _split(group)


def _unified(group: Path) -> Shape | None:
    try:
        cpu = _pairs(group / "cpu.stat")
        limit = (group / "memory.max").read_text().strip()
        return {
            "cpu_ns": cpu.get("usage_usec", 0) * 1000,
            "memory": _number(group / "memory.current"),
            "limit": int(limit) if limit != "max" else _memory_total(),
            "stats": _pairs(group / "memory.stat"),
            "pids": _number(group / "pids.current"),
        }
    except OSError:
        return None


def _split(group: str) -> Shape | None:
    memory = CGROUPS / "memory" / group
    try:
        return {
            "cpu_ns": _number(CGROUPS / "cpuacct" / group / "cpuacct.usage"),
            "memory": _number(memory / "memory.usage_in_bytes"),
            "limit": min(_number(memory / "memory.limit_in_bytes"), _memory_total()),
            "stats": _pairs(memory / "memory.stat"),
            "pids": _number(CGROUPS / "pids" / group / "pids.current"),
        }
    except OSError:
        return None


def _number(path: Path) -> int:
    return int(path.read_text())


def _pairs(path: Path) -> dict[str, int]:
    lines = (line.split() for line in path.read_text().splitlines())
    return {line[0]: int(line[1]) for line in lines if len(line) == 2}


def _system_ns() -> int:
    """All time that the machine's processors have had (proc(5), /proc/stat)."""
    ticks = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    return sum(map(int, ticks)) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def _memory_total() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _networks(container: ContainerDirectory) -> Shape:
    """The interfaces of the container's own namespace (proc(5), /proc/pid/net/dev)."""
    try:
        pid = int(container.pid_file.read_text())
        lines = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
    except (OSError, ValueError):
        return {}
    found: Shape = {}
    for line in lines:
        name, _, counts = line.partition(":")
        values = [int(value) for value in counts.split()]
        if name.strip() != "lo":
            found[name.strip()] = {
                "rx_bytes": values[0],
                "rx_packets": values[1],
                "rx_errors": values[2],
                "rx_dropped": values[3],
                "tx_bytes": values[8],
                "tx_packets": values[9],
                "tx_errors": values[10],
                "tx_dropped": values[11],
            }
    return found
