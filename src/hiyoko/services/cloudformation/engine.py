"""The engine: one step of a stack towards its wish, in the transaction of one internal call.

A step polls everything under way, then starts every resource whose dependencies were complete
before the step; what does not depend on each other runs in parallel. A resource's creation and the
record of its physical id are one transaction, so that no crash leaves an orphan. When a step has
nothing to do, ``Moved`` is false, and the engine is asked again after any commit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.cloudformation import rows
from hiyoko.services.cloudformation.errors import PropertyFaultError, ValidationError
from hiyoko.services.cloudformation.finish import export_conflict, output_values
from hiyoko.services.cloudformation.model import Physical, StackResource
from hiyoko.services.cloudformation.properties import (
    check_properties,
    fault_text,
    handler_text,
)
from hiyoko.services.cloudformation.run import SETTLE_S_MAX, Run
from hiyoko.services.cloudformation.sweep import sweep
from hiyoko.template.changes import with_tags
from hiyoko.template.error import TemplateError
from hiyoko.template.graph import dependencies, in_order
from hiyoko.template.model import Resource
from hiyoko.template.resource_type import (
    NotStabilizedError,
    Progress,
    ResourceType,
    Update,
    find_type,
)

T = TypeVar("T")

REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."


@operation("_StacksInProgress")
def stacks_in_progress(call: Call, request: Request) -> Response:
    """Which stacks, of all accounts and regions, need steps."""
    return {
        "Stacks": [
            {"StackId": stack.id, "Account": stack.account, "Region": stack.region}
            for stack in rows.list_in_progress(call.tx)
        ]
    }


@operation("_AdvanceStack")
def advance_stack(call: Call, request: Request) -> Response:
    """Take one step of a stack; Moved tells whether there was anything to do."""
    stack = rows.find_stack(call.tx, request["StackId"])
    if stack is None or not stack.in_progress:
        return {"Moved": False, "AgainS": None}
    run = Run.of(call, stack)
    moved = _STEPS[stack.status](run)
    if moved:
        run.save()
    return {"Moved": moved, "AgainS": run.again_s, "Status": run.stack.status}


def forward(run: Run) -> bool:
    """Create or update towards the wish."""
    resolver = run.resolver(run.stack.wish)
    needs = dependencies(resolver)
    failed = _failed(run)
    if failed:
        turn_back(run, failed)
        return True
    if _timed_out(run):
        return True
    # A dependant starts in the step after: each level is its own transaction.
    ready = {name for name, row in run.resources.items() if _is_done(run, row)}
    moved = _poll_all(run)
    for name in in_order(needs):
        row = run.resources.get(name)
        if (row is None or row.operation != run.stack.operation) and needs[name] <= ready:
            start(run, resolver.template.resources[name], needs[name], resolver.properties)
            moved = True
    if not moved and all(
        name in run.resources and _is_done(run, run.resources[name]) for name in needs
    ):
        _arrive(run, needs)
        moved = True
    return moved


def _is_done(run: Run, row: StackResource) -> bool:
    return row.operation == run.stack.operation and row.done and not row.status.endswith("FAILED")


def _failed(run: Run) -> list[str]:
    return [
        name
        for name, row in run.resources.items()
        if row.operation == run.stack.operation and row.status.endswith("FAILED")
    ]


def _timed_out(run: Run) -> bool:
    stack = run.stack
    if stack.timeout_minutes is None or stack.status != "CREATE_IN_PROGRESS":
        return False
    left = stack.operation_started_at + stack.timeout_minutes * 60 - run.call.now
    if left > 0:
        run.wake_in(left)
        return False
    turn_back(
        run, [], "Stack creation time exceeded the specified timeout. Rollback requested by user."
    )
    return True


def start(
    run: Run,
    resource: Resource,
    needs: frozenset[str],
    resolve: Callable[[Resource], Mapping[str, Any]],
) -> None:
    """Begin with one resource: create it, change it, or find it as wished."""
    row = run.resources.get(resource.logical_id)
    if row is not None and not row.physical.physical_id:
        row = None  # an update without rollback left only its failure behind
    verb = "CREATE" if row is None else "UPDATE"
    row = _touched(run, row, resource)
    kind = find_type(resource.type)
    try:
        if kind is None:
            raise ValidationError(f"Unrecognized resource type: {resource.type}")
        properties = with_tags(kind, resolve(resource), run.stack.wish.tags)
        check_properties(kind, properties)
    except PropertyFaultError as error:
        _fail(run, row, verb, fault_text(resource.logical_id, error))
        return
    except TemplateError as error:
        _fail(run, row, verb, str(error))
        return
    except AwsError as error:
        _fail(run, row, verb, error.message)
        return
    physical = replace(row.physical, depends_on=tuple(sorted(needs)))
    if verb == "CREATE":
        _create(run, kind, replace(row, physical=physical), properties, "CREATE")
        return
    old = json.loads(row.physical.properties)
    same_metadata = row.metadata == json.dumps(resource.metadata or {})
    row = replace(row, physical=physical, metadata=json.dumps(resource.metadata or {}))
    if old == properties and not row.status.endswith("FAILED"):
        if not same_metadata:
            row = run.put(replace(row, status="UPDATE_IN_PROGRESS"))
            run.put(replace(row, status="UPDATE_COMPLETE", done=True))
        else:
            run.put(replace(row, done=True), tell=False)
    elif _replaces(kind, old, properties):
        _replace(run, kind, row, old, properties)
    else:
        _change(run, kind, row, old, properties)


def _touched(run: Run, row: StackResource | None, resource: Resource) -> StackResource:
    """The row at the start of this operation, with what it was before kept for a rollback."""
    stack = run.stack
    if row is None:
        return StackResource(
            stack_id=stack.id,
            logical_id=resource.logical_id,
            account=stack.account,
            region=stack.region,
            type=resource.type,
            status="CREATE_IN_PROGRESS",
            at=run.call.now,
            physical=Physical(),
            operation=stack.operation,
            started_at=run.call.now,
            metadata=json.dumps(resource.metadata or {}),
            deletion_policy=resource.deletion_policy,
            update_replace_policy=resource.update_replace_policy,
        )
    return replace(
        row,
        operation=stack.operation,
        started_at=run.call.now,
        at=run.call.now,
        done=False,
        reason="",
        previous=row.physical,
        deletion_policy=resource.deletion_policy,
        update_replace_policy=resource.update_replace_policy,
    )


def _replaces(kind: ResourceType, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    changed = [name for name in {*old, *new} if old.get(name) != new.get(name)]
    needs = {kind.update_of.get(name, Update.IN_PLACE) for name in changed}
    return kind.update is None or bool(needs - {Update.IN_PLACE})


def _create(
    run: Run, kind: ResourceType, row: StackResource, properties: Mapping[str, Any], verb: str
) -> None:
    """Make it, record its id in the same transaction, and see at once whether it is stable."""
    asked = json.dumps(properties, sort_keys=True)
    row = run.put(
        replace(
            row,
            status=f"{verb}_IN_PROGRESS",
            reason=REPLACING if verb == "UPDATE" else "",
            physical=replace(
                row.physical, properties=asked if verb == "CREATE" else row.physical.properties
            ),
        )
    )
    handle = run.handle(row.logical_id, Physical(), properties)
    made = _attempt(run, row, kind, verb, lambda: kind.create(handle))
    if made is None:
        return
    physical = replace(
        row.physical,
        physical_id=made.physical_id,
        properties=asked,
        attributes=json.dumps(dict(made.attributes)),
    )
    row = run.put(replace(row, physical=physical, reason="Resource creation Initiated"))
    _poll(run, row)


def _replace(
    run: Run,
    kind: ResourceType,
    row: StackResource,
    old: Mapping[str, Any],
    properties: Mapping[str, Any],
) -> None:
    if kind.named and kind.named in properties and properties[kind.named] == old.get(kind.named):
        _fail(
            run,
            row,
            "UPDATE",
            "CloudFormation cannot update a stack when a custom-named resource requires replacing."
            f" Rename {properties[kind.named]} and update the stack again.",
        )
        return
    _create(run, kind, row, properties, "UPDATE")


def _change(
    run: Run,
    kind: ResourceType,
    row: StackResource,
    old: Mapping[str, Any],
    properties: Mapping[str, Any],
) -> None:
    row = run.put(replace(row, status="UPDATE_IN_PROGRESS"))
    handle = run.handle(row.logical_id, row.physical, properties, old)
    update = kind.update
    assert update is not None
    if _attempt(run, row, kind, "UPDATE", lambda: (update(handle),)) is None:
        return
    physical = replace(row.physical, properties=json.dumps(properties, sort_keys=True))
    _poll(run, run.put(replace(row, physical=physical), tell=False))


def _attempt(
    run: Run, row: StackResource, kind: ResourceType, verb: str, action: Callable[[], T]
) -> T | None:
    """Run a type's function; when it is refused, what it wrote is undone and the row has failed."""
    try:
        with run.call.tx.savepoint():
            return action()
    except PropertyFaultError as error:
        _fail(run, row, verb, fault_text(row.logical_id, error))
    except NotStabilizedError as error:
        _fail(run, row, verb, str(error))
    except AwsError as error:
        service = kind.name.split("::")[1]
        _fail(run, row, verb, handler_text(error, service, run.uuid(), run.uuid()))
    return None


