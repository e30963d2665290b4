"""Lines that the DNS process writes until the daemon takes them away.

They are bounded: what nobody takes is lost.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hiyoko.plane.error import PlaneError

BYTES_MAX = 16 << 20


@dataclass(frozen=True, slots=True)
class Spool:
    """A file below the run directory."""

    path: Path

    def append(self, line: str) -> None:
        """Add a line. One that the disk has no room for is lost: an answer waits for none."""
        with suppress(OSError):
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                if os.fstat(descriptor).st_size < BYTES_MAX:
                    os.write(descriptor, f"{line}\n".encode())
            finally:
                os.close(descriptor)

    def take(self) -> list[str]:
        """The lines since the last time; each is given once. Raises PlaneError."""
        taken = self._taken()
        try:
            # A writer that has just opened the file still writes into it before we read.
            if not taken.exists():
                self.path.replace(taken)
            return taken.read_text().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise PlaneError(f"read {self.path}: {error}") from error

    def delivered(self) -> None:
        """What was taken is where it shall be."""
        self._taken().unlink(missing_ok=True)

    def _taken(self) -> Path:
        return self.path.with_name(f"{self.path.name}.taken")
