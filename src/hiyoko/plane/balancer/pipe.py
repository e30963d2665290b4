"""The pipe of a node's log lines, and the counters that HAProxy would forget at a reload.

The pipe has a name, and HAProxy holds both its ends: so it outlives the one who reads it, who comes
back to what was written meanwhile, as much as the pipe holds; what is more is dropped.
"""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

from hiyoko.plane.balancer.observe import parse_info

PIPE = "log.pipe"


def make_pipe(directory: Path) -> Path:
    """The node's pipe, made when it is missing."""
    path = directory / PIPE
    if not path.exists():
        os.mkfifo(path, 0o600)
    return path


@dataclass(frozen=True, slots=True)
class Counters:
    """What one worker process has counted since it began. ``active`` is how many are open now."""

    pid: int
    uptime_s: int
    clients: int
    targets: int
    refused: int
    active: int
    dropped: int

    def line(self) -> bytes:
        """As a line for the pipe."""
        numbers = (self.pid, self.uptime_s, self.clients, self.targets, self.refused, self.active)
        return f"C {' '.join(map(str, numbers))} {self.dropped}\n".encode()

    @classmethod
    def read_line(cls, line: bytes) -> Counters | None:
        """From a line of the pipe; None for one that is not whole."""
        try:
            _, *numbers = line.split()
            return cls(*map(int, numbers))
        except (ValueError, TypeError):
            return None


def parse_counters(info: str, stat: str) -> Counters | None:
    """From ``show info`` and ``show stat``; None when they tell nothing."""
    told = parse_info(info)
    if "Pid" not in told:
        return None
    clients = targets = refused = active = 0
    for row in csv.DictReader(stat.lstrip("# ").splitlines()):
        name = row["svname"]
        if name == "FRONTEND":
            clients += _number(row["conn_tot"])
            active += _number(row["scur"])
            refused += _number(row["dcon"])
        elif name != "BACKEND":
            targets += _number(row["connect"])
            active += _number(row["used_conn_cur"]) + _number(row["idle_conn_cur"])
    return Counters(
        int(told["Pid"]),
        int(told.get("Uptime_sec", "0")),
        clients,
        targets,
        refused,
        active,
        int(told.get("DroppedLogs", "0")),
    )


def _number(text: str | None) -> int:
    return int(text) if text else 0


def leave_counters(directory: Path, info: str, stat: str) -> None:
    """Write a worker's counters into the pipe before it is replaced, for whoever reads there.

    It goes on for a moment: connections that it makes, and lines that it drops, after that are not
    known to anybody. Lines that it writes are read as ever.
    """
    counters = parse_counters(info, stat)
    if counters is not None:
        write_line(directory, counters.line())


def write_line(directory: Path, line: bytes) -> None:
    """Add a line to the node's pipe, if it has one with room; a short line is never torn."""
    try:
        pipe = os.open(directory / PIPE, os.O_RDWR | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    try:
        os.write(pipe, line)
    except BlockingIOError:
        return  # full: nobody reads, so nobody counts
    finally:
        os.close(pipe)
