"""What the authority knows of the certificates it issued: a line for each, and which are revoked.

The responder answers from these two files and asks nobody else. ``issued.txt`` is only added to; a
certificate is in it before anybody else has it, so nobody is told that it is unknown.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography import x509

from hiyoko.plane.ca.files import KEY_MODE, private_directory, write_whole
from hiyoko.plane.error import PlaneError


@dataclass(frozen=True, slots=True)
class Revoked:
    """When and why (in ACM's words) a serial number was revoked."""

    revoked_at: float
    reason: str


@dataclass(frozen=True, slots=True)
class Entry:
    """Who issued a serial number, and until when it is valid (seconds since the epoch)."""

    label: str
    not_after: float


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger in the authority's directory. Serial numbers are integers."""

    directory: Path

    @property
    def issued_path(self) -> Path:
        """One line a certificate: serial number, issuer's label, end of validity."""
        return self.directory / "issued.txt"

    @property
    def revoked_path(self) -> Path:
        """Every revoked serial number, replaced as a whole."""
        return self.directory / "revoked.json"

    def note(self, leaf: x509.Certificate, label: str) -> None:
        """Add a certificate that is about to be handed out. Raises PlaneError."""
        # The newline first: it ends a line that a crash may have cut short.
        line = f"\n{leaf.serial_number:x} {label} {leaf.not_valid_after_utc.timestamp():.0f}"
        try:
            private_directory(self.directory)
            descriptor = os.open(self.issued_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, KEY_MODE)
            try:
                os.write(descriptor, line.encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise PlaneError(f"write {self.issued_path}: {error}") from error

    def issued(self) -> dict[int, Entry]:
        """Every certificate that was issued. A line that a crash cut short is no certificate."""
        found: dict[int, Entry] = {}
        for line in _text(self.issued_path).splitlines():
            match line.split(" "):
                case [serial, label, end] if end.isdigit():
                    found[int(serial, 16)] = Entry(label, float(end))
        return found

    def revoked(self) -> dict[int, Revoked]:
        """Every revoked serial number. Raises PlaneError when the file is broken."""
        text = _text(self.revoked_path)
        try:
            return {
                int(serial, 16): Revoked(**entry)
                for serial, entry in json.loads(text or "{}").items()
            }
        except (ValueError, TypeError, AttributeError) as error:
            raise PlaneError(f"read {self.revoked_path}: {error}") from error

    def revoke(self, revoked: Mapping[int, Revoked]) -> None:
        """Say from now on that these are revoked, and no others. Raises PlaneError."""
        table = {f"{serial:x}": asdict(entry) for serial, entry in sorted(revoked.items())}
        private_directory(self.directory)
        write_whole(self.revoked_path, json.dumps(table, indent=1).encode())


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise PlaneError(f"read {path}: {error}") from error
