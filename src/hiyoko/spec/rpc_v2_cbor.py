"""Smithy RPC v2 in CBOR: the operation in the path, one map in, one map out.

https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hiyoko.spec.error import Refusal, RequestFault, UnknownOperation
from hiyoko.spec.http import HttpRequest, HttpResponse
from hiyoko.spec.json_shapes import JsonReaders, JsonWriters, Reader, Writer, wrong
from hiyoko.spec.service import Service
from hiyoko.spec.shapes import Operation, Use

if TYPE_CHECKING:  # a megabyte, which only the clients that speak CBOR need
    import cbor2

PROTOCOL = "rpc-v2-cbor"
_PATH = re.compile(r"/service/([^/]+)/operation/([^/]+)")
_EPOCH_TAG = 1  # RFC 8949, section 3.4.2


class CborReaders(JsonReaders):
    """CBOR to parameters: as JSON's, but that bytes and time stamps have types of their own."""

    def _make(self, use: Use) -> Reader:
        match use.shape.kind:
            case "blob":
                return _blob
            case "timestamp":
                return _stamp
            case _:
                return super()._make(use)


def _blob(value: Any, where: str) -> bytes:
    if type(value) is not bytes:
        raise wrong(where, "bytes")
    return value


def _stamp(value: Any, where: str) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    if type(value) in (int, float) and math.isfinite(value):
        return float(value)
    raise wrong(where, "a time stamp")


class CborWriters(JsonWriters):
    """Response members to CBOR's values."""

    def _make(self, use: Use) -> Writer:
        match use.shape.kind:
            case "blob":
                return bytes
            case "timestamp":
                return _epoch
            case "float" | "double":
                return float
            case _:
                return super()._make(use)


def _epoch(value: float) -> cbor2.CBORTag:
    import cbor2

    return cbor2.CBORTag(_EPOCH_TAG, float(value))


class RpcV2CborCodec:
    """Parses and renders CBOR; errors carry ``__type``."""

    def __init__(self) -> None:
        self.readers = CborReaders()
        self.writers = CborWriters()

    def identify(self, service: Service, request: HttpRequest) -> tuple[Operation, None]:
        """The operation, and what was read to find it. Raises UnknownOperation."""
        found = _PATH.fullmatch(request.path)
        name = found[2] if found is not None else request.path
        operation = service.find_operation(name)
        if found is None or operation is None or found[1] != service.target_prefix:
            raise UnknownOperation(name)
        return operation, None

    def read(self, operation: Operation, request: HttpRequest, found: None) -> dict[str, Any]:
        """The parameters. Raises RequestFault."""
        if operation.input is None or not request.body:
            return {}
        import cbor2

        try:
            value = cbor2.loads(request.body)
        except (cbor2.CBORError, ValueError, EOFError, OverflowError, RecursionError):
            raise RequestFault("SerializationException", "The body is not valid CBOR.") from None
        parameters: dict[str, Any] = self.readers.reader(operation.input)(value, "")
        return parameters

    def render(
        self, service: Service, operation: Operation, response: Mapping[str, Any], request_id: str
    ) -> HttpResponse:
        """The response as AWS sends it."""
        value = {} if operation.output is None else self.writers.writer(operation.output)(response)
        return _respond(operation.status, value, request_id)

    def render_error(self, service: Service | None, refusal: Refusal) -> HttpResponse:
        """The error as AWS sends it."""
        code = refusal.code
        body: dict[str, Any] = {"__type": code, "message": refusal.message}
        error = refusal.model
        if error is not None:
            code = error.code
            body["__type"] = error.use.shape.name
            if refusal.fields:
                body.update(self.writers.writer(error.use)(refusal.fields))
        answer = _respond(refusal.status, body, refusal.request_id)
        if service is not None and service.query_compatible:
            # Clients that knew the service by the query protocol go on to see its codes.
            # https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
            answer.headers["x-amzn-query-error"] = f"{code};{refusal.fault}"
        return answer


def _respond(status: int, value: Mapping[str, Any], request_id: str) -> HttpResponse:
    head = {
        "Content-Type": "application/cbor",
        "smithy-protocol": PROTOCOL,
        "x-amzn-RequestId": request_id,
    }
    import cbor2

    return HttpResponse(status, head, cbor2.dumps(value))
