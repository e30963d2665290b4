"""What can be wrong with a request before any service has seen it."""

from __future__ import annotations


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
