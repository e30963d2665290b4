"""Required, enum, range, length and pattern, checked once for every service from the model.

Checkers are put together once per shape; a shape without any constraint below it has none.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hiyoko.spec.ec2 import wire_name
from hiyoko.spec.error import RequestFault
from hiyoko.spec.service import Service
from hiyoko.spec.shapes import Operation, Shape, Use

Checker = Callable[[Any, str, list["Fault"]], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken constraint. ``where`` is the path in AWS's notation (``tags.1.member.key``)."""

    kind: str
    where: str
    value: Any
    text: str
    limit: Any = None


def check(service: Service, operation: Operation, parameters: Mapping[str, Any]) -> None:
    """Raise RequestFault, in the service's own words, when the parameters break the model."""
    if operation.input is None:
        return
    checker = _checker(operation.input.shape, ec2=service.protocol == "ec2")
    if checker is None:
        return
    faults: list[Fault] = []
    checker(parameters, "", faults)
    if faults:
        raise _refusal(service, faults)


def _refusal(service: Service, faults: list[Fault]) -> RequestFault:
    if service.protocol == "ec2":
        return _ec2_refusal(faults)
    if service.name == "ecr":
        first = faults[0]
        return RequestFault(
            "InvalidParameterException",
            f"Invalid parameter at '{first.where}' failed to satisfy constraint:"
            f" '{first.text.removeprefix('Member ')}'",
        )
    texts = "; ".join(
        f"Value {_shown(fault.value)} at '{fault.where}' failed to satisfy constraint: {fault.text}"
        for fault in faults
    )
    errors = "error" if len(faults) == 1 else "errors"
    message = f"{len(faults)} validation {errors} detected: {texts}"
    return RequestFault(_code(service), message)


# Each service names a broken constraint in its own way; the rest follow their protocol.
_CODES = {
    "ecs": "InvalidParameterException",
    "logs": "InvalidParameterException",
    "route53": "InvalidInput",
    "servicediscovery": "InvalidInput",
}


def _code(service: Service) -> str:
    if service.name in _CODES:
        return _CODES[service.name]
    query = service.protocol == "query" or service.query_compatible
    return "ValidationError" if query else "ValidationException"


def _ec2_refusal(faults: list[Fault]) -> RequestFault:
    first = next((fault for fault in faults if fault.kind == "required"), faults[0])
    if first.kind == "required":
        return RequestFault(
            "MissingParameter", f"The request must contain the parameter {first.where}"
        )
    name = first.where[:1].lower() + first.where[1:]
    if first.kind in ("least", "most"):
        than = "greater" if first.kind == "least" else "less"
        return RequestFault(
            "InvalidParameterValue",
            f"Value ( {first.value} ) for parameter {name} is invalid."
            f" Expecting a value {than} than {first.limit}.",
        )
    return RequestFault(
        "InvalidParameterValue", f"Value ({first.value}) for parameter {name} is invalid."
    )


def _shown(value: Any) -> str:
    match value:
        case None:
            return "null"
        case list():
            return "'[" + ", ".join(_bare(item) for item in value) + "]'"
        case _:
            return f"'{_bare(value)}'"


def _bare(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_lower(key)}={_bare(item)}" for key, item in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


def _checker(shape: Shape, *, ec2: bool) -> Checker | None:
    key = ("check", ec2)
    if key not in shape.compiled:
        # A shape that contains itself refers to whatever it turns out to be.
        def later(value: Any, where: str, faults: list[Fault]) -> None:
            made = shape.compiled[key]
            if made is not None and made is not later:
                made(value, where, faults)

        shape.compiled[key] = later
        shape.compiled[key] = _make(shape, ec2=ec2)
    checker: Checker | None = shape.compiled[key]
    return checker


def _make(shape: Shape, *, ec2: bool) -> Checker | None:
    match shape.kind:
        case "structure":
            return None if shape.document else _structure(shape, ec2=ec2)
        case "list":
            return _list(shape, ec2=ec2)
        case "map":
            return _map(shape, ec2=ec2)
        case "string" | "blob":
            return _string(shape)
        case "integer" | "long" | "float" | "double":
            return _number(shape)
        case _:
            return None


def _structure(shape: Shape, *, ec2: bool) -> Checker | None:
    def path(name: str, use: Use) -> str:
        return wire_name(name, use) if ec2 else _lower(name)

    required = [(name, path(name, shape.members[name])) for name in shape.required]
    members = [
        (name, path(name, use), checker)
        for name, use in shape.members.items()
        if (checker := _checker(use.shape, ec2=ec2)) is not None
    ]
    if not required and not members:
        return None

    def check_members(value: Any, where: str, faults: list[Fault]) -> None:
        prefix = f"{where}." if where else ""
        for name, step in required:
            if value.get(name) is None:
                faults.append(Fault("required", prefix + step, None, "Member must not be null"))
        for name, step, checker in members:
            item = value.get(name)
            if item is not None:
                checker(item, prefix + step, faults)

    return check_members


