"""The tables of stacks.

Stacks that were deleted are told of for 90 days, so all but what is under way is history.
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ListStacks.html
"""

from __future__ import annotations

from collections.abc import Sequence

from hiyoko.services.cloudformation.model import ChangeSet, Doomed, Event, Stack, StackResource
from hiyoko.store.database import Transaction
from hiyoko.store.table import Table

_STACKS = Table("cfn_stack", Stack, key=("id",), index=("name", "status"), kept=8)
_RESOURCES = Table("cfn_resource", StackResource, key=("stack_id", "logical_id"), kept=64)
_DOOMED = Table("cfn_doomed", Doomed, key=("stack_id", "logical_id", "physical_id"))
_EVENTS = Table("cfn_event", Event, key=("stack_id", "number"), kept=128)
_CHANGE_SETS = Table("cfn_change_set", ChangeSet, key=("id",), index=("stack_id",), kept=4)


def find_stack(tx: Transaction, stack_id: str) -> Stack | None:
    """The stack with this ARN, deleted or not."""
    return _STACKS.find(tx, id=stack_id)


def find_stack_named(tx: Transaction, name: str, account: str, region: str) -> Stack | None:
    """The living stack with this name."""
    for stack in _select(tx, "name = ? AND status != 'DELETE_COMPLETE'", name):
        if (stack.account, stack.region) == (account, region):
            return stack
    return None


def list_stacks(tx: Transaction, account: str, region: str) -> list[Stack]:
    """Every stack, the deleted ones too, newest first."""
    mine = [s for s in _STACKS.list(tx) if (s.account, s.region) == (account, region)]
    return sorted(mine, key=lambda stack: -stack.created_at)


def list_living(tx: Transaction, account: str, region: str) -> list[Stack]:
    """The stacks that are not deleted, newest first."""
    living = _select(tx, "status != 'DELETE_COMPLETE'")
    mine = [stack for stack in living if (stack.account, stack.region) == (account, region)]
    return sorted(mine, key=lambda stack: -stack.created_at)


def list_in_progress(tx: Transaction) -> list[Stack]:
    """The stacks on which the engine has something to do, of all accounts and regions."""
    return _select(tx, "status LIKE '%IN_PROGRESS' AND status != 'REVIEW_IN_PROGRESS'")


def _select(tx: Transaction, condition: str, *values: str) -> list[Stack]:
    """The stacks that this is true of, by id: the deleted ones may be many."""
    found = tx.execute(
        f"SELECT body FROM {_STACKS.name} WHERE {condition} ORDER BY id", values
    ).fetchall()
    return [_STACKS.told(body) for (body,) in found]


def put_stack(tx: Transaction, stack: Stack) -> None:
    """Write a stack."""
    _STACKS.put(tx, stack)


def list_resources(tx: Transaction, stack_id: str) -> list[StackResource]:
    """A stack's resources by logical id."""
    return _RESOURCES.list(tx, stack_id=stack_id)


def put_resource(tx: Transaction, resource: StackResource) -> None:
    """Write a resource."""
    _RESOURCES.put(tx, resource)


def delete_resource(tx: Transaction, stack_id: str, logical_id: str) -> None:
    """Forget a resource that an update removed."""
    _RESOURCES.delete(tx, stack_id=stack_id, logical_id=logical_id)


def list_doomed(tx: Transaction, stack_id: str) -> list[Doomed]:
    """What must go."""
    return _DOOMED.list(tx, stack_id=stack_id)


def put_doomed(tx: Transaction, doomed: Doomed) -> None:
    """Write one."""
    _DOOMED.put(tx, doomed)


def delete_doomed(tx: Transaction, doomed: Doomed) -> None:
    """It is gone."""
    _DOOMED.delete(
        tx,
        stack_id=doomed.stack_id,
        logical_id=doomed.logical_id,
        physical_id=doomed.physical_id,
    )


def insert_event(tx: Transaction, event: Event) -> None:
    """Add a line to a stack's history."""
    _EVENTS.insert(tx, event)


def list_events(tx: Transaction, stack_id: str, numbers: Sequence[int]) -> list[Event]:
    """The events with these numbers of a stack's history."""
    found = (_EVENTS.find(tx, stack_id=stack_id, number=number) for number in numbers)
    return [event for event in found if event is not None]


def find_change_set(tx: Transaction, change_set_id: str) -> ChangeSet | None:
    """The change set with this ARN."""
    return _CHANGE_SETS.find(tx, id=change_set_id)


def list_change_sets(tx: Transaction, stack_id: str) -> list[ChangeSet]:
    """A stack's change sets, oldest first."""
    return sorted(_CHANGE_SETS.list(tx, stack_id=stack_id), key=lambda item: item.created_at)


def put_change_set(tx: Transaction, change_set: ChangeSet) -> None:
    """Write a change set."""
    _CHANGE_SETS.put(tx, change_set)


def delete_change_set(tx: Transaction, change_set_id: str) -> None:
    """Delete a change set."""
    _CHANGE_SETS.delete(tx, id=change_set_id)
