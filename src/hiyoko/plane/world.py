"""The world: one set of namespaces that holds all of hiyoko's kernel state.

As root: new network, mount and pid namespaces; as an ordinary user the same inside a user
namespace with the user's subordinate ids. A tiny keeper is its init: when it ends, the kernel ends
every process and removes every interface, rule and mount of the world.

``python -m hiyoko.plane.world -- CMD...`` runs a command in a throw-away world (for tests).
"""

from __future__ import annotations

import json
import os
import pwd
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hiyoko.plane.error import PlaneError
from hiyoko.plane.keeper import HOLD, READY
from hiyoko.plane.process import command_line, parent_of

_FLAGS, _STARTED = 6, 19
_PF_EXITING = 4
"""include/linux/sched.h"""


def rootless() -> bool:
    """True when we are not root and the world needs a user namespace."""
    return os.geteuid() != 0


@cache
def this_world() -> str:
    """A name of the world that we are in: since when its init is there, in which life of the host.

    No other world ever has it, so what was noted under another name is of one that has ended.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {start_time(1)}"


def world_command(inside: Sequence[str]) -> list[str]:
    """The command that makes a world and runs ``inside`` under the keeper.

    ``--kill-child`` ties the world to the outer process; /proc is mounted for the new pid
    namespace.
    """
    user = ["--user", "--map-root-user", "--map-auto"] if rootless() else []
    return [
        "unshare",
        *user,
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--",
        sys.executable,
        "-m",
        "hiyoko.plane.keeper",
        *inside,
    ]


@dataclass(frozen=True, slots=True)
class World:
    """A running world: the outer process and the world's init, by host pid and start time."""

    outer: int
    init: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether the init is still that very process, and not about to end."""
        return start_time(self.init) == self.started

    @property
    def _there(self) -> bool:
        fields = _stat(self.init)
        return bool(fields) and int(fields[_STARTED]) == self.started

    def save(self, path: Path) -> None:
        """Remember the world for the next command."""
        path.write_text(json.dumps([self.outer, self.init, self.started]))

    @classmethod
    def load(cls, path: Path) -> World | None:
        """The remembered world, alive or not."""
        try:
            outer, init, started = json.loads(path.read_text())
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return cls(outer, init, started)

    def end(self) -> None:
        """End the init, and with it everything in the world; returns when it has gone."""
        try:
            watch = os.pidfd_open(self.init)
        except ProcessLookupError:
            return
        # Whoever made the world's namespaces waits for the init, and ends a moment after it.
        holder = _open_holder(parent_of(self.init))
        try:
            # Asked only now that the pid cannot become another process's. A killed init is there
            # until every process of its world has ended.
            if self._there:
                signal.pidfd_send_signal(watch, signal.SIGKILL)
                # A pidfd is readable once its process has ended.
                select.select([watch], [], [], 30)
                if holder is not None:
                    select.select([holder], [], [], 30)
        except ProcessLookupError:
            return
        finally:
            os.close(watch)
            if holder is not None:
                os.close(holder)


def _open_holder(pid: int | None) -> int | None:
    if pid is None or command_line(pid)[:1] != ("unshare",):
        return None
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def start_world(log: Path, file: Path) -> World:
    """Make a world, note it in ``file``, and only then let it live: none is ever forgotten.

    Raises PlaneError with the reason when the kernel refuses, OSError when it cannot be noted.
    """
    with log.open("ab") as errors:
        outer = subprocess.Popen(
            world_command([]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            cwd="/",
        )
    assert outer.stdin is not None
    assert outer.stdout is not None
    with outer.stdout, outer.stdin:
        if outer.stdout.readline() != READY:
            outer.wait()
            raise PlaneError(_why(log))
        init = _only_child(outer.pid)
        world = World(outer.pid, init, start_time(init) or 0)
        world.save(file)
        outer.stdin.write(HOLD)
    return world


def _why(log: Path) -> str:
    said = log.read_text(errors="replace").strip().splitlines()[-1:] if log.exists() else []
    reason = said[0] if said else "no reason was given"
    if rootless():
        return (
            f"could not make a world: {reason}\n"
            "An ordinary user needs unprivileged user namespaces, the package uidmap and an entry"
            " in /etc/subuid and /etc/subgid; root makes one with:\n"
            "  usermod --add-subuids 100000-165535 --add-subgids 100000-165535 " + _user_name()
        )
    return (
        f"could not make a world: {reason}\n"
        "Root needs CAP_SYS_ADMIN and CAP_NET_ADMIN for that, which a container may lack:"
        " start the container with --privileged, or run hiyoko outside of it."
    )


def _user_name() -> str:
    """Our user's name, or its number when it has none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _only_child(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    if len(children) != 1:
        raise PlaneError(f"process {pid} should have one child, it has {len(children)}")
    return int(children[0])


def start_time(pid: int) -> int | None:
    """A process's start in clock ticks after boot: pids are reused. None when it ends or ended."""
    fields = _stat(pid)
    # An ending process lets go of its locks before it becomes a zombie: its flags say it first.
    if not fields or fields[0] in ("Z", "X") or int(fields[_FLAGS]) & _PF_EXITING:
        return None
    return int(fields[_STARTED])


def _stat(pid: int) -> list[str]:
    """The fields of proc(5)'s stat from the state on; empty when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return stat.rpartition(")")[2].split()


def main() -> None:
    """Run the command after ``--`` in a throw-away world; its exit status is ours."""
    argv = sys.argv[1:]
    if argv[:1] == ["--"]:
        argv = argv[1:]
    if not argv:
        sys.exit("usage: python -m hiyoko.plane.world -- CMD...")
    command = world_command(argv)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
