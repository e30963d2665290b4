"""What the two REST protocols share: routes, and members in the path, the query and the headers.

https://smithy.io/2.0/spec/http-bindings.html
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from hiyoko.spec import stamps, xml_out
from hiyoko.spec.error import RequestFault, UnknownOperation
from hiyoko.spec.form import CONVERT
from hiyoko.spec.http import HttpRequest, HttpResponse
from hiyoko.spec.service import Service
from hiyoko.spec.shapes import Operation, Shape, Use

_LABEL = re.compile(r"{([^}]+)}")


@dataclass(frozen=True, slots=True)
class Route:
    """One operation's method and path template, ready to match."""

    method: str
    path: re.Pattern[str]
    constants: frozenset[str]
    labels: tuple[str, ...]
    operation: str


def _route(method: str, uri: str, operation: str) -> Route:
    path, _, query = uri.partition("?")
    labels = [label.removesuffix("+") for label in _LABEL.findall(path)]
    pattern, at = "", 0
    for match in _LABEL.finditer(path):
        greedy = match[1].endswith("+")
        pattern += re.escape(path[at : match.start()]) + ("(.+?)" if greedy else "([^/]+)")
        at = match.end()
    pattern += re.escape(path[at:].rstrip("/"))
    return Route(method, re.compile(f"{pattern}/?"), frozenset(filter(None, query.split("&"))),
                 tuple(labels), operation)  # fmt: skip


def routes(service: Service) -> list[Route]:
    """A service's routes, the more particular ones first."""
    made: list[Route] | None = service.compiled.get("routes")
    if made is None:
        made = [_route(*route) for route in service.archive.routes]
        made.sort(key=lambda r: (-len(r.constants), len(r.labels), -len(r.path.pattern)))
        service.compiled["routes"] = made
    return made


def match(service: Service, request: HttpRequest) -> tuple[Operation, dict[str, str]]:
    """The operation that a request is for, with its path labels. Raises UnknownOperation."""
    given = set(request.query.split("&")) if request.query else set()
    for route in routes(service):
        if route.method == request.method and route.constants <= given:
            found = route.path.fullmatch(request.path)
            if found is not None:
                labels = [unquote(text) for text in found.groups()]
                operation = service.operation(route.operation)
                return operation, dict(zip(route.labels, labels, strict=True))
    raise UnknownOperation(f"{request.method} {request.path}")


def bound_parameters(
    shape: Shape, request: HttpRequest, labels: Mapping[str, str]
) -> dict[str, Any]:
    """The members that travel outside the body."""
    query = parse_qs(request.query, keep_blank_values=True) if request.query else {}
    parameters: dict[str, Any] = {}
    for name, use in shape.members.items():
        wire = use.name or name
        match use.location:
            case "uri":
                if wire in labels:
                    parameters[name] = _scalar(use, labels[wire], wire)
            case "querystring":
                _read_query(parameters, name, use, query)
            case "header":
                if wire.lower() in request.headers:
                    parameters[name] = _from_header(use, request.headers[wire.lower()], wire)
            case "headers":
                prefix = wire.lower()
                parameters[name] = {
                    key[len(prefix) :]: text
                    for key, text in request.headers.items()
                    if key.lower().startswith(prefix)
                }
            case _:
                pass
    return parameters


def _read_query(
    parameters: dict[str, Any], name: str, use: Use, query: Mapping[str, list[str]]
) -> None:
    wire = use.name or name
    element = use.shape.element
    if use.shape.kind == "map" and element is not None:
        # A map in the query takes every key that no other member has; none of ours has one.
        several = element.shape.kind == "list"
        parameters[name] = {key: list(v) if several else v[0] for key, v in query.items()}
    elif wire in query:
        if use.shape.kind == "list" and element is not None:
            parameters[name] = [_scalar(element, text, wire) for text in query[wire]]
        else:
            parameters[name] = _scalar(use, query[wire][0], wire)


def _from_header(use: Use, text: str, wire: str) -> Any:
    element = use.shape.element
    if use.shape.kind == "list" and element is not None:
        if element.shape.kind == "timestamp":
            parts = re.split(r"(?<=GMT),\s*", text)
        else:
            parts = re.findall(r'\s*("(?:\\.|[^"\\])*"|[^,]+)', text)
        return [_scalar(element, _unquoted(part.strip()), wire) for part in parts]
    if use.json_value:
        return json.loads(base64.b64decode(text))
    return _scalar(use, text, wire)


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1].replace('\\"', '"')
    return text


def _scalar(use: Use, text: str, wire: str) -> Any:
    convert = CONVERT.get(use.shape.kind)
    if convert is None:
        return text
    try:
        return convert(text)
    except (ValueError, KeyError, TypeError):
        raise RequestFault("InvalidInput", f"Invalid value '{text}' for {wire}.") from None


def bound_headers(shape: Shape, response: Mapping[str, Any]) -> dict[str, str]:
    """The response members that travel as headers."""
    headers: dict[str, str] = {}
    for name, use in shape.members.items():
        value = response.get(name)
        if value is None:
            continue
        wire = use.name or name
        if use.location == "header":
            headers[wire] = header_text(use, value)
        elif use.location == "headers":
            headers.update({f"{wire}{key}": str(text) for key, text in value.items()})
    return headers


def header_text(use: Use, value: Any) -> str:
    """A value as a header writes it."""
    element = use.shape.element
    if use.shape.kind == "list" and element is not None:
        return ",".join(_quoted(element, header_text(element, item)) for item in value)
    if use.json_value:
        return base64.b64encode(json.dumps(value).encode()).decode()
    if use.shape.kind == "timestamp":
        return xml_out.stamp_of(use, stamps.rfc822)(value)
    if use.shape.kind == "string":
        return str(value)
    return xml_out.text_of(use, stamps.rfc822)(value)


def _quoted(element: Use, text: str) -> str:
    if element.shape.kind == "string" and ("," in text or '"' in text):
        return '"' + text.replace('"', '\\"') + '"'
    return text


def status_of(operation: Operation, response: Mapping[str, Any]) -> int:
    """The modelled status, or the member that says it."""
    if operation.output is not None:
        for name, use in operation.output.shape.members.items():
            if use.location == "statusCode" and response.get(name) is not None:
                return int(response[name])
    return operation.status


def is_raw(use: Use) -> bool:
    """Whether a payload is the body as it is, whatever the protocol."""
    return use.shape.kind in ("blob", "string")


def raw(use: Use, body: bytes) -> bytes | str:
    """A raw payload from the body."""
    return body if use.shape.kind == "blob" else body.decode()


def raw_payload(use: Use, value: Any) -> bytes | None:
    """The body of a raw payload; None when the payload is structured."""
    if not is_raw(use):
        return None
    if value is None:
        return b""
    return value.encode() if isinstance(value, str) else bytes(value)


def respond(status: int, headers: dict[str, str], body: bytes, request_id: str) -> HttpResponse:
    """A response with its request id."""
    return HttpResponse(status, {**headers, "x-amzn-RequestId": request_id}, body)
