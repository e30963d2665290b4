"""JSON values to parameters and back, one small function per place, put together once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hiyoko.spec import form, stamps, xml_out
from hiyoko.spec.error import RequestFault
from hiyoko.spec.shapes import Shape, Use

Reader = Callable[[Any, str], Any]
Writer = Callable[[Any], Any]

_NOT_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _same(value: Any) -> Any:
    return value


class JsonReaders:
    """JSON to parameters. A member that the model does not know is ignored, as AWS does."""

    def __init__(self) -> None:
        self._made: dict[Use, Reader] = {}

    def reader(self, use: Use) -> Reader:
        """How a value in this place is read."""
        made = self._made.get(use)
        if made is None:
            self._made[use] = lambda value, where: self._made[use](value, where)
            made = self._made[use] = self._make(use)
        return made

    def _make(self, use: Use) -> Reader:
        match use.shape.kind:
            case "structure":
                return _document if use.shape.document else self._structure(use.shape)
            case "list":
                return self._list(use)
            case "map":
                return self._map(use)
            case kind:
                return _SCALARS.get(kind, _string)

    def _structure(self, shape: Shape) -> Reader:
        members = {
            use.name or name: (name, self.reader(use))
            for name, use in shape.members.items()
            if use.location is None
        }

        def read(value: Any, where: str) -> dict[str, Any]:
            if type(value) is not dict:
                raise wrong(where, "a structure")
            result: dict[str, Any] = {}
            for wire, item in value.items():
                member = members.get(wire)
                if member is not None and item is not None:
                    result[member[0]] = member[1](item, wire)
            return result

        return read

    def _list(self, use: Use) -> Reader:
        assert use.shape.element is not None
        read_element = self.reader(use.shape.element)

        def read(value: Any, where: str) -> list[Any]:
            if type(value) is not list:
                raise wrong(where, "a list")
            return [read_element(item, where) for item in value if item is not None]

        return read

    def _map(self, use: Use) -> Reader:
        assert use.shape.element is not None
        read_element = self.reader(use.shape.element)

        def read(value: Any, where: str) -> dict[str, Any]:
            if type(value) is not dict:
                raise wrong(where, "a map")
            return {
                key: read_element(item, where) for key, item in value.items() if item is not None
            }

        return read


def wrong(where: str, wanted: str) -> RequestFault:
    """A value of another type than the model's."""
    return RequestFault(
        "SerializationException", f"The value of {where or 'the body'} is not {wanted}."
    )


def _document(value: Any, where: str) -> Any:
    return value


def _string(value: Any, where: str) -> str:
    if type(value) is not str:
        raise wrong(where, "a string")
    return value


def _integer(value: Any, where: str) -> int:
    # 1.0 is the same JSON number as 1 (RFC 8259, section 6).
    if type(value) is int or (type(value) is float and value.is_integer()):
        return int(value)
    raise wrong(where, "an integer")


def _float(value: Any, where: str) -> float:
    if type(value) in (int, float):
        return float(value)
    if value in _NOT_NUMBERS:
        return _NOT_NUMBERS[value]
    raise wrong(where, "a number")


def _boolean(value: Any, where: str) -> bool:
    if type(value) is not bool:
        raise wrong(where, "true or false")
    return value


def _blob(value: Any, where: str) -> bytes:
    try:
        return form.decode_blob(value)
    except (ValueError, TypeError, AttributeError):
        raise wrong(where, "base64") from None


def _stamp(value: Any, where: str) -> float:
    try:
        return stamps.parse(value)
    except (ValueError, TypeError, AttributeError):
        raise wrong(where, "a time stamp") from None


_SCALARS: dict[str, Reader] = {
    "integer": _integer,
    "long": _integer,
    "float": _float,
    "double": _float,
    "boolean": _boolean,
    "blob": _blob,
    "timestamp": _stamp,
}


class JsonWriters:
    """Response members to JSON values; members that are None are left out."""

    def __init__(self) -> None:
        self._made: dict[Use, Writer] = {}

    def writer(self, use: Use) -> Writer:
        """How a value in this place is written."""
        made = self._made.get(use)
        if made is None:
            self._made[use] = lambda value: self._made[use](value)
            made = self._made[use] = self._make(use)
        return made

    def _make(self, use: Use) -> Writer:
        match use.shape.kind:
            case "structure":
                return _same if use.shape.document else self._structure(use.shape)
            case "list":
                return self._list(use)
            case "map":
                return self._map(use)
            case "timestamp":
                return self._timestamp(use)
            case "blob":
                return xml_out.blob
            case "boolean":
                return bool
            case "integer" | "long":
                return int
            case "float" | "double":
                return _number
            case _:
                return _same

    def _structure(self, shape: Shape) -> Writer:
        parts = [
            (name, use.name or name, self.writer(use))
            for name, use in shape.members.items()
            if use.location is None
        ]

        def write(value: Any) -> dict[str, Any]:
            result: dict[str, Any] = {}
            for name, wire, part in parts:
                item = value.get(name)
                if item is not None:
                    result[wire] = part(item)
            return result

        return write

    def _list(self, use: Use) -> Writer:
        assert use.shape.element is not None
        element = self.writer(use.shape.element)
        if element is _same:
            return list
        return lambda value: [element(item) for item in value]

    def _map(self, use: Use) -> Writer:
        assert use.shape.element is not None
        element = self.writer(use.shape.element)
        return lambda value: {key: element(item) for key, item in value.items() if item is not None}

    @staticmethod
    def _timestamp(use: Use) -> Writer:
        match use.timestamp_format:
            case "iso8601":
                return stamps.iso8601_short
            case "rfc822":
                return stamps.rfc822
            case _:
                return stamps.epoch


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else xml_out.number(value)
