"""Change sets: computed in the call that creates them, executed as a create or an update."""

from __future__ import annotations

import json
from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.cloudformation import rows, views
from hiyoko.services.cloudformation.errors import (
    ChangeSetAlreadyExists,
    ChangeSetNotFound,
    InvalidChangeSetStatus,
    PropertyFaultError,
    ValidationError,
)
from hiyoko.services.cloudformation.foreseen import foreseen, same_outputs
from hiyoko.services.cloudformation.model import ChangeSet, Stack, Wish
from hiyoko.services.cloudformation.properties import check_properties, fault_text
from hiyoko.services.cloudformation.run import Run, masked
from hiyoko.services.cloudformation.stacks import (
    begin_update,
    check_updatable,
    find_stack,
    get_living_stack,
    get_stack,
    new_stack,
)
from hiyoko.services.cloudformation.wishes import wish_of
from hiyoko.template.changes import Change
from hiyoko.template.read import read_template
from hiyoko.template.resource_type import find_type

NO_CHANGES = (
    "The submitted information didn't contain changes. Submit different information to create a"
    " change set."
)


@operation("CreateChangeSet")
def create_change_set(call: Call, request: Request) -> Response:
    """Compute what a create or update would do."""
    kind = request.get("ChangeSetType", "UPDATE")
    if kind == "IMPORT":
        raise unsupported("ChangeSetType", kind)
    name, stack_name = request["ChangeSetName"], request["StackName"]
    stack = _stack_for(call, kind, stack_name, name)
    if any(item.name == name for item in _pending(call, stack)):
        raise ChangeSetAlreadyExists(name, stack.name)
    reviewing = stack.status == "REVIEW_IN_PROGRESS"
    wish = wish_of(call, request, stack.id, stack.name, None if reviewing else stack.wish)
    changes = foreseen(call, stack, wish)
    empty = not changes and same_outputs(stack.wish, wish)
    reason = NO_CHANGES if empty else "; ".join(_faults(changes))
    change_set = ChangeSet(
        id=call.arn("cloudformation", f"changeSet/{name}/{call.ids.uuid()}"),
        name=name,
        stack_id=stack.id,
        stack_name=stack.name,
        account=call.account,
        region=call.region,
        type=kind,
        wish=wish,
        created_at=call.now,
        status="FAILED" if reason else "CREATE_COMPLETE",
        execution_status="UNAVAILABLE" if reason else "AVAILABLE",
        status_reason=reason,
        description=request.get("Description"),
        changes=json.dumps([views.change(c, values=False) for c in changes]),
        changes_with_values=masked(
            json.dumps([views.change(c, values=True) for c in changes]), wish
        ),
        on_failure=request.get("OnStackFailure", "ROLLBACK"),
    )
    rows.put_change_set(call.tx, change_set)
    return {"Id": change_set.id, "StackId": stack.id}


def _pending(call: Call, stack: Stack) -> list[ChangeSet]:
    """The stack's change sets that were not overtaken by an execution: their names are taken."""
    over = ("EXECUTE_IN_PROGRESS", "OBSOLETE")
    every = rows.list_change_sets(call.tx, stack.id)
    return [item for item in every if item.execution_status not in over]


def _faults(changes: list[Change]) -> list[str]:
    """Property faults, found before anything is made: AWS validates change sets early too."""
    found = []
    for change in changes:
        kind = find_type(change.type)
        if kind is None or change.after is None:
            continue
        try:
            check_properties(kind, change.after)
        except PropertyFaultError as error:
            found.append(fault_text(change.logical_id, error))
    return found


def _stack_for(call: Call, kind: str, stack_name: str, change_set_name: str) -> Stack:
    """The stack to change; a CREATE makes one that waits for review."""
    stack = find_stack(call, stack_name)
    if stack is not None and stack.status == "DELETE_COMPLETE":
        stack = None
    if kind == "UPDATE":
        if stack is None or stack.status == "REVIEW_IN_PROGRESS":
            raise ValidationError(f"Stack [{stack_name}] does not exist")
        check_updatable(stack)
        return stack
    if stack is None:
        run = Run(call, new_stack(call, stack_name, Wish(""), "REVIEW_IN_PROGRESS"))
        run.become("REVIEW_IN_PROGRESS", "User Initiated")
        run.save()
        return run.stack
    if stack.status != "REVIEW_IN_PROGRESS":
        raise ValidationError(
            f"Stack [{stack.name}] already exists and cannot be created again with the changeSet"
            f" [{change_set_name}]."
        )
    return stack


