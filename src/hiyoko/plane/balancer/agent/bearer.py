"""jwt-validation: a request passes with a good bearer token, and with nothing else.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-verify-jwt.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from hiyoko.blueprint.balancers import Claim, Jwt
from hiyoko.clock import Clock
from hiyoko.plane.balancer.agent.answer import FAILED, UNAUTHORIZED, Asked, Pass, Refused
from hiyoko.plane.balancer.agent.provider import Provider

ALGORITHM = "RS256"
"""The one that AWS supports."""
KEYS_MAX = 10
KEYS_BYTES_MAX = 150 << 10
AGAIN_S = 60.0
"""A key that is not known is looked for so often, whatever tokens come."""
FRESH_S = 600.0
"""After so long keys are asked for anew: one that was taken away is not believed for ever."""


@dataclass(slots=True)
class _Keys:
    at: float = float("-inf")
    keys: dict[str, jwt.PyJWK] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class Bearers:
    """Checks tokens, and keeps the keys that it checks them with."""

    provider: Provider
    clock: Clock
    known: dict[str, _Keys] = field(default_factory=dict)

    async def check(self, guard: Jwt, asked: Asked) -> Pass:
        """Raises Refused with 401, or with 500 when the keys cannot be had."""
        scheme, _, token = asked.authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Refused(UNAUTHORIZED, "there is no bearer token")
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = await self._key(guard.jwks_endpoint, kid)
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=guard.issuer,
                options={"require": ["exp", "iss"], "verify_aud": False, "verify_sub": False},
            )
        except jwt.PyJWTError as error:
            raise Refused(UNAUTHORIZED, f"the token is not good: {error}") from error
        for claim in guard.claims:
            if not satisfied(claim, claims.get(claim.name)):
                raise Refused(UNAUTHORIZED, f"the token's {claim.name} is not as demanded")
        return Pass()

    async def _key(self, url: str, kid: str | None) -> jwt.PyJWK:
        known = self.known.setdefault(url, _Keys())
        async with known.lock:
            age_s = self.clock.now() - known.at
            missing = _find(known.keys, kid) is None
            if age_s >= FRESH_S or (missing and age_s >= AGAIN_S):
                try:
                    known.keys = await self._fetch(url)
                    known.at = self.clock.now()
                except Refused:
                    # Known keys outlive a provider that is away for a while.
                    if missing:
                        raise
        found = _find(known.keys, kid)
        if found is None:
            raise Refused(UNAUTHORIZED, f"{url} has no key {kid}")
        return found

    async def _fetch(self, url: str) -> dict[str, jwt.PyJWK]:
        said = await self.provider.get(url)
        listed = (said.json() or {}).get("keys")
        if said.status != 200 or not isinstance(listed, list):
            raise Refused(FAILED, f"{url} said {said.status}, or no keys")
        if len(said.body) > KEYS_BYTES_MAX or len(listed) > KEYS_MAX:
            raise Refused(FAILED, f"{url} has more than {KEYS_MAX} keys or {KEYS_BYTES_MAX} bytes")
        return {str(entry.get("kid", "")): key for entry in listed if (key := _usable(entry))}


def _find(keys: Mapping[str, jwt.PyJWK], kid: str | None) -> jwt.PyJWK | None:
    """The key that a token names; one that names none was signed with the only one."""
    if kid is not None:
        return keys.get(kid)
    return next(iter(keys.values())) if len(keys) == 1 else None


def _usable(entry: Mapping[str, Any]) -> jwt.PyJWK | None:
    """An RSA key for signatures; keys of other kinds may stand beside it (RFC 7517, section 5)."""
    if entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig":
        return None
    if entry.get("alg", ALGORITHM) != ALGORITHM:
        return None
    try:
        return jwt.PyJWK(dict(entry), algorithm=ALGORITHM)
    except jwt.PyJWTError:
        return None


def satisfied(claim: Claim, value: object) -> bool:
    """Whether a token's value is of the format and has what is demanded: all of several values.

    AWS does not say whether one of several is enough; the stricter reading lets nobody in who
    should stay out.
    """
    match claim.format:
        case "single-string":
            return isinstance(value, str) and value == claim.values[0]
        case "space-separated-values":
            return isinstance(value, str) and set(claim.values) <= set(value.split(" "))
        case "string-array":
            return isinstance(value, list) and set(claim.values) <= {
                item for item in value if isinstance(item, str)
            }
        case _:
            raise AssertionError(f"format {claim.format} was let through")
