"""The intrinsic functions: their shapes are checked once, their values resolved when asked.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

from hiyoko.template.error import TemplateError, UnsupportedInTemplateError
from hiyoko.template.model import Resource, Template
from hiyoko.template.parameters import as_text, referred

KNOWN_AFTER_APPLY = "{{changeSet:KNOWN_AFTER_APPLY}}"
PSEUDO_PARAMETERS = frozenset(
    f"AWS::{name}"
    for name in (
        "AccountId",
        "NotificationARNs",
        "NoValue",
        "Partition",
        "Region",
        "StackId",
        "StackName",
        "URLSuffix",
    )
)
SUB_VARIABLE = re.compile(r"\$\{([^}]*)\}")

_EXTENSIONS = {"Fn::Length", "Fn::ToJsonString"}
_CONDITIONS = {"Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not"}


class World(Protocol):
    """What functions may ask of the stack and its surroundings."""

    def ref(self, logical_id: str) -> str:
        """The physical id of a resource."""
        ...

    def attribute(self, logical_id: str, name: str) -> Any:
        """An attribute of a resource."""
        ...

    def imported(self, name: str) -> str:
        """The value of another stack's export."""
        ...

    def zones(self, region: str) -> list[str]:
        """The availability zones of a region, by name."""
        ...


class _Nothing:
    """AWS::NoValue: the property or list item that has it vanishes."""


NOTHING = _Nothing()


