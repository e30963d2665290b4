"""What a cloud's processes cost: processor time, memory, descriptors, threads, by proc(5)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
ROLES = {
    "hiyoko.plane.keeper": "keeper",
    "hiyoko.daemon": "daemon",
    "hiyoko.plane.dns": "DNS",
    "hiyoko.plane.collector": "collector",
    "hiyoko.porter": "porter",
    "haproxy": "HAProxy",
    "hiyoko.plane.log_driver": "log driver",
    "conmon": "conmon",
}
"""What a process is for, by a word of its command line; any other belongs to a task."""


@dataclass(frozen=True, slots=True)
class Process:
    """A living process. ``children_s`` is of children that have ended and were waited for."""

    pid: int
    parent: int
    role: str
    own_s: float
    children_s: float
    rss_mb: float
    threads: int

    @property
    def cpu_s(self) -> float:
        """Its processor time and that of the children."""
        return self.own_s + self.children_s

    @property
    def descriptors(self) -> int:
        """Open files, sockets, pipes; 0 once it has ended."""
        try:
            return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))
        except OSError:
            return 0

    @property
    def pss_mb(self) -> float:
        """Memory, what is shared divided among those who share it."""
        try:
            text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        except OSError:
            return 0.0
        line = next(line for line in text.splitlines() if line.startswith("Pss:"))
        return int(line.split()[1]) * 1024 / 1e6


@dataclass(frozen=True, slots=True)
class Processes:
    """All processes of one cloud at one moment."""

    all: list[Process] = field(default_factory=list)

    @property
    def cpu_s(self) -> float:
        """Processor time of the whole cloud since its start."""
        return sum(one.cpu_s for one in self.all)

    def of(self, *roles: str) -> list[Process]:
        """The processes with these roles."""
        return [one for one in self.all if one.role in roles]

    def by_role(self) -> dict[str, float]:
        """Processor time by role; programs that have ended count for who started them."""
        spent: dict[str, float] = {}
        for one in self.all:
            programs = f"programs of {one.role}"
            spent[one.role] = spent.get(one.role, 0.0) + one.own_s
            spent[programs] = spent.get(programs, 0.0) + one.children_s
        return {role: cpu_s for role, cpu_s in spent.items() if cpu_s}


def processes_of(state_dir: Path) -> Processes:
    """The processes of the cloud in this state directory."""
    run = state_dir / "run"
    world = json.loads((run / "world.json").read_text())
    daemon = json.loads((run / "cloud.json").read_text())["daemon_pid"]
    porter = (run / "porter.pid").read_text().split()[0]
    children: dict[int, list[Process]] = {}
    everybody: dict[int, Process] = {}
    for one in all_processes():
        everybody[one.pid] = one
        children.setdefault(one.parent, []).append(one)
    found: dict[int, Process] = {}
    waiting = [int(each) for each in (world[0], world[1], daemon, porter)]
    while waiting:
        pid = waiting.pop()
        if pid in everybody and pid not in found:
            found[pid] = everybody[pid]
            waiting += [child.pid for child in children.get(pid, [])]
    return Processes(list(found.values()))


def all_processes() -> Iterator[Process]:
    """Every process that proc(5) shows here: inside a world, the world's."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            stat = (path / "stat").read_text().rpartition(")")[2].split()
            words = (path / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        # proc(5), counted from the third field: ppid 1, utime 11 to cstime 14, threads 17, rss 21.
        own_s, children_s = ((int(stat[at]) + int(stat[at + 1])) / _TICKS for at in (11, 13))
        role = next((role for word, role in ROLES.items() if word in words), "task")
        rss_mb = int(stat[21]) * _PAGE / 1e6
        yield Process(int(path.name), int(stat[1]), role, own_s, children_s, rss_mb, int(stat[17]))