def _fail(run: Run, row: StackResource, verb: str, reason: str) -> None:
    known = run.resources.get(row.logical_id)
    if known is None or known.operation != row.operation:
        run.put(replace(row, status=f"{verb}_IN_PROGRESS", reason=""))
    run.put(replace(row, status=f"{verb}_FAILED", reason=reason, done=True, at=run.call.now))


def _poll_all(run: Run) -> bool:
    waiting = [
        row
        for row in run.resources.values()
        if row.operation == run.stack.operation and not row.done
    ]
    moved = [_poll(run, row) for row in waiting]
    return any(moved)


def _poll(run: Run, row: StackResource) -> bool:
    """Is it stable by now? True when it moved."""
    kind = find_type(row.type)
    assert kind is not None
    verb = row.status.partition("_")[0]
    handle = run.handle(row.logical_id, row.physical)

    def ask() -> tuple[Progress, Mapping[str, Any], str]:
        progress = kind.stable(handle)
        if progress is Progress.DONE:
            return progress, kind.read(handle), ""
        return progress, {}, kind.note(handle)

    answer = _attempt(run, row, kind, verb, ask)
    if answer is None:
        return True
    progress, attributes, note = answer
    if progress is Progress.WAITING:
        left = row.started_at + SETTLE_S_MAX - run.call.now
        if left <= 0:
            _fail(run, row, verb, "Exceeded attempts to wait")
            return True
        run.wake_in(left)
        if note and note != row.reason:
            run.put(replace(row, reason=note))
            return True
        return False
    merged = {**json.loads(row.physical.attributes), **attributes}
    physical = replace(row.physical, attributes=json.dumps(merged))
    run.put(
        replace(
            row,
            status=f"{verb}_COMPLETE",
            reason="",
            done=True,
            at=run.call.now,
            physical=physical,
        )
    )
    return True


