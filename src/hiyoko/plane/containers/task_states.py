"""Tasks as the disk and the processes tell, read again only where something was written.

A task at rest costs nothing: what it wrote is read when the kernel tells that a file came, went or
was replaced in its directories (each of these files is written by renaming), and its monitor is
asked for by a pidfd. Directories' times are compared where the kernel does not tell, after it has
lost something, and once a minute. Nothing else is remembered, so a new process reads everything.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hiyoko.plane.containers.directory import ContainerState, Progress, TaskDirectory
from hiyoko.plane.containers.directory_watch import DirectoryWatch

SETTLED_NS = 2 * 10**9
"""A time younger than this may be that of a later write too: the coarsest file systems have ticks
of two seconds, as git knows (https://git-scm.com/docs/racy-git)."""
NOT_THERE = -1
COMPARE_S = 60.0
"""How often directories' times are compared though the kernel has told nothing."""


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
    """What was read, and the times of its directories before that.

    ``watched``: the kernel has told of every change in them since.
    """

    state: TaskState
    stamps: Mapping[str, int]
    watched: bool

    def settled(self, now_ns: int) -> bool:
        return all(stamp < now_ns - SETTLED_NS for stamp in self.stamps.values())

    def lives(self, living: Collection[int]) -> bool:
        """Whether no monitor has ended since."""
        for one in self.state.containers.values():
            if one.monitor is not None and one.monitor not in living:
                return False
        return True

    def unwritten(self) -> bool:
        """Whether the directories' times are still the same."""
        return all(_stamp(path) == stamp for path, stamp in self.stamps.items())


@dataclass(slots=True)
class TaskStates:
    """All tasks below a directory.

    ``reads`` counts the tasks that were read, ``compared`` those whose times were.
    """

    top: Path
    now: Callable[[], float] = time.monotonic
    reads: int = 0
    compared: int = 0
    _known: dict[str, _Read] = field(default_factory=dict)
    _watch: DirectoryWatch = field(default_factory=DirectoryWatch)
    _compared_at: float = -math.inf

    def observe(self, living: Collection[int]) -> dict[str, TaskState]:
        """Every task by its directory's name. ``living``: pids known not to have ended."""
        known, self._known = self._known, {}
        written = self._written()
        states: dict[str, TaskState] = {}
        for name in self._names():
            read = known.get(name)
            if read is None or not self._holds(name, read, written, living):
                now_ns = time.time_ns()
                read = self._read(self.top / name)
                self.reads += 1
                if not read.settled(now_ns):
                    states[name] = read.state
                    continue
            self._known[name] = read
            states[name] = read.state
        if self._known.keys() != known.keys():
            self._watch.keep({path for read in self._known.values() for path in read.stamps})
        return states

    def close(self) -> None:
        """Let go of the kernel's events; whoever asks again reads everything."""
        self._watch.close()
        self._known.clear()

    def _names(self) -> list[str]:
        return sorted(os.listdir(self.top)) if self.top.is_dir() else []  # noqa: PTH208 - as below

    def _written(self) -> set[str] | None:
        """The tasks in which something was written; None: times have to tell."""
        paths = self._watch.written()
        now = self.now()
        if paths is None or now - self._compared_at >= COMPARE_S:
            self._compared_at = now
            return None
        skip = len(str(self.top)) + 1
        return {path[skip:].partition("/")[0] for path in paths}

    def _holds(
        self, name: str, read: _Read, written: set[str] | None, living: Collection[int]
    ) -> bool:
        """Whether reading again would give the same."""
        if not read.lives(living):
            return False
        if written is not None and read.watched:
            return name not in written
        self.compared += 1
        return read.unwritten()

    def _read(self, path: Path) -> _Read:
        watched = self._watch.add(str(path))
        stamps = {str(path): _stamp(str(path))}
        directory = TaskDirectory(path)
        progress = directory.read()
        containers: dict[str, ContainerState] = {}
        for container in directory.containers(progress.arn) if progress else []:
            for each in (str(container.path), str(container.exit_file.parent)):
                # One that is not there yet comes with an event of the directory above.
                there = self._watch.add(each)
                stamps[each] = _stamp(each)
                watched = watched and (there or stamps[each] == NOT_THERE)
            containers[container.name] = container.state()
        return _Read(TaskState(progress, containers), stamps, watched)


def _stamp(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116 - of hundreds: a Path costs more than this
    except OSError:
        return NOT_THERE
