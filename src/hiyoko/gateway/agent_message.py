"""Messages of Session Manager's data channel, as its open client reads and writes them.

A header of fixed fields (big endian), the payload's SHA-256, its kind and length, the payload. The
layout is the one that https://github.com/aws/session-manager-plugin documents.
"""

from __future__ import annotations

import hashlib
import struct
import uuid
from dataclasses import dataclass, field
from enum import IntEnum

INPUT = "input_stream_data"
OUTPUT = "output_stream_data"
ACKNOWLEDGE = "acknowledge"
CHANNEL_CLOSED = "channel_closed"
SYN = 1
TERMINATE_SESSION = 2
"""A flag payload's number."""

_HEADER = struct.Struct("!I32sIQqQ16s32sII")
_HEADER_LENGTH = _HEADER.size - 4
"""What the field counts: the payload's own length is not in it."""


class Payload(IntEnum):
    """What a payload is."""

    OUTPUT = 1
    SIZE = 3
    HANDSHAKE_REQUEST = 5
    HANDSHAKE_RESPONSE = 6
    HANDSHAKE_COMPLETE = 7
    FLAG = 10


@dataclass(frozen=True, slots=True)
class AgentMessage:
    """One message. ``created_ms`` is epoch milliseconds."""

    kind: str
    sequence: int
    payload_type: int
    payload: bytes
    created_ms: int
    flags: int = 0
    id: uuid.UUID = field(default_factory=uuid.uuid4)

    def encode(self) -> bytes:
        """The message's bytes."""
        # The identifier's halves are written in the order of the client's language: low, high.
        halves = self.id.bytes[8:] + self.id.bytes[:8]
        return (
            _HEADER.pack(
                _HEADER_LENGTH,
                self.kind.ljust(32).encode(),
                1,
                self.created_ms,
                self.sequence,
                self.flags,
                halves,
                hashlib.sha256(self.payload).digest(),
                self.payload_type,
                len(self.payload),
            )
            + self.payload
        )

    @classmethod
    def decode(cls, data: bytes) -> AgentMessage:
        """A message from its bytes. Raises ValueError for what is none.

        Clients differ in how they fill the kind and write the digest, and AWS takes them all.
        """
        if len(data) < _HEADER.size:
            raise ValueError("a message that is too short")
        length, kind, _, created, sequence, flags, halves, _, payload_type, size = (
            _HEADER.unpack_from(data)
        )
        payload = data[length + 4 :][:size]
        if len(payload) != size:
            raise ValueError("a message whose payload is not as long as its header says")
        return cls(
            kind.strip(b" \0").decode("latin-1"),
            sequence,
            payload_type,
            payload,
            created,
            flags,
            uuid.UUID(bytes=halves[8:] + halves[:8]),
        )
