"""Stacks, events, resources and exports as clients read them."""

from __future__ import annotations

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.cloudformation import rows, views
from hiyoko.services.cloudformation.errors import ValidationError
from hiyoko.services.cloudformation.finish import importers
from hiyoko.services.cloudformation.model import StackResource
from hiyoko.services.cloudformation.stacks import get_stack


@operation("DescribeStacks")
def describe_stacks(call: Call, request: Request) -> Response:
    """One stack, or all that are not deleted."""
    if "StackName" in request:
        found = [get_stack(call, request["StackName"], "Stack with id {} does not exist")]
    else:
        found = rows.list_living(call.tx, call.account, call.region)
    shown, more = views.page(found, request)
    return {"Stacks": [views.stack(stack) for stack in shown], **more}


@operation("ListStacks")
def list_stacks(call: Call, request: Request) -> Response:
    """Every stack, the deleted ones too."""
    wanted = request.get("StackStatusFilter")
    found = [
        stack
        for stack in rows.list_stacks(call.tx, call.account, call.region)
        if not wanted or stack.status in wanted
    ]
    shown, more = views.page(found, request)
    return {"StackSummaries": [views.stack_summary(stack) for stack in shown], **more}


@operation("DescribeStackEvents")
def describe_stack_events(call: Call, request: Request) -> Response:
    """A stack's history, newest first."""
    if not request.get("StackName"):
        raise ValidationError("StackName is a required parameter.")
    stack = get_stack(call, request["StackName"])
    shown, more = views.page(range(stack.event_count - 1, -1, -1), request)
    events = rows.list_events(call.tx, stack.id, shown)
    return {"StackEvents": [views.event(event) for event in events], **more}


@operation("DescribeStackResources")
def describe_stack_resources(call: Call, request: Request) -> Response:
    """A stack's resources, by the stack or by one physical id."""
    if "StackName" not in request:
        if "PhysicalResourceId" not in request:
            raise ValidationError("Either StackName or PhysicalResourceId must be specified.")
        return _of_physical_id(call, request)
    stack = get_stack(call, request["StackName"], "Stack with id {} does not exist")
    wanted = request.get("LogicalResourceId")
    found = [
        views.resource(item, stack)
        for item in rows.list_resources(call.tx, stack.id)
        if wanted in (None, item.logical_id)
    ]
    if wanted is not None and not found:
        raise ValidationError(f"Resource {wanted} does not exist for stack {stack.name}")
    return {"StackResources": found}


def _of_physical_id(call: Call, request: Request) -> Response:
    wanted = request["PhysicalResourceId"]
    for stack in rows.list_living(call.tx, call.account, call.region):
        items = rows.list_resources(call.tx, stack.id)
        if any(item.physical.physical_id == wanted for item in items):
            return {"StackResources": [views.resource(item, stack) for item in items]}
    raise ValidationError(f"Stack for {wanted} does not exist")


@operation("DescribeStackResource")
def describe_stack_resource(call: Call, request: Request) -> Response:
    """One resource."""
    stack = get_stack(call, request["StackName"], "Stack '{}' does not exist")
    wanted = request["LogicalResourceId"]
    found: StackResource | None = next(
        (r for r in rows.list_resources(call.tx, stack.id) if r.logical_id == wanted), None
    )
    if found is None:
        raise ValidationError(f"Resource {wanted} does not exist for stack {stack.name}")
    return {"StackResourceDetail": views.resource_detail(found, stack)}


@operation("ListStackResources")
def list_stack_resources(call: Call, request: Request) -> Response:
    """A stack's resources in pages."""
    stack = get_stack(call, request["StackName"], "Stack with id {} does not exist")
    shown, more = views.page(rows.list_resources(call.tx, stack.id), request)
    return {
        "StackResourceSummaries": [views.resource_summary(item, stack) for item in shown],
        **more,
    }


@operation("ListExports")
def list_exports(call: Call, request: Request) -> Response:
    """The region's exports by name."""
    found = [
        {"ExportingStackId": stack.id, "Name": output.export, "Value": output.value}
        for stack in rows.list_living(call.tx, call.account, call.region)
        for output in stack.outputs
        if output.export
    ]
    shown, more = views.page(sorted(found, key=lambda item: str(item["Name"])), request)
    return {"Exports": shown, **more}


@operation("ListImports")
def list_imports(call: Call, request: Request) -> Response:
    """The stacks that import an export."""
    name = request["ExportName"]
    found = sorted(importers(call, name))
    if not found:
        raise ValidationError(f"Export '{name}' is not imported by any stack.")
    shown, more = views.page(found, request)
    return {"Imports": shown, **more}
