"""Checks a handler's answer against botocore's output shape: names, types, required, enums."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator


@cache
def _session() -> Any:
    return botocore.session.get_session()


@cache
def _operation(service: str, operation: str) -> OperationModel:
    model: OperationModel = _session().get_service_model(service).operation_model(operation)
    return model


def check_output(
    service: str,
    operation: str,
    response: Mapping[str, Any],
    *,
    new_values: frozenset[str] = frozenset(),
) -> None:
    """Raise AssertionError, naming every member that AWS's shape of this answer does not allow.

    ``new_values`` are enum values that AWS really answers although its model lacks them.
    """
    shape = _operation(service, operation).output_shape
    if shape is None:
        assert not response, f"{service}:{operation} answers nothing, not {dict(response)}"
        return
    report = ParamValidator().validate(dict(response), shape)
    wrong = list(_wrong_enums(shape, response, operation, new_values))
    assert not report.has_errors(), f"{operation}: {report.generate_report()}"
    assert not wrong, "; ".join(wrong)


def _wrong_enums(shape: Shape, value: Any, path: str, new_values: frozenset[str]) -> Iterator[str]:
    if value is None:
        yield f"{path} is None: leave the member out"
    elif isinstance(shape, StructureShape):
        for name, member in value.items():
            if name in shape.members:
                yield from _wrong_enums(shape.members[name], member, f"{path}.{name}", new_values)
    elif isinstance(shape, ListShape):
        for number, item in enumerate(value):
            yield from _wrong_enums(shape.member, item, f"{path}[{number}]", new_values)
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from _wrong_enums(shape.value, item, f"{path}[{key}]", new_values)
    elif (
        isinstance(shape, StringShape)
        and shape.enum
        and value not in shape.enum
        and value not in new_values
    ):
        yield f"{path} is {value!r}, not one of {shape.enum}"
