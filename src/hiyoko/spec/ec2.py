"""EC2's dialect of the query protocol.

https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hiyoko.spec import stamps
from hiyoko.spec.error import Refusal
from hiyoko.spec.form import FormReaders
from hiyoko.spec.http import HttpResponse
from hiyoko.spec.query import QueryCodec, xml_response
from hiyoko.spec.service import Service
from hiyoko.spec.shapes import Operation, Use
from hiyoko.spec.xml_out import XmlWriters, escape

_TYPE = "text/xml;charset=UTF-8"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def wire_name(name: str, use: Use) -> str:
    """queryName, or locationName with a capital, or the member's own name."""
    if use.query_name is not None:
        return use.query_name
    if use.name is not None:
        return use.name[0].upper() + use.name[1:]
    return name


class Ec2Codec(QueryCodec):
    """Parses forms without ``member`` steps, renders members directly under the response."""

    readers = FormReaders(member_name=wire_name, flat_lists=True, fault="InvalidParameterValue")

    def __init__(self) -> None:
        super().__init__()
        self.writers = XmlWriters(stamps.iso8601)

    def render(
        self, service: Service, operation: Operation, response: Mapping[str, Any], request_id: str
    ) -> HttpResponse:
        """The response as AWS sends it."""
        out = [
            f'{_DECLARATION}<{operation.name}Response xmlns="{service.namespace}">'
            f"<requestId>{request_id}</requestId>"
        ]
        write = operation.compiled.get("ec2")
        if write is None and operation.output is not None:
            write = operation.compiled["ec2"] = self.writers.members(operation.output.shape)
        if operation.output is None:
            # Nothing modelled comes back, but EC2 still says that it was done.
            out.append("<return>true</return>")
        if write is not None:
            write(out, response)
        out.append(f"</{operation.name}Response>")
        return xml_response(_TYPE, 200, "".join(out), request_id)

    def render_error(self, service: Service | None, refusal: Refusal) -> HttpResponse:
        """The error as AWS sends it: RequestID with a capital D, no type."""
        text = (
            f"{_DECLARATION}<Response><Errors><Error><Code>{escape(refusal.code)}</Code>"
            f"<Message>{escape(refusal.message)}</Message></Error></Errors>"
            f"<RequestID>{refusal.request_id}</RequestID></Response>"
        )
        return xml_response(_TYPE, refusal.status, text, refusal.request_id)
