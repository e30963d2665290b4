"""Template values fitted to an operation's request: scalars converted, strangers refused.

A template may write ``Port: "80"`` or ``FifoQueue: "true"``; a client may not. So requests made
from templates are converted by the operation's model and then checked as a client's would be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hiyoko.api import AwsError
from hiyoko.services.cloudformation.errors import PropertyFaultError
from hiyoko.spec import validate
from hiyoko.spec.error import RequestFault
from hiyoko.spec.service import Specs
from hiyoko.spec.shapes import Shape
from hiyoko.template.parameters import as_text


@dataclass(slots=True)
class _Models:
    specs: Specs = field(default_factory=Specs)


_models = _Models()


def use_specs(specs: Specs) -> None:
    """Share the gateway's models (and their cache on disk) instead of reading them again."""
    _models.specs = specs


def fitted(service: str, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """The request with every scalar of the type that the model wants; refuses what does not fit."""
    model = _models.specs.find_service(service)
    found = model.find_operation(operation) if model is not None else None
    if model is None or found is None or found.input is None:
        return dict(request)  # no such model (a test's service), or nothing to fit to
    fitting = _fit(found.input.shape, request, "#")
    assert isinstance(fitting, dict)
    try:
        validate.check(model, found, fitting)
    except RequestFault as fault:
        raise AwsError(fault.code, fault.message, status=fault.status) from fault
    return fitting


def _fit(shape: Shape, value: Any, where: str) -> Any:
    match shape.kind:
        case "structure":
            if not isinstance(value, Mapping):
                raise _wrong(where, "JSONObject", value)
            for key in value:
                if key not in shape.members:
                    raise PropertyFaultError(f"{where}: extraneous key [{key}] is not permitted")
            return {k: _fit(shape.members[k].shape, v, f"{where}/{k}") for k, v in value.items()}
        case "list":
            if not isinstance(value, list):
                raise _wrong(where, "JSONArray", value)
            assert shape.element is not None
            return [_fit(shape.element.shape, v, f"{where}/{n}") for n, v in enumerate(value)]
        case "map":
            if not isinstance(value, Mapping):
                raise _wrong(where, "JSONObject", value)
            assert shape.element is not None
            return {str(k): _fit(shape.element.shape, v, f"{where}/{k}") for k, v in value.items()}
        case kind:
            return _scalar(kind, value, where)


def _scalar(kind: str, value: Any, where: str) -> Any:
    if isinstance(value, list | dict):
        raise _wrong(where, {"string": "String", "boolean": "Boolean"}.get(kind, "Number"), value)
    match kind:
        case "string" | "character":
            return as_text(value)
        case "boolean":
            if as_text(value).lower() not in ("true", "false"):
                raise _wrong(where, "Boolean", value)
            return as_text(value).lower() == "true"
        case "integer" | "long":
            try:
                return int(as_text(value))
            except ValueError as error:
                raise _wrong(where, "Integer", value) from error
        case "float" | "double" | "timestamp":
            try:
                return float(as_text(value))
            except ValueError as error:
                raise _wrong(where, "Number", value) from error
        case "blob":
            return value if isinstance(value, bytes) else as_text(value).encode()
        case _:
            return value


def _wrong(where: str, wanted: str, value: Any) -> PropertyFaultError:
    names = {dict: "JSONObject", list: "JSONArray", str: "String", bool: "Boolean"}
    return PropertyFaultError(
        f"{where}: expected type: {wanted}, found: {names.get(type(value), 'Number')}"
    )
