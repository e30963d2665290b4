"""A template as YAML to read: short intrinsic functions, a blank line and a sentence a section."""

from __future__ import annotations

import re
from typing import Any

import yaml

from hiyoko.site.model import Site
from hiyoko.site.template import build, sections

_SHORT = {
    "Ref": "!Ref",
    "Fn::Sub": "!Sub",
    "Fn::If": "!If",
    "Fn::Equals": "!Equals",
    "Fn::Join": "!Join",
    "Fn::Select": "!Select",
    "Fn::GetAZs": "!GetAZs",
}


class _Dumper(yaml.SafeDumper):
    """A dumper that writes intrinsic functions as tags, and never anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        """No anchors: CloudFormation reads them, people do not."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists below their key."""
        super().increase_indent(flow, False)


def _mapping(dumper: _Dumper, data: dict[str, Any]) -> yaml.Node:
    if len(data) == 1:
        (name, value), *_ = data.items()
        if name == "Fn::GetAtt":
            return dumper.represent_scalar("!GetAtt", ".".join(value))
        if name in _SHORT and isinstance(value, str):
            return dumper.represent_scalar(_SHORT[name], value)
        if name in _SHORT:
            return dumper.represent_sequence(_SHORT[name], value, flow_style=True)
    return dumper.represent_mapping("tag:yaml.org,2002:map", data.items())


def _text(dumper: _Dumper, data: str) -> yaml.Node:
    if "\n" in data:
        return dumper.represent_scalar("tag:yaml.org,2002:str", data, style="|")
    if data == "" or data[:1].isdigit():
        return dumper.represent_scalar("tag:yaml.org,2002:str", data, style='"')
    return dumper.represent_scalar("tag:yaml.org,2002:str", data)


_Dumper.add_representer(dict, _mapping)
_Dumper.add_representer(str, _text)


_QUOTED = re.compile(r"(!Ref|!GetAtt) '([A-Za-z0-9.:]+)'|(!Sub) '([^'#\n]+)'$", re.MULTILINE)


def _unquote(match: re.Match[str]) -> str:
    return f"{match[1] or match[3]} {match[2] or match[4]}"


def _dump(data: dict[str, Any], indent: int = 0) -> str:
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)
    # PyYAML quotes whatever has a tag; people would not.
    text = _QUOTED.sub(_unquote, text)
    pad = " " * indent
    return "".join(pad + line for line in text.splitlines(keepends=True))


def render_template(site: Site) -> str:
    """The CloudFormation template of a site, as text."""
    whole = build(site)
    head = {key: value for key, value in whole.items() if key not in ("Resources", "Outputs")}
    parts = [_dump(head), "\nResources:\n"]
    for section in sections(site):
        parts.append(f"\n  # {section.title}\n")
        parts.append("\n".join(_dump({name: body}, 2) for name, body in section.resources.items()))
    parts.append("\n" + _dump({"Outputs": whole["Outputs"]}))
    return "".join(parts)
