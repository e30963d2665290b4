"""REST with XML bodies, as Route 53 speaks it.

https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hiyoko.spec import rest, stamps, xml_in
from hiyoko.spec.error import Refusal, RequestFault
from hiyoko.spec.http import HttpRequest, HttpResponse
from hiyoko.spec.service import Service
from hiyoko.spec.shapes import Operation
from hiyoko.spec.xml_in import XmlReaders
from hiyoko.spec.xml_out import XmlWriters, escape

_TYPE = {"Content-Type": "text/xml"}
_DECLARATION = '<?xml version="1.0"?>\n'


class RestXmlCodec:
    """Parses routes and XML bodies, renders XML under the output shape's name."""

    def __init__(self) -> None:
        self.readers = XmlReaders()
        self.writers = XmlWriters(stamps.iso8601_short)

    def identify(self, service: Service, request: HttpRequest) -> tuple[Operation, dict[str, str]]:
        """The operation, and what was read to find it. Raises RequestFault or UnknownOperation."""
        return rest.match(service, request)

    def read(
        self, operation: Operation, request: HttpRequest, found: dict[str, str]
    ) -> dict[str, Any]:
        """The parameters. Raises RequestFault."""
        if operation.input is None:
            return {}
        shape = operation.input.shape
        parameters: dict[str, Any] = rest.bound_parameters(shape, request, found)
        if shape.payload is not None:
            use = shape.members[shape.payload]
            if rest.is_raw(use):
                parameters[shape.payload] = rest.raw(use, request.body)
            elif request.body:
                parameters[shape.payload] = self.readers.reader(use)(xml_in.decode(request.body))
        elif request.body and any(use.location is None for use in shape.members.values()):
            root = xml_in.decode(request.body)
            expected = operation.input.name or shape.name
            if xml_in.local(root.tag) != expected:
                raise RequestFault(
                    "MalformedInput", f"{xml_in.local(root.tag)} is not valid, expected {expected}"
                )
            parameters |= self.readers.reader(operation.input)(root)
        return parameters

    def render(
        self, service: Service, operation: Operation, response: Mapping[str, Any], request_id: str
    ) -> HttpResponse:
        """The response as AWS sends it."""
        status = rest.status_of(operation, response)
        if operation.output is None:
            return rest.respond(status, {}, b"", request_id)
        use, value = operation.output, response
        shape = use.shape
        headers = _TYPE | rest.bound_headers(shape, response)
        tag = use.name or shape.name
        if shape.payload is not None:
            use, value = shape.members[shape.payload], response.get(shape.payload, {})
            raw = rest.raw_payload(use, value)
            if raw is not None:
                return rest.respond(status, headers, raw, request_id)
            tag = use.name or use.shape.name
        out: list[str] = []
        self.writers.element(use, tag)(out, value)
        body = "".join(out)
        if service.namespace:
            # The root's tag is the first thing written; its name space goes into it.
            body = f'<{tag} xmlns="{service.namespace}"{body[len(tag) + 1 :]}'
        return rest.respond(status, headers, (_DECLARATION + body).encode(), request_id)

    def render_error(self, service: Service | None, refusal: Refusal) -> HttpResponse:
        """The error as AWS sends it."""
        error = refusal.model
        namespace = f' xmlns="{service.namespace}"' if service and service.namespace else ""
        out = [
            f"{_DECLARATION}<ErrorResponse{namespace}><Error><Type>{refusal.fault}</Type>"
            f"<Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message>"
        ]
        if error is not None and refusal.fields:
            self.writers.members(error.use.shape)(out, refusal.fields)
        out.append(f"</Error><RequestId>{refusal.request_id}</RequestId></ErrorResponse>")
        return rest.respond(refusal.status, dict(_TYPE), "".join(out).encode(), refusal.request_id)
