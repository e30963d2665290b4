"""The world: one set of namespaces that holds all of hiyoko's kernel state.

As root: new network, mount and pid namespaces; as an ordinary user the same inside a user
namespace with the user's subordinate ids. A tiny keeper is its init: when it ends, the kernel ends
every process and removes every interface, rule and mount of the world.

``python -m hiyoko.plane.world -- CMD...`` runs a command in a throw-away world (for tests).
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hiyoko.plane.error import PlaneError
from hiyoko.plane.keeper import READY


def rootless() -> bool:
    """True when we are not root and the world needs a user namespace."""
    return os.geteuid() != 0


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
        """Whether the init is still that very process."""
        return start_time(self.init) == self.started

    def save(self, path: Path) -> None:
        """Remember the world for the next command."""
        path.write_text(json.dumps([self.outer, self.init, self.started]))

    @classmethod
    def load(cls, path: Path) -> World | None:
        """The remembered world, when it is still alive."""
        try:
            outer, init, started = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            return None
        world = cls(outer, init, started)
        return world if world.alive else None

    def end(self) -> None:
        """End the init, and with it everything in the world; returns when it has gone."""
        if not self.alive:
            return
        watch = os.pidfd_open(self.init)
        try:
            signal.pidfd_send_signal(watch, signal.SIGKILL)
            # A pidfd is readable once its process has ended.
            select.select([watch], [], [], 30)
        except ProcessLookupError:
            return
        finally:
            os.close(watch)


def start_world(log: Path) -> World:
    """Make a world and return when its keeper holds it. Raises PlaneError with the reason."""
    with log.open("ab") as errors:
        outer = subprocess.Popen(
            world_command([]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            cwd="/",
        )
    assert outer.stdout is not None
    with outer.stdout:
        if outer.stdout.readline() != READY:
            outer.wait()
            raise PlaneError(_why(log))
    init = _only_child(outer.pid)
    return World(outer.pid, init, start_time(init) or 0)


def _why(log: Path) -> str:
    said = log.read_text(errors="replace").strip().splitlines()[-1:] if log.exists() else []
    reason = said[0] if said else "no reason was given"
    if rootless():
        return (
            f"could not make a world: {reason}\n"
            "An ordinary user needs unprivileged user namespaces, the package uidmap and an entry"
            " in /etc/subuid and /etc/subgid (usermod --add-subuids 100000-165535"
            " --add-subgids 100000-165535 USER)."
        )
    return f"could not make a world: {reason}"


def _only_child(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    if len(children) != 1:
        raise PlaneError(f"process {pid} should have one child, it has {len(children)}")
    return int(children[0])


def start_time(pid: int) -> int | None:
    """A process's start in clock ticks after boot (proc(5), stat field 22): pids are reused."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])


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
