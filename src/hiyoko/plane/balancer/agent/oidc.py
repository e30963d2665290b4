"""authenticate-oidc: the authorization code flow, the session in cookies, its renewal.

What is answered when, by AWS's pages: a login that is too old, that this browser has not begun or
that brings no ID token is 401; a provider that says no is 561; one that does not answer, or claims
that are too large, are 500.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import jwt

from hiyoko.blueprint.balancers import Oidc
from hiyoko.clock import Clock
from hiyoko.plane.balancer.agent.answer import (
    BAD_GRANT,
    FAILED,
    FAILED_THERE,
    NO_ANSWER,
    PROVIDER_SAID_NO,
    SENSELESS,
    UNAUTHORIZED,
    Answer,
    Asked,
    Pass,
    Refuse,
    Refused,
)
from hiyoko.plane.balancer.agent.identity import Signer
from hiyoko.plane.balancer.agent.metrics import (
    FAILURE,
    LATENCY,
    REFRESHED,
    SUCCESS,
    TOO_LARGE,
    Metrics,
)
from hiyoko.plane.balancer.agent.provider import Provider, accepted, text_of
from hiyoko.plane.balancer.agent.seal import Seal, gathered, shards

CALLBACK = "/oauth2/idpresponse"
NONCE_COOKIE = "AWSALBAuthNonce"
LOGIN_S = 900
"""How long a user has for the login."""
COOKIE_S = 604_800
"""Seven days whatever the session's timeout is: that is inside, where nobody changes it."""
CLAIMS_BYTES_MAX = 11 << 10
"""User claims and access token together."""
SKEW_S = 60
RENEWED_S = 30.0
"""A page asks for many things at once: each comes with the session as it was before."""
_STATE = "login"
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html#error-reason-codes
_TOKEN = {
    FAILED_THERE: "AuthTokenEpRequestFailed",
    NO_ANSWER: "AuthTokenEpRequestTimeout",
    SENSELESS: "AuthInvalidTokenResponse",
    BAD_GRANT: "AuthInvalidGrantError",
}
_USER_INFO = {
    FAILED_THERE: "AuthUserinfoEpRequestFailed",
    NO_ANSWER: "AuthUserinfoEpRequestTimeout",
    SENSELESS: "AuthInvalidUserinfoResponse",
    BAD_GRANT: "AuthUserinfoEpRequestFailed",
}
_HEADER_BREAKS = ("\r", "\n", "\0")


@dataclass(frozen=True, slots=True)
class Session:
    """What a session cookie holds. Times are seconds since the epoch."""

    until: float
    access_token: str
    claims: dict[str, Any]
    refresh_token: str = ""
    fresh_until: float | None = None


