"""The query protocol: a form in, XML with a result and its metadata out.

https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hiyoko.spec import form, stamps
from hiyoko.spec.error import Refusal, RequestFault, UnknownOperation
from hiyoko.spec.form import FormReaders
from hiyoko.spec.http import HttpRequest, HttpResponse
from hiyoko.spec.service import Service
from hiyoko.spec.shapes import Operation, Use
from hiyoko.spec.xml_out import XmlWriters, escape

_TYPE = "text/xml"


def _member_name(name: str, use: Use) -> str:
    element = use.shape.element
    if use.shape.kind == "list" and use.flattened and element is not None and element.name:
        return element.name
    return use.name or name


class QueryCodec:
    """Parses forms, renders ``<XResponse><XResult>…</XResult><ResponseMetadata>``."""

    readers = FormReaders(member_name=_member_name, flat_lists=False, fault="MalformedInput")

    def __init__(self) -> None:
        # The load balancers and CloudFormation answer with milliseconds, IAM and STS without:
        # a fraction is written only where there is one.
        self.writers = XmlWriters(stamps.iso8601_short)

    def identify(self, service: Service, request: HttpRequest) -> tuple[Operation, dict[str, str]]:
        """The operation, and what was read to find it. Raises RequestFault or UnknownOperation."""
        parameters = form.pairs(request)
        name = parameters.get("Action", "")
        if not name:
            raise RequestFault("MissingAction", "Missing required parameter: Action.")
        version = parameters.get("Version", service.version)
        if version != service.version:
            raise RequestFault(
                "InvalidAction", f"Could not find operation {name} for version {version}"
            )
        operation = service.find_operation(name)
        if operation is None:
            raise UnknownOperation(name)
        return operation, parameters

    def read(
        self, operation: Operation, request: HttpRequest, found: dict[str, str]
    ) -> dict[str, Any]:
        """The parameters. Raises RequestFault."""
        if operation.input is None:
            return {}
        parameters: dict[str, Any] = self.readers.reader(operation.input)(form.tree(found), "")
        return parameters

    def render(
        self, service: Service, operation: Operation, response: Mapping[str, Any], request_id: str
    ) -> HttpResponse:
        """The response as AWS sends it."""
        out: list[str] = [f'<{operation.name}Response xmlns="{service.namespace}">']
        if operation.output is not None:
            tag = operation.result_wrapper or f"{operation.name}Result"
            self.writers.element(operation.output, tag)(out, response)
        out.append(
            f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
            f"</{operation.name}Response>"
        )
        return xml_response(_TYPE, 200, "".join(out), request_id)

    def render_error(self, service: Service | None, refusal: Refusal) -> HttpResponse:
        """The error as AWS sends it."""
        error = refusal.model
        code = refusal.code if error is None else error.code
        out = [
            f'<ErrorResponse xmlns="{service.namespace if service else ""}"><Error>'
            f"<Type>{refusal.fault}</Type><Code>{escape(code)}</Code>"
            f"<Message>{escape(refusal.message)}</Message>"
        ]
        if error is not None and refusal.fields:
            self.writers.members(error.use.shape)(out, refusal.fields)
        out.append(f"</Error><RequestId>{refusal.request_id}</RequestId></ErrorResponse>")
        return xml_response(_TYPE, refusal.status, "".join(out), refusal.request_id)


def xml_response(kind: str, status: int, text: str, request_id: str) -> HttpResponse:
    """A response of this content type with its request id."""
    return HttpResponse(
        status, {"Content-Type": kind, "x-amzn-RequestId": request_id}, text.encode()
    )
