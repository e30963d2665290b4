"""A resource's properties against its type, and a failure in AWS's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hiyoko.api import AwsError
from hiyoko.services.cloudformation.errors import PropertyFaultError
from hiyoko.template.resource_type import ResourceType


def check_properties(kind: ResourceType, properties: Mapping[str, Any]) -> None:
    """Refuse what the type does not know, or does not do here, and what it needs and lacks."""
    known = kind.update_of
    faults = [f"#: required key [{n}] not found" for n in sorted(kind.required - set(properties))]
    faults += [f"#: extraneous key [{n}] is not permitted" for n in properties if n not in known]
    if faults:
        raise PropertyFaultError(", ".join(faults))


def fault_text(logical_id: str, error: PropertyFaultError) -> str:
    """The reason of a resource whose properties were turned down."""
    return f"Properties validation failed for resource {logical_id} with message: [{error}]"


def handler_text(error: AwsError, service: str, request_id: str, token: str) -> str:
    """The reason of a resource whose service said no."""
    return (
        f'Resource handler returned message: "{error.message} (Service: {service}, Status Code:'
        f' {error.status}, Request ID: {request_id})" (RequestToken: {token}, HandlerErrorCode:'
        f" {_handler_code(error)})"
    )


def _handler_code(error: AwsError) -> str:
    code = error.code
    if "AlreadyExist" in code or "Duplicate" in code or "InUse" in code:
        return "AlreadyExists"
    if "NotFound" in code or "NoSuch" in code:
        return "NotFound"
    if "LimitExceeded" in code:
        return "ServiceLimitExceeded"
    if "AccessDenied" in code or "Unauthorized" in code:
        return "AccessDenied"
    return "InvalidRequest" if error.status < 500 else "ServiceInternalError"
