"""Policy documents: how they are checked, and how answers carry them."""

from __future__ import annotations

import json
from urllib.parse import quote

from hiyoko.services.iam.errors import MalformedPolicyDocument

_VERSIONS = ("2012-10-17", "2008-10-17")


def checked(text: str, *, trust: bool = False) -> str:
    """The document as it was given, when it has the grammar's outline. Raises AwsError."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedPolicyDocument(
            "This policy contains invalid Json" if trust else "Syntax errors in policy."
        ) from None
    if not isinstance(document, dict) or document.get("Version", _VERSIONS[1]) not in _VERSIONS:
        raise MalformedPolicyDocument("Syntax errors in policy.")
    statements = document.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise MalformedPolicyDocument("Syntax errors in policy.")
    for statement in statements:
        _check_statement(statement, trust=trust)
    return text


def _check_statement(statement: object, *, trust: bool) -> None:
    if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
        raise MalformedPolicyDocument("Syntax errors in policy.")
    if "Action" not in statement and "NotAction" not in statement:
        raise MalformedPolicyDocument("Policy statement must contain actions.")
    if trust:
        if "Resource" in statement:
            raise MalformedPolicyDocument("Has prohibited field Resource")
        return
    if "Principal" in statement:
        raise MalformedPolicyDocument("Policy document should not specify a principal.")
    if "Resource" not in statement and "NotResource" not in statement:
        raise MalformedPolicyDocument("Policy statement must contain resources.")


def encoded(text: str) -> str:
    """As answers carry it: percent-encoded after RFC 3986."""
    return quote(text, safe="~")