def turn_back(run: Run, failed: list[str], reason: str = "") -> None:
    """Something failed: cancel what is under way and go back, as far as the caller wants that."""
    stack = run.stack
    creating = stack.status == "CREATE_IN_PROGRESS"
    for name, row in list(run.resources.items()):
        if row.operation == stack.operation and not row.done:
            verb = row.status.partition("_")[0]
            word = "creation" if verb == "CREATE" else "update"
            _fail(run, row, verb, f"Resource {word} cancelled")
            failed = [*failed, name]
    created = [n for n in failed if run.resources[n].status.startswith("CREATE")]
    updated = [n for n in failed if n not in created]
    text = "".join(
        f"The following resource(s) failed to {verb}: [{', '.join(names)}]. "
        for verb, names in (("create", created), ("update", updated))
        if names
    )
    if creating:
        _give_up_creation(run, reason, text)
    elif stack.disable_rollback:
        run.become("UPDATE_FAILED", reason or text)
    else:
        run.become("UPDATE_ROLLBACK_IN_PROGRESS", reason or text)
        run.stack = replace(run.stack, undo=stack.operation, operation=run.uuid())


def _give_up_creation(run: Run, reason: str, text: str) -> None:
    if run.stack.disable_rollback or run.stack.on_failure == "DO_NOTHING":
        run.become("CREATE_FAILED", reason.removesuffix(" Rollback requested by user.") or text)
        return
    for row in run.resources.values():
        run.doom(row.logical_id, row.type, row.physical, retain=row.deletion_policy == "Retain")
    if run.stack.on_failure == "DELETE":
        run.become("DELETE_IN_PROGRESS", reason or f"{text}Delete requested by user.")
    else:
        run.become("ROLLBACK_IN_PROGRESS", reason or f"{text}Rollback requested by user.")


