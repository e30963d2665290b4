"""The form of a signature: who calls, in which region, for which service.

The signature itself can't be verified: whoever calls a local cloud makes up their keys, and nobody
has told us the secrets. So every well-formed signature is taken at its word, and a wrong form is
refused as AWS refuses it. Expiry isn't judged for the same reason.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from hiyoko.api import DEFAULT_ACCOUNT
from hiyoko.gateway.exchange import Caller
from hiyoko.spec.error import RequestFault
from hiyoko.spec.http import HttpRequest

ALGORITHM = "AWS4-HMAC-SHA256"
_ACCOUNT = re.compile(r"\d{12}")
_AMZ_DATE = re.compile(r"\d{8}T\d{6}Z")
_REGION = re.compile(r"[a-z]{2}(-[a-z0-9]+)+")


def caller_of(request: HttpRequest) -> Caller:
    """The caller; an unsigned one when there is no signature. Raises RequestFault."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        return _from_header(request.headers, authorization)
    if "X-Amz-Algorithm=" in request.query:
        return _from_query(dict(parse_qsl(request.query, keep_blank_values=True)))
    # S3's older signature, of presigned links.
    # https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
    if "AWSAccessKeyId=" in request.query:
        key = dict(parse_qsl(request.query)).get("AWSAccessKeyId", "")
        return Caller(access_key=key, account=_account(key), service="s3")
    return Caller()


def _from_header(headers: Mapping[str, str], authorization: str) -> Caller:
    algorithm, _, rest = authorization.strip().partition(" ")
    if algorithm != ALGORITHM:
        raise _incomplete(f"Unsupported AWS 'algorithm': '{algorithm}'.")
    parts: dict[str, str] = {}
    for part in rest.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals:
            raise _incomplete(
                f"'{part.strip()}' not a valid key=value pair (missing equal-sign) in"
                f" Authorization header: '{authorization}'."
            )
        parts[name] = value
    missing = [
        f"Authorization header requires '{name}' parameter."
        for name in ("Credential", "Signature", "SignedHeaders")
        if not parts.get(name)
    ]
    date = headers.get("x-amz-date") or headers.get("date")
    if not date:
        missing.append(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        )
    if missing:
        raise _incomplete(f"{' '.join(missing)} Authorization={algorithm}")
    assert date is not None
    return _from_credential(parts["Credential"], headers.get("x-amz-date"))


def _from_query(query: Mapping[str, str]) -> Caller:
    if query.get("X-Amz-Algorithm") != ALGORITHM:
        raise _incomplete(f"Unsupported AWS 'algorithm': '{query.get('X-Amz-Algorithm')}'.")
    for name in ("Credential", "Signature", "SignedHeaders", "Date"):
        if not query.get(f"X-Amz-{name}"):
            raise _incomplete(f"AWS query-string parameters must include 'X-Amz-{name}'.")
    return _from_credential(query["X-Amz-Credential"], query["X-Amz-Date"])


def _from_credential(credential: str, amz_date: str | None) -> Caller:
    parts = credential.split("/")
    if len(parts) != 5:
        raise _incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g."
            f" keyid/date/region/service/term, got '{credential}'"
        )
    key, date, region, service, terminator = parts
    if terminator != "aws4_request":
        raise RequestFault(
            "SignatureDoesNotMatch",
            f"Credential should be scoped with a valid terminator: 'aws4_request', not"
            f" '{terminator}'.",
            status=403,
        )
    if amz_date is not None:
        if _AMZ_DATE.fullmatch(amz_date) is None:
            raise _incomplete(
                f"Date must be in ISO-8601 'basic format'. Got '{amz_date}'."
                " See http://en.wikipedia.org/wiki/ISO_8601"
            )
        if not amz_date.startswith(date):
            raise RequestFault(
                "SignatureDoesNotMatch",
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date"
                f" from HTTP: '{date}' != '{amz_date[:8]}', from '{amz_date}'.",
                status=403,
            )
    if not key:
        raise RequestFault(
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
            status=403,
        )
    if _REGION.fullmatch(region) is None:
        raise RequestFault(
            "SignatureDoesNotMatch", f"'{region}' is not a valid region.", status=403
        )
    return Caller(access_key=key, account=_account(key), region=region, service=service)


def _account(key: str) -> str:
    return key if _ACCOUNT.fullmatch(key) else DEFAULT_ACCOUNT


def _incomplete(message: str) -> RequestFault:
    return RequestFault("IncompleteSignature", message, status=403)
