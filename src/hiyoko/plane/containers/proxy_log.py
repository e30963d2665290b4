"""A Service Connect proxy's log, where the log driver looks for it: in the task's directory.

The proxy appends to a file beside its configuration. That file gets a second name among the
task's, so that its rest is there when the proxy's own directory is gone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hiyoko.plane.balancer.master import CONFIG, PID_FILE
from hiyoko.plane.connect.access_log import FILE
from hiyoko.plane.log_driver.order import LOG
from hiyoko.plane.process import command_line

WRITER = "conmon.pid"
"""Where the driver finds whose end is the log's."""


@dataclass(frozen=True, slots=True)
class ProxyLog:
    """``directory``: among the task's, named as no container's is; ``place``: the proxy's own."""

    directory: Path
    place: Path

    @property
    def cid(self) -> str:
        """An argument of the one who writes it, as the driver asks for: its configuration."""
        return str(self.place / CONFIG)

    def writer(self) -> int | None:
        """The proxy's pid, as long as it runs."""
        pid = _number(self.place / PID_FILE)
        return pid if pid is not None and self.cid in command_line(pid) else None

    def adopt(self) -> bool:
        """Give a proxy's file its second name; whether it is another proxy's than before."""
        pid = self.writer()
        written = self.place / FILE
        if pid is None or not written.exists():
            return False
        self.directory.mkdir(exist_ok=True)
        log = self.directory / LOG
        if not log.exists() or not log.samefile(written):
            part = self.directory / "log.part"
            part.unlink(missing_ok=True)
            os.link(written, part)
            part.replace(log)
        if _number(self.directory / WRITER) == pid:
            return False
        (self.directory / WRITER).write_text(str(pid))
        return True


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
