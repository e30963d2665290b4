"""Creating, updating and deleting stacks: the wish is written, ``engine`` follows it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.cloudformation import rows
from hiyoko.services.cloudformation.errors import AlreadyExists, ValidationError
from hiyoko.services.cloudformation.finish import importers
from hiyoko.services.cloudformation.foreseen import foreseen, same_outputs
from hiyoko.services.cloudformation.model import Stack, Wish
from hiyoko.services.cloudformation.run import Run
from hiyoko.services.cloudformation.wishes import in_aws_words, refuse_unsupported, wish_of
from hiyoko.template.read import read_template

_UPDATABLE = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_FAILED"}


def find_stack(call: Call, name: str) -> Stack | None:
    """A stack by its ARN (a deleted one too) or its name (living ones only)."""
    if name.startswith("arn:"):
        return rows.find_stack(call.tx, name)
    return rows.find_stack_named(call.tx, name, call.account, call.region)


def get_stack(call: Call, name: str, text: str = "Stack [{}] does not exist") -> Stack:
    """The stack; refused with the wording that the operation has."""
    stack = find_stack(call, name)
    if stack is None:
        raise ValidationError(text.format(name))
    return stack


def get_living_stack(call: Call, name: str) -> Stack:
    """A stack that is not deleted."""
    stack = get_stack(call, name)
    if stack.status == "DELETE_COMPLETE":
        raise ValidationError(f"Stack [{stack.name}] does not exist")
    return stack


def new_stack(call: Call, name: str, wish: Wish, status: str) -> Stack:
    """A stack with a new id."""
    return Stack(
        id=call.arn("cloudformation", f"stack/{name}/{call.ids.uuid()}"),
        name=name,
        account=call.account,
        region=call.region,
        wish=wish,
        status=status,
        created_at=call.now,
        operation=call.ids.uuid(),
        operation_started_at=call.now,
    )


@operation("CreateStack")
def create_stack(call: Call, request: Request) -> Response:
    """Write the wish of a new stack."""
    name = request["StackName"]
    token = request.get("ClientRequestToken")
    taken = rows.find_stack_named(call.tx, name, call.account, call.region)
    if taken is not None:
        if token is not None and taken.client_token == token:
            return {"StackId": taken.id}
        raise AlreadyExists(name)
    if "DisableRollback" in request and "OnFailure" in request:
        raise ValidationError("You cannot specify both DisableRollback and OnFailure.")
    stack = new_stack(call, name, Wish(""), "CREATE_IN_PROGRESS")
    stack = replace(
        stack,
        wish=wish_of(call, request, stack.id, name, None),
        on_failure=request.get("OnFailure", "ROLLBACK"),
        disable_rollback=request.get("DisableRollback", False),
        timeout_minutes=request.get("TimeoutInMinutes"),
        termination_protection=request.get("EnableTerminationProtection", False),
        client_token=token,
    )
    run = Run(call, stack)
    run.begin("CREATE_IN_PROGRESS")
    run.save()
    return {"StackId": stack.id}


@operation("UpdateStack")
def update_stack(call: Call, request: Request) -> Response:
    """Write another wish for a stack that rests."""
    stack = get_living_stack(call, request["StackName"])
    token = request.get("ClientRequestToken")
    if token is not None and token == stack.client_token:
        return {"StackId": stack.id}
    check_updatable(stack)
    wish = wish_of(call, request, stack.id, stack.name, stack.wish)
    if not foreseen(call, stack, wish) and same_outputs(stack.wish, wish):
        raise ValidationError("No updates are to be performed.")
    begin_update(call, stack, wish, request)
    return {"StackId": stack.id}


def check_updatable(stack: Stack) -> None:
    """Only a stack at rest after success can be updated."""
    if stack.status not in _UPDATABLE:
        raise ValidationError(
            f"Stack:{stack.id} is in {stack.status} state and can not be updated."
        )


def begin_update(call: Call, stack: Stack, wish: Wish, request: Request) -> None:
    """The update starts; what the stack was is kept for a rollback."""
    run = Run(
        call,
        replace(
            stack,
            wish=wish,
            previous=stack.previous or stack.wish,
            updated_at=call.now,
            disable_rollback=request.get("DisableRollback", False),
            client_token=request.get("ClientRequestToken"),
        ),
    )
    run.begin("UPDATE_IN_PROGRESS")
    run.save()


@operation("DeleteStack")
def delete_stack(call: Call, request: Request) -> Response:
    """Wish a stack away. One that is not there is no error."""
    for name in ("RoleARN", "DeletionMode"):
        if request.get(name) not in (None, "STANDARD"):
            raise unsupported(name)
    stack = find_stack(call, request["StackName"])
    if stack is None or stack.status in ("DELETE_COMPLETE", "DELETE_IN_PROGRESS"):
        return {}
    if stack.termination_protection:
        raise ValidationError(
            f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
        )
    retained = frozenset(request.get("RetainResources", ()))
    if retained and stack.status != "DELETE_FAILED":
        raise ValidationError(
            f"Invalid operation on stack [{stack.id}]. When you delete a stack, specify which"
            " resources to retain only when the stack is in the DELETE_FAILED state."
        )
    for output in stack.outputs:
        users = importers(call, output.export) if output.export else []
        if users:
            raise ValidationError(
                f"Delete canceled. Cannot delete export {output.export} as it is in use by"
                f" {', '.join(users)}"
            )
    run = Run.of(call, replace(stack, client_token=request.get("ClientRequestToken")))
    _doom_all(run, retained)
    run.begin("DELETE_IN_PROGRESS")
    run.save()
    return {}


def _doom_all(run: Run, retained: frozenset[str]) -> None:
    for doomed in rows.list_doomed(run.call.tx, run.stack.id):
        again = replace(doomed, failed=False, requested=False, started_at=None)
        rows.put_doomed(
            run.call.tx, replace(again, retain=doomed.retain or doomed.logical_id in retained)
        )
    status = run.stack.status
    mid_update = status.startswith("UPDATE") and not status.endswith("COMPLETE")
    for row in run.resources.values():
        if row.status in ("DELETE_COMPLETE", "DELETE_SKIPPED"):
            continue
        keep = row.deletion_policy.startswith("Retain") or row.logical_id in retained
        run.doom(row.logical_id, row.type, row.physical, retain=keep)
        # A replacement that was under way: the old one is still there.
        old = row.previous
        if mid_update and old and old.physical_id not in ("", row.physical.physical_id):
            run.doom(row.logical_id, row.type, old)


@operation("UpdateTerminationProtection")
def update_termination_protection(call: Call, request: Request) -> Response:
    """Switch the protection against DeleteStack."""
    stack = get_living_stack(call, request["StackName"])
    wanted = request["EnableTerminationProtection"]
    rows.put_stack(call.tx, replace(stack, termination_protection=wanted))
    return {"StackId": stack.id}


@operation("CancelUpdateStack")
def cancel_update_stack(call: Call, request: Request) -> Response:
    """Roll an update back while it is under way."""
    stack = get_living_stack(call, request["StackName"])
    if stack.status != "UPDATE_IN_PROGRESS":
        raise ValidationError("CancelUpdateStack cannot be called from current stack status")
    run = Run.of(call, stack)
    for row in list(run.resources.values()):
        if row.operation == stack.operation and not row.done:
            verb = row.status.partition("_")[0]
            word = "creation" if verb == "CREATE" else "update"
            run.put(
                replace(
                    row,
                    status=f"{verb}_FAILED",
                    reason=f"Resource {word} cancelled",
                    done=True,
                    at=call.now,
                )
            )
    run.become("UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated")
    run.stack = replace(run.stack, undo=stack.operation, operation=run.uuid())
    run.save()
    return {}


@operation("ContinueUpdateRollback")
def continue_update_rollback(call: Call, request: Request) -> Response:
    """Try again to roll back, leaving out the named resources."""
    refuse_unsupported(request)
    stack = get_living_stack(call, request["StackName"])
    if stack.status != "UPDATE_ROLLBACK_FAILED":
        raise ValidationError(
            f"Stack:{stack.id} is in {stack.status} state and can not continue rollback."
        )
    run = Run.of(call, stack)
    skipped = frozenset(request.get("ResourcesToSkip", ()))
    operation_id = run.uuid()
    for row in list(run.resources.values()):
        if not row.status.endswith("FAILED") or row.operation != stack.operation:
            continue
        if row.logical_id in skipped:
            run.put(replace(row, status="UPDATE_COMPLETE", operation="", done=True))
        else:
            run.put(replace(row, operation=operation_id), tell=False)
    run.become("UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated")
    run.stack = replace(run.stack, undo=operation_id, operation=run.uuid())
    run.save()
    return {}


def template_parameters(stack: Stack) -> list[dict[str, Any]]:
    """A stack's parameters as they are shown: NoEcho ones masked."""
    with in_aws_words():
        declared = read_template(stack.wish.template).parameters if stack.wish.template else {}
    return [
        {
            "ParameterKey": key,
            "ParameterValue": "****" if key in declared and declared[key].no_echo else value,
        }
        for key, value in stack.wish.parameters.items()
    ]
