"""Templates as such: given back, summed up, judged."""

from __future__ import annotations

import json
from typing import Any

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.cloudformation import rows, views
from hiyoko.services.cloudformation.errors import ChangeSetNotFound, ValidationError
from hiyoko.services.cloudformation.stacks import get_stack
from hiyoko.services.cloudformation.wishes import needed_capability, template_of
from hiyoko.template.model import Template


@operation("GetTemplate")
def get_template(call: Call, request: Request) -> Response:
    """The text as it was given."""
    stages = {"StagesAvailable": ["Original", "Processed"]}
    if "ChangeSetName" in request:
        name = request["ChangeSetName"]
        item = rows.find_change_set(call.tx, name)
        if item is None and "StackName" in request:
            stack = get_stack(call, request["StackName"], "Stack with id {} does not exist")
            every = rows.list_change_sets(call.tx, stack.id)
            item = next((other for other in every if other.name == name), None)
        if item is None:
            raise ChangeSetNotFound(name)
        return {"TemplateBody": item.wish.template, **stages}
    if not request.get("StackName"):
        raise ValidationError("StackName is required if ChangeSetName is not specified.")
    stack = get_stack(call, request["StackName"], "Stack with id {} does not exist")
    if stack.status == "REVIEW_IN_PROGRESS":
        return {"TemplateBody": "{}", **stages}
    return {"TemplateBody": stack.wish.template, **stages}


@operation("ValidateTemplate")
def validate_template(call: Call, request: Request) -> Response:
    """Judge a template and tell its parameters and the capabilities that it needs."""
    template = template_of(request)
    parameters = [
        views.present(ParameterKey=p.name, DefaultValue=p.default, Description=p.description)
        | {"NoEcho": p.no_echo}
        for p in template.parameters.values()
    ]
    return {"Parameters": parameters, **_summary(template)}


@operation("GetTemplateSummary")
def get_template_summary(call: Call, request: Request) -> Response:
    """What a template, or a stack's template, declares."""
    if request.get("StackName"):
        stack = get_stack(call, request["StackName"], "Stack with id {} does not exist")
        if stack.status == "REVIEW_IN_PROGRESS":
            raise ValidationError(
                "GetTemplateSummary cannot be called on REVIEW_IN_PROGRESS stacks."
            )
        request = {"TemplateBody": stack.wish.template}
    elif request.get("StackSetName"):
        raise unsupported("StackSetName")
    template = template_of(request)
    kinds: dict[str, list[str]] = {}
    for resource in template.resources.values():
        kinds.setdefault(resource.type, []).append(resource.logical_id)
    parameters = [
        views.present(
            ParameterKey=p.name,
            DefaultValue=p.default,
            ParameterType=p.type,
            Description=p.description,
        )
        | {
            "NoEcho": p.no_echo,
            "ParameterConstraints": {"AllowedValues": list(p.allowed_values)},
        }
        for p in template.parameters.values()
    ]
    answer = {"Parameters": parameters, "ResourceTypes": list(kinds), "Version": "2010-09-09"}
    if template.metadata is not None:
        answer["Metadata"] = json.dumps(template.metadata)
    return {**answer, **_summary(template)}


def _summary(template: Template) -> dict[str, Any]:
    capability, kinds = needed_capability(template)
    answer: dict[str, Any] = {"DeclaredTransforms": []}
    if template.description:
        answer["Description"] = template.description
    if capability:
        answer["Capabilities"] = [capability]
        answer["CapabilitiesReason"] = (
            f"The following resource(s) require capabilities: [{', '.join(kinds)}]"
        )
    return answer
