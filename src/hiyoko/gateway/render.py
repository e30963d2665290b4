"""Results, refusals and bugs as responses. Errors are rendered here and nowhere else."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from hiyoko.api import AwsError
from hiyoko.gateway.exchange import Exchange
from hiyoko.spec.error import Refusal, RequestFault, UnknownOperation
from hiyoko.spec.http import HttpResponse

_log = logging.getLogger(__name__)

# JSON services have their own names (and statuses) for what is wrong with a request as a whole.
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html
_JSON_CODES = {
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
    "IncompleteSignature": "IncompleteSignatureException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
}


def result(exchange: Exchange) -> HttpResponse:
    """The operation's response in its service's protocol."""
    assert exchange.service is not None
    assert exchange.operation is not None
    return exchange.codec.render(
        exchange.service, exchange.operation, exchange.response, exchange.request_id
    )


def refusal(exchange: Exchange, error: AwsError | RequestFault | UnknownOperation) -> HttpResponse:
    """A failure that the caller may see, in AWS's form."""
    match error:
        case AwsError():
            return _error(
                exchange, error.code, error.message, error.status, error.fault, error.fields
            )
        case UnknownOperation():
            return _unknown_operation(exchange, error.name)
        case RequestFault():
            return _fault(exchange, error)


def failure(exchange: Exchange, bug: Exception) -> HttpResponse:
    """A bug of ours: the caller gets a request id, the log gets the traceback."""
    _log.error("request_id=%s failed", exchange.request_id, exc_info=bug)
    message = (
        "The request processing has failed because of an unknown error, exception or failure."
        f" (hiyoko's log has more under request id {exchange.request_id}.)"
    )
    return _error(exchange, "InternalFailure", message, 500, "Receiver", {})


def _unknown_operation(exchange: Exchange, name: str) -> HttpResponse:
    service = exchange.service
    if service is not None and service.protocol in ("query", "ec2"):
        message = f"The action {name} is not valid for this web service."
        return _error(exchange, "InvalidAction", message, 400, "Sender", {})
    status = 404 if service is not None and service.protocol.startswith("rest") else 400
    message = f"{exchange.service_name} has no operation {name or 'without a name'}."
    return _error(exchange, "UnknownOperationException", message, status, "Sender", {})


def _fault(exchange: Exchange, fault: RequestFault) -> HttpResponse:
    code, status = fault.code, fault.status
    protocol = exchange.service.protocol if exchange.service is not None else ""
    if protocol == "json" and code in _JSON_CODES:
        code, status = _JSON_CODES[code], 400
    elif protocol == "ec2" and code in ("InvalidClientTokenId", "SignatureDoesNotMatch"):
        message = "AWS was not able to validate the provided access credentials"
        return _error(exchange, "AuthFailure", message, 401, "Sender", {})
    return _error(exchange, code, fault.message, status, "Sender", {})


def _error(
    exchange: Exchange,
    code: str,
    message: str,
    status: int,
    fault: str,
    fields: Mapping[str, Any],
) -> HttpResponse:
    operation = exchange.operation
    modelled = operation.errors.get(code) if operation is not None else None
    if modelled is not None and modelled.status is not None and status == 400:
        status = modelled.status
    return exchange.codec.render_error(
        exchange.service,
        Refusal(code, message, status, fault, fields, exchange.request_id, modelled),
    )
