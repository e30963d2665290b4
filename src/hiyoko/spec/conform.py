"""Does a response fit its output shape? For tests: what a service gives is checked by the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hiyoko.spec.shapes import Operation, Shape

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "character": str,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "boolean": bool,
    "timestamp": (int, float),
    "blob": bytes,
}

# What AWS itself answers although its own model has another word; by shape.
_SPOKEN = {
    "AttachmentStatus": frozenset({"available"}),  # an internet gateway's
    "NetworkInterfaceType": frozenset({"nat_gateway"}),
    "KeyAlgorithm": frozenset(
        {"RSA-1024", "RSA-2048", "RSA-3072", "RSA-4096"}
        | {"EC-prime256v1", "EC-secp384r1", "EC-secp521r1"}
    ),
}


def faults(operation: Operation, response: Mapping[str, Any]) -> list[str]:
    """What in a response the model does not know, or knows with another type."""
    if operation.output is None:
        return [f"{operation.name} gives nothing, not {sorted(response)}"] if response else []
    return _faults(operation.output.shape, response, operation.name)


def _faults(shape: Shape, value: Any, where: str) -> list[str]:
    if value is None:
        return []
    match shape.kind:
        case "structure":
            return [] if shape.document else _structure_faults(shape, value, where)
        case "list":
            if not isinstance(value, list | tuple):
                return [f"{where} is no list: {value!r}"]
            assert shape.element is not None
            element = shape.element.shape
            return [
                f for n, item in enumerate(value) for f in _faults(element, item, f"{where}[{n}]")
            ]
        case "map":
            if not isinstance(value, Mapping):
                return [f"{where} is no map: {value!r}"]
            assert shape.element is not None
            element = shape.element.shape
            return [f for k, item in value.items() for f in _faults(element, item, f"{where}.{k}")]
        case kind:
            wanted = _TYPES[kind]
            right = isinstance(value, wanted) and (kind == "boolean" or not isinstance(value, bool))
            if not right:
                return [f"{where} is no {kind}: {value!r}"]
            spoken = _SPOKEN.get(shape.name, frozenset())
            if shape.enum and value not in shape.enum and value not in spoken:
                return [f"{where} is none of {shape.enum}: {value!r}"]
            return []


def _structure_faults(shape: Shape, value: Any, where: str) -> list[str]:
    if not isinstance(value, Mapping):
        return [f"{where} is no structure: {value!r}"]
    found = [f"{where}.{name} is unknown" for name in value if name not in shape.members]
    for name, use in shape.members.items():
        found += _faults(use.shape, value.get(name), f"{where}.{name}")
    return found
