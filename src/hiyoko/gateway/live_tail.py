"""The stream of a StartLiveTail session: what is written is shown when it is written.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from hiyoko.gateway.event_stream import CONTENT_TYPE, event, exception
from hiyoko.gateway.exchange import Exchange
from hiyoko.services.logs.live_tail import UPDATE_EVENTS_MAX, session_of
from hiyoko.services.logs.model import NewEvents
from hiyoko.spec.http import HttpRequest

UPDATE_S = 1.0
"""AWS sends an update each second, be there events or none. We send one at once when there are."""
SESSION_S = 3 * 3600.0
WAITING_MAX = 20_000
"""So many events may wait for a client that reads slowly; more are left out, as ``sampled``."""


def wanted(request: HttpRequest) -> bool:
    """Whether a request begins a session."""
    return request.headers.get("x-amz-target", "") == "Logs_20140328.StartLiveTail"


async def stream(request: web.BaseRequest, exchange: Exchange) -> web.StreamResponse:
    """Answer a session that was checked, until the client goes or its three hours are over."""
    session = session_of(exchange.parameters)
    response = web.StreamResponse(
        headers={"Content-Type": CONTENT_TYPE, "x-amzn-RequestId": exchange.request_id}
    )
    await response.prepare(request)
    waiting: list[dict[str, Any]] = []
    came = asyncio.Event()
    sampled = False

    def hear(news: object) -> None:
        nonlocal sampled
        if not isinstance(news, NewEvents):
            return
        found = session.results(news)
        room = WAITING_MAX - len(waiting)
        sampled = sampled or len(found) > room
        waiting.extend(found[:room])
        if found:
            came.set()

    loop = asyncio.get_running_loop()
    ends = loop.time() + SESSION_S
    with exchange.context.store.listening(hear):
        await response.write(event("initial-response", {}))
        await response.write(event("sessionStart", _start(exchange)))
        while loop.time() < ends:
            try:
                async with asyncio.timeout(UPDATE_S):
                    await came.wait()
            except TimeoutError:
                pass
            came.clear()
            shown, rest = waiting[:UPDATE_EVENTS_MAX], waiting[UPDATE_EVENTS_MAX:]
            waiting[:] = rest
            if rest:
                came.set()
            update = {"sessionMetadata": {"sampled": sampled}, "sessionResults": shown}
            sampled = False
            try:
                await response.write(event("sessionUpdate", update))
            except ConnectionResetError:
                return response  # the client has gone
        await response.write(exception("SessionTimeoutException", "The session has timed out."))
    return response


def _start(exchange: Exchange) -> dict[str, Any]:
    asked = exchange.parameters
    return {
        "requestId": exchange.request_id,
        "sessionId": exchange.context.ids.uuid(),
        "logGroupIdentifiers": asked["logGroupIdentifiers"],
        "logStreamNames": asked.get("logStreamNames") or [],
        "logStreamNamePrefixes": asked.get("logStreamNamePrefixes") or [],
        "logEventFilterPattern": asked.get("logEventFilterPattern") or "",
    }