def function_of(value: Any) -> tuple[str, Any] | None:
    """The name and argument when ``value`` is a call of a function, or a Ref."""
    if isinstance(value, dict) and len(value) == 1:
        name, argument = next(iter(value.items()))
        if name == "Ref" or name.startswith("Fn::"):
            return name, argument
    return None


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any, str]]:
    """Every function call in a value, outermost first: name, argument, path."""
    call = function_of(value)
    if call is not None:
        yield call[0], call[1], path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walk(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from walk(inner, f"{path}/{index}")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from _strings(inner)


def check_shapes(template: Template) -> None:
    """Refuse functions that do not exist or are called with arguments of another shape."""
    places: dict[str, Any] = {f"/Conditions/{k}": v for k, v in template.conditions.items()}
    places |= {f"/Resources/{k}": v.properties for k, v in template.resources.items()}
    for name, output in template.outputs.items():
        places[f"/Outputs/{name}"] = [output.value, output.export or ""]
    for path, value in places.items():
        for name, argument, _ in walk(value, path):
            _check_shape(name, argument)
        for text in _strings(value):
            if "{{resolve:" in text:
                raise UnsupportedInTemplateError(f"the dynamic reference in {path}")


def _check_shape(name: str, argument: Any) -> None:
    if name in _EXTENSIONS or name.startswith("Fn::ForEach"):
        raise UnsupportedInTemplateError(f"{name} (of the transform AWS::LanguageExtensions)")
    if name == "Fn::Transform":
        asked = argument.get("Name") if isinstance(argument, dict) else argument
        raise UnsupportedInTemplateError(f"Fn::Transform {asked}")
    if name != "Ref" and name not in _SHAPES:
        raise TemplateError(f"Template error: {name} is not a supported intrinsic function")
    good, text = _SHAPES.get(name, (_any, ""))
    if not good(argument):
        raise TemplateError(f"Template error: {text}")
    if name == "Ref" and not isinstance(argument, str):
        raise TemplateError(
            "Template format error: Every Ref object must have a single String value."
        )


def _any(_: Any) -> bool:
    return True


def _items(low: int, high: int | None = None) -> Callable[[Any], bool]:
    return lambda a: isinstance(a, list) and low <= len(a) <= (high or low)


def _listing(value: Any) -> bool:
    return isinstance(value, list) or function_of(value) is not None


def _texting(value: Any) -> bool:
    return not isinstance(value, dict | list) or function_of(value) is not None


def _attribute_named(value: Any) -> bool:
    if isinstance(value, str):
        return "." in value
    return _items(2)(value) and isinstance(value[0], str) and bool(value[0] and value[1])


def _substitution(value: Any) -> bool:
    if isinstance(value, str):
        return True
    return _items(2)(value) and isinstance(value[0], str) and isinstance(value[1], dict)


_BOOLEANS = "object requires a list of at least 2 and at most 10 boolean parameters."

_SHAPES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "Fn::GetAtt": (
        _attribute_named,
        "every Fn::GetAtt object requires two non-empty parameters, the resource name and the"
        " resource attribute",
    ),
    "Fn::Sub": (
        _substitution,
        "One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string"
        " as first argument, and an optional second argument to specify a mapping of values to"
        " replace in the string",
    ),
    "Fn::Join": (
        lambda a: isinstance(a, list) and len(a) == 2 and isinstance(a[0], str) and _listing(a[1]),
        "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of"
        " strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to"
        " be joined.",
    ),
    "Fn::Split": (
        lambda a: isinstance(a, list) and len(a) == 2 and isinstance(a[0], str) and _texting(a[1]),
        "every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to"
        " be split or a function that returns a string to be split.",
    ),
    "Fn::Select": (
        lambda a: isinstance(a, list) and len(a) == 2 and _listing(a[1]),
        "Fn::Select requires a list argument with two elements: an integer index and a list",
    ),
    "Fn::FindInMap": (
        _items(3),
        "every Fn::FindInMap object requires three parameters, the map name, map key and the"
        " attribute for return value",
    ),
    "Fn::GetAZs": (_texting, "Fn::GetAZs requires a string"),
    "Fn::Cidr": (
        _items(2, 3),
        "every Fn::Cidr object requires two to three arguments, the IP address block, the count and"
        " optionally the number of subnet bits",
    ),
    "Fn::ImportValue": (
        _texting,
        "the attribute in Fn::ImportValue must not depend on any resources, imported values, or"
        " Fn::GetAZs",
    ),
    "Fn::Base64": (_texting, "every Fn::Base64 object must have a String-typed value."),
    "Fn::If": (_items(3), "every Fn::If object requires a list of 3 parameters."),
    "Fn::Equals": (_items(2), "every Fn::Equals object requires a list of 2 string parameters."),
    "Fn::And": (_items(2, 10), f"every Fn::And {_BOOLEANS}"),
    "Fn::Or": (_items(2, 10), f"every Fn::Or {_BOOLEANS}"),
    "Fn::Not": (_items(1), "every Fn::Not object requires one boolean parameter."),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Resolver:
    """Resolves the values of one template with the parameter values of one stack."""

    template: Template
    parameters: Mapping[str, str]
    pseudo: Mapping[str, Any]
    world: World
    _conditions: dict[str, bool] = field(default_factory=dict)

    def condition(self, name: str) -> bool:
        """The value of a named condition."""
        if name not in self._conditions:
            self._conditions[name] = self._judge(self.template.conditions[name])
        return self._conditions[name]

    def exists(self, item: str | None) -> bool:
        """Is something with this ``Condition`` attribute there at all?"""
        return item is None or self.condition(item)

    def resources(self) -> dict[str, Resource]:
        """The resources whose condition holds."""
        every = self.template.resources
        return {name: item for name, item in every.items() if self.exists(item.condition)}

    def properties(self, resource: Resource) -> dict[str, Any]:
        """A resource's properties with nothing left to resolve."""
        found = self.resolve(resource.properties)
        assert isinstance(found, dict)
        return found

    def resolve(self, value: Any) -> Any:
        """A value with every function replaced by its result."""
        call = function_of(value)
        if call is not None:
            return self._call(*call)
        if isinstance(value, dict):
            members = {key: self.resolve(inner) for key, inner in value.items()}
            return {key: inner for key, inner in members.items() if inner is not NOTHING}
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NOTHING]
        return value

    def _call(self, name: str, argument: Any) -> Any:
        match name:
            case "Ref":
                return self._ref(argument)
            case "Fn::GetAtt":
                owner, attribute = split_attribute(argument)
                return self.world.attribute(owner, as_text(self.resolve(attribute)))
            case "Fn::Sub":
                return self._sub(argument)
            case "Fn::If":
                chosen = argument[1] if self.condition(argument[0]) else argument[2]
                return self.resolve(chosen)
            case "Fn::ImportValue":
                return self.world.imported(as_text(self.resolve(argument)))
            case "Fn::GetAZs":
                return self.world.zones(
                    as_text(self.resolve(argument)) or self.pseudo["AWS::Region"]
                )
            case "Fn::Base64":
                return base64.b64encode(as_text(self.resolve(argument)).encode()).decode()
            case "Fn::FindInMap":
                return self._find_in_map(*map(self.resolve, argument))
            case _ if name in _CONDITIONS:
                raise TemplateError(f"Template error: {name} is allowed in Conditions only")
            case _:
                return _LISTS[name](*self.resolve(argument))

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NOTHING
        if name in self.pseudo:
            return self.pseudo[name]
        parameter = self.template.parameters.get(name)
        if parameter is not None:
            return referred(parameter, self.parameters[name])
        return self.world.ref(name)

    def _sub(self, argument: Any) -> str:
        text, extra = (argument, {}) if isinstance(argument, str) else argument

        def replaced(match: re.Match[str]) -> str:
            name = match.group(1).strip()
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in extra:
                found = self.resolve(extra[name])
            elif "." in name:
                found = self.world.attribute(*name.split(".", 1))
            else:
                found = self._ref(name)
            return ",".join(map(as_text, found)) if isinstance(found, list) else as_text(found)

        return SUB_VARIABLE.sub(replaced, text)

    def _find_in_map(self, name: Any, key: Any, attribute: Any) -> Any:
        try:
            return self.template.mappings[as_text(name)][as_text(key)][as_text(attribute)]
        except KeyError as error:
            raise TemplateError(
                f"Template error: Unable to get mapping for {name}::{key}::{attribute}"
            ) from error

    def _judge(self, value: Any) -> bool:
        """The truth of an expression of the Conditions section."""
        if isinstance(value, dict) and len(value) == 1:
            name, argument = next(iter(value.items()))
            match name:
                case "Condition":
                    return self.condition(argument)
                case "Fn::Equals":
                    left, right = (self.resolve(item) for item in argument)
                    return as_text(left) == as_text(right)
                case "Fn::And":
                    return all(self._judge(item) for item in argument)
                case "Fn::Or":
                    return any(self._judge(item) for item in argument)
                case "Fn::Not":
                    return not self._judge(argument[0])
        resolved = self.resolve(value)
        if as_text(resolved).lower() in ("true", "false"):
            return as_text(resolved).lower() == "true"
        raise TemplateError(
            "Template format error: Conditions can only be boolean operations on parameters and"
            " other conditions"
        )


