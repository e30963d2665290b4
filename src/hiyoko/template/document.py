"""Template text into plain data: YAML with CloudFormation's short forms, or JSON.

Short forms become long ones (``!GetAtt A.b`` → ``{"Fn::GetAtt": ["A", "b"]}``), so that the rest of
the package knows one form only. Where each value began is kept by its path, for messages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from hiyoko.template.error import TemplateError

Path = tuple[str | int, ...]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BARE_TAGS = {"!Ref": "Ref", "!Condition": "Condition"}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?[0-9]*\.[0-9]+([eE][-+]?[0-9]+)?|[-+]?[0-9]+\.")
# YAML 1.1's words, which CloudFormation still reads as booleans.
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Document:
    """The parsed text. ``lines`` maps the path of a value to the line (from 1) where it begins."""

    data: Mapping[str, Any]
    lines: Mapping[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int | None:
        """The line of a value, or of the nearest thing around it that has one."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


def read_document(text: str) -> Document:
    """Parse a template body; raises TemplateError in AWS's words."""
    if text.lstrip().startswith("{"):
        return _read_json(text)
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise TemplateError(f"Template format error: YAML not well-formed.{where}") from error
    except yaml.YAMLError as error:
        raise TemplateError("Template format error: YAML not well-formed.") from error
    lines: dict[Path, int] = {}
    data = _value(node, (), lines) if node is not None else None
    return Document(_object(data), lines)


def _read_json(text: str) -> Document:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise TemplateError(
            "Template format error: JSON not well-formed."
            f" (line {error.lineno}, column {error.colno})"
        ) from error
    return Document(_object(data))


def _object(data: Any) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise TemplateError("Template format error: unsupported structure.")
    return data


def _value(node: yaml.Node, path: Path, lines: dict[Path, int]) -> Any:
    lines[path] = node.start_mark.line + 1
    tag = node.tag or ""
    if tag.startswith("!") and tag != "!":
        return _short_form(node, tag, path, lines)
    return _plain(node, path, lines)


def _short_form(node: yaml.Node, tag: str, path: Path, lines: dict[Path, int]) -> Any:
    name = _BARE_TAGS.get(tag, f"Fn::{tag[1:]}")
    inner = (*path, name)
    if isinstance(node, yaml.ScalarNode):
        value: Any = node.value
        if name == "Fn::GetAtt":
            first, _, rest = value.partition(".")
            value = [first, rest] if rest else [first]
        return {name: value}
    return {name: _plain(node, inner, lines)}


def _plain(node: yaml.Node, path: Path, lines: dict[Path, int]) -> Any:
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise TemplateError("Template format error: YAML not well-formed.")
            key = key_node.value
            found[key] = _value(value_node, (*path, key), lines)
            lines[(*path, key)] = key_node.start_mark.line + 1
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, index), lines) for index, item in enumerate(node.value)]
    assert isinstance(node, yaml.ScalarNode)
    return _scalar(node)


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style in ("'", '"', "|", ">"):
        return text
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return _BOOLEANS[text.lower()]
        case "int" if _INTEGER.fullmatch(text):
            return int(text)
        case "float" if _FLOAT.fullmatch(text):
            return float(text)
        case _:
            return text  # dates (2010-09-09), 0777, 1_000 and 1:30 stay as they are written
