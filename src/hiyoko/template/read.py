"""From text to a checked template: sections, shapes and limits, each fault in AWS's words.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from hiyoko.template import functions, graph
from hiyoko.template.document import read_document
from hiyoko.template.error import TemplateError, UnsupportedInTemplateError
from hiyoko.template.model import Output, Resource, Template
from hiyoko.template.parameters import read_parameter

BODY_BYTES_MAX = 51_200
RESOURCES_MAX = 500
PARAMETERS_MAX = 200
OUTPUTS_MAX = 200
MAPPINGS_MAX = 200
DESCRIPTION_BYTES_MAX = 1024
NAME_LENGTH_MAX = 255

_SECTIONS = {
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Mappings",
    "Conditions",
    "Transform",
    "Hooks",
    "Resources",
    "Outputs",
}
_ATTRIBUTES = {
    "Type",
    "Properties",
    "DependsOn",
    "Condition",
    "Metadata",
    "CreationPolicy",
    "UpdatePolicy",
    "DeletionPolicy",
    "UpdateReplacePolicy",
}
_POLICIES = {"Delete", "Retain", "RetainExceptOnCreate", "Snapshot"}
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]+")


@lru_cache(maxsize=64)
def read_template(text: str) -> Template:
    """Parse and check a template body. Templates are frozen, so a text is read once only."""
    size = len(text.encode())
    if size > BODY_BYTES_MAX:
        shown = text if len(text) <= 100 else text[:100] + "..."
        raise TemplateError(
            f"1 validation error detected: Value '{shown}' at 'templateBody' failed to satisfy"
            " constraint: Member must have length less than or equal to 51200"
        )
    data = read_document(text).data
    _check_sections(data)
    template = Template(
        text=text,
        description=data.get("Description"),
        parameters={
            name: read_parameter(name, _named(name, "Parameter", value))
            for name, value in _section(data, "Parameters", PARAMETERS_MAX).items()
        },
        mappings=_mappings(_section(data, "Mappings", MAPPINGS_MAX)),
        conditions=_section(data, "Conditions", RESOURCES_MAX),
        resources=_resources(data),
        outputs={
            name: _output(name, value)
            for name, value in _section(data, "Outputs", OUTPUTS_MAX).items()
        },
        metadata=data.get("Metadata"),
    )
    functions.check_shapes(template)
    graph.check_references(template)
    return template


def _check_sections(data: Mapping[str, Any]) -> None:
    unknown = [name for name in data if name not in _SECTIONS]
    if unknown:
        raise TemplateError(f"Invalid template property or properties [{', '.join(unknown)}]")
    version = data.get("AWSTemplateFormatVersion", "2010-09-09")
    if str(version) != "2010-09-09":
        raise TemplateError(
            f"Template format error: {version} is not a supported value for"
            " AWSTemplateFormatVersion."
        )
    for name in ("Transform", "Rules", "Hooks"):
        if data.get(name):
            given = data[name] if name == "Transform" else sorted(data[name])
            names = given if isinstance(given, list) else [given]
            raise UnsupportedInTemplateError(f"{name} [{', '.join(map(str, names))}] of a template")
    description = data.get("Description")
    if description is not None and not isinstance(description, str):
        raise TemplateError("Template format error: Description must be a string.")
    if description is not None and len(description.encode()) > DESCRIPTION_BYTES_MAX:
        raise TemplateError("Template format error: 'Description' length is greater than 1024.")
    _check_null({k: v for k, v in data.items() if k != "Metadata"}, "")


def _check_null(value: Any, path: str) -> None:
    if value is None:
        raise TemplateError(f"[{path}] 'null' values are not allowed in templates")
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_null(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_null(inner, f"{path}/{index}")


def _section(data: Mapping[str, Any], name: str, most: int) -> Mapping[str, Any]:
    section = data.get(name, {})
    if not isinstance(section, dict):
        raise TemplateError(f"Template format error: {name} section must be an object.")
    if len(section) > most:
        raise TemplateError(
            f"Template format error: Number of {name.lower()}, {len(section)}, is greater than"
            f" maximum allowed, {most}"
        )
    return section


def _named(name: str, what: str, value: Any) -> Mapping[str, Any]:
    if not _ALPHANUMERIC.fullmatch(name):
        raise TemplateError(f"Template format error: {what} name {name} is non alphanumeric.")
    if len(name) > NAME_LENGTH_MAX:
        raise TemplateError(
            f"Template format error: {what} name {name} is longer than {NAME_LENGTH_MAX}."
        )
    if not isinstance(value, dict):
        plural = {"Parameter": "Parameters", "Resource": "Resources", "Output": "Outputs"}[what]
        raise TemplateError(f"Template format error: Any {plural} member must be an object.")
    return value


def _mappings(section: Mapping[str, Any]) -> Mapping[str, Any]:
    for name, keys in section.items():
        if not isinstance(keys, dict) or not all(isinstance(v, dict) for v in keys.values()):
            raise TemplateError(
                f"Template format error: Every Mappings member {name} must be a map"
            )
        for attributes in keys.values():
            for value in attributes.values():
                if isinstance(value, dict):
                    raise TemplateError(
                        "Template format error: Every Mappings attribute must be a String or a"
                        " List."
                    )
    return section


def _resources(data: Mapping[str, Any]) -> Mapping[str, Resource]:
    section = data.get("Resources")
    if not isinstance(section, dict) or not section:
        raise TemplateError("Template format error: At least one Resources member must be defined.")
    _section(data, "Resources", RESOURCES_MAX)
    return {name: _resource(name, value) for name, value in section.items()}


def _resource(name: str, value: Any) -> Resource:
    value = _named(name, "Resource", value)
    kind = value.get("Type")
    if not isinstance(kind, str) or not kind:
        raise TemplateError(
            f"Template format error: [/Resources/{name}] Every Resources object must contain a"
            " Type member."
        )
    for attribute in value:
        if attribute not in _ATTRIBUTES:
            raise TemplateError(f"Invalid template resource property '{attribute}'")
    for attribute in ("CreationPolicy", "UpdatePolicy"):
        if attribute in value:
            raise UnsupportedInTemplateError(f"{attribute} of resource {name}")
    properties = value.get("Properties", {})
    if not isinstance(properties, dict):
        raise TemplateError(
            f"Template format error: [/Resources/{name}/Properties] Properties must be an object."
        )
    depends = value.get("DependsOn", [])
    depends = [depends] if isinstance(depends, str) else depends
    if not isinstance(depends, list) or not all(isinstance(item, str) for item in depends):
        raise TemplateError(
            f"Template format error: Every DependsOn value must be a string. [/Resources/{name}]"
        )
    condition = value.get("Condition")
    if condition is not None and not isinstance(condition, str):
        raise TemplateError("Template format error: Every Condition member must be a string.")
    return Resource(
        logical_id=name,
        type=kind,
        properties=properties,
        depends_on=tuple(depends),
        condition=condition,
        metadata=value.get("Metadata"),
        deletion_policy=_policy(name, "DeletionPolicy", value),
        update_replace_policy=_policy(name, "UpdateReplacePolicy", value),
    )


def _policy(name: str, attribute: str, value: Mapping[str, Any]) -> str:
    policy = value.get(attribute, "Delete")
    if policy not in _POLICIES:
        raise TemplateError(
            f"Template format error: Unrecognized {attribute} {policy} for resource {name}"
        )
    if policy == "Snapshot":
        raise UnsupportedInTemplateError(f"{attribute} Snapshot of resource {name}")
    return str(policy)


def _output(name: str, value: Any) -> Output:
    value = _named(name, "Output", value)
    if "Value" not in value:
        raise TemplateError(
            "Template format error: Every Outputs member must contain a Value object"
        )
    for key in value:
        if key not in ("Value", "Description", "Export", "Condition"):
            raise TemplateError(f"Template format error: Invalid output property '{key}'")
    export = value.get("Export")
    if export is not None and (not isinstance(export, dict) or set(export) != {"Name"}):
        raise TemplateError(
            f"Template format error: Output {name} is malformed. The Name field of every Export"
            " member must be specified."
        )
    return Output(
        name=name,
        value=value["Value"],
        description=value.get("Description"),
        export=export["Name"] if export else None,
        condition=value.get("Condition"),
    )
