"""Actions that let a request pass only when it is known whose it is.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-verify-jwt.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from hiyoko.api import Request
from hiyoko.services.elbv2 import errors
from hiyoko.services.elbv2.model import Action, Claim, Jwt, Oidc
from hiyoko.services.elbv2.requests import only

EXTRA_MAX = 10
CLAIMS_MAX = 10
VALUES_MAX = 10
TIMEOUT_MAX_S = 604_800
_OIDC = {
    *("Issuer", "AuthorizationEndpoint", "TokenEndpoint", "UserInfoEndpoint", "ClientId"),
    *("ClientSecret", "SessionCookieName", "Scope", "SessionTimeout"),
    *("AuthenticationRequestExtraParams", "OnUnauthenticatedRequest", "UseExistingClientSecret"),
}
_COOKIE = re.compile(r"[A-Za-z0-9_.-]{1,255}")


def check_protocol(kind: str, protocol: str) -> None:
    """Tokens and sessions go over TLS only."""
    if protocol != "HTTPS":
        raise errors.invalid_action(
            f"Actions of type '{kind}' are supported only on HTTPS listeners"
        )


def parse_oidc(config: Request, before: Sequence[Action]) -> Oidc:
    """An OpenID Connect configuration. ``before`` are the actions that it replaces."""
    only(config, _OIDC)
    issuer = _url("issuer", config["Issuer"])
    client_id = config["ClientId"]
    secret = config.get("ClientSecret") or ""
    if config.get("UseExistingClientSecret"):
        known = [a.oidc for a in before if a.oidc is not None and a.oidc.client_id == client_id]
        if secret or not known:
            raise errors.invalid_action("There is no existing client secret that could be used")
        secret = known[0].client_secret
    if not secret:
        raise errors.invalid_action("A client secret must be specified")
    extra = config.get("AuthenticationRequestExtraParams") or {}
    if len(extra) > EXTRA_MAX:
        raise errors.validation(f"No more than {EXTRA_MAX} extra parameters can be specified")
    timeout_s = int(config.get("SessionTimeout", TIMEOUT_MAX_S))
    if not 1 <= timeout_s <= TIMEOUT_MAX_S:
        raise errors.validation(f"Session timeout must be from 1 to {TIMEOUT_MAX_S} seconds")
    cookie = config.get("SessionCookieName") or Oidc.COOKIE
    if not _COOKIE.fullmatch(cookie):
        raise errors.validation(f"The session cookie name '{cookie}' is not valid")
    return Oidc(
        issuer=issuer,
        authorization_endpoint=_url("authorization endpoint", config["AuthorizationEndpoint"]),
        token_endpoint=_url("token endpoint", config["TokenEndpoint"]),
        user_info_endpoint=_url("user info endpoint", config["UserInfoEndpoint"]),
        client_id=client_id,
        client_secret=secret,
        cookie=cookie,
        scope=config.get("Scope") or "openid",
        timeout_s=timeout_s,
        extra=tuple(sorted(extra.items())),
        on_unauthenticated=config.get("OnUnauthenticatedRequest") or "authenticate",
    )


def parse_jwt(config: Request) -> Jwt:
    """A token validation configuration."""
    only(config, {"JwksEndpoint", "Issuer", "AdditionalClaims"})
    issuer = config["Issuer"]
    if not 1 <= len(issuer) <= 256:
        raise errors.validation("The issuer must be from 1 to 256 characters long")
    given = config.get("AdditionalClaims") or ()
    if len(given) > CLAIMS_MAX:
        raise errors.validation(f"No more than {CLAIMS_MAX} additional claims can be specified")
    claims = tuple(Claim(c["Name"], c["Format"], tuple(c["Values"])) for c in given)
    for claim in claims:
        if not 1 <= len(claim.values) <= VALUES_MAX:
            raise errors.validation(f"A claim must have no more than {VALUES_MAX} values")
        if claim.format == "single-string" and len(claim.values) != 1:
            raise errors.validation("A claim of format 'single-string' has exactly one value")
        if claim.name in ("exp", "iss", "nbf", "iat"):
            raise errors.validation(f"The claim '{claim.name}' is always validated")
    return Jwt(_url("JWKS endpoint", config["JwksEndpoint"]), issuer, claims)


def _url(what: str, text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname:
        raise errors.validation(f"The {what} '{text}' must be an HTTPS URL")
    return text
