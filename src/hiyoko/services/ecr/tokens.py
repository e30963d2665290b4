"""The registry's token: signed, bound to an account, good for twelve hours, really checked."""

from __future__ import annotations

import base64
import hmac

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.ecr import rows
from hiyoko.services.ecr.model import TOKEN_LIFETIME_S, read_token, registry_host, sign_token


@operation("GetAuthorizationToken")
def get_authorization_token(call: Call, request: Request) -> Response:
    """A token for the account's registry, as user ``AWS``'s password."""
    expires_at = int(call.now) + TOKEN_LIFETIME_S
    secret = rows.ensure_secret(call.tx, call.account)
    token = f"AWS:{sign_token(secret, call.account, call.region, expires_at)}"
    endpoints = request.get("registryIds") or [call.account]
    return {
        "authorizationData": [
            {
                "authorizationToken": base64.b64encode(token.encode()).decode(),
                "expiresAt": float(expires_at),
                "proxyEndpoint": f"https://{registry_host(account, call.region)}",
            }
            for account in endpoints
        ]
    }


@operation("_CheckToken")
def check_token(call: Call, request: Request) -> Response:
    """Whether a token opens the call's registry. Raises ``Unauthorized`` or ``Denied``."""
    read = read_token(request["token"])
    if read is None:
        raise AwsError("Unauthorized", "Not Authorized", status=401)
    secret = rows.find_secret(call.tx, read.account)
    if secret is None or not hmac.compare_digest(
        sign_token(secret, read.account, read.region, read.expires_at), request["token"]
    ):
        raise AwsError("Unauthorized", "Not Authorized", status=401)
    if read.expires_at <= call.now:
        raise AwsError(
            "Denied",
            "Your authorization token has expired. Reauthenticate and try again.",
            status=403,
        )
    if read.account != call.account:
        raise AwsError(
            "Denied",
            f"User: arn:aws:iam::{read.account}:root is not authorized to perform:"
            " ecr:BatchGetImage",
            status=403,
        )
    return {}
