"""Request bodies in XML to parameters. Elements the model does not know are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hiyoko.spec.error import RequestFault
from hiyoko.spec.form import CONVERT
from hiyoko.spec.shapes import Shape, Use

if TYPE_CHECKING:  # expat is loaded when the first body in XML comes
    from xml.etree.ElementTree import Element

Reader = Callable[["Element"], Any]


def decode(body: bytes) -> Element:
    """The body's root element. Raises RequestFault; a DTD is refused (entity expansion)."""
    if b"<!DOCTYPE" in body:
        raise RequestFault("MalformedInput", "A document type declaration is not allowed.")
    from xml.etree import ElementTree

    try:
        return ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise RequestFault("MalformedInput", f"The XML is not well-formed: {error}") from None


def local(tag: str) -> str:
    """A tag without its namespace."""
    return tag.rpartition("}")[2]


class XmlReaders:
    """Readers, each made once per place."""

    def __init__(self) -> None:
        self._made: dict[Use, Reader] = {}

    def reader(self, use: Use) -> Reader:
        """How an element in this place is read."""
        made = self._made.get(use)
        if made is None:
            self._made[use] = lambda node: self._made[use](node)
            made = self._made[use] = self._make(use)
        return made

    def _make(self, use: Use) -> Reader:
        match use.shape.kind:
            case "structure":
                return self._structure(use.shape)
            case "list":
                return self._list(use)
            case "map":
                return self._map(use)
            case kind:
                return _scalar(kind)

    def _structure(self, shape: Shape) -> Reader:
        members: dict[str, tuple[str, Use]] = {}
        attributes: dict[str, str] = {}
        for name, use in shape.members.items():
            if use.location is not None:
                continue
            if use.attribute:
                attributes[(use.name or name).rpartition(":")[2]] = name
            else:
                members[use.name or name] = (name, use)

        def read(node: Element) -> dict[str, Any]:
            value: dict[str, Any] = {
                attributes[local(key)]: text
                for key, text in node.attrib.items()
                if local(key) in attributes
            }
            for child in node:
                tag = local(child.tag)
                if tag not in members:
                    raise RequestFault(
                        "InvalidInput",
                        "Invalid XML ; cvc-complex-type.2.4.a: Invalid content was found"
                        f" starting with element '{tag}'.",
                    )
                name, use = members[tag]
                if use.shape.kind == "list" and use.flattened and use.shape.element is not None:
                    value.setdefault(name, []).append(self.reader(use.shape.element)(child))
                elif use.shape.kind == "map" and use.flattened:
                    value.setdefault(name, {}).update(self._entry(use, child))
                else:
                    value[name] = self.reader(use)(child)
            return value

        return read

    def _list(self, use: Use) -> Reader:
        assert use.shape.element is not None
        element = self.reader(use.shape.element)
        return lambda node: [element(child) for child in node]

    def _map(self, use: Use) -> Reader:
        def read(node: Element) -> dict[str, Any]:
            value: dict[str, Any] = {}
            for entry in node:
                value.update(self._entry(use, entry))
            return value

        return read

    def _entry(self, use: Use, node: Element) -> dict[str, Any]:
        key, element = use.shape.key, use.shape.element
        assert key is not None
        assert element is not None
        parts = {local(child.tag): child for child in node}
        try:
            name = self.reader(key)(parts[key.name or "key"])
            return {name: self.reader(element)(parts[element.name or "value"])}
        except KeyError as missing:
            raise RequestFault("InvalidInput", f"Invalid XML: an entry needs {missing}.") from None


def _scalar(kind: str) -> Reader:
    convert = CONVERT.get(kind)

    def read(node: Element) -> Any:
        text = node.text or ""
        if convert is None:
            return text
        try:
            return convert(text)
        except (ValueError, KeyError, TypeError):
            raise RequestFault(
                "InvalidInput", f"Invalid XML ; '{text}' is not a valid value of {local(node.tag)}."
            ) from None

    return read
