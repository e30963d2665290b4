"""Query-protocol parameters: ``Filter.1.Value.2=x`` into a tree, the tree into parameters.

Each reader takes a node of the tree (a dict, or the text of a leaf) and gives a value in boto3's
form. How a member is called differs between query and ec2 and is passed in.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from hiyoko.spec import stamps
from hiyoko.spec.error import RequestFault
from hiyoko.spec.http import HttpRequest
from hiyoko.spec.shapes import Shape, Use

Reader = Callable[[Any, str], Any]
# Signature version 2 and 4 may travel as parameters: they belong to the gateway, not to a model.
_ENVELOPE = frozenset(
    {"Action", "Version", "AWSAccessKeyId", "Signature", "SignatureMethod", "SignatureVersion",
     "SecurityToken", "Timestamp", "Expires"}
)  # fmt: skip


def pairs(request: HttpRequest) -> dict[str, str]:
    """The parameters of a request, from the query string and the body."""
    found: dict[str, str] = {}
    if request.query:
        found.update(parse_qsl(request.query, keep_blank_values=True))
    if request.body:
        try:
            text = request.body.decode("utf-8")
        except UnicodeDecodeError:
            raise RequestFault("MalformedQueryString", "The body is not UTF-8.") from None
        found.update(parse_qsl(text, keep_blank_values=True))
    return found


def tree(parameters: dict[str, str]) -> dict[str, Any]:
    """Nested dicts, one level for each dot; the envelope's parameters left out."""
    root: dict[str, Any] = {}
    for name, text in parameters.items():
        if name in _ENVELOPE or name.startswith("X-Amz-"):
            continue
        if "." not in name:
            if isinstance(root.get(name), dict):
                continue  # ``Tags=`` next to ``Tags.member.1``: the elements say more
            root[name] = text
            continue
        node = root
        *path, last = name.split(".")
        for part in path:
            below = node.get(part)
            if not isinstance(below, dict):
                below = node[part] = {}
            node = below
        node[last] = text
    return root


def numbered(node: dict[str, Any], where: str) -> list[tuple[str, Any]]:
    """The entries of a list in the order of their numbers (which may have gaps)."""
    try:
        return sorted(node.items(), key=lambda entry: int(entry[0]))
    except ValueError:
        raise RequestFault("MalformedInput", f"{where} is not a numbered list.") from None


class FormReaders:
    """Readers of one protocol, each made once per place."""

    def __init__(
        self, *, member_name: Callable[[str, Use], str], flat_lists: bool, fault: str
    ) -> None:
        self._member_name = member_name
        self._flat_lists = flat_lists
        self._fault = fault
        self._made: dict[Use, Reader] = {}

    def reader(self, use: Use) -> Reader:
        """How a value in this place is read."""
        made = self._made.get(use)
        if made is None:
            self._made[use] = lambda node, where: self._made[use](node, where)
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
                return self._scalar(use, kind)

    def _structure(self, shape: Shape) -> Reader:
        members = {
            self._member_name(name, use): (name, self.reader(use))
            for name, use in shape.members.items()
        }

        def read(node: Any, where: str) -> dict[str, Any]:
            if not isinstance(node, dict):
                if node == "":
                    return {}
                raise self._wrong(where, node)
            value: dict[str, Any] = {}
            for wire, below in node.items():
                path = f"{where}.{wire}" if where else wire
                member = members.get(wire)
                if member is None:
                    raise RequestFault(
                        "UnknownParameter", f"The parameter {path} is not recognized"
                    )
                value[member[0]] = member[1](below, path)
            return value

        return read

    def _list(self, use: Use) -> Reader:
        element = use.shape.element
        assert element is not None
        read_element = self.reader(element)
        step = None if use.flattened or self._flat_lists else (element.name or "member")

        def read(node: Any, where: str) -> list[Any]:
            if node == "":
                return []
            if not isinstance(node, dict):
                raise self._wrong(where, node)
            if step is not None:
                if set(node) != {step}:
                    raise RequestFault("MalformedInput", f"{where} must be a list of {step}.")
                node, where = node[step], f"{where}.{step}"
                if not isinstance(node, dict):
                    raise self._wrong(where, node)
            return [
                read_element(item, f"{where}.{number}") for number, item in numbered(node, where)
            ]

        return read

    def _map(self, use: Use) -> Reader:
        key, element = use.shape.key, use.shape.element
        assert key is not None
        assert element is not None
        key_name, value_name = key.name or "key", element.name or "value"
        read_key, read_value = self.reader(key), self.reader(element)

        def read(node: Any, where: str) -> dict[str, Any]:
            if node == "":
                return {}
            entries = node if use.flattened or not isinstance(node, dict) else node.get("entry")
            if not isinstance(entries, dict):
                raise self._wrong(where, node)
            value: dict[str, Any] = {}
            for number, entry in numbered(entries, where):
                if not isinstance(entry, dict) or key_name not in entry or value_name not in entry:
                    raise RequestFault(
                        "MalformedInput", f"{where}.{number} needs {key_name} and {value_name}."
                    )
                name = read_key(entry[key_name], f"{where}.{number}.{key_name}")
                value[name] = read_value(entry[value_name], f"{where}.{number}.{value_name}")
            return value

        return read

    def _scalar(self, use: Use, kind: str) -> Reader:
        convert = CONVERT.get(kind)
        if convert is None:

            def read_text(node: Any, where: str) -> str:
                if isinstance(node, dict):
                    raise self._wrong(where, node)
                return str(node)

            return read_text

        def read(node: Any, where: str) -> Any:
            try:
                return convert(node)
            except (ValueError, TypeError, KeyError, AttributeError):
                raise self._wrong(where, node) from None

        return read

    def _wrong(self, where: str, node: object) -> RequestFault:
        shown = "a structure" if isinstance(node, dict) else f"({node})"
        return RequestFault(self._fault, f"Value {shown} for parameter {where} is invalid.")


def _boolean(text: str) -> bool:
    return {"true": True, "false": False, "1": True, "0": False}[text.lower()]


def decode_blob(text: str) -> bytes:
    """Base64 as bytes. Raises ValueError."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


CONVERT: dict[str, Callable[[Any], Any]] = {
    "boolean": _boolean,
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "timestamp": stamps.parse,
    "blob": decode_blob,
}