def _arrive(run: Run, alive: Mapping[str, object]) -> None:
    """Everything is as wished: outputs, then the end of the create or the cleanup of the update."""
    creating = run.stack.status == "CREATE_IN_PROGRESS"
    try:
        outputs = output_values(run.resolver(run.stack.wish))
        conflict = export_conflict(run.call, run.stack, outputs)
    except (TemplateError, AwsError) as error:
        conflict = error.message if isinstance(error, AwsError) else str(error)
        outputs = ()
    if conflict:
        turn_back(run, [], f"{conflict}. Rollback requested by user." if creating else conflict)
        return
    run.stack = replace(run.stack, outputs=outputs)
    if creating:
        run.become("CREATE_COMPLETE")
        return
    for row in list(run.resources.values()):
        if row.logical_id not in alive:
            run.doom(
                row.logical_id,
                row.type,
                row.physical,
                retain=row.deletion_policy.startswith("Retain"),
            )
        elif row.previous and row.previous.physical_id not in ("", row.physical.physical_id):
            retain = row.update_replace_policy.startswith("Retain")
            run.doom(row.logical_id, row.type, row.previous, retain=retain)
    run.stack = replace(run.stack, previous=None)
    run.become("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")


def backward(run: Run) -> bool:
    """Take a failed update back: the old properties, the old resources."""
    undo = [r for r in run.resources.values() if r.operation == run.stack.undo]
    for row in undo:
        _undo(run, row)
    if undo:
        return True
    failed = _failed(run)
    if failed:
        text = f"The following resource(s) failed to update: [{', '.join(failed)}]. "
        run.become("UPDATE_ROLLBACK_FAILED", text)
        return True
    if _poll_all(run):
        return True
    if any(r.operation == run.stack.operation and not r.done for r in run.resources.values()):
        return False
    assert run.stack.previous is not None
    run.stack = replace(run.stack, wish=run.stack.previous, previous=None)
    run.become("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
    return True


def _undo(run: Run, row: StackResource) -> None:
    before = row.previous
    if before is None:
        keep = row.deletion_policy == "Retain"
        run.doom(row.logical_id, row.type, row.physical, retain=keep)
        run.put(replace(row, operation="", done=True), tell=False)
        return
    touched = row.physical.properties != before.properties
    failed = row.status.endswith("FAILED")
    row = replace(row, operation=run.stack.operation, started_at=run.call.now, reason="")
    if row.physical.physical_id != before.physical_id:
        run.doom(row.logical_id, row.type, row.physical)
        row = run.put(replace(row, status="UPDATE_IN_PROGRESS", physical=before))
        run.put(replace(row, status="UPDATE_COMPLETE", done=True))
    elif touched:
        kind = find_type(row.type)
        assert kind is not None
        old = json.loads(row.physical.properties)
        _change(run, kind, replace(row, done=False), old, json.loads(before.properties))
        run.resources[row.logical_id] = run.put(
            replace(
                run.resources[row.logical_id],
                physical=replace(
                    run.resources[row.logical_id].physical, depends_on=before.depends_on
                ),
            ),
            tell=False,
        )
    elif failed:
        row = run.put(replace(row, status="UPDATE_IN_PROGRESS", physical=before))
        run.put(replace(row, status="UPDATE_COMPLETE", done=True))
    else:
        run.put(replace(row, physical=before, done=True), tell=False)


_STEPS: Mapping[str, Callable[[Run], bool]] = {
    "CREATE_IN_PROGRESS": forward,
    "UPDATE_IN_PROGRESS": forward,
    "UPDATE_ROLLBACK_IN_PROGRESS": backward,
    "ROLLBACK_IN_PROGRESS": sweep,
    "DELETE_IN_PROGRESS": sweep,
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": sweep,
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": sweep,
}
