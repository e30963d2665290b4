"""CPU and memory limits, where the host lets us make control groups.

The groups of one cloud lie under a directory of its own in each hierarchy, named after its state
directory, so that everything can be removed by that name, also after the world has ended.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from hiyoko.plane.addresses import MARK
from hiyoko.plane.error import PlaneError
from hiyoko.settings import Settings

CGROUPS = Path("/sys/fs/cgroup")
PERIOD_US = 100_000
_WHOLE = ["0", "0", "4294967295"]
_OF_TASK = ("cpu", "cpuacct", "memory", "pids")
"""The hierarchies of version 1 in which a task is limited or counted."""


def own_group(settings: Settings) -> str:
    """The name of this cloud's group."""
    digest = hashlib.sha256(str(settings.state_dir.resolve()).encode()).hexdigest()
    return f"{MARK}-{digest[:12]}"


def _hierarchies() -> list[Path]:
    """The mount points: one per controller (version 1), or a single one (version 2)."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [path for path in CGROUPS.iterdir() if path.is_dir()] if CGROUPS.is_dir() else []


def real_root() -> bool:
    """Whether we are root of the host and not of a user namespace."""
    return os.geteuid() == 0 and Path("/proc/self/uid_map").read_text().split() == _WHOLE


def task_group(settings: Settings, task: str) -> str:
    """The name of the group that a task's containers share, by its id."""
    return f"{own_group(settings)}/{task}"


def limit_task(settings: Settings, task: str, cpu_units: int, memory_mib: int) -> None:
    """Make the group of a task: what its containers may use together. Raises PlaneError."""
    group = task_group(settings, task)
    # 1024 CPU units are one vCPU: so many microseconds of each period.
    quota = cpu_units * PERIOD_US // 1024 if cpu_units else 0
    try:
        if _hierarchies() == [CGROUPS]:
            limits = {
                "memory.max": str(memory_mib << 20) if memory_mib else "max",
                "cpu.max": f"{quota or 'max'} {PERIOD_US}",
            }
            (CGROUPS / group).mkdir(parents=True, exist_ok=True)
            for above in (CGROUPS, CGROUPS / own_group(settings)):
                (above / "cgroup.subtree_control").write_text("+cpu +memory +pids")
            for name, value in limits.items():
                (CGROUPS / group / name).write_text(value)
            return
        memory, cpu = CGROUPS / "memory" / group, CGROUPS / "cpu" / group
        memory.mkdir(parents=True, exist_ok=True)
        cpu.mkdir(parents=True, exist_ok=True)
        limit = memory_mib << 20 if memory_mib else -1
        (memory / "memory.limit_in_bytes").write_text(str(limit))
        (cpu / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (cpu / "cpu.cfs_quota_us").write_text(str(quota or -1))
    except OSError as error:
        raise PlaneError(f"make the control group of task {task}: {error}") from error


def place_helper(settings: Settings, task: str, name: str, cpu_shares: int) -> list[Path]:
    """Make a group for a process of ours that runs on a task's account; the files to join it by.

    It has no limit but the task's. ``name`` is like no other helper's. Raises PlaneError.
    """
    group = f"{task_group(settings, task)}/{name}"
    unified = _hierarchies() == [CGROUPS]
    places = [CGROUPS / kind / group for kind in (("",) if unified else _OF_TASK)]
    try:
        for place in places:
            place.mkdir(parents=True, exist_ok=True)
        if unified:
            for above in ("", own_group(settings), task_group(settings, task)):
                (CGROUPS / above / "cgroup.subtree_control").write_text("+cpu +memory +pids")
            (places[0] / "cpu.weight").write_text(str(_weight(cpu_shares)))
        else:
            (CGROUPS / "cpu" / group / "cpu.shares").write_text(str(cpu_shares))
    except OSError as error:
        raise PlaneError(f"make the control group of {name} in task {task}: {error}") from error
    return [place / "cgroup.procs" for place in places]


def _weight(shares: int) -> int:
    """Shares (2 to 262,144) as the weight that the runtime makes of them (1 to 10,000)."""
    return 1 + (shares - 2) * 9999 // 262142


def remove_helper(settings: Settings, name: str) -> None:
    """Remove the group of a helper that has ended, and what it alone kept."""
    for hierarchy in _hierarchies():
        for group in (hierarchy / own_group(settings)).glob(f"*/{name}"):
            _remove(group)
            if not (settings.task_dir / group.parent.name).exists():
                _remove(group.parent)
    if not settings.task_dir.is_dir() or not any(settings.task_dir.iterdir()):
        remove_groups(settings)


def remove_task_group(settings: Settings, task: str) -> None:
    """Remove a task's group from every hierarchy; one with living processes stays."""
    for hierarchy in _hierarchies():
        _remove(hierarchy / task_group(settings, task))


def limits_enforced() -> bool:
    """Whether CPU and memory limits of tasks are real on this host.

    Only for real root and where the hierarchy can be written: in a user namespace the host's
    groups aren't ours.
    """
    if not real_root():
        return False
    hierarchies = _hierarchies()
    if hierarchies == [CGROUPS]:
        return os.access(CGROUPS, os.W_OK)
    return all(os.access(CGROUPS / name, os.W_OK) for name in ("cpu", "memory"))


def remove_groups(settings: Settings) -> None:
    """Remove this cloud's groups from every hierarchy; those with living processes stay."""
    for hierarchy in _hierarchies():
        _remove(hierarchy / own_group(settings))


def _remove(top: Path) -> None:
    for directory, _, _ in os.walk(top, topdown=False):
        try:
            Path(directory).rmdir()
        except OSError:
            continue
