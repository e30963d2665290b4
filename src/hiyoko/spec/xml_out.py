"""Responses as XML: one small function per place in the output shape, put together once.

Shared by query, ec2 and rest-xml, whose answers differ only in what stands around the members.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable
from typing import Any

from hiyoko.spec import stamps
from hiyoko.spec.shapes import Shape, Use

Writer = Callable[[list[str], Any], None]
Text = Callable[[Any], str]
Stamp = Callable[[float], str]

# What XML 1.0 cannot carry at all becomes U+FFFD; a bare CR would be read back as LF.
_SPECIAL = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


def escape(value: object) -> str:
    """Text as XML character data."""
    text = value if type(value) is str else str(value)
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(lambda match: _ESCAPES.get(match[0], "\ufffd"), text)


def number(value: float) -> str:
    """A float as AWS writes it; the three that are no numbers by name."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(float(value))


def boolean(value: Any) -> str:
    """``true`` or ``false``."""
    return "true" if value else "false"


def blob(value: bytes | str) -> str:
    """Base64."""
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def stamp_of(use: Use, default: Stamp) -> Callable[[float], str]:
    """How a time stamp in this place is written."""
    match use.timestamp_format:
        case "rfc822":
            return stamps.rfc822
        case "unixTimestamp":
            return lambda seconds: str(stamps.epoch(seconds))
        case _:
            return default


def _plain(value: Any) -> str:
    return str(int(value))


def text_of(use: Use, stamp: Stamp) -> Text:
    """How a scalar in this place is written."""
    match use.shape.kind:
        case "boolean":
            return boolean
        case "integer" | "long":
            return _plain
        case "float" | "double":
            return number
        case "timestamp":
            return stamp_of(use, stamp)
        case "blob":
            return blob
        case _:
            return escape


class XmlWriters:
    """Writers of one protocol, each made once per place and tag."""

    def __init__(self, stamp: Stamp) -> None:
        self._stamp = stamp
        self._made: dict[tuple[Use, str], Writer] = {}

    def members(self, shape: Shape) -> Writer:
        """Writes a structure's members without a tag around them."""
        parts = [
            (name, self.element(use, _tag(name, use)))
            for name, use in shape.members.items()
            if use.location is None and not use.attribute
        ]

        def write(out: list[str], value: Any) -> None:
            for name, part in parts:
                item = value.get(name)
                if item is not None:
                    part(out, item)

        return write

    def element(self, use: Use, tag: str) -> Writer:
        """Writes a value with its tag (a flattened list: a tag for each element)."""
        key = (use, tag)
        made = self._made.get(key)
        if made is None:
            # A shape may contain itself: until it is made, its place is taken by a reference.
            self._made[key] = lambda out, value: self._made[key](out, value)
            made = self._made[key] = self._make(use, tag)
        return made

    def _make(self, use: Use, tag: str) -> Writer:
        match use.shape.kind:
            case "structure":
                return self._structure(use, tag)
            case "list":
                return self._list(use, tag)
            case "map":
                return self._map(use, tag)
            case _:
                text, opening, closing = text_of(use, self._stamp), f"<{tag}>", f"</{tag}>"
                return lambda out, value: out.append(f"{opening}{text(value)}{closing}")

    def _structure(self, use: Use, tag: str) -> Writer:
        inner = self.members(use.shape)
        opening, closing = f"<{tag}>", f"</{tag}>"
        attributes = [
            (name, member.name or name)
            for name, member in use.shape.members.items()
            if member.attribute
        ]

        def write(out: list[str], value: Any) -> None:
            out.append(opening)
            inner(out, value)
            out.append(closing)

        def write_with_attributes(out: list[str], value: Any) -> None:
            out.append(f"<{tag}")
            for name, attribute in attributes:
                if value.get(name) is not None:
                    if attribute.startswith("xsi:"):
                        out.append(' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"')
                    quoted = escape(value[name]).replace('"', "&quot;")
                    out.append(f' {attribute}="{quoted}"')
            out.append(">")
            inner(out, value)
            out.append(closing)

        return write_with_attributes if attributes else write

    def _list(self, use: Use, tag: str) -> Writer:
        element = use.shape.element
        assert element is not None
        if use.flattened:
            each = self.element(element, element.name or tag)

            def write_flat(out: list[str], value: Any) -> None:
                for item in value:
                    each(out, item)

            return write_flat
        item_writer = self.element(element, element.name or "member")
        opening, closing, empty = f"<{tag}>", f"</{tag}>", f"<{tag}/>"

        def write(out: list[str], value: Any) -> None:
            if not value:
                out.append(empty)
                return
            out.append(opening)
            for item in value:
                item_writer(out, item)
            out.append(closing)

        return write

    def _map(self, use: Use, tag: str) -> Writer:
        key, element = use.shape.key, use.shape.element
        assert key is not None
        assert element is not None
        write_key = self.element(key, key.name or "key")
        write_value = self.element(element, element.name or "value")
        entry = tag if use.flattened else "entry"

        def write(out: list[str], value: Any) -> None:
            if not use.flattened:
                out.append(f"<{tag}>")
            for name, item in value.items():
                out.append(f"<{entry}>")
                write_key(out, name)
                write_value(out, item)
                out.append(f"</{entry}>")
            if not use.flattened:
                out.append(f"</{tag}>")

        return write


def _tag(name: str, use: Use) -> str:
    element = use.shape.element
    if use.shape.kind == "list" and use.flattened and element is not None and element.name:
        return element.name
    return use.name or name
