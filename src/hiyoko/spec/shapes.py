"""The frozen tree of what an operation takes and gives.

A :class:`Shape` is a type; a :class:`Use` is a shape in its place (a member, a list's element),
with the names and traits that the place adds, as botocore's models have them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class Shape:
    """A type of the model. Filled in once by :class:`hiyoko.spec.service.Service`, then only read.

    Not ``frozen``: shapes may contain themselves, so a shape exists before its members do.
    """

    name: str
    kind: str
    members: dict[str, Use] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    payload: str | None = None
    element: Use | None = None
    key: Use | None = None
    enum: tuple[str, ...] = ()
    pattern: str | None = None
    least: float | None = None
    most: float | None = None
    document: bool = False
    sensitive: bool = False
    compiled: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """A shape in its place."""

    shape: Shape
    name: str | None = None
    query_name: str | None = None
    location: str | None = None
    flattened: bool = False
    timestamp_format: str | None = None
    namespace: str | None = None
    attribute: bool = False
    streaming: bool = False
    json_value: bool = False


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """A modelled error: its wire code, HTTP status and further members."""

    code: str
    status: int | None
    use: Use


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operation: where it lies on the wire, what it takes, what it gives."""

    service: str
    name: str
    method: str
    uri: str
    status: int
    input: Use | None
    output: Use | None
    result_wrapper: str | None
    errors: dict[str, ErrorShape]
    compiled: dict[str, Any] = field(default_factory=dict)
