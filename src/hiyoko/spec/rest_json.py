"""REST with JSON bodies.

https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hiyoko.spec import rest
from hiyoko.spec.error import Refusal
from hiyoko.spec.http import HttpRequest, HttpResponse
from hiyoko.spec.json import decode_object, encode
from hiyoko.spec.json_shapes import JsonReaders, JsonWriters
from hiyoko.spec.service import Service
from hiyoko.spec.shapes import Operation

_TYPE = {"Content-Type": "application/json"}


class RestJsonCodec:
    """Parses routes and JSON bodies; errors carry ``x-amzn-ErrorType``."""

    def __init__(self) -> None:
        self.readers = JsonReaders()
        self.writers = JsonWriters()

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
                parameters[shape.payload] = self.readers.reader(use)(
                    decode_object(request.body), ""
                )
        elif any(use.location is None for use in shape.members.values()):
            parameters |= self.readers.reader(operation.input)(decode_object(request.body), "")
        return parameters

    def render(
        self, service: Service, operation: Operation, response: Mapping[str, Any], request_id: str
    ) -> HttpResponse:
        """The response as AWS sends it."""
        status = rest.status_of(operation, response)
        if operation.output is None:
            return rest.respond(status, dict(_TYPE), b"{}", request_id)
        shape = operation.output.shape
        headers = _TYPE | rest.bound_headers(shape, response)
        if shape.payload is None:
            body = encode(self.writers.writer(operation.output)(response)).encode()
            return rest.respond(status, headers, body, request_id)
        use, value = shape.members[shape.payload], response.get(shape.payload)
        raw = rest.raw_payload(use, value)
        if raw is not None:
            headers = {"Content-Type": "application/octet-stream"} | rest.bound_headers(
                shape, response
            )
            return rest.respond(status, headers, raw, request_id)
        body = b"{}" if value is None else encode(self.writers.writer(use)(value)).encode()
        return rest.respond(status, headers, body, request_id)

    def render_error(self, service: Service | None, refusal: Refusal) -> HttpResponse:
        """The error as AWS sends it."""
        # botocore's parser looks for ``code`` and ``__type`` as well; AWS sends the header.
        body: dict[str, Any] = {"__type": refusal.code, "message": refusal.message}
        error = refusal.model
        if error is not None and refusal.fields:
            body.update(self.writers.writer(error.use)(refusal.fields))
        headers = _TYPE | {"x-amzn-ErrorType": refusal.code}
        return rest.respond(refusal.status, headers, encode(body).encode(), refusal.request_id)
