"""What a cloud holds at one moment: whatever a site that is gone must not have left behind."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.processes import processes_of

from hiyoko.plane.containers.cgroups import own_group
from hiyoko.settings import Settings

KEPT = ("images", "log")
"""Directories whose content may outlive a site: layers at hand, the processes' own logs."""


@dataclass(frozen=True, slots=True)
class Remains:
    """Names of everything of each kind; equal to those of before when nothing was left."""

    namespaces: frozenset[str]
    mounts: tuple[str, ...]
    groups: frozenset[str]
    processes: tuple[str, ...]
    files: frozenset[str]

    @classmethod
    def of(cls, state_dir: Path) -> Remains:
        """What is there now."""
        init = json.loads((state_dir / "run" / "world.json").read_text())[1]
        world = Path(f"/proc/{init}")
        names = world / "root/run/netns"
        group = own_group(Settings(state_dir))
        return cls(
            frozenset(path.name for path in names.iterdir()) if names.is_dir() else frozenset(),
            tuple(
                sorted(line.split()[4] for line in (world / "mountinfo").read_text().splitlines())
            ),
            frozenset(
                place for place, _, _ in os.walk("/sys/fs/cgroup") if group in Path(place).parts
            ),
            tuple(sorted(one.role for one in processes_of(state_dir).all)),
            frozenset(
                name
                for path in below(state_dir)
                if (name := str(path.relative_to(state_dir))).split("/")[0] not in KEPT
            ),
        )

    def beyond(self, before: Remains) -> dict[str, list[str]]:
        """What is here and was not there, by kind."""
        found = {
            "namespaces": sorted(self.namespaces - before.namespaces),
            "mounts": _more(self.mounts, before.mounts),
            "groups": sorted(self.groups - before.groups),
            "processes": _more(self.processes, before.processes),
            "files": sorted(self.files - before.files),
        }
        return {kind: names for kind, names in found.items() if names}


def below(top: Path) -> Iterator[Path]:
    """Everything in a directory, while things come and go: what has gone meanwhile is not there."""
    for place, directories, files in os.walk(top):
        yield from (Path(place) / name for name in (*directories, *files))


def _more(now: tuple[str, ...], before: tuple[str, ...]) -> list[str]:
    return [name for name in sorted(set(now)) if now.count(name) > before.count(name)]
