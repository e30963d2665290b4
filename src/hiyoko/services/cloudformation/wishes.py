"""From a request to a wish: every fault that can be found before anything is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

from hiyoko.api import Call, unsupported
from hiyoko.services.cloudformation.errors import InsufficientCapabilities, ValidationError
from hiyoko.services.cloudformation.model import Wish
from hiyoko.services.cloudformation.run import Around, StackWorld, pseudo_parameters
from hiyoko.template.error import TemplateError, UnsupportedInTemplateError
from hiyoko.template.functions import Resolver
from hiyoko.template.graph import dependencies, references
from hiyoko.template.model import Template
from hiyoko.template.parameters import choose_values
from hiyoko.template.read import read_template
from hiyoko.template.resource_type import find_type

_REFUSED = (
    "TemplateURL",
    "RoleARN",
    "NotificationARNs",
    "StackPolicyBody",
    "StackPolicyURL",
    "StackPolicyDuringUpdateBody",
    "StackPolicyDuringUpdateURL",
    "ResourcesToImport",
    "ImportExistingResources",
    "RetainExceptOnCreate",
    "DeploymentConfig",
    "DeploymentMode",
)


@contextmanager
def in_aws_words() -> Iterator[None]:
    """A template's fault becomes a ValidationError, what is not done here a refusal by name."""
    try:
        yield
    except TemplateError as error:
        raise ValidationError(str(error)) from error
    except UnsupportedInTemplateError as error:
        raise unsupported(str(error)) from error


def refuse_unsupported(request: Mapping[str, Any]) -> None:
    """Refuse by name the parameters that would have no effect here."""
    for name in _REFUSED:
        if request.get(name):
            raise unsupported(name)
    if request.get("RollbackConfiguration", {}).get("RollbackTriggers"):
        raise unsupported("RollbackConfiguration.RollbackTriggers")


def template_of(request: Mapping[str, Any]) -> Template:
    """The checked template of a request."""
    if request.get("TemplateURL"):
        raise unsupported("TemplateURL")
    if not request.get("TemplateBody"):
        raise ValidationError("Either Template URL or Template Body must be specified.")
    with in_aws_words():
        template = read_template(request["TemplateBody"])
    check_types(template)
    return template


def check_types(template: Template) -> None:
    """Refuse types that are not here, and attributes that a type does not have."""
    kinds = {resource.type for resource in template.resources.values()}
    unknown = sorted(kind for kind in kinds if find_type(kind) is None)
    if unknown:
        raise ValidationError(
            f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]"
        )
    places: dict[str, Any] = {
        f"/Resources/{n}": r.properties for n, r in template.resources.items()
    }
    places |= {f"/Outputs/{n}/Value": o.value for n, o in template.outputs.items()}
    for path, value in places.items():
        for reference in references(value):
            if not reference.attribute:
                continue
            kind = find_type(template.resources[reference.name].type)
            if kind is not None and reference.attribute not in kind.attributes:
                raise ValidationError(
                    f"[Error] {path}/Fn::GetAtt: Resource type {kind.name} does not support"
                    f" attribute {{{reference.attribute}}}."
                )


def wish_of(
    call: Call, request: Mapping[str, Any], stack_id: str, name: str, previous: Wish | None
) -> Wish:
    """What the request asks of the stack, checked; ``previous`` is what it may fall back to."""
    refuse_unsupported(request)
    if request.get("UsePreviousTemplate"):
        if request.get("TemplateBody"):
            raise ValidationError(
                "You can only specify one of Template Body, Template URL and Use Previous Template."
            )
        if previous is None:
            raise ValidationError("Either Template URL or Template Body must be specified.")
        request = {**request, "TemplateBody": previous.template}
    template = template_of(request)
    given = _given(request.get("Parameters", ()), previous)
    with in_aws_words():
        values = choose_values(template, given)
        resolver = Resolver(
            template,
            values,
            pseudo_parameters(call, stack_id, name),
            StackWorld(Around(call), {}),
        )
        dependencies(resolver)
    check_capabilities(template, request.get("Capabilities", ()))
    _check_allowed_types(template, request.get("ResourceTypes"))
    tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())}
    if "Tags" not in request and previous is not None:
        tags = previous.tags
    _check_tags(tags)
    return Wish(template.text, values, tags, tuple(request.get("Capabilities", ())))


def _given(parameters: Any, previous: Wish | None) -> dict[str, str]:
    given: dict[str, str] = {}
    for parameter in parameters:
        key = parameter["ParameterKey"]
        if parameter.get("UsePreviousValue"):
            if "ParameterValue" in parameter:
                raise ValidationError(
                    f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as"
                    " true and non empty value for a parameter"
                )
            if previous is None or key not in previous.parameters:
                raise ValidationError(
                    f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as"
                    " true for a parameter key not in the previous template"
                )
            given[key] = previous.parameters[key]
        elif "ParameterValue" not in parameter:
            raise ValidationError(
                f"Parameter {key} should either have input value or default value"
            )
        else:
            given[key] = parameter["ParameterValue"]
    return given


def needed_capability(template: Template) -> tuple[str, list[str]]:
    """The capability that a template needs (or an empty string) and the types that need it."""
    needed, kinds = "", []
    for resource in template.resources.values():
        kind = find_type(resource.type)
        if kind is None or kind.capability is None:
            continue
        kinds.append(kind.name)
        if kind.named and kind.named in resource.properties:
            needed = "CAPABILITY_NAMED_IAM"
        needed = needed or kind.capability
    return needed, sorted(set(kinds))


def check_capabilities(template: Template, given: Any) -> None:
    """IAM resources must be acknowledged; the named form covers the other."""
    needed, _ = needed_capability(template)
    if needed and needed not in given and "CAPABILITY_NAMED_IAM" not in given:
        raise InsufficientCapabilities(needed)


def _check_allowed_types(template: Template, allowed: Any) -> None:
    if not allowed:
        return
    for resource in template.resources.values():
        if not any(fnmatchcase(resource.type, pattern) for pattern in allowed):
            raise ValidationError(
                f"Resource type {resource.type} is not allowed by parameter ResourceTypes"
                f" [{', '.join(allowed)}]"
            )


def _check_tags(tags: Mapping[str, str]) -> None:
    for key in tags:
        if key.lower().startswith("aws:"):
            raise ValidationError("aws: prefixed tag key names are not allowed for external use.")
