"""Stacks, their resources and events, and change sets, as they are stored."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Wish:
    """All that a caller asked of a stack: enough to come back to it after a failed update."""

    template: str
    parameters: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputValue:
    """An output with its value; ``export`` is the name under which other stacks import it."""

    key: str
    value: str
    description: str | None = None
    export: str | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack. ``status`` moves along AWS's states; the engine alone moves it.

    ``operation`` names the create, update or delete under way or last done; ``undo`` the failed
    update that a rollback takes back, and ``previous`` the wish that it goes back to.
    """

    id: str
    name: str
    account: str
    region: str
    wish: Wish
    status: str
    created_at: float
    operation: str
    operation_started_at: float
    status_reason: str = ""
    updated_at: float | None = None
    deleted_at: float | None = None
    on_failure: str = "ROLLBACK"
    disable_rollback: bool = False
    timeout_minutes: int | None = None
    termination_protection: bool = False
    client_token: str | None = None
    previous: Wish | None = None
    undo: str = ""
    outputs: tuple[OutputValue, ...] = ()
    change_set_id: str | None = None
    event_count: int = 0

    @property
    def in_progress(self) -> bool:
        """Has the engine something to do? REVIEW_IN_PROGRESS waits for its owner."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"


@dataclass(frozen=True, slots=True)
class Physical:
    """One real thing: its id, and what it was made from. Properties and attributes are JSON."""

    physical_id: str = ""
    properties: str = "{}"
    attributes: str = "{}"
    depends_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StackResource:
    """A resource of a stack.

    ``operation`` is the stack operation that touched it last, ``done`` whether that came to its
    end here. ``previous`` is what it was before, while a rollback may still need it (None: it did
    not exist).
    """

    stack_id: str
    logical_id: str
    account: str
    region: str
    type: str
    status: str
    at: float
    physical: Physical
    operation: str
    started_at: float
    done: bool = False
    reason: str = ""
    previous: Physical | None = None
    metadata: str = "{}"
    deletion_policy: str = "Delete"
    update_replace_policy: str = "Delete"


@dataclass(frozen=True, slots=True)
class Doomed:
    """Something that must go: a resource of a deleted stack, or what a replacement left behind."""

    stack_id: str
    logical_id: str
    physical_id: str
    type: str
    physical: Physical
    retain: bool = False
    started_at: float | None = None
    requested: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a stack's history."""

    stack_id: str
    number: int
    id: str
    stack_name: str
    logical_id: str
    physical_id: str
    type: str
    at: float
    status: str
    reason: str = ""
    properties: str = ""
    token: str | None = None


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """A change set; ``changes`` is the JSON of the answer's member."""

    id: str
    name: str
    stack_id: str
    stack_name: str
    account: str
    region: str
    type: str
    wish: Wish
    created_at: float
    status: str
    execution_status: str
    status_reason: str = ""
    description: str | None = None
    changes: str = "[]"
    changes_with_values: str = "[]"
    on_failure: str = "ROLLBACK"
