"""A session over an open data channel: Session Manager's protocol, and a command on a terminal.

Both shake hands, then the client sends keys and sizes and gets what the terminal prints; each side
acknowledges what came. The end of the connection ends the command: sessions are not resumed. What
AWS's own agent does with its side of the channel is in
https://github.com/aws/amazon-ssm-agent/tree/mainline/agent/session.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import WSMsgType, web

from hiyoko.clock import Clock
from hiyoko.gateway.agent_message import (
    ACKNOWLEDGE,
    CHANNEL_CLOSED,
    INPUT,
    TERMINATE_SESSION,
    AgentMessage,
    Payload,
)
from hiyoko.gateway.outgoing import Outgoing
from hiyoko.plane.error import PlaneError
from hiyoko.services.ecs.model import ExecSession

AGENT_VERSION = "3.3.0.0"
HANDSHAKE_S = 15.0
"""So long the agent waits for a client that knows of handshakes."""
IDLE_S = 1200.0
"""https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html: 20 minutes."""
DRAIN_S = 30.0
"""So long a client that is still there may take to get the last output."""
WAITING_MAX = 1000
"""So many messages may come early; a client that sends them without end is not one."""
SUCCESS = 1
"""A handshake's action as the client did it; anything else is a failure."""

TIMED_OUT = (
    "Encountered error while initiating handshake. Handshake timed out. Please ensure that you have"
    " the latest version of the session manager plugin."
)
IDLE = "Your session timed out due to inactivity and has been terminated."


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

    async def failure(self) -> str:
        """Why the command never ran, in the agent's words; empty when it did."""
        ...

    async def close(self) -> None:
        """Hang up; the session's log has everything."""
        ...


OpenTerminal = Callable[[ExecSession, list[str]], Awaitable[Terminal]]
"""A terminal in a session's container, for a command. Raises OSError or PlaneError."""


class Refused(Exception):
    """The client said that it cannot do what the handshake asks of it."""


def _future() -> asyncio.Future[list[dict[str, Any]]]:
    return asyncio.get_running_loop().create_future()


