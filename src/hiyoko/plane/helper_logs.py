"""What helper processes print: files that they append to and never begin anew, cut when large.

Whoever writes has the file open with ``O_APPEND`` (open(2)), so it goes on at the new end. Files
with an end of their own are not among them: the daemon's log, balancers' ``refused.log``, spools.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from hiyoko.plane.balancer import agents, master
from hiyoko.plane.balancer.guards import AGENTS
from hiyoko.plane.collector.files import NAMES as COLLECTOR
from hiyoko.plane.log_driver.control import NAMES as LOG_DRIVER
from hiyoko.settings import Settings

BYTES_MAX = 4 << 20
KEPT_BYTES = 256 << 10
"""Of a file that is cut the last lines are kept beside it, in ``<name>.1``."""


def helper_logs(settings: Settings) -> Iterator[Path]:
    """Every such file that is there."""
    own = {settings.daemon_log}
    yield from (path for path in settings.log_dir.glob("*.log") if path not in own)
    for pattern in (
        f"collector/{COLLECTOR.log}",
        f"log_driver/{LOG_DRIVER.log}",
        f"balancer/*/{master.LOG}",
        f"{AGENTS}/*/{agents.LOG}",
        f"connect/*/{master.LOG}",
    ):
        yield from settings.run_dir.glob(pattern)


def too_large(path: Path) -> bool:
    """Whether it is time to cut it; not when it has just gone."""
    try:
        return path.stat().st_size > BYTES_MAX
    except FileNotFoundError:
        return False


def cut(path: Path) -> None:
    """Begin the file anew. What is printed between two of our calls is lost. Raises OSError."""
    with path.open("rb") as file:
        file.seek(-KEPT_BYTES, os.SEEK_END)
        kept = file.read().partition(b"\n")[2]
    path.with_name(f"{path.name}.1").write_bytes(kept)
    os.truncate(path, 0)
