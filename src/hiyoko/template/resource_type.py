"""How a resource type is made, changed and removed: data and functions, registered by name.

Each service's ``cfn`` module registers its types; the functions reach the service only through
the public operations that any client calls. Nothing here knows a store or a service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class Update(StrEnum):
    """What a change of a property needs."""

    IN_PLACE = "Never"
    CONDITIONAL = "Conditionally"
    REPLACE = "Always"


class Progress(StrEnum):
    """Where a resource is on its way to what was wished."""

    DONE = "done"
    WAITING = "waiting"


class NotStabilizedError(Exception):
    """The resource came to a state from which it will not become what was wished."""


class Invoke(Protocol):
    """Calls a public operation, inside the transaction that also records its result."""

    def __call__(self, service: str, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The operation's response; raises the service's error."""
        ...


@dataclass(frozen=True, slots=True)
class Handle:
    """One resource of one stack, as its type's functions see it."""

    invoke: Invoke
    region: str
    account: str
    stack_name: str
    stack_id: str
    logical_id: str
    token: str
    """12 letters and digits, the same for the same resource of the same operation."""
    properties: Mapping[str, Any]
    old: Mapping[str, Any] = field(default_factory=dict)
    physical_id: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def name(self, most: int = 128) -> str:
        """A generated physical name, ``STACK-LOGICALID-RANDOM12``; the first parts are cut."""
        room = most - len(self.token) - 2
        stack, logical = self.stack_name, self.logical_id
        if len(stack) + len(logical) > room:
            # Each keeps at least half of the room; what one does not need is the other's.
            half = room // 2
            logical = logical[: max(room - half, room - len(stack))]
            stack = stack[: room - len(logical)]
        return f"{stack}-{logical}-{self.token}"

    def tags(self) -> list[dict[str, str]]:
        """The resource's tags with the stack's (merged into ``Tags`` by the engine) and ours."""
        system = {
            "aws:cloudformation:stack-name": self.stack_name,
            "aws:cloudformation:stack-id": self.stack_id,
            "aws:cloudformation:logical-id": self.logical_id,
        }
        own = [dict(tag) for tag in self.properties.get("Tags", [])]
        return own + [{"Key": key, "Value": value} for key, value in system.items()]

    def changed(self, *names: str) -> bool:
        """Does any of these properties differ from before?"""
        return any(self.properties.get(name) != self.old.get(name) for name in names)

    def given(self, *names: str) -> dict[str, Any]:
        """These properties, where they are set."""
        return {name: self.properties[name] for name in names if name in self.properties}


@dataclass(frozen=True, slots=True)
class Made:
    """The result of a creation: the id, and what later calls need beyond it."""

    physical_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


Create = Callable[[Handle], Made]
Change = Callable[[Handle], None]
Poll = Callable[[Handle], Progress]
Read = Callable[[Handle], Mapping[str, Any]]


def _at_once(_: Handle) -> Progress:
    return Progress.DONE


def _nothing(_: Handle) -> None:
    return None


def _silent(_: Handle) -> str:
    return ""


def _no_attributes(_: Handle) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A type's contract. ``properties`` are all that have an effect here, and what a change needs.

    ``stable`` is asked after create and update until it is done; ``gone`` after delete. ``read``
    gives the values of ``attributes`` once the resource is stable. ``named`` is the property that
    fixes the physical name: a resource so named cannot be replaced. ``tags`` tells whether stack
    tags reach it.
    """

    name: str
    properties: Mapping[str, Update]
    create: Create
    delete: Change = _nothing
    update: Change | None = None
    stable: Poll = _at_once
    gone: Poll = _at_once
    note: Callable[[Handle], str] = _silent
    """What its owner should know while it is waited for; told once, as an event's reason."""
    read: Read = _no_attributes
    required: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()
    named: str | None = None
    tags: bool = False
    capability: str | None = None
    missing: frozenset[str] = frozenset()
    """Error codes that mean that it is gone already."""
    busy: frozenset[str] = frozenset()
    """Further error codes of delete that mean: not yet, something still uses it."""
    ignored: frozenset[str] = frozenset()
    """Properties that are accepted because what they ask for is always so here."""

    @property
    def update_of(self) -> Mapping[str, Update]:
        """What a change of each known property needs."""
        return {**self.properties, **dict.fromkeys(self.ignored, Update.IN_PLACE)}


_types: dict[str, ResourceType] = {}


def register(*types: ResourceType) -> None:
    """Make types known; registering a name again replaces it (tests do)."""
    for kind in types:
        _types[kind.name] = kind


def find_type(name: str) -> ResourceType | None:
    """The type of this name, or None."""
    return _types.get(name)


def type_names() -> frozenset[str]:
    """Every registered type."""
    return frozenset(_types)


def in_place(*names: str) -> dict[str, Update]:
    """Properties that an update changes where they are."""
    return dict.fromkeys(names, Update.IN_PLACE)


def replaces(*names: str) -> dict[str, Update]:
    """Properties whose change needs a new resource."""
    return dict.fromkeys(names, Update.REPLACE)


def conditional(*names: str) -> dict[str, Update]:
    """Properties whose change may need a new resource; here it always makes one."""
    return dict.fromkeys(names, Update.CONDITIONAL)
