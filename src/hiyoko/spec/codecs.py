"""The protocols by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from hiyoko.spec.ec2 import Ec2Codec
from hiyoko.spec.error import Refusal
from hiyoko.spec.http import HttpRequest, HttpResponse
from hiyoko.spec.json import JsonCodec
from hiyoko.spec.query import QueryCodec
from hiyoko.spec.rest_json import RestJsonCodec
from hiyoko.spec.rest_xml import RestXmlCodec
from hiyoko.spec.rpc_v2_cbor import PROTOCOL as RPC_V2_CBOR
from hiyoko.spec.rpc_v2_cbor import RpcV2CborCodec
from hiyoko.spec.service import Service
from hiyoko.spec.shapes import Operation


class Codec(Protocol):
    """One protocol, both ways."""

    def identify(self, service: Service, request: HttpRequest) -> tuple[Operation, Any]:
        """The operation, and what was read to find it. Raises RequestFault or UnknownOperation."""
        ...

    def read(self, operation: Operation, request: HttpRequest, found: Any) -> dict[str, Any]:
        """The parameters. Raises RequestFault."""
        ...

    def render(
        self, service: Service, operation: Operation, response: Mapping[str, Any], request_id: str
    ) -> HttpResponse:
        """The response as AWS sends it."""
        ...

    def render_error(self, service: Service | None, refusal: Refusal) -> HttpResponse:
        """The error as AWS sends it."""
        ...


CODECS: dict[str, Codec] = {
    "query": QueryCodec(),
    "ec2": Ec2Codec(),
    "json": JsonCodec(),
    "rest-json": RestJsonCodec(),
    "rest-xml": RestXmlCodec(),
    "smithy-rpc-v2-cbor": RpcV2CborCodec(),
}


def codec_of(service: Service, request: HttpRequest) -> Codec:
    """The codec of a request; where a service offers several, the request shows its own."""
    if len(service.protocols) == 1:
        return CODECS[service.protocol]
    if request.headers.get("smithy-protocol") == RPC_V2_CBOR:
        return CODECS["smithy-rpc-v2-cbor"]
    if "query" in service.protocols and "x-amz-target" not in request.headers:
        return CODECS["query"]
    return CODECS[service.protocol]


def parse(service: Service, request: HttpRequest) -> tuple[Operation, dict[str, Any]]:
    """The operation and its parameters. Raises RequestFault or UnknownOperation."""
    codec = codec_of(service, request)
    operation, found = codec.identify(service, request)
    return operation, codec.read(operation, request, found)