@dataclass(slots=True)
class Login:
    """Users' logins and sessions, of all rules of a node."""

    provider: Provider
    seal: Seal
    signer: Signer
    clock: Clock
    metrics: Metrics = field(default_factory=Metrics)
    renewing: dict[str, tuple[float, asyncio.Task[Session | None]]] = field(default_factory=dict)

    async def check(self, rule: str, guard: Oidc, asked: Asked) -> Answer:
        """Whether the request has a session; without one, what the rule wants then."""
        now = self.clock.now()
        session = self._session(guard, asked)
        cookies: tuple[str, ...] = ()
        if session is not None and session.until <= now:
            session = None
        if session is not None and self._stale(session, now):
            session, cookies = await self._renewed(guard, session, asked)
        if session is not None:
            return Pass(self._headers(guard, session, now), cookies)
        match guard.on_unauthenticated:
            case "allow":
                return Pass()
            case "deny":
                return UNAUTHORIZED
            case _:
                return self._begin(rule, guard, asked, now)

    async def callback(self, guards: Mapping[str, object], asked: Asked) -> Answer:
        """The user comes back from the provider; on success, sent to where they wanted to go."""
        query = dict(parse_qsl(urlsplit(asked.path).query, keep_blank_values=True))
        state = self.seal.open(_STATE, query.get("state", ""))
        if state is None:
            given = "Invalid" if query.get("state") else "Missing"
            raise Refused(
                UNAUTHORIZED, "the state is missing or not ours", f"Auth{given}StateParam"
            )
        guard = guards.get(state["rule"])
        now = self.clock.now()
        if not isinstance(guard, Oidc) or state["host"] != asked.host:
            raise Refused(
                UNAUTHORIZED, "the state is of another rule or host", "AuthInvalidStateParam"
            )
        if now - state["at"] > LOGIN_S:
            raise Refused(UNAUTHORIZED, "the login took too long")
        if not secrets.compare_digest(state["nonce"], asked.cookies.get(NONCE_COOKIE, "")):
            raise Refused(
                UNAUTHORIZED,
                f"no {NONCE_COOKIE} cookie, or that of another login",
                "AuthInvalidCookie",
            )
        if "error" in query:
            self.metrics.note(FAILURE)
            denied = query["error"] == "access_denied"
            answer = UNAUTHORIZED if denied else PROVIDER_SAID_NO
            raise Refused(answer, f"the provider said {query['error']}")
        if not query.get("code"):
            raise Refused(UNAUTHORIZED, "there is no code", "AuthMissingCodeParam")
        session = await self._redeemed(guard, asked, query["code"], now)
        over = f"{NONCE_COOKIE}=; Expires={formatdate(0, usegmt=True)}; {_attributes(asked)}"
        cookies = self._cookies(guard, session, asked, now)
        self.metrics.note(SUCCESS)
        return Refuse("302 Found", f"https://{asked.host}{state['path']}", (*cookies, over))

    def _begin(self, rule: str, guard: Oidc, asked: Asked, now: float) -> Refuse:
        if not asked.host:
            raise Refused(
                UNAUTHORIZED,
                "without a Host there is nowhere to come back to",
                "AuthMissingHostHeader",
            )
        nonce = secrets.token_urlsafe(24)
        state = {"rule": rule, "host": asked.host, "path": asked.path, "nonce": nonce, "at": now}
        parts = urlsplit(guard.authorization_endpoint)
        parameters = [
            *parse_qsl(parts.query, keep_blank_values=True),
            ("client_id", guard.client_id),
            ("redirect_uri", _redirect_uri(asked)),
            ("response_type", "code"),
            ("scope", guard.scope),
            ("state", self.seal.close(_STATE, state)),
            *guard.extra,
        ]
        place = urlunsplit(parts._replace(query=urlencode(parameters)))
        return Refuse("302 Found", place, (f"{NONCE_COOKIE}={nonce}; {_attributes(asked)}",))

    async def _redeemed(self, guard: Oidc, asked: Asked, code: str, now: float) -> Session:
        """The session that a code is good for; what came of it and how long it took is counted."""
        begun = time.monotonic()
        try:
            return await self._redeem(guard, asked, code, now)
        except Refused as refused:
            self.metrics.refused(refused.answer)
            raise
        finally:
            self.metrics.note(LATENCY, round((time.monotonic() - begun) * 1000))

    async def _redeem(self, guard: Oidc, asked: Asked, code: str, now: float) -> Session:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": _redirect_uri(asked),
        }
        with _asking(_TOKEN):
            tokens = await self._tokens(guard, form)
            id_token = text_of(tokens, "id_token")
        subject = _subject(guard, id_token)
        until = now + guard.timeout_s
        return await self._filled(guard, tokens, until, subject, "")

    async def _tokens(self, guard: Oidc, form: Mapping[str, str]) -> dict[str, Any]:
        # The client proves itself in the form (client_secret_post); AWS names no other way.
        client = {"client_id": guard.client_id, "client_secret": guard.client_secret}
        return accepted(await self.provider.post(guard.token_endpoint, {**form, **client}), "token")

    async def _filled(
        self, guard: Oidc, tokens: Mapping[str, Any], until: float, subject: str, refresh: str
    ) -> Session:
        """A session of these tokens, with what the user info endpoint tells of the user."""
        with _asking(_TOKEN):
            token = _one_line(text_of(tokens, "access_token"))
        with _asking(_USER_INFO):
            bearer = {"Authorization": f"Bearer {token}"}
            said = await self.provider.get(guard.user_info_endpoint, bearer)
            claims = accepted(said, "user info")
            named = text_of(claims, "sub")
        if len(said.body) + len(token) > CLAIMS_BYTES_MAX:
            self.metrics.note(TOO_LARGE)
            raise Refused(
                FAILED,
                f"claims and access token exceed {CLAIMS_BYTES_MAX} bytes",
                "AuthUserinfoResponseSizeExceeded",
            )
        # OpenID Connect Core 1.0, section 5.3.2: claims of another subject must not be used.
        if named != subject:
            raise Refused(
                UNAUTHORIZED,
                "the claims are another user's than the ID token",
                _USER_INFO[SENSELESS],
            )
        fresh = _fresh_until(tokens.get("expires_in"), self.clock.now())
        return Session(until, token, claims, str(tokens.get("refresh_token") or refresh), fresh)

    async def _renewed(
        self, guard: Oidc, old: Session, asked: Asked
    ) -> tuple[Session | None, tuple[str, ...]]:
        now = self.clock.now()
        self.renewing = {k: v for k, v in self.renewing.items() if self._shared(*v, now)}
        # A refresh token may be good for one use: whoever comes meanwhile shares what it brings.
        _, task = self.renewing.get(old.refresh_token, (now, None))
        if task is None:
            task = asyncio.create_task(self._refresh(guard, old))
            self.renewing[old.refresh_token] = (now, task)
        session = await asyncio.shield(task)
        return session, self._cookies(guard, session, asked, now) if session is not None else ()

    async def _refresh(self, guard: Oidc, old: Session) -> Session | None:
        """The session with new claims; None when the provider says that the user is gone."""
        form = {"grant_type": "refresh_token", "refresh_token": old.refresh_token}
        try:
            with _asking(_TOKEN):
                tokens = await self._tokens(guard, form)
            subject = str(old.claims["sub"])
            new = await self._filled(guard, tokens, old.until, subject, old.refresh_token)
        except Refused as refused:
            if refused.answer is FAILED:
                raise
            return None
        self.metrics.note(REFRESHED)
        return new

    def _shared(self, at: float, task: asyncio.Task[Session | None], now: float) -> bool:
        """Whether what a renewal brings is still good for whoever has the session of before."""
        if not task.done():
            return True
        if now - at >= RENEWED_S or task.exception() is not None:
            return False
        session = task.result()
        return session is None or not self._stale(session, now)

    def _stale(self, session: Session, now: float) -> bool:
        ended = session.fresh_until is not None and session.fresh_until <= now
        return ended and bool(session.refresh_token)

    def _session(self, guard: Oidc, asked: Asked) -> Session | None:
        content = self.seal.open(_purpose(guard), gathered(guard.cookie, asked.cookies))
        try:
            return Session(**content) if content is not None else None
        except TypeError:
            return None  # sealed by another version of this program

    def _cookies(self, guard: Oidc, session: Session, asked: Asked, now: float) -> tuple[str, ...]:
        content = {name: getattr(session, name) for name in Session.__slots__}
        attributes = f"Expires={formatdate(now + COOKIE_S, usegmt=True)}; {_attributes(asked)}"
        found = shards(guard.cookie, self.seal.close(_purpose(guard), content), attributes)
        if found is None:
            raise Refused(FAILED, "the session does not fit into its cookies")
        return found

    def _headers(self, guard: Oidc, session: Session, now: float) -> tuple[tuple[str, str], ...]:
        data = self.signer.data(session.claims, guard.issuer, guard.client_id, now)
        return (
            ("x-amzn-oidc-accesstoken", _one_line(session.access_token)),
            ("x-amzn-oidc-identity", _one_line(str(session.claims["sub"]))),
            ("x-amzn-oidc-data", data),
        )


