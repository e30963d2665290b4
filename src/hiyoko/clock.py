"""Time and identity as inputs: passed in, so that tests and goldens can hold them still."""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> float:
        """Seconds since the epoch, as AWS's JSON protocols give time stamps."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock, to the millisecond: AWS keeps no more."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return round(time.time(), 3)


class Ids(Protocol):
    """Where new identifiers come from."""

    def hex(self, digits: int) -> str:
        """So many lower-case hexadecimal digits."""
        ...

    def digits(self, count: int) -> str:
        """So many decimal digits, the first one not 0."""
        ...

    def uuid(self) -> str:
        """A version 4 UUID."""
        ...


@dataclass(frozen=True, slots=True)
class RandomIds:
    """Identifiers from the system's random source."""

    def hex(self, digits: int) -> str:
        """So many lower-case hexadecimal digits."""
        return secrets.token_hex((digits + 1) // 2)[:digits]

    def digits(self, count: int) -> str:
        """So many decimal digits, the first one not 0."""
        return str(secrets.randbelow(9) + 1) + "".join(
            str(secrets.randbelow(10)) for _ in range(count - 1)
        )

    def uuid(self) -> str:
        """A version 4 UUID."""
        return str(uuid.uuid4())
