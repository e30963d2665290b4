"""A template after its shapes were checked. Values may still hold intrinsic functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Parameter:
    """A declared parameter and what its value must satisfy."""

    name: str
    type: str
    default: str | None = None
    allowed_values: tuple[str, ...] = ()
    allowed_pattern: str | None = None
    constraint: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    min_value: float | None = None
    max_value: float | None = None
    no_echo: bool = False
    description: str | None = None

    @property
    def is_list(self) -> bool:
        """Does a Ref yield a list?"""
        return self.type == "CommaDelimitedList" or self.type.startswith("List<")


@dataclass(frozen=True, slots=True)
class Resource:
    """A declared resource. ``properties`` are as written."""

    logical_id: str
    type: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    condition: str | None = None
    metadata: Mapping[str, Any] | None = None
    deletion_policy: str = "Delete"
    update_replace_policy: str = "Delete"


@dataclass(frozen=True, slots=True)
class Output:
    """A declared output; ``export`` is the value of its ``Export.Name``."""

    name: str
    value: Any
    description: str | None = None
    export: Any = None
    condition: str | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """A whole template."""

    text: str
    description: str | None
    parameters: Mapping[str, Parameter]
    mappings: Mapping[str, Any]
    conditions: Mapping[str, Any]
    resources: Mapping[str, Resource]
    outputs: Mapping[str, Output]
    metadata: Mapping[str, Any] | None = None
