"""GetCallerIdentity, AssumeRole, GetSessionToken."""

from __future__ import annotations

import base64
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, operation, unsupported
from hiyoko.services.iam import rows as iam
from hiyoko.services.sts import sessions
from hiyoko.services.sts.model import Session

# https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html: 12 hours.
_SESSION_TOKEN_S = 43_200
_ASSUME_ROLE_S = 3_600


@operation("GetCallerIdentity")
def get_caller_identity(call: Call, request: Request) -> Response:
    """Who is calling."""
    session = sessions.find_by_principal(call.tx, call.principal)
    user = session.user_id if session is not None else call.account
    return {"UserId": user, "Account": call.account, "Arn": call.principal}


@operation("AssumeRole")
def assume_role(call: Call, request: Request) -> Response:
    """Temporary keys of a role that exists."""
    for name in ("Policy", "PolicyArns", "TransitiveTagKeys", "Tags", "SerialNumber", "TokenCode"):
        if request.get(name):
            raise unsupported(name)
    arn, session_name = request["RoleArn"], request["RoleSessionName"]
    role = iam.find_role_by_arn(call.tx, arn)
    if role is None:
        raise AwsError(
            "AccessDenied",
            f"User: {call.principal} is not authorized to perform: sts:AssumeRole on resource:"
            f" {arn}",
            status=403,
        )
    lifetime_s = request.get("DurationSeconds", _ASSUME_ROLE_S)
    if lifetime_s > role.max_session_s:
        raise AwsError(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )
    user = {
        "AssumedRoleId": f"{role.role_id}:{session_name}",
        "Arn": f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{session_name}",
    }
    keys = _new_keys(call, lifetime_s)
    _record(call, keys, user["Arn"], user["AssumedRoleId"], account=role.account)
    return {"Credentials": keys, "AssumedRoleUser": user}


@operation("GetSessionToken")
def get_session_token(call: Call, request: Request) -> Response:
    """Temporary keys of the caller."""
    for name in ("SerialNumber", "TokenCode"):
        if request.get(name):
            raise unsupported(name)
    keys = _new_keys(call, request.get("DurationSeconds", _SESSION_TOKEN_S))
    _record(call, keys, call.principal, call.account, account=call.account)
    return {"Credentials": keys}


def _new_keys(call: Call, lifetime_s: int) -> dict[str, Any]:
    return {
        "AccessKeyId": sessions.TEMPORARY + call.ids.hex(16).upper(),
        "SecretAccessKey": base64.b64encode(bytes.fromhex(call.ids.hex(60))).decode(),
        "SessionToken": base64.b64encode(bytes.fromhex(call.ids.hex(240))).decode(),
        "Expiration": int(call.now + lifetime_s),
    }


def _record(call: Call, keys: dict[str, Any], arn: str, user_id: str, *, account: str) -> None:
    sessions.delete_expired(call.tx, call.now)
    session = Session(account, keys["AccessKeyId"], arn, user_id, keys["Expiration"])
    sessions.insert_session(call.tx, session)
