"""YAML text to a Site. Every error names the file, the line, the field and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from hiyoko.site.model import (
    TAG,
    Build,
    Deploy,
    Egress,
    HealthCheck,
    Network,
    Scale,
    Service,
    Site,
)

_KEYS: dict[str, type[BaseModel]] = {
    "services": Service,
    "build": Build,
    "network": Network,
    "healthcheck": HealthCheck,
    "deploy": Deploy,
    "scale": Scale,
    "egress": Egress,
}
_LATER = {
    "volumes": "volumes are not there yet",
    "secrets": "secrets are not there yet",
    "ports": "a task has no port of its own on the host: write the container's port as expose",
    "depends_on": "services start independently; let them wait for each other",
    "networks": "every service is in the site's VPC: leave networks out",
    "restart": "ECS always replaces a task that ended: leave restart out",
}


class SiteError(Exception):
    """What is wrong with a site.yaml, a line a fault, ready to be shown."""


@dataclass(frozen=True, slots=True)
class _Position:
    line: int
    column: int


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key written twice."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key, _ in node.value:
        name = loader.construct_object(key)
        if name in seen:
            mark = key.start_mark
            raise yaml.MarkedYAMLError(None, None, f"{name!r} is written twice", mark)
        seen.add(name)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load_site(path: Path) -> Site:
    """Read a site.yaml. Raises SiteError with every fault that was found."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise SiteError(
            f"{path}: there is no such file. `hiyoko init` writes one to start from."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SiteError(f"{path}: cannot be read: {error}") from error
    return parse_site(text, str(path), default_name=path.resolve().parent.name)


def parse_site(text: str, source: str, default_name: str = "site") -> Site:
    """Parse a site.yaml's text; ``source`` is how errors name it."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        raise SiteError(f"{where}: not well-formed YAML: {error.problem}") from error
    if not isinstance(data, dict):
        raise SiteError(f"{source}: a site is a mapping; `hiyoko init` writes one to start from.")
    data.setdefault("name", _name(default_name))
    try:
        return Site.model_validate(data)
    except ValidationError as error:
        faults = [_fault(item, node, source) for item in error.errors()]
        raise SiteError("\n".join(faults)) from error


def _name(folder: str) -> str:
    """A stack's name from a folder's: what is not allowed becomes a hyphen."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in folder).strip("-")
    return (kept if kept[:1].isalpha() else f"site-{kept}")[:20].strip("-")


def _fault(error: Any, node: yaml.Node | None, source: str) -> str:
    location = [part for part in error["loc"] if not str(part).startswith(TAG)]
    position, field = _locate(node, location)
    where = f"{source}:{position.line}:{position.column}" if position else source
    return f"{where}: {field}{': ' if field else ''}{_words(error, location)}"


def _words(error: Any, location: Sequence[str | int]) -> str:
    kind, name = error["type"], str(location[-1]) if location else ""
    if kind == "extra_forbidden":
        if name in _LATER:
            return _LATER[name]
        known = _known_keys(location)
        close = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(sorted(known))}"
        return f"unknown key; {hint}"
    if kind == "missing":
        return "is missing; it must be given"
    message = str(error["msg"])
    return message.removeprefix("Value error, ")


def _known_keys(location: Sequence[str | int]) -> list[str]:
    model: type[BaseModel] = Site
    for part in location[:-1]:
        model = _KEYS.get(str(part), model)
    return list(model.model_fields)


def _locate(node: yaml.Node | None, location: Sequence[str | int]) -> tuple[_Position | None, str]:
    """Follow an error's location down the YAML nodes as far as it goes."""
    if node is None:
        return None, ""
    mark = node.start_mark
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pair = next((p for p in node.value if p[0].value == str(part)), None)
            if pair is None:
                break
            mark, node = pair[0].start_mark, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            mark = node.start_mark
        else:
            break
    return _Position(mark.line + 1, mark.column + 1), ".".join(map(str, location))
