"""What is asked of an identity provider, with the node's own packets, names and trust."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from hiyoko.plane.addresses import VPC_RESOLVER_LINK_LOCAL
from hiyoko.plane.balancer.agent.answer import (
    BAD_GRANT,
    FAILED,
    FAILED_THERE,
    NO_ANSWER,
    PROVIDER_SAID_NO,
    SENSELESS,
    UNAUTHORIZED,
    Refused,
)
from hiyoko.plane.containers.sockets import TaskResolver, session
from hiyoko.plane.error import PlaneError

TIMEOUT_S = 5.0
"""As long as AWS waits for a token or a user info endpoint."""
BODY_BYTES_MAX = 256 << 10


@dataclass(frozen=True, slots=True)
class Said:
    """A status and a body."""

    status: int
    body: bytes

    def json(self) -> dict[str, Any] | None:
        """The JSON object that it is; None when it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None


@dataclass(slots=True)
class Provider:
    """Asks as the node of an interface. Raises Refused with 500 when there is no answer."""

    eni_id: str
    trust: Path
    _client: aiohttp.ClientSession | None = field(default=None, repr=False)

    async def close(self) -> None:
        """End what connections are open."""
        if self._client is not None:
            await self._client.close()

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Said:
        """GET."""
        return await self._ask("GET", url, headers, None)

    async def post(self, url: str, form: Mapping[str, str]) -> Said:
        """POST a form."""
        return await self._ask("POST", url, None, form)

    async def _ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        form: Mapping[str, str] | None,
    ) -> Said:
        sent = {"Accept": "application/json", **(headers or {})}
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                self._session().request(
                    method, url, headers=sent, data=form, allow_redirects=False
                ) as response,
            ):
                body = bytearray()
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > BODY_BYTES_MAX:
                        raise Refused(
                            FAILED, f"{url} says more than {BODY_BYTES_MAX} bytes", SENSELESS
                        )
                return Said(response.status, bytes(body))
        except TimeoutError as error:
            raise Refused(FAILED, f"{url} did not answer in {TIMEOUT_S:g} s", NO_ANSWER) from error
        except (aiohttp.ClientError, OSError, PlaneError, ValueError) as error:
            raise Refused(FAILED, f"{method} {url}: {error}", FAILED_THERE) from error

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            names = TaskResolver(self.eni_id, VPC_RESOLVER_LINK_LOCAL)
            # Nothing of one user's answer may be sent with another one's question.
            self._client = session(
                self.eni_id, names, self.trust, TIMEOUT_S, cookies=aiohttp.DummyCookieJar()
            )
        return self._client


def accepted(said: Said, what: str) -> dict[str, Any]:
    """The object of a good answer; Refused with 561 when the provider says no, 500 otherwise."""
    if 400 <= said.status < 500:
        reason = (said.json() or {}).get("error", "")
        kind = BAD_GRANT if reason == "invalid_grant" else FAILED_THERE
        raise Refused(PROVIDER_SAID_NO, f"the {what} endpoint said {said.status} {reason}", kind)
    if said.status != 200:
        raise Refused(FAILED, f"the {what} endpoint said {said.status}", FAILED_THERE)
    found = said.json()
    if found is None:
        raise Refused(FAILED, f"the {what} endpoint said no JSON object", SENSELESS)
    return found


def text_of(found: Mapping[str, Any], name: str) -> str:
    """A text of an answer; Refused with 401 when it is missing."""
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise Refused(UNAUTHORIZED, f"the identity provider's answer has no {name}", SENSELESS)
    return value