@contextmanager
def _asking(codes: Mapping[str, str]) -> Iterator[None]:
    """Whatever an endpoint refuses, or says without sense, gets the access log's code for it."""
    try:
        yield
    except Refused as refused:
        code = codes.get(refused.reason, refused.reason)
        raise Refused(refused.answer, refused.why, code) from refused


def _purpose(guard: Oidc) -> str:
    """A session is one with a provider as a client; rules that agree in both share it."""
    return json.dumps(["session", guard.issuer, guard.client_id, guard.cookie])


def _redirect_uri(asked: Asked) -> str:
    return f"https://{asked.host}{CALLBACK}"


def _attributes(asked: Asked) -> str:
    same_site = "; SameSite=None" if asked.origin else ""
    return f"Path=/; Secure; HttpOnly{same_site}"


def _subject(guard: Oidc, token: str) -> str:
    """Whom an ID token is about.

    It came from the token endpoint over TLS, which stands for its signature (OpenID Connect Core
    1.0, section 3.1.3.7, item 6): a listener's configuration names no keys to check it with.
    """
    try:
        claims = jwt.decode(
            token,
            options={
                "verify_signature": False,
                "verify_exp": True,
                "verify_iss": True,
                "verify_aud": True,
                "require": ["iss", "aud", "exp", "sub"],
            },
            issuer=guard.issuer,
            audience=guard.client_id,
            leeway=SKEW_S,
        )
    except jwt.PyJWTError as error:
        raise Refused(
            UNAUTHORIZED, f"the ID token is not good: {error}", "AuthInvalidIdToken"
        ) from error
    return str(claims["sub"])


def _one_line(text: str) -> str:
    """A text as the value of a header. Raises Refused when it can be none."""
    if any(mark in text for mark in _HEADER_BREAKS):
        raise Refused(FAILED, "the provider's answer has a line break where none may be", SENSELESS)
    return text


def _fresh_until(lifetime_s: object, now: float) -> float | None:
    """When an access token expires; some providers write the number as a text, some none at all."""
    try:
        return now + float(str(lifetime_s))
    except ValueError:
        return None
