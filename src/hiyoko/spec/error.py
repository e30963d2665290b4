"""What can be wrong with a request, and what a client is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hiyoko.spec.shapes import ErrorShape


class RequestFault(Exception):
    """The request does not fit the model; ``code`` and ``message`` are AWS's."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class UnknownOperation(Exception):
    """The model has no such operation (or the request names none)."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is an error. ``model``: the operation's own description of that error.

    ``fault`` is ``Sender`` or ``Receiver``; ``fields`` are the error's members beside its message.
    """

    code: str
    message: str
    status: int
    fault: str
    fields: Mapping[str, Any]
    request_id: str
    model: ErrorShape | None = None
