"""Where data channels are: AWS's host of Session Manager's streams, and a path on the loopback.

A client opens a web socket and names its token; what follows is ``session``'s.
https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager.html
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from hiyoko import api
from hiyoko.clock import Clock
from hiyoko.gateway.session import OpenTerminal, Session
from hiyoko.services.ecs.model import ExecSession, SessionTerminated
from hiyoko.spec.http import HttpRequest, HttpResponse
from hiyoko.store.database import Store

HOST = "ssmmessages.*.amazonaws.com"
PREFIX = "/v1/data-channel/"
OPEN_S = 30.0


@dataclass(frozen=True, slots=True)
class DataChannels:
    """Answers at Session Manager's host, and below ``PREFIX`` on the loopback."""

    store: Store
    clock: Clock
    open_terminal: OpenTerminal
    _open: set[str] = field(default_factory=set)

    def opened(self) -> Collection[str]:
        """The ids of sessions whose streams are open."""
        return self._open

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One session, from its opening to its end."""
        session_id = request.path.removeprefix(PREFIX)
        if not request.path.startswith(PREFIX) or "/" in session_id:
            return web.Response(status=404, text="no such channel\n")
        socket = web.WebSocketResponse(max_msg_size=1 << 20)
        if not socket.can_prepare(request).ok:
            return web.Response(status=400, text="a data channel is a web socket\n")
        await socket.prepare(request)
        try:
            async with asyncio.timeout(OPEN_S):
                opening = await socket.receive()
            session = self._session(session_id, json.loads(opening.data))
        except (TimeoutError, ValueError, KeyError, TypeError, api.AwsError):
            await socket.close(code=1008, message=b"the session is not open to this client")
            return socket
        await self._run(Session.of(socket, session, self.clock))
        return socket

    async def _run(self, session: Session) -> None:
        """Until it ends, by itself or because somebody said so."""
        session_id = session.session.id

        def hear(news: object) -> None:
            if isinstance(news, SessionTerminated) and news.id == session_id:
                session.terminate()

        self._open.add(session_id)
        try:
            with self.store.listening(hear):
                await session.run(self.open_terminal)
        finally:
            self._open.discard(session_id)
            ended = {"Id": session_id}
            api.invoke(self.store, "ecs", "_EndExecSession", ended, clock=self.clock)

    def _session(self, session_id: str, opening: dict[str, Any]) -> ExecSession:
        request = {"Id": session_id, "Token": str(opening["TokenValue"])}
        answer = api.invoke(self.store, "ecs", "_OpenExecSession", request, clock=self.clock)
        session = answer["Session"]
        assert isinstance(session, ExecSession)
        return session


def reachable(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """ExecuteCommand's answer to a client on the host, who finds the channel where it found us."""
    if not request.headers.get("x-amz-target", "").endswith(".ExecuteCommand"):
        return answer
    body = answer.body.decode()
    here = f"ws://{request.headers.get('host', '')}{PREFIX}"
    local = re.sub(rf"wss://ssmmessages\.[a-z0-9.-]+{PREFIX}", here, body)
    return answer._replace(body=local.encode())
