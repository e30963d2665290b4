"""Fluentd's Forward protocol, as much of it as a client says. Pure.

https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1; what it is made of is
MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md). Records have the members that
Docker's driver gives them (https://docs.docker.com/engine/logging/drivers/fluentd/), pieces of a
line that is longer than its buffer those by which they are put together again.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from hiyoko.plane.log_driver.batches import Batch
from hiyoko.plane.log_driver.lines import LogLine

_SECOND_NS = 1_000_000_000
_EVENT_TIME = 0
"""The extension type of a time with nanoseconds."""


@dataclass(frozen=True, slots=True)
class Source:
    """Whose records they are: the container's runtime id and name."""

    cid: str
    name: str


def forward(tag: str, source: Source, batch: Batch, chunk: str, *, asks: bool) -> bytes:
    """The batch as one message in Forward mode. ``asks``: the server shall name the chunk."""
    entries = b"".join(
        b"\x92" + _event_time(event.timestamp_ns) + _map(_record(event, source, chunk))
        for event in batch.events
    )
    array = b"\xdd" + struct.pack(">I", len(batch.events)) + entries
    return b"\x93" + _text(tag) + array + _map({"chunk": chunk} if asks else {})


def acknowledgement(chunk: str) -> bytes:
    """What a server says that has taken the chunk."""
    return _map({"ack": chunk})


def chunk_of(name: str) -> str:
    """A batch's id: 128 bits, always the same ones for the same batch."""
    return base64.b64encode(hashlib.blake2b(name.encode(), digest_size=16).digest()).decode()


def _record(event: LogLine, source: Source, chunk: str) -> dict[str, str]:
    record = {
        "container_id": source.cid,
        "container_name": source.name,
        "source": event.stream,
        "log": event.message,
    }
    if event.piece is not None:
        ordinal, last = event.piece
        line = f"{chunk}/{event.end}/{event.stream}/{event.timestamp_ns}"
        record |= {
            "partial_message": "true",
            "partial_id": hashlib.sha256(line.encode()).hexdigest(),
            "partial_ordinal": str(ordinal),
            "partial_last": "true" if last else "false",
        }
    return record


def _event_time(moment_ns: int) -> bytes:
    return b"\xd7" + struct.pack(">bII", _EVENT_TIME, *divmod(moment_ns, _SECOND_NS))


def _text(value: str) -> bytes:
    data = value.encode(errors="replace")
    size = len(data)
    if size < 32:
        return bytes([0xA0 | size]) + data
    if size < 1 << 8:
        return b"\xd9" + bytes([size]) + data
    if size < 1 << 16:
        return b"\xda" + struct.pack(">H", size) + data
    return b"\xdb" + struct.pack(">I", size) + data


def _map(members: Mapping[str, str]) -> bytes:
    """A map of fewer than sixteen members."""
    assert len(members) < 16
    pairs = (_text(name) + _text(value) for name, value in members.items())
    return bytes([0x80 | len(members)]) + b"".join(pairs)
