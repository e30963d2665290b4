"""What every ec2 operation has in common: known parameters, dry runs, client tokens, first use."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps

from hiyoko import api
from hiyoko.api import AwsError, Call, Request, Response, unsupported
from hiyoko.services.ec2 import errors, rows
from hiyoko.services.ec2.first_use import make_region
from hiyoko.services.ec2.model import ClientToken

Handler = Callable[[Call, Request], Response]


def operation(name: str, *parameters: str) -> Callable[[Handler], Handler]:
    """Register an operation that knows these parameters and refuses all others by name.

    A parameter that is absent, false or empty asks for nothing, so it is never refused. A dry run
    does everything and then raises, which rolls the transaction back: it answers exactly as the
    real request would.
    """
    known = frozenset((*parameters, "DryRun"))

    def register(handler: Handler) -> Handler:
        @wraps(handler)
        def run(call: Call, request: Request) -> Response:
            for parameter, value in request.items():
                if parameter not in known and value not in (None, False, "", [], {}):
                    raise unsupported(parameter)
            make_region(call)
            token = request.get("ClientToken")
            response = _once(handler, call, request, token) if token else handler(call, request)
            if request.get("DryRun"):
                raise errors.dry_run()
            return response

        return api.operation(name)(run)

    return register


def _once(handler: Handler, call: Call, request: Request, token: str) -> Response:
    """The answer that this token got before, or a new one.

    https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
    """
    text = json.dumps(dict(request), sort_keys=True, default=str)
    old = rows.CLIENT_TOKENS.find(
        call.tx,
        account=call.account,
        region=call.region,
        operation=call.operation,
        token=token,
    )
    if old is None:
        response = handler(call, request)
        row = ClientToken(
            call.account, call.region, call.operation, token, text, json.dumps(response)
        )
        rows.CLIENT_TOKENS.insert(call.tx, row)
        return response
    if old.request != text:
        raise AwsError(
            "IdempotentParameterMismatch",
            f"The client token you have provided ({token}) is associated with another request.",
        )
    answer: Response = json.loads(old.response)
    return answer
