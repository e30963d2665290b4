"""Every codec against botocore: its serializer feeds our parser, our renderer feeds its parser.

Values are drawn from the models with a fixed seed, so a failure can be seen again.
"""

from __future__ import annotations

import datetime
import math
import random
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore import xform_name
from botocore.model import OperationModel, ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.session import Session
from multidict import CIMultiDict

from hiyoko.spec import codecs, conform
from hiyoko.spec.http import HttpRequest
from hiyoko.spec.service import Specs

SPECS = Specs()
SESSION = Session()
TEXT = "abcXYZ019 _-/.:<>&\"'=+äß日本\t\n%,;"
# Two rest-json services stand beside the ones that we serve: that codec needs a user in tests.
SERVICES = ("elbv2", "ecs", "ecr", "route53", "acm", "iam", "logs", "sts", "cloudformation",
            "apigatewayv2", "mq")  # fmt: skip
# The one service here that is asked in several protocols: each client in its own.
SPOKEN = ("smithy-rpc-v2-cbor", "json", "query")

_NESTED = ("structure", "list", "map")


class Draw:
    """Random values of botocore's shapes, in the form that boto3 takes and gives."""

    def __init__(self, seed: str, *, response: bool) -> None:
        self.random = random.Random(seed)
        self.response = response

    def value(self, shape: Any, depth: int = 0) -> Any:
        match shape.type_name:
            case "structure":
                return self.structure(shape, depth)
            case "list":
                least = 1 if depth < 12 else 0
                return [
                    self.value(shape.member, depth + 1)
                    for _ in range(least + self.random.randrange(2))
                ]
            case "map":
                return {
                    self.text(header=True): self.value(shape.value, depth + 1)
                    for _ in range(self.random.randrange(1, 3))
                }
            case "integer" | "long":
                return self.random.randrange(-5, 2**31)
            case "float" | "double":
                return self.random.choice([0.0, -1.5, 1e-7, 12345.678, math.inf])
            case "boolean":
                return self.random.random() < 0.5
            case "timestamp":
                return 1_700_000_000 + self.random.randrange(10**6) + self.random.choice([0, 0.25])
            case "blob":
                # botocore reads a blob that is the whole body as text.
                return self.text(header=True).encode()
            case _:
                return self.text(header="location" in shape.serialization)

    def text(self, *, header: bool) -> str:
        if header:
            return "".join(self.random.choices("abcXYZ019", k=self.random.randrange(1, 9)))
        return "".join(self.random.choices(TEXT, k=self.random.randrange(1, 9)))

    def structure(self, shape: Any, depth: int) -> dict[str, Any]:
        if shape.is_document_type:
            return {"any": [1, "x", None]}
        names = list(shape.members)
        if shape.is_tagged_union:
            names = [self.random.choice(names)] if names else []
        value = {}
        for name in names:
            member = shape.members[name]
            wanted = name in shape.required_members or shape.is_tagged_union
            if depth > 6 and not wanted:
                continue
            if member.serialization.get("location") == "statusCode":
                continue
            if (
                wanted
                or member.serialization.get("location") == "uri"
                or self.random.random() < 0.6
            ):
                value[name] = self.value(member, depth + 1)
        if not value and names:
            # A form has no way to write a structure without members.
            name = min(names, key=lambda name: shape.members[name].type_name in _NESTED)
            if depth < 12:
                value[name] = self.value(shape.members[name], depth + 1)
        return value


def comparable(value: Any, shape: Any) -> Any:
    """Values with what no protocol keeps taken out: empty lists' presence, time stamps' type."""
    match shape.type_name:
        case "structure" if not shape.is_document_type:
            return {
                name: comparable(item, shape.members[name])
                for name, item in value.items()
                if name in shape.members and item is not None
            }
        case "list":
            return [comparable(item, shape.member) for item in value]
        case "map":
            return {key: comparable(item, shape.value) for key, item in value.items()}
        case "timestamp":
            if isinstance(value, datetime.datetime):
                value = value.timestamp()
            # RFC 822 dates have no fraction.
            return math.floor(value) if "location" in shape.serialization else round(value, 3)
        case "float" | "double":
            return float(value)
        case "blob":
            return value if isinstance(value, bytes) else value.encode()
        case _:
            return value


def for_botocore(value: Any, shape: Any) -> Any:
    """Time stamps as datetimes: botocore takes a bare number for a string in some places."""
    match shape.type_name:
        case "structure" if not shape.is_document_type:
            return {k: for_botocore(v, shape.members[k]) for k, v in value.items()}
        case "list":
            return [for_botocore(item, shape.member) for item in value]
        case "map":
            return {key: for_botocore(item, shape.value) for key, item in value.items()}
        case "timestamp":
            return datetime.datetime.fromtimestamp(value, datetime.UTC)
        case _:
            return value


