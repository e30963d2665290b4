"""What ends a command: a message for people, and an exit status."""

from __future__ import annotations


class CommandError(Exception):
    """A failure that the user can act on: the cause and the way out, without a traceback."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status
