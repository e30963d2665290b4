"""The data channel of an ECS Exec session: Session Manager's protocol over a web socket.

The client opens it with its token, shakes hands, then sends keys and sizes and gets what the
terminal prints; each side acknowledges what came. The end of the connection ends the command:
sessions are not resumed.
https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager.html
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import WSMsgType, web

from hiyoko import api
from hiyoko.clock import Clock
from hiyoko.gateway.agent_message import (
    ACKNOWLEDGE,
    CHANNEL_CLOSED,
    INPUT,
    OUTPUT,
    SYN,
    TERMINATE_SESSION,
    AgentMessage,
    Payload,
)
from hiyoko.plane.error import PlaneError
from hiyoko.services.ecs.execute_command import ExecSession
from hiyoko.spec.http import HttpRequest, HttpResponse
from hiyoko.store.database import Store

HOST = "ssmmessages.*.amazonaws.com"
PREFIX = "/v1/data-channel/"
AGENT_VERSION = "3.3.0.0"
OPEN_S = 30.0
WAITING_MAX = 1000
"""So many messages may come early; a client that sends them without end is not one."""


class Terminal(Protocol):
    """A command on a terminal (``plane/containers/exec.py``)."""

    def resize(self, columns: int, rows: int) -> None:
        """Another size."""
        ...

    async def write(self, data: bytes) -> None:
        """Keys."""
        ...

    async def read(self) -> bytes:
        """What it prints; empty at its end."""
        ...

    async def close(self) -> int:
        """Hang up."""
        ...


OpenTerminal = Callable[[str, list[str]], Awaitable[Terminal]]
"""A terminal in a container, by its runtime id, for a command. Raises OSError or PlaneError."""


@dataclass(frozen=True, slots=True)
class DataChannels:
    """Answers at Session Manager's host, and below ``PREFIX`` on the loopback."""

    store: Store
    clock: Clock
    open_terminal: OpenTerminal

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
        await _Channel(socket, session, self.clock).run(self.open_terminal)
        return socket

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


@dataclass(slots=True)
class _Channel:
    """One open channel."""

    socket: web.WebSocketResponse
    session: ExecSession
    clock: Clock
    _sent: int = 0
    _expected: int = 0
    _early: dict[int, AgentMessage] = field(default_factory=dict)
    _shaken: asyncio.Event = field(default_factory=asyncio.Event)
    _opened: asyncio.Event = field(default_factory=asyncio.Event)
    _keys: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(WAITING_MAX))
    _size: tuple[int, int] | None = None
    _terminal: Terminal | None = None

    async def run(self, open_terminal: OpenTerminal) -> None:
        """Until one of both ends."""
        parts = (self._listen(), self._work(open_terminal), self._type())
        tasks = [asyncio.get_running_loop().create_task(part) for part in parts]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            if self._terminal is not None:
                await self._terminal.close()
            await self.socket.close()
        for end in ends:
            if isinstance(end, Exception) and not isinstance(end, ConnectionError):
                raise end  # a bug of ours

    async def _work(self, open_terminal: OpenTerminal) -> None:
        action = {
            "ActionType": "SessionType",
            "ActionParameters": {"SessionType": "InteractiveCommands", "Properties": {}},
        }
        asked = {"AgentVersion": AGENT_VERSION, "RequestedClientActions": [action]}
        await self._send(Payload.HANDSHAKE_REQUEST, json.dumps(asked).encode())
        await self._shaken.wait()
        done = {"HandshakeTimeToComplete": 0, "CustomerMessage": ""}
        await self._send(Payload.HANDSHAKE_COMPLETE, json.dumps(done).encode())
        why = ""
        try:
            argv = shlex.split(self.session.command)
            self._terminal = await open_terminal(self.session.runtime_id, argv)
        except (OSError, ValueError, PlaneError) as error:
            why = f"Unable to start command: {error}"
        if self._terminal is not None:
            if self._size is not None:
                self._terminal.resize(*self._size)
            self._opened.set()
            while data := await self._terminal.read():
                await self._send(Payload.OUTPUT, data)
        await self._closed(why)

    async def _type(self) -> None:
        """Keys that were pressed before there was a terminal wait for it."""
        await self._opened.wait()
        assert self._terminal is not None
        while True:
            await self._terminal.write(await self._keys.get())

    async def _send(self, payload_type: int, payload: bytes) -> None:
        flags = 0 if self._sent else SYN
        message = AgentMessage(OUTPUT, self._sent, payload_type, payload, self._now(), flags)
        self._sent += 1
        await self.socket.send_bytes(message.encode())

    async def _closed(self, why: str) -> None:
        told = {
            "MessageId": "",
            "CreatedDate": str(self._now()),
            "DestinationId": self.session.runtime_id,
            "SessionId": self.session.id,
            "MessageType": CHANNEL_CLOSED,
            "SchemaVersion": 1,
            "Output": why,
        }
        message = AgentMessage(CHANNEL_CLOSED, 0, 0, json.dumps(told).encode(), self._now())
        await self.socket.send_bytes(message.encode())

    def _now(self) -> int:
        return int(self.clock.now() * 1000)

    async def _listen(self) -> None:
        async for received in self.socket:
            if received.type is not WSMsgType.BINARY:
                continue  # a client's "ping" is text
            try:
                message = AgentMessage.decode(received.data)
            except ValueError:
                continue  # not acknowledged, so it comes again
            if message.kind != INPUT:
                continue
            await self._acknowledge(message)
            # What was acknowledged too late comes twice, and what is early waits.
            if message.sequence >= self._expected and len(self._early) < WAITING_MAX:
                self._early[message.sequence] = message
            while (following := self._early.pop(self._expected, None)) is not None:
                self._expected += 1
                if not await self._took(following):
                    return

    async def _acknowledge(self, message: AgentMessage) -> None:
        told = {
            "AcknowledgedMessageType": message.kind,
            "AcknowledgedMessageId": str(message.id),
            "AcknowledgedMessageSequenceNumber": message.sequence,
            "IsSequentialMessage": True,
        }
        answer = AgentMessage(ACKNOWLEDGE, 0, 0, json.dumps(told).encode(), self._now())
        await self.socket.send_bytes(answer.encode())

    def _resize(self, payload: bytes) -> None:
        try:
            size = json.loads(payload)
            self._size = int(size["cols"]), int(size["rows"])
        except (ValueError, KeyError, TypeError):
            return  # no size at all
        if self._terminal is not None:
            self._terminal.resize(*self._size)

    async def _took(self, message: AgentMessage) -> bool:
        """Whether the session goes on after this message."""
        match message.payload_type:
            case Payload.HANDSHAKE_RESPONSE:
                self._shaken.set()
            case Payload.SIZE:
                self._resize(message.payload)
            case Payload.OUTPUT:
                await self._keys.put(message.payload)
            case Payload.FLAG:
                return int.from_bytes(message.payload, "big") != TERMINATE_SESSION
        return True