def _list(shape: Shape, *, ec2: bool) -> Checker | None:
    assert shape.element is not None
    size = _length(shape)
    element = _checker(shape.element.shape, ec2=ec2)
    if size is None and element is None:
        return None
    step = "" if ec2 else ".member"

    def check_list(value: Any, where: str, faults: list[Fault]) -> None:
        if size is not None:
            size(value, where, faults)
        if element is not None:
            for number, item in enumerate(value, 1):
                element(item, f"{where}.{number}{step}", faults)

    return check_list


def _map(shape: Shape, *, ec2: bool) -> Checker | None:
    assert shape.element is not None
    assert shape.key is not None
    size = _length(shape)
    key = _checker(shape.key.shape, ec2=ec2)
    element = _checker(shape.element.shape, ec2=ec2)
    if size is None and element is None and key is None:
        return None

    def check_map(value: Any, where: str, faults: list[Fault]) -> None:
        if size is not None:
            size(value, where, faults)
        for name, item in value.items():
            if key is not None:
                key(name, f"{where}.key", faults)
            if element is not None:
                element(item, f"{where}.{name}.member", faults)

    return check_map


def _length(shape: Shape) -> Checker | None:
    least, most = shape.least, shape.most
    if least is None and most is None:
        return None

    def check_length(value: Any, where: str, faults: list[Fault]) -> None:
        if least is not None and len(value) < least:
            text = f"Member must have length greater than or equal to {least:g}"
            faults.append(Fault("length", where, value, text, least))
        if most is not None and len(value) > most:
            text = f"Member must have length less than or equal to {int(most)}"
            faults.append(Fault("length", where, value, text, most))

    return check_length


def _string(shape: Shape) -> Checker | None:
    length = _length(shape)
    allowed = frozenset(shape.enum)
    pattern = _pattern(shape.pattern) if shape.pattern and shape.kind == "string" else None
    if length is None and not allowed and pattern is None:
        return None
    among = f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"

    def check_string(value: Any, where: str, faults: list[Fault]) -> None:
        shown = "***" if shape.sensitive else value
        if allowed and value not in allowed:
            faults.append(Fault("enum", where, shown, among))
            return
        if length is not None:
            found: list[Fault] = []
            length(value, where, found)
            faults.extend(Fault(f.kind, f.where, shown, f.text, f.limit) for f in found)
        if pattern is not None and pattern.fullmatch(value) is None:
            text = f"Member must satisfy regular expression pattern: {shape.pattern}"
            faults.append(Fault("pattern", where, shown, text))

    return check_string


def _number(shape: Shape) -> Checker | None:
    least, most = shape.least, shape.most
    if least is None and most is None:
        return None

    def check_number(value: Any, where: str, faults: list[Fault]) -> None:
        if least is not None and value < least:
            text = f"Member must have value greater than or equal to {least}"
            faults.append(Fault("least", where, value, text, least))
        if most is not None and value > most:
            text = f"Member must have value less than or equal to {most}"
            faults.append(Fault("most", where, value, text, most))

    return check_number


# The models' patterns are Java's. What Python writes otherwise is put into its words here; letters,
# digits and spaces of all scripts become \w, \d and \s, which inside a class are a little wider.
_JAVA = (
    ("\\uD800\\uDC00-\\uDBFF\\uDFFF", "\\U00010000-\\U0010FFFF"),
    ("\\x{10000}-\\x{10FFFF}", "\\U00010000-\\U0010FFFF"),
    ("\\w-_", "\\w\\-_"),
    ("\\p{L}", "\\w"),
    ("\\p{M}", "\\u0300-\\u036F"),
    ("\\p{N}", "\\d"),
    ("\\p{Nd}", "\\d"),
    ("\\p{Z}", "\\s"),
    ("\\p{Zs}", "\\s"),
    ("\\p{Alpha}", "a-zA-Z"),
    ("\\p{Alnum}", "a-zA-Z0-9"),
    ("\\p{Digit}", "0-9"),
    ("\\p{Lower}", "a-z"),
    ("\\p{Upper}", "A-Z"),
    ("\\p{ASCII}", "\\x00-\\x7F"),
    ("\\p{Graph}", "\\x21-\\x7E"),
    ("\\p{Print}", "\\x20-\\x7E"),
)


_PIECE = re.compile(r"\\p\{\w+\}|\\.|\[|\]|[^\\\[\]]+", re.DOTALL)


def _bracketed(java: str) -> str:
    """With brackets around each ``\\p{...}`` that stands by itself: its range needs a class."""
    depth, text = 0, ""
    for piece in _PIECE.findall(java):
        depth = max(0, depth + {"[": 1, "]": -1}.get(piece, 0))
        alone = depth == 0 and piece.startswith("\\p")
        text += f"[{piece}]" if alone else piece
    return text


def _pattern(java: str) -> re.Pattern[str] | None:
    """The pattern for Python, or None when it has something that Python cannot say."""
    text = _bracketed(java)
    for theirs, ours in _JAVA:
        text = text.replace(theirs, ours)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "possible nested set": Java means the literal too
            return re.compile(text)
    except re.error:
        return None
