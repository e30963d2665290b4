"""What happens to an API request, in order. A step fills in its part or raises; nothing else.

It runs without an await: from the operation's first read to its commit nothing can come between.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from hiyoko import api
from hiyoko.gateway import resolve, sigv4
from hiyoko.gateway.exchange import Exchange
from hiyoko.services.sts.sessions import identity_of
from hiyoko.spec import validate
from hiyoko.spec.codecs import CODECS, codec_of
from hiyoko.spec.error import RequestFault
from hiyoko.spec.http import HttpRequest

Step = Callable[[Exchange], None]

# Only enough of a signature to know in whose protocol a refusal of the rest must be written.
_SCOPE = re.compile(
    r"Credential=[^,&\s]*?(?:/|%2F)([a-z0-9-]+)(?:/|%2F)aws4_request", re.IGNORECASE
)


def service_name(request: HttpRequest) -> str:
    """botocore's name of the service that a request is for, or an empty string."""
    scope = _SCOPE.search(request.headers.get("authorization") or request.query)
    return resolve.service_of(request, scope[1].lower() if scope is not None else "")


def find_service(exchange: Exchange) -> None:
    """Which service, and so which protocol an answer or a refusal is written in."""
    request = exchange.request
    name = exchange.service_name = service_name(request)
    exchange.service = exchange.context.specs.find_service(name) if name else None
    if exchange.service is not None:
        exchange.codec = codec_of(exchange.service, request)
    elif "x-amz-target" in request.headers:
        exchange.codec = CODECS["json"]


def read_signature(exchange: Exchange) -> None:
    """Who calls and where. A wrong form is refused here, in the service's own protocol."""
    exchange.caller = sigv4.caller_of(exchange.request)


def find_operation(exchange: Exchange) -> None:
    """Which operation, refused by name when nobody implements it."""
    if exchange.service is None:
        if not exchange.service_name and not exchange.caller.signed:
            raise missing_token()
        action = resolve.action_of(exchange.request)
        raise api.not_implemented(exchange.service_name or "an unnamed service", action)
    found = exchange.codec.identify(exchange.service, exchange.request)
    exchange.operation, exchange.found = found
    api.find_operation(exchange.service.name, exchange.operation.name)


# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html:
# called with a token instead of a signature.
_UNSIGNED = frozenset({("sts", "AssumeRoleWithWebIdentity"), ("sts", "AssumeRoleWithSAML")})


def require_signature(exchange: Exchange) -> None:
    """Everything must be signed but what is made for those who have no keys yet."""
    assert exchange.operation is not None
    operation = (exchange.operation.service, exchange.operation.name)
    if not exchange.caller.signed and operation not in _UNSIGNED:
        raise missing_token()


def missing_token() -> RequestFault:
    """AWS's refusal of a request without any signature."""
    return RequestFault(
        "MissingAuthenticationToken", "Request is missing Authentication Token", status=403
    )


def read_parameters(exchange: Exchange) -> None:
    """The parameters in boto3's form, checked against the model."""
    assert exchange.operation is not None
    assert exchange.service is not None
    parameters = exchange.codec.read(exchange.operation, exchange.request, exchange.found)
    if exchange.service.protocol == "ec2":
        exchange.dry_run = bool(parameters.pop("DryRun", False))
    validate.check(exchange.service, exchange.operation, parameters)
    exchange.parameters = parameters


def invoke(exchange: Exchange) -> None:
    """The operation, in one transaction."""
    assert exchange.operation is not None
    context, caller = exchange.context, exchange.caller
    account, principal = identity_of(context.store, caller.access_key, caller.account)
    exchange.response = (
        api.invoke(
            context.store,
            exchange.operation.service,
            exchange.operation.name,
            exchange.parameters,
            account=account,
            region=caller.region,
            principal=principal,
            request_id=exchange.request_id,
            clock=context.clock,
            ids=context.ids,
            dry_run=exchange.dry_run,
            waits=True,  # the server does, before it answers
        )
        or {}
    )


CHAIN: tuple[Step, ...] = (
    find_service,
    read_signature,
    find_operation,
    require_signature,
    read_parameters,
    invoke,
)
