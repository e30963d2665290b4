"""A stack's parameter values: which one is taken, and whether it satisfies its declaration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hiyoko.template.error import TemplateError, UnsupportedInTemplateError
from hiyoko.template.model import Parameter, Template

VALUE_BYTES_MAX = 4096

_AWS_TYPES = {
    "AWS::EC2::AvailabilityZone::Name",
    "AWS::EC2::Image::Id",
    "AWS::EC2::Instance::Id",
    "AWS::EC2::KeyPair::KeyName",
    "AWS::EC2::SecurityGroup::Id",
    "AWS::EC2::SecurityGroup::GroupName",
    "AWS::EC2::Subnet::Id",
    "AWS::EC2::Volume::Id",
    "AWS::EC2::VPC::Id",
    "AWS::Route53::HostedZone::Id",
}
_TYPES = {"String", "Number", "List<Number>", "CommaDelimitedList"} | _AWS_TYPES
_TYPES |= {f"List<{name}>" for name in _AWS_TYPES}
_KEYS = {
    "Type",
    "Default",
    "AllowedValues",
    "AllowedPattern",
    "ConstraintDescription",
    "MinLength",
    "MaxLength",
    "MinValue",
    "MaxValue",
    "NoEcho",
    "Description",
}


def read_parameter(name: str, value: Mapping[str, Any]) -> Parameter:
    """One member of the Parameters section."""
    kind = value.get("Type")
    if not isinstance(kind, str):
        raise TemplateError(
            f"Template format error: Every Parameters object must contain a Type member. [{name}]"
        )
    if kind.startswith("AWS::SSM::Parameter"):
        raise UnsupportedInTemplateError(f"parameter type {kind} of parameter {name}")
    if kind not in _TYPES:
        raise TemplateError(f"Template format error: Unrecognized parameter type: {kind}")
    for key in value:
        if key not in _KEYS:
            raise TemplateError(f"Invalid template parameter property '{key}'")
    default = value.get("Default")
    if isinstance(default, dict | list):
        raise TemplateError(
            f"Template format error: Every Default member must be a string. [{name}]"
        )
    allowed = value.get("AllowedValues", [])
    if not isinstance(allowed, list):
        raise TemplateError("Template format error: Every AllowedValues member must be a list.")
    return Parameter(
        name=name,
        type=kind,
        default=None if default is None else as_text(default),
        allowed_values=tuple(as_text(item) for item in allowed),
        allowed_pattern=value.get("AllowedPattern"),
        constraint=value.get("ConstraintDescription"),
        min_length=_integer(value, "MinLength"),
        max_length=_integer(value, "MaxLength"),
        min_value=_number(value, "MinValue"),
        max_value=_number(value, "MaxValue"),
        no_echo=as_text(value.get("NoEcho", False)).lower() == "true",
        description=value.get("Description"),
    )


def as_text(value: Any) -> str:
    """A scalar as CloudFormation writes it: booleans in lower case."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _number(value: Mapping[str, Any], key: str) -> float | None:
    given = value.get(key)
    if given is None:
        return None
    try:
        return float(given)
    except (TypeError, ValueError) as error:
        raise TemplateError(f"Template format error: {key} must be a number.") from error


def _integer(value: Mapping[str, Any], key: str) -> int | None:
    number = _number(value, key)
    return None if number is None else int(number)


def choose_values(template: Template, given: Mapping[str, str]) -> dict[str, str]:
    """The value of each declared parameter; refuses what is missing, unknown or out of bounds."""
    strangers = [name for name in given if name not in template.parameters]
    if strangers:
        raise TemplateError(f"Parameters: [{', '.join(strangers)}] do not exist in the template")
    values: dict[str, str] = {}
    missing: list[str] = []
    for name, parameter in template.parameters.items():
        value = given.get(name, parameter.default)
        if value is None:
            missing.append(name)
        else:
            _check(parameter, value)
            values[name] = value
    if missing:
        raise TemplateError(f"Parameters: [{', '.join(missing)}] must have values")
    return values


def referred(parameter: Parameter, value: str) -> str | list[str]:
    """What a Ref to the parameter yields: list types give their trimmed items."""
    if parameter.is_list:
        return [item.strip() for item in value.split(",")] if value else []
    return value


def _check(parameter: Parameter, value: str) -> None:
    name = parameter.name
    if len(value.encode()) > VALUE_BYTES_MAX:
        raise TemplateError(f"Parameter '{name}' must not be longer than {VALUE_BYTES_MAX} bytes")
    items = referred(parameter, value)
    for item in items if isinstance(items, list) else [items]:
        if parameter.type in ("Number", "List<Number>"):
            _check_number(parameter, item)
        if parameter.allowed_values and item not in parameter.allowed_values:
            raise _refused(
                parameter,
                f"Parameter '{name}' must be one of AllowedValues",
            )
        if parameter.allowed_pattern is not None and not re.fullmatch(
            parameter.allowed_pattern, item
        ):
            raise _refused(
                parameter, f"Parameter '{name}' must match pattern {parameter.allowed_pattern}"
            )
    if parameter.min_length is not None and len(value) < parameter.min_length:
        raise _refused(
            parameter, f"Parameter '{name}' must contain at least {parameter.min_length} characters"
        )
    if parameter.max_length is not None and len(value) > parameter.max_length:
        raise _refused(
            parameter, f"Parameter '{name}' must contain at most {parameter.max_length} characters"
        )


def _check_number(parameter: Parameter, item: str) -> None:
    name = parameter.name
    try:
        number = float(item)
    except ValueError as error:
        raise TemplateError(f"Parameter '{name}' must be a number.") from error
    if parameter.min_value is not None and number < parameter.min_value:
        raise _refused(
            parameter,
            f"Parameter '{name}' must be a number not less than {as_text(parameter.min_value)}",
        )
    if parameter.max_value is not None and number > parameter.max_value:
        raise _refused(
            parameter,
            f"Parameter '{name}' must be a number not greater than {as_text(parameter.max_value)}",
        )


def _refused(parameter: Parameter, text: str) -> TemplateError:
    if parameter.constraint:
        text = f"Parameter {parameter.name} failed to satisfy constraint: {parameter.constraint}"
    return TemplateError(text)