@dataclass(slots=True)
class Session:
    """One session and its client."""

    socket: web.WebSocketResponse
    session: ExecSession
    clock: Clock
    outgoing: Outgoing
    _expected: int = 0
    _early: dict[int, AgentMessage] = field(default_factory=dict)
    _shaken: asyncio.Future[list[dict[str, Any]]] = field(default_factory=_future)
    _complete: bool = False
    _opened: asyncio.Event = field(default_factory=asyncio.Event)
    _keys: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    _size: tuple[int, int] | None = None
    _terminal: Terminal | None = None
    _active: asyncio.Event = field(default_factory=asyncio.Event)
    _terminated: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def of(cls, socket: web.WebSocketResponse, session: ExecSession, clock: Clock) -> Session:
        """A session whose client has shown its token."""
        return cls(socket, session, clock, Outgoing(socket.send_bytes, clock))

    def terminate(self) -> None:
        """End it, as by TerminateSession."""
        self._terminated.set()

    async def run(self, open_terminal: OpenTerminal) -> None:
        """Until one of both ends."""
        parts = (
            self._work(open_terminal),
            self._listen(),
            self._type(),
            self._idle(),
            self._over(),
            self.outgoing.repeat(),
        )
        tasks = [asyncio.get_running_loop().create_task(part) for part in parts]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            said = next((end for end in ends if isinstance(end, str)), None)
            if said is not None:
                with contextlib.suppress(ConnectionError):  # the client may have gone just now
                    await self._closed(said)
            await self.socket.close()
            if self._terminal is not None:
                await self._terminal.close()
        for end in ends:
            if isinstance(end, Exception) and not isinstance(end, ConnectionError):
                raise end  # a bug of ours

    async def _work(self, open_terminal: OpenTerminal) -> str:
        """The handshake, then the command; the words that the channel is closed with."""
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                await self._shake()
        except TimeoutError:
            return TIMED_OUT
        except Refused as refusal:
            return f"Encountered error while initiating handshake. {refusal}"
        try:
            argv = shlex.split(self.session.command)
            terminal = self._terminal = await open_terminal(self.session, argv)
        except (OSError, ValueError, PlaneError) as error:
            return failed(str(error))
        if self._size is not None:
            terminal.resize(*self._size)
        self._opened.set()
        rest = b""
        while data := await terminal.read():
            cut = whole_characters(rest + data)
            ready, rest = (rest + data)[:cut], (rest + data)[cut:]
            if ready:
                await self.outgoing.put(Payload.OUTPUT, ready)
        if rest:
            await self.outgoing.put(Payload.OUTPUT, rest)
        why = await terminal.failure()
        # A client that takes nothing is told of the end all the same.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self.outgoing.drained()
        return failed(why) if why else ""

    async def _shake(self) -> None:
        """Tell what the session is. Raises Refused when the client cannot do that."""
        began = self.clock.now()
        action = {
            "ActionType": "SessionType",
            "ActionParameters": {"SessionType": "InteractiveCommands", "Properties": {}},
        }
        asked = {"AgentVersion": AGENT_VERSION, "RequestedClientActions": [action]}
        await self.outgoing.put(Payload.HANDSHAKE_REQUEST, json.dumps(asked).encode())
        for done in await self._shaken:
            if done.get("ActionStatus") != SUCCESS:
                raise Refused(
                    f"{done.get('ActionType')} failed on client with status"
                    f" {done.get('ActionStatus')} error: {done.get('Error', '')}"
                )
        taken_ns = int((self.clock.now() - began) * 1e9)
        complete = {"HandshakeTimeToComplete": taken_ns, "CustomerMessage": ""}
        self._complete = True
        await self.outgoing.put(Payload.HANDSHAKE_COMPLETE, json.dumps(complete).encode())

    async def _type(self) -> None:
        """Keys that were pressed before there was a terminal wait for it."""
        await self._opened.wait()
        assert self._terminal is not None
        while True:
            await self._terminal.write(await self._keys.get())

    async def _idle(self) -> str:
        """Until the client has sent nothing for too long, whatever the command prints."""
        while True:
            self._active.clear()
            try:
                async with asyncio.timeout(IDLE_S):
                    await self._active.wait()
            except TimeoutError:
                return IDLE

    async def _over(self) -> str:
        """Until somebody else wants its end."""
        await self._terminated.wait()
        return ""

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

    async def _listen(self) -> str | None:
        """Until the client ends the session, or is gone (None)."""
        async for received in self.socket:
            if received.type is not WSMsgType.BINARY:
                continue  # a client's "ping" is text
            try:
                message = AgentMessage.decode(received.data)
            except ValueError:
                continue  # not acknowledged, so it comes again
            if message.kind == ACKNOWLEDGE:
                await self._heard(message)
            elif message.kind == INPUT and await self._took(message):
                return ""
        return None

    async def _heard(self, acknowledgement: AgentMessage) -> None:
        try:
            told = json.loads(acknowledgement.payload)
            sequence = int(told["AcknowledgedMessageSequenceNumber"])
        except (ValueError, KeyError, TypeError):
            return  # of nothing that was sent
        await self.outgoing.acknowledged(sequence)

    async def _took(self, message: AgentMessage) -> bool:
        """Whether the session is over after this message, and those that waited for it.

        What was acknowledged too late comes twice, and what is early waits. Where there is no room
        nothing is acknowledged, so that it comes again.
        """
        if message.sequence >= self._expected:
            waiting = self._keys.qsize()
            if message.sequence > self._expected:
                waiting += len(self._early)
            if waiting >= WAITING_MAX:
                return False
            self._early[message.sequence] = message
        self._active.set()
        await self._acknowledge(message)
        while (following := self._early.pop(self._expected, None)) is not None:
            self._expected += 1
            if self._ends(following):
                return True
        return False

    async def _acknowledge(self, message: AgentMessage) -> None:
        told = {
            "AcknowledgedMessageType": message.kind,
            "AcknowledgedMessageId": str(message.id),
            "AcknowledgedMessageSequenceNumber": message.sequence,
            "IsSequentialMessage": True,
        }
        answer = AgentMessage(ACKNOWLEDGE, 0, 0, json.dumps(told).encode(), self._now())
        await self.socket.send_bytes(answer.encode())

    def _ends(self, message: AgentMessage) -> bool:
        """Do what a message asks for, in its turn; whether that is the end of the session."""
        if message.payload_type == Payload.HANDSHAKE_RESPONSE:
            self._responded(message.payload)
        elif self._complete:  # what comes before that is ignored, as by AWS's agent
            match message.payload_type:
                case Payload.SIZE:
                    self._resize(message.payload)
                case Payload.OUTPUT:
                    self._keys.put_nowait(message.payload)
                case Payload.FLAG:
                    return int.from_bytes(message.payload, "big") == TERMINATE_SESSION
        return False

    def _responded(self, payload: bytes) -> None:
        if self._shaken.done():
            return
        try:
            actions = json.loads(payload)["ProcessedClientActions"]
            self._shaken.set_result([dict(action) for action in actions])
        except (ValueError, KeyError, TypeError):
            self._shaken.set_exception(Refused("Its response cannot be read."))

    def _resize(self, payload: bytes) -> None:
        try:
            size = json.loads(payload)
            self._size = int(size["cols"]), int(size["rows"])
        except (ValueError, KeyError, TypeError):
            return  # no size at all
        if self._terminal is not None:
            self._terminal.resize(*self._size)


def failed(why: str) -> str:
    """The end of a session whose command could not be started, as AWS's agent tells it."""
    return f"\n----------ERROR-------\nUnable to start command: {why}\n"


def whole_characters(data: bytes) -> int:
    """How many of the first bytes end with a whole character of UTF-8.

    A client may decode each message by itself. What is no UTF-8 at all counts as whole.
    """
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue  # a later byte of a character
        length = 1 if byte < 0xC0 or byte > 0xF7 else 2 + (byte >= 0xE0) + (byte >= 0xF0)
        return len(data) - back if length > back else len(data)
    return len(data)
