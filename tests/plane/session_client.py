"""A small client of Session Manager's data channel, written from the published layout alone.

It shares no code with hiyoko's own codec, so that both can't be wrong in the same way.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import aiohttp

PATIENCE_S = 30.0


def pack(kind: str, sequence: int, payload_type: int, payload: bytes) -> bytes:
    identifier = uuid.uuid4().bytes
    return b"".join(
        (
            (116).to_bytes(4, "big"),
            kind.encode() + b" " * (32 - len(kind)),
            (1).to_bytes(4, "big"),
            int(time.time() * 1000).to_bytes(8, "big"),
            sequence.to_bytes(8, "big"),
            (0).to_bytes(8, "big"),
            identifier[8:16],
            identifier[0:8],
            hashlib.sha256(payload).digest(),
            payload_type.to_bytes(4, "big"),
            len(payload).to_bytes(4, "big"),
            payload,
        )
    )


@dataclass
class SessionClient:
    """One session, as ``session-manager-plugin`` leads it."""

    socket: aiohttp.ClientWebSocketResponse
    sent: int = 0
    expected: int = 0
    printed: bytes = b""
    closed: dict[str, Any] | None = None
    acknowledged: set[int] = field(default_factory=set)
    shaken: bool = False
    action_status: int = 1
    mute: bool = False
    deaf: bool = False
    again: int = 0

    @classmethod
    async def open(
        cls, http: aiohttp.ClientSession, session: dict[str, str], **behaviour: Any
    ) -> SessionClient:
        """Show the token. ``behaviour``: fields of a client that is not as it should be."""
        client = cls(await http.ws_connect(session["streamUrl"]), **behaviour)
        opening = {
            "MessageSchemaVersion": "1.0",
            "RequestId": str(uuid.uuid4()),
            "TokenValue": session["tokenValue"],
            "ClientId": str(uuid.uuid4()),
            "ClientVersion": "1.2.707.0",
        }
        await client.socket.send_str(json.dumps(opening))
        return client

    async def send(self, payload_type: int, payload: bytes, *, again: bool = False) -> None:
        message = pack("input_stream_data", self.sent, payload_type, payload)
        self.sent += 1
        for _ in range(2 if again else 1):
            await self.socket.send_bytes(message)

    async def type(self, text: str, *, again: bool = False) -> None:
        await self.send(1, text.encode(), again=again)

    async def resize(self, columns: int, rows: int) -> None:
        await self.send(3, json.dumps({"cols": columns, "rows": rows}).encode())

    async def receive(self) -> bool:
        """Take one message; False when the channel is closed."""
        try:
            received = await self.socket.receive(timeout=PATIENCE_S)
        except TimeoutError as error:
            raise AssertionError(f"nothing came after {self.printed!r}") from error
        if received.type != aiohttp.WSMsgType.BINARY:
            return False
        data = received.data
        assert int.from_bytes(data[:4], "big") == 116
        kind = data[4:36].decode().strip()
        sequence = int.from_bytes(data[48:56], "big")
        payload = data[120:]
        assert int.from_bytes(data[116:120], "big") == len(payload)
        assert hashlib.sha256(payload).digest() == data[80:112]
        if kind == "acknowledge":
            told = json.loads(payload)
            assert told["AcknowledgedMessageType"] == "input_stream_data"
            self.acknowledged.add(told["AcknowledgedMessageSequenceNumber"])
        elif kind == "channel_closed":
            self.closed = json.loads(payload)
        elif kind == "output_stream_data":
            if (self.deaf and self.shaken) or sequence < self.expected:
                self.again += 1
                return True
            assert sequence == self.expected
            self.expected += 1
            identifier = uuid.UUID(bytes=data[72:80] + data[64:72])
            await self._acknowledge(sequence, identifier)
            await self._output(int.from_bytes(data[112:116], "big"), payload)
        return True

    async def _acknowledge(self, sequence: int, identifier: uuid.UUID) -> None:
        told = {
            "AcknowledgedMessageType": "output_stream_data",
            "AcknowledgedMessageId": str(identifier),
            "AcknowledgedMessageSequenceNumber": sequence,
            "IsSequentialMessage": True,
        }
        await self.socket.send_bytes(pack("acknowledge", 0, 0, json.dumps(told).encode()))

    async def _output(self, payload_type: int, payload: bytes) -> None:
        if payload_type == 5 and not self.mute:
            (action,) = json.loads(payload)["RequestedClientActions"]
            assert action["ActionType"] == "SessionType"
            assert action["ActionParameters"]["SessionType"] == "InteractiveCommands"
            done = {
                "ActionType": "SessionType",
                "ActionStatus": self.action_status,
                "ActionResult": None,
                "Error": "" if self.action_status == 1 else "no such plugin",
            }
            answer = {"ClientVersion": "1.2.707.0", "ProcessedClientActions": [done]}
            await self.send(6, json.dumps(answer).encode())
        elif payload_type == 7:
            self.shaken = True
        elif payload_type == 1:
            payload.decode()  # whole characters
            self.printed += payload

    async def until_shaken(self) -> None:
        while not self.shaken:
            assert await self.receive()

    async def until(self, text: str) -> None:
        while text.encode() not in self.printed:
            assert await self.receive(), self.printed

    async def until_closed(self) -> None:
        while await self.receive():
            pass
