"""CPU and memory limits, where the host lets us make control groups.

The groups of one cloud lie under a directory of its own in each hierarchy, named after its state
directory, so that everything can be removed by that name, also after the world has ended.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from hiyoko.plane.addresses import MARK
from hiyoko.settings import Settings

CGROUPS = Path("/sys/fs/cgroup")
_WHOLE = ["0", "0", "4294967295"]


def own_group(settings: Settings) -> str:
    """The name of this cloud's group."""
    digest = hashlib.sha256(str(settings.state_dir.resolve()).encode()).hexdigest()
    return f"{MARK}-{digest[:12]}"


def _hierarchies() -> list[Path]:
    """The mount points: one per controller (version 1), or a single one (version 2)."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [path for path in CGROUPS.iterdir() if path.is_dir()] if CGROUPS.is_dir() else []


def limits_enforced() -> bool:
    """Whether CPU and memory limits of tasks are real on this host.

    Only for real root and where the hierarchy can be written: in a user namespace the host's
    groups aren't ours.
    """
    if Path("/proc/self/uid_map").read_text().split() != _WHOLE:
        return False
    hierarchies = _hierarchies()
    if hierarchies == [CGROUPS]:
        return os.access(CGROUPS, os.W_OK)
    return all(os.access(CGROUPS / name, os.W_OK) for name in ("cpu", "memory"))


def remove_groups(settings: Settings) -> None:
    """Remove this cloud's groups from every hierarchy; those with living processes stay."""
    for hierarchy in _hierarchies():
        top = hierarchy / own_group(settings)
        for directory, _, _ in os.walk(top, topdown=False):
            try:
                Path(directory).rmdir()
            except OSError:
                continue