def split_attribute(argument: Any) -> tuple[str, Any]:
    """The resource and attribute of a Fn::GetAtt, which may also be written ``A.b``."""
    if isinstance(argument, str):
        owner, _, attribute = argument.partition(".")
        return owner, attribute
    return argument[0], argument[1]


def _join(delimiter: str, items: Any) -> str:
    if not isinstance(items, list):
        return as_text(items)  # known after apply
    return delimiter.join(map(as_text, items))


def _split(delimiter: str, text: Any) -> Any:
    if KNOWN_AFTER_APPLY in as_text(text):
        return KNOWN_AFTER_APPLY
    return as_text(text).split(delimiter)


def _select(index: Any, items: Any) -> Any:
    if items == KNOWN_AFTER_APPLY:
        return items
    if not isinstance(items, list) or not as_text(index).isdecimal():
        raise TemplateError(f"Template error: {_SHAPES['Fn::Select'][1]}")
    if int(index) >= len(items):
        raise TemplateError(
            f"Template error: Fn::Select cannot select nonexistent value at index {index}"
        )
    return items[int(index)]


def _cidr(block: Any, count: Any, host_bits: Any = 8) -> Any:
    if KNOWN_AFTER_APPLY in as_text(block):
        return KNOWN_AFTER_APPLY
    try:
        network = ipaddress.ip_network(as_text(block))
        blocks = network.subnets(new_prefix=network.max_prefixlen - int(host_bits))
        found = [str(item) for item in islice(blocks, int(count))]
    except ValueError as error:
        raise TemplateError(f"Template error: Fn::Cidr cannot divide {block}: {error}") from error
    if not 1 <= int(count) <= 256 or len(found) < int(count):
        raise TemplateError(f"Template error: Fn::Cidr cannot take {count} blocks from {block}")
    return found


_LISTS: Mapping[str, Callable[..., Any]] = {
    "Fn::Join": _join,
    "Fn::Split": _split,
    "Fn::Select": _select,
    "Fn::Cidr": _cidr,
}
