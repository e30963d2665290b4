"""The words of a template: resources and intrinsic functions as plain mappings."""

from __future__ import annotations

from typing import Any

Node = dict[str, Any]


def ref(name: str) -> Node:
    """``!Ref name``."""
    return {"Ref": name}


def att(name: str, attribute: str) -> Node:
    """``!GetAtt name.attribute``."""
    return {"Fn::GetAtt": [name, attribute]}


def sub(text: str) -> Node:
    """``!Sub text``."""
    return {"Fn::Sub": text}


def logical(name: str) -> str:
    """A name as part of a logical id: letters and digits only."""
    return "".join(part.capitalize() for part in name.replace(".", "-").split("-"))


def resource(kind: str, properties: Node, **attributes: Any) -> Node:
    """A resource; ``attributes`` are those beside its properties, as DependsOn."""
    return {"Type": kind, **attributes, "Properties": properties}
