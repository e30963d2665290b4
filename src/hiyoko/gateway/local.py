"""hiyoko's own few routes: status, reset, images, balancer logs, breaking things, trust stores.

JSON in and out, errors as ``{"error": ...}``.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from hiyoko import api
from hiyoko.api import AwsError
from hiyoko.gateway.images import import_image, list_images
from hiyoko.gateway.server import Gateway
from hiyoko.plane.error import PlaneError
from hiyoko.settings import Settings
from hiyoko.store.database import Store

Status = Callable[[], dict[str, Any]]
Settle = Callable[[], Awaitable[None]]


class AskCollector(Protocol):
    """Asks the collector of the balancers' logs; None when there is none. Raises PlaneError."""

    def __call__(self, do: str, **more: Any) -> Awaitable[dict[str, Any] | None]:
        """One question."""
        ...


async def _no_collector(do: str, **more: Any) -> dict[str, Any] | None:
    return None


@dataclass(frozen=True, slots=True)
class LocalRoutes:
    """``status`` reads what the daemon knows of itself; ``settle`` waits for the reconcilers."""

    store: Store
    settings: Settings
    status: Status
    settle: Settle
    collector: AskCollector = _no_collector

    def register(self, gateway: Gateway) -> None:
        """Put the routes into a gateway."""
        gateway.register_local("/_hiyoko/status", "GET", self.get_status)
        gateway.register_local("/_hiyoko/reset", "POST", self.reset)
        gateway.register_local("/_hiyoko/balancer-logs", "GET", self.get_balancer_logs)
        gateway.register_local("/_hiyoko/images", "GET", self.get_images)
        gateway.register_local("/_hiyoko/images", "POST", self.post_image)
        gateway.register_local("/_hiyoko/break/spot", "POST", self.post_break_spot)
        # What a Location of elbv2 points to, which on AWS is a signed URL of S3.
        gateway.register_local("/_hiyoko/trust-stores", "GET", self.get_trust_store, public=True)

    async def get_status(self, request: web.BaseRequest) -> web.StreamResponse:
        """What runs and what the reconcilers say."""
        return web.json_response(self.status())

    async def reset(self, request: web.BaseRequest) -> web.StreamResponse:
        """Empty everything, and answer when the world is empty as well."""
        self.store.empty()
        try:
            await self.settle()
        except TimeoutError:
            return _error(500, "the reset did not settle; see `hiyoko cloud status`")
        return web.json_response({"reset": True})

    async def get_balancer_logs(self, request: web.BaseRequest) -> web.StreamResponse:
        """Entries of ``balancer``'s access log, from ``after`` on and since a time."""
        asked = request.rel_url.query
        try:
            answer = await self.collector(
                "tail",
                balancer=asked.get("balancer", ""),
                after=int(asked.get("after", "0")),
                since=float(asked.get("since", "0")),
                instance=asked.get("instance"),
            )
        except ValueError:
            return _error(400, "after and since are numbers")
        except PlaneError as error:
            return _error(500, str(error))
        return web.json_response(answer or {"instance": None, "next": 0, "entries": []})

    async def get_images(self, request: web.BaseRequest) -> web.StreamResponse:
        """Images of the simulated internet."""
        return web.json_response({"images": list_images(self.settings, self.store)})

    async def post_image(self, request: web.BaseRequest) -> web.StreamResponse:
        """Import an image: ``{"name", "path", "kind"}``."""
        try:
            body = json.loads(await request.text())
            name, path, kind = str(body["name"]), Path(body["path"]), str(body["kind"])
        except (ValueError, KeyError, TypeError):
            return _error(400, "an image import needs name, path and kind")
        try:
            image = await import_image(self.settings, self.store, name, path, kind)
        except PlaneError as error:
            return _error(400, str(error))
        return web.json_response(image)

    async def post_break_spot(self, request: web.BaseRequest) -> web.StreamResponse:
        """Interrupt a Fargate Spot task: ``{"which"}``, a service or a task."""
        try:
            which = str(json.loads(await request.text())["which"])
        except (ValueError, KeyError, TypeError):
            return _error(400, "an interruption needs which: a service, a task, or nothing")
        try:
            told = api.invoke(self.store, "ecs", "_InterruptSpot", {"Which": which})
        except AwsError as error:
            return _error(404, error.message)
        return web.json_response(
            {"task": told["Task"], "service": told["Service"], "until": told["Until"]}
        )

    async def get_trust_store(self, request: web.BaseRequest) -> web.StreamResponse:
        """What a ``Location`` of elbv2 points to: ``arn`` and, for a list, ``revocation``."""
        asked: dict[str, Any] = {"TrustStoreArn": request.query.get("arn", "")}
        if number := request.query.get("revocation"):
            asked["RevocationId"] = int(number) if number.isdecimal() else 0
        try:
            told = api.invoke(self.store, "elbv2", "_TrustStoreContent", asked)
        except AwsError as error:
            return _error(404, error.message)
        return web.Response(text=told["Text"], content_type="application/x-pem-file")


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
