"""JSON 1.0 and 1.1: the operation in X-Amz-Target, one object in, one object out.

https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hiyoko.spec.error import Refusal, RequestFault, UnknownOperation
from hiyoko.spec.http import HttpRequest, HttpResponse
from hiyoko.spec.json_shapes import JsonReaders, JsonWriters
from hiyoko.spec.service import Service
from hiyoko.spec.shapes import Operation

# One encoder for all: json.dumps with arguments would make a new one for each response.
encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def decode_object(body: bytes) -> dict[str, Any]:
    """The body as a JSON object; an empty body is an empty object. Raises RequestFault."""
    if not body:
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestFault("SerializationException", "The body is not valid JSON.") from None
    if not isinstance(value, dict):
        raise RequestFault(
            "SerializationException", "Start of structure or map found where not expected."
        )
    return value


class JsonCodec:
    """Parses and renders JSON; errors carry ``__type``."""

    def __init__(self) -> None:
        self.readers = JsonReaders()
        self.writers = JsonWriters()

    def identify(self, service: Service, request: HttpRequest) -> tuple[Operation, None]:
        """The operation, and what was read to find it. Raises RequestFault or UnknownOperation."""
        prefix, _, name = request.headers.get("x-amz-target", "").rpartition(".")
        operation = service.find_operation(name)
        if operation is None or prefix != service.target_prefix:
            raise UnknownOperation(name)
        return operation, None

    def read(self, operation: Operation, request: HttpRequest, found: None) -> dict[str, Any]:
        """The parameters. Raises RequestFault."""
        body = decode_object(request.body)
        if operation.input is None:
            return {}
        parameters: dict[str, Any] = self.readers.reader(operation.input)(body, "")
        return parameters

    def render(
        self, service: Service, operation: Operation, response: Mapping[str, Any], request_id: str
    ) -> HttpResponse:
        """The response as AWS sends it."""
        if operation.output is None:
            return self._respond(service, 200, b"", request_id)
        value = self.writers.writer(operation.output)(response)
        return self._respond(service, operation.status, encode(value).encode(), request_id)

    def render_error(self, service: Service | None, refusal: Refusal) -> HttpResponse:
        """The error as AWS sends it."""
        body: dict[str, Any] = {"__type": refusal.code, "message": refusal.message}
        error = refusal.model
        if error is not None:
            if "Message" in error.use.shape.members:
                body = {"__type": refusal.code, "Message": refusal.message}
            if refusal.fields:
                body.update(self.writers.writer(error.use)(refusal.fields))
        answer = self._respond(service, refusal.status, encode(body).encode(), refusal.request_id)
        if service is not None and service.query_compatible:
            query_code = error.code if error is not None else refusal.code
            answer.headers["x-amzn-query-error"] = f"{query_code};{refusal.fault}"
        return answer

    @staticmethod
    def _respond(
        service: Service | None, status: int, body: bytes, request_id: str
    ) -> HttpResponse:
        version = service.json_version if service else "1.1"
        head = {"Content-Type": f"application/x-amz-json-{version}", "x-amzn-RequestId": request_id}
        return HttpResponse(status, head, body)