def request_of(serialized: Mapping[str, Any]) -> HttpRequest:
    body = serialized["body"]
    if isinstance(body, dict):
        body = urlencode(body)
    if isinstance(body, str):
        body = body.encode()
    path, _, constant = serialized["url_path"].partition("?")
    query = serialized["query_string"]
    text = urlencode(query, doseq=True) if isinstance(query, dict) else query
    return HttpRequest(
        method=serialized["method"],
        path=path,
        query="&".join(filter(None, (constant, text))),
        headers=CIMultiDict(serialized["headers"]),
        body=bytes(body),
    )


def is_streamed(operation: OperationModel) -> bool:
    return operation.has_event_stream_output or operation.has_event_stream_input


def check_request(model: ServiceModel, operation: OperationModel, spoken: str = "") -> None:
    drawn = Draw(f"{model.service_name}:{operation.name}:in", response=False)
    shape = operation.input_shape
    parameters = drawn.value(shape) if shape is not None else {}
    serializer = create_serializer(spoken or model.resolved_protocol, include_validation=False)
    given = for_botocore(parameters, shape) if shape is not None else {}
    request = request_of(serializer.serialize_to_request(given, operation))
    service = SPECS.service(model.service_name)
    found, parsed = codecs.parse(service, request)
    assert found.name == operation.name
    if shape is not None:
        assert comparable(parsed, shape) == comparable(parameters, shape)


def check_response(model: ServiceModel, operation: OperationModel, spoken: str = "") -> None:
    shape = operation.output_shape
    response = (
        Draw(f"{model.service_name}:{operation.name}:out", response=True).value(shape)
        if shape
        else {}
    )
    service = SPECS.service(model.service_name)
    ours = service.operation(operation.name)
    if shape is not None and not any(m.type_name == "blob" for m in shape.members.values()):
        assert [f for f in conform.faults(ours, response) if "is none of" not in f] == []
    codec = codecs.CODECS[spoken or service.protocol]
    answer = codec.render(service, ours, response, "the-id")
    # Its stub wants a shape, but botocore itself gives None for an operation without output.
    parser: Any = create_parser(spoken or model.resolved_protocol)
    parsed = parser.parse(
        {"status_code": answer.status, "headers": CIMultiDict(answer.headers), "body": answer.body},
        shape,
    )
    metadata = parsed.pop("ResponseMetadata")
    # botocore's CBOR parser leaves it out of an answer without members.
    assert metadata.get("RequestId", "the-id") == "the-id"
    assert answer.headers["x-amzn-RequestId"] == "the-id"
    assert metadata["HTTPStatusCode"] == answer.status
    if shape is not None:
        assert comparable(parsed, shape) == comparable(response, shape)


def operations(service: str) -> list[OperationModel]:
    model = SESSION.get_service_model(service)
    found = [model.operation_model(name) for name in model.operation_names]
    return [operation for operation in found if not is_streamed(operation)]


@pytest.mark.parametrize("service", SERVICES)
def test_what_botocore_sends_is_what_we_read(service: str) -> None:
    for operation in operations(service):
        check_request(operation.service_model, operation)


@pytest.mark.parametrize("service", SERVICES)
def test_what_we_answer_is_what_botocore_reads(service: str) -> None:
    for operation in operations(service):
        check_response(operation.service_model, operation)


@pytest.mark.parametrize("spoken", SPOKEN)
def test_cloudwatch_is_read_and_answered_in_each_of_its_protocols(spoken: str) -> None:
    for operation in operations("cloudwatch"):
        check_request(operation.service_model, operation, spoken)
        check_response(operation.service_model, operation, spoken)


def test_ec2_is_read_and_answered_as_botocore_does() -> None:
    # A quarter of EC2's 750 operations, and all about networks: the rest repeats their shapes.
    chosen = [
        operation
        for number, operation in enumerate(operations("ec2"))
        if number % 8 == 0
        or any(word in operation.name for word in ("Vpc", "Subnet", "Route", "Sec"))
    ]
    assert len(chosen) > 150
    for operation in chosen:
        check_request(operation.service_model, operation)
        check_response(operation.service_model, operation)


def test_names_of_operations_are_those_of_the_client() -> None:
    model = SESSION.get_service_model("ec2")
    assert {xform_name(n) for n in SPECS.service("ec2").operation_names} == {
        xform_name(n) for n in model.operation_names
    }
