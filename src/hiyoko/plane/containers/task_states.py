"""Tasks as the disk and the processes tell, read again only where something was written.

A task at rest costs a few stat(2)s: what it wrote is read when a directory's time says that a file
came, went or was replaced in it (each of these files is written by renaming), and its monitor is
asked for by a pidfd. Nothing else is remembered, so a new process reads everything.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hiyoko.plane.containers.directory import ContainerState, Progress, TaskDirectory

SETTLED_NS = 2 * 10**9
"""A time younger than this may be that of a later write too: the coarsest file systems have ticks
of two seconds, as git knows (https://git-scm.com/docs/racy-git)."""
NOT_THERE = -1


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task as the disk and the processes tell. ``progress`` None: nothing legible is there."""

    progress: Progress | None
    containers: Mapping[str, ContainerState] = field(default_factory=dict)

    @property
    def present(self) -> bool:
        """Whether anything was begun and not yet cleared."""
        return self.progress is None or not self.progress.stopped


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read, and the times of its directories before that."""

    state: TaskState
    stamps: Mapping[str, int]

    def settled(self, now_ns: int) -> bool:
        return all(stamp < now_ns - SETTLED_NS for stamp in self.stamps.values())

    def holds(self, living: Collection[int]) -> bool:
        """Whether reading again would give the same."""
        monitors = (one.monitor for one in self.state.containers.values())
        return all(one is None or one in living for one in monitors) and all(
            _stamp(path) == stamp for path, stamp in self.stamps.items()
        )


@dataclass(slots=True)
class TaskStates:
    """All tasks below a directory. ``reads`` counts those that were read, not only looked at."""

    top: Path
    reads: int = 0
    _known: dict[str, _Read] = field(default_factory=dict)

    def observe(self, living: Collection[int]) -> dict[str, TaskState]:
        """Every task by its directory's name. ``living``: pids known not to have ended."""
        known, self._known = self._known, {}
        states: dict[str, TaskState] = {}
        for name in self._names():
            read = known.get(name)
            if read is None or not read.holds(living):
                now_ns = time.time_ns()
                read = _read(self.top / name)
                self.reads += 1
                if not read.settled(now_ns):
                    states[name] = read.state
                    continue
            self._known[name] = read
            states[name] = read.state
        return states

    def _names(self) -> list[str]:
        return sorted(path.name for path in self.top.iterdir()) if self.top.is_dir() else []


def _read(path: Path) -> _Read:
    stamps = {str(path): _stamp(str(path))}
    directory = TaskDirectory(path)
    progress = directory.read()
    containers: dict[str, ContainerState] = {}
    for container in directory.containers(progress.arn) if progress else []:
        for each in (str(container.path), str(container.exit_file.parent)):
            stamps[each] = _stamp(each)
        containers[container.name] = container.state()
    return _Read(TaskState(progress, containers), stamps)


def _stamp(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116 - of hundreds: a Path costs more than this
    except OSError:
        return NOT_THERE
