"""What the daemon wants of a container's log, and how far the log was sent: two small files."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from hiyoko.plane.files import write_private

LOG = "log"
"""conmon's file, beside these two."""
FILE_BYTES_MAX = 64 << 20
"""conmon begins the file anew here."""
HELD = "log.held"
"""Another name of the file that is being sent: conmon, which begins a new one, takes its name away,
and whoever goes on after a death finds the rest here."""
ORDER = "log.order"
POSITION = "log.sent"


@dataclass(frozen=True, slots=True)
class CloudWatchOrder:
    """Where a container's output goes, how, and whose packets and keys take it there (awslogs).

    ``start`` is the regular expression that an event of several lines begins with, or empty.
    ``expires`` is when the keys end (epoch seconds). ``endless``: whoever writes the file never
    begins another one, so that what was sent of it is freed.
    """

    cid: str
    netns: str
    resolver: str
    trust: str
    region: str
    group: str
    stream: str
    access_key: str
    secret_key: str
    token: str
    expires: float
    start: str = ""
    blocking: bool = False
    buffer_bytes: int = 10 << 20
    endless: bool = False


@dataclass(frozen=True, slots=True)
class RouterOrder:
    """Which of the task's containers routes a container's output (awsfirelens), and how.

    ``directory`` is what the router has at /var/run. ``acknowledges``: it tells what it has taken.
    """

    cid: str
    name: str
    router: str
    directory: str
    tag: str
    acknowledges: bool
    buffer_lines: int


Order = CloudWatchOrder | RouterOrder
_KINDS: dict[str, type[CloudWatchOrder] | type[RouterOrder]] = {
    "awslogs": CloudWatchOrder,
    "awsfirelens": RouterOrder,
}


def read_order(directory: Path) -> Order | None:
    """A container's order; None when there is none that can be read."""
    try:
        driver, members = json.loads((directory / ORDER).read_text())
        return _KINDS[driver](**members)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_order(directory: Path, order: Order) -> None:
    """Give the order. It may hold keys, so nobody else may read it."""
    driver = next(name for name, kind in _KINDS.items() if isinstance(order, kind))
    write_private(directory / ORDER, json.dumps([driver, asdict(order)]))


@dataclass(frozen=True, slots=True)
class Position:
    """How far a log was sent. ``until`` is the end of a batch that is under way, or 0.

    The file is known by its inode, because conmon begins a new one when it is large. ``given_up``:
    the container has ended, and the rest has no way to its destination.
    """

    inode: int = 0
    offset: int = 0
    until: int = 0
    given_up: bool = False

    @classmethod
    def read(cls, directory: Path) -> Position:
        """The position; the beginning when nothing was noted."""
        try:
            return cls(*json.loads((directory / POSITION).read_text()))
        except (OSError, ValueError, TypeError):
            return cls()

    def write(self, directory: Path) -> None:
        """Note it, in one write to the one file: whoever watches the file is woken."""
        text = json.dumps([self.inode, self.offset, self.until, self.given_up])
        descriptor = os.open(directory / POSITION, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, text.ljust(96).encode(), 0)
        finally:
            os.close(descriptor)


def sent(directory: Path) -> bool:
    """Whether nothing more of a container that has ended is going to be sent."""
    if not (directory / ORDER).exists():
        return True
    try:
        status = (directory / LOG).stat()
    except FileNotFoundError:
        return True
    position = Position.read(directory)
    whole = position.inode == status.st_ino and position.offset >= status.st_size
    return position.given_up or whole or (status.st_size == 0 and not position.until)
