"""Where targets find the public key of ``x-amzn-oidc-data``, by the id in its header.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html#user-claims-encoding
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

HOST = "public-keys.auth.elb.*.amazonaws.com"

FindKey = Callable[[str], str | None]
"""A public key in PEM, by its id."""


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """One key to a cloud, the same in each Region."""

    find: FindKey

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """``GET /KID``."""
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405)
        key = self.find(request.path.removeprefix("/"))
        if key is None:
            return web.Response(status=404)
        return web.Response(text=key, content_type="text/plain")