def _find(call: Call, request: Request) -> ChangeSet:
    name = request["ChangeSetName"]
    if name.startswith("arn:"):
        found = rows.find_change_set(call.tx, name)
    else:
        if "StackName" not in request:
            raise ValidationError(
                "StackName must be specified if ChangeSetName is not specified as an ARN."
            )
        stack = get_stack(call, request["StackName"])
        every = reversed(rows.list_change_sets(call.tx, stack.id))
        found = next((item for item in every if item.name == name), None)
    if found is None:
        raise ChangeSetNotFound(name)
    return found


def _execution_status(call: Call, change_set: ChangeSet) -> str:
    """An executed change set goes the way of its stack."""
    if change_set.execution_status != "EXECUTE_IN_PROGRESS":
        return change_set.execution_status
    stack = rows.find_stack(call.tx, change_set.stack_id)
    if stack is None or stack.change_set_id != change_set.id:
        return "EXECUTE_COMPLETE"
    if stack.status in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"):
        return "EXECUTE_IN_PROGRESS"
    good = stack.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE") or (
        stack.status == "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
    )
    return "EXECUTE_COMPLETE" if good else "EXECUTE_FAILED"


@operation("DescribeChangeSet")
def describe_change_set(call: Call, request: Request) -> Response:
    """A change set with its changes."""
    item = _find(call, request)
    values = request.get("IncludePropertyValues", False)
    every = json.loads(item.changes_with_values if values else item.changes)
    shown, more = views.page(every, request)
    answer = views.change_set_summary(item, _execution_status(call, item))
    answer |= {
        "Changes": shown,
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in _shown_parameters(item).items()
        ],
        "Capabilities": list(item.wish.capabilities),
        "Tags": views.tags(item.wish.tags),
        "NotificationARNs": [],
        "RollbackConfiguration": {},
        "OnStackFailure": item.on_failure,
    }
    return {**answer, **more}


def _shown_parameters(item: ChangeSet) -> dict[str, str]:
    declared = read_template(item.wish.template).parameters
    return {k: "****" if declared[k].no_echo else v for k, v in item.wish.parameters.items()}


@operation("ListChangeSets")
def list_change_sets(call: Call, request: Request) -> Response:
    """A stack's change sets."""
    stack = get_living_stack(call, request["StackName"])
    shown, more = views.page(_pending(call, stack), request)
    return {
        "Summaries": [
            views.change_set_summary(item, _execution_status(call, item)) for item in shown
        ],
        **more,
    }


@operation("ExecuteChangeSet")
def execute_change_set(call: Call, request: Request) -> Response:
    """Do what the change set says; the stack's other change sets are obsolete."""
    if request.get("RetainExceptOnCreate"):
        raise unsupported("RetainExceptOnCreate")
    item = _find(call, request)
    if item.execution_status != "AVAILABLE":
        status = item.status if item.status == "FAILED" else item.execution_status
        raise InvalidChangeSetStatus(item.id, status)
    stack = get_living_stack(call, item.stack_id)
    for other in rows.list_change_sets(call.tx, stack.id):
        if other.id != item.id and other.execution_status == "AVAILABLE":
            rows.put_change_set(call.tx, replace(other, execution_status="OBSOLETE"))
    rows.put_change_set(call.tx, replace(item, execution_status="EXECUTE_IN_PROGRESS"))
    stack = replace(stack, change_set_id=item.id)
    if item.type == "UPDATE":
        check_updatable(stack)
        begin_update(call, stack, item.wish, request)
        return {}
    disabled = request.get("DisableRollback", False)
    stack = replace(
        stack,
        wish=item.wish,
        updated_at=call.now,
        on_failure=item.on_failure,
        disable_rollback=disabled,
        client_token=request.get("ClientRequestToken"),
    )
    run = Run(call, stack)
    run.begin("CREATE_IN_PROGRESS")
    run.save()
    return {}


@operation("DeleteChangeSet")
def delete_change_set(call: Call, request: Request) -> Response:
    """Forget a change set; a stack that only waited for it stays in review, as on AWS."""
    name = request["ChangeSetName"]
    if name.startswith("arn:") and rows.find_change_set(call.tx, name) is None:
        return {}
    item = _find(call, request)
    if _execution_status(call, item) == "EXECUTE_IN_PROGRESS":
        raise InvalidChangeSetStatus(item.id, "EXECUTE_IN_PROGRESS")
    rows.delete_change_set(call.tx, item.id)
    return {}
