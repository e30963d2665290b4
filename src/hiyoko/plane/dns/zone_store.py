"""The zone set on disk: a file with all of it, and a journal of the changes since.

Only the daemon writes. Whoever is killed at whatever moment, the process reads a set that was once
right: a change counts when its line is whole and fits what is before it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hiyoko.blueprint.zones import Zones
from hiyoko.plane.dns import zone_change, zone_file
from hiyoko.plane.dns.zone_change import ZoneChange
from hiyoko.plane.error import PlaneError

ZONE_FILE = "zones.json"
JOURNAL = "zones.journal"
JOURNAL_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class ZoneStore:
    """The two files in a directory."""

    directory: Path

    def put(self, zones: Zones) -> None:
        """Store a whole set in one step, so that no reader sees half of it. Raises PlaneError."""
        path = self.directory / ZONE_FILE
        fresh = path.with_suffix(".new")
        try:
            with fresh.open("w") as file:
                file.write(zone_file.render(zones))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
            (self.directory / JOURNAL).unlink(missing_ok=True)
        except OSError as error:
            raise PlaneError(f"write {path}: {error}") from error

    def append(self, change: ZoneChange) -> bool:
        """Store a change; False when the journal can take no more: the whole set is due then.

        Raises PlaneError.
        """
        path = self.directory / JOURNAL
        line = zone_change.render(change).encode()
        try:
            with path.open("a+b") as file:
                size = file.seek(0, os.SEEK_END)
                if size + len(line) > JOURNAL_BYTES_MAX or not _ends_whole(file.fileno(), size):
                    return False
                file.write(line)
                file.flush()
                os.fdatasync(file.fileno())
        except OSError as error:
            raise PlaneError(f"write {path}: {error}") from error
        return True

    def zones(self) -> Zones:
        """The stored whole set; an empty one when none was stored. Raises PlaneError."""
        path = self.directory / ZONE_FILE
        try:
            return zone_file.parse(path.read_text())
        except FileNotFoundError:
            return Zones()
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise PlaneError(f"read {path}: {error!r}") from error

    def changes(self, offset: int = 0) -> tuple[list[ZoneChange], int]:
        """The journal's changes from a place on, and the place where they end."""
        found: list[ZoneChange] = []
        try:
            with (self.directory / JOURNAL).open("rb") as file:
                file.seek(offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    found.append(zone_change.parse(line.decode()))
                    offset += len(line)
        except FileNotFoundError:
            return found, 0
        except (ValueError, KeyError, TypeError):
            return found, offset  # a line that nobody understands: the rest does not count
        except OSError as error:
            raise PlaneError(f"read the journal in {self.directory}: {error}") from error
        return found, offset


def _ends_whole(descriptor: int, size: int) -> bool:
    """False when whoever wrote last was killed within a line."""
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
