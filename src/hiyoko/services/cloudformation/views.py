"""Models as the API shows them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hiyoko.services.cloudformation.errors import ValidationError
from hiyoko.services.cloudformation.model import ChangeSet, Event, Stack, StackResource
from hiyoko.services.cloudformation.stacks import template_parameters
from hiyoko.template.changes import Change, Detail
from hiyoko.template.parameters import as_text
from hiyoko.template.read import read_template

Shown = dict[str, Any]

PAGE = 100


def present(**members: Any) -> Shown:
    """The members that have a value."""
    return {name: value for name, value in members.items() if value not in (None, "")}


def page(items: Sequence[Any], request: Any, size: int = PAGE) -> tuple[list[Any], Shown]:
    """One page of a list, and the NextToken member when there is more."""
    token = request.get("NextToken")
    if token is not None and not token.isdecimal():
        raise ValidationError("NextToken is invalid.")
    begin = int(token or 0)
    more = {"NextToken": str(begin + size)} if len(items) > begin + size else {}
    return list(items[begin : begin + size]), more


def tags(pairs: dict[str, str]) -> list[dict[str, str]]:
    """Tags as a list."""
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


def stack(item: Stack) -> Shown:
    """A member of DescribeStacks."""
    described = read_template(item.wish.template).description if item.wish.template else None
    shown = present(
        StackId=item.id,
        StackName=item.name,
        ChangeSetId=item.change_set_id,
        Description=described,
        CreationTime=item.created_at,
        LastUpdatedTime=item.updated_at,
        DeletionTime=item.deleted_at,
        StackStatus=item.status,
        StackStatusReason=item.status_reason,
        TimeoutInMinutes=item.timeout_minutes,
    )
    shown |= {
        "Parameters": template_parameters(item),
        "DisableRollback": item.disable_rollback,
        "RollbackConfiguration": {},
        "NotificationARNs": [],
        "Capabilities": list(item.wish.capabilities),
        "Tags": tags(item.wish.tags),
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        "Outputs": [
            present(
                OutputKey=output.key,
                Description=output.description,
                ExportName=output.export,
            )
            | {"OutputValue": output.value}
            for output in item.outputs
        ],
    }
    if item.status != "DELETE_COMPLETE":
        shown["EnableTerminationProtection"] = item.termination_protection
    return shown


def stack_summary(item: Stack) -> Shown:
    """A member of ListStacks."""
    described = read_template(item.wish.template).description if item.wish.template else None
    return present(
        StackId=item.id,
        StackName=item.name,
        TemplateDescription=described,
        CreationTime=item.created_at,
        LastUpdatedTime=item.updated_at,
        DeletionTime=item.deleted_at,
        StackStatus=item.status,
        StackStatusReason=item.status_reason,
        DriftInformation={"StackDriftStatus": "NOT_CHECKED"},
    )


def event(item: Event) -> Shown:
    """A member of DescribeStackEvents."""
    return present(
        StackId=item.stack_id,
        EventId=item.id,
        StackName=item.stack_name,
        LogicalResourceId=item.logical_id,
        ResourceType=item.type,
        Timestamp=item.at,
        ResourceStatus=item.status,
        ResourceStatusReason=item.reason,
        ResourceProperties=item.properties,
        ClientRequestToken=item.token,
    ) | {"PhysicalResourceId": item.physical_id}


def resource(item: StackResource, owner: Stack) -> Shown:
    """A member of DescribeStackResources."""
    return present(
        StackName=owner.name,
        StackId=owner.id,
        LogicalResourceId=item.logical_id,
        PhysicalResourceId=item.physical.physical_id,
        ResourceType=item.type,
        Timestamp=item.at,
        ResourceStatus=item.status,
        ResourceStatusReason=item.reason,
        DriftInformation={"StackResourceDriftStatus": "NOT_CHECKED"},
    )


def resource_detail(item: StackResource, owner: Stack) -> Shown:
    """The answer of DescribeStackResource."""
    shown = resource(item, owner)
    shown["LastUpdatedTimestamp"] = shown.pop("Timestamp")
    if item.metadata != "{}":
        shown["Metadata"] = item.metadata
    return shown


def resource_summary(item: StackResource, owner: Stack) -> Shown:
    """A member of ListStackResources."""
    shown = resource(item, owner)
    shown["LastUpdatedTimestamp"] = shown.pop("Timestamp")
    for name in ("StackName", "StackId"):
        del shown[name]
    return shown


def change(item: Change, *, values: bool) -> Shown:
    """A member of a change set's Changes."""
    shown = present(
        PolicyAction=item.policy_action,
        Action=item.action,
        LogicalResourceId=item.logical_id,
        PhysicalResourceId=item.physical_id,
        ResourceType=item.type,
        Replacement=item.replacement,
    )
    shown["Scope"] = list(item.scope)
    shown["Details"] = [_detail(detail, values=values) for detail in item.details]
    if values:
        for name, side in (("BeforeContext", item.before), ("AfterContext", item.after)):
            if side is not None:
                shown[name] = json.dumps({"Properties": side}, separators=(",", ":"))
    return {"Type": "Resource", "ResourceChange": shown}


def _detail(item: Detail, *, values: bool) -> Shown:
    target = present(Attribute=item.attribute, Name=item.name, RequiresRecreation=item.recreation)
    if values and item.attribute != "Metadata":
        target["Path"] = f"/Properties/{item.name or 'Tags'}"
        for name, side in (("BeforeValue", item.before), ("AfterValue", item.after)):
            if side is not None:
                target[name] = json.dumps(side) if isinstance(side, dict | list) else as_text(side)
        kinds = {(True, False): "Add", (False, True): "Remove"}
        target["AttributeChangeType"] = kinds.get(
            (item.before is None, item.after is None), "Modify"
        )
    return present(
        Target=target,
        Evaluation=item.evaluation,
        ChangeSource=item.source,
        CausingEntity=item.cause,
    )


def change_set_summary(item: ChangeSet, execution_status: str) -> Shown:
    """A member of ListChangeSets."""
    return present(
        StackId=item.stack_id,
        StackName=item.stack_name,
        ChangeSetId=item.id,
        ChangeSetName=item.name,
        ExecutionStatus=execution_status,
        Status=item.status,
        StatusReason=item.status_reason,
        CreationTime=item.created_at,
        Description=item.description,
    ) | {"IncludeNestedStacks": False, "ImportExistingResources": False}
