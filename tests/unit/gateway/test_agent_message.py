from __future__ import annotations

import hashlib
import uuid

import pytest

from hiyoko.gateway.agent_message import INPUT, OUTPUT, AgentMessage

IDENTIFIER = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
MESSAGE = AgentMessage(OUTPUT, 5, 1, b"hello", 1_700_000_000_123, 1, IDENTIFIER)


def test_a_message_has_the_published_layout() -> None:
    data = MESSAGE.encode()
    assert data[:4] == (116).to_bytes(4, "big")
    assert data[4:36] == b"output_stream_data".ljust(32)
    assert data[48:56] == (5).to_bytes(8, "big")
    assert data[64:80].hex() == "8899aabbccddeeff0011223344556677"
    assert data[80:112] == hashlib.sha256(b"hello").digest()
    assert data[112:] == (1).to_bytes(4, "big") + (5).to_bytes(4, "big") + b"hello"
    assert AgentMessage.decode(data) == MESSAGE


def test_a_client_may_fill_the_kind_from_the_left_and_write_its_digest_as_text() -> None:
    data = bytearray(AgentMessage(INPUT, 0, 1, b"ls", 1).encode())
    data[4:36] = b"input_stream_data".rjust(32, b"\0")
    data[80:112] = hashlib.sha256(b"ls").hexdigest()[:32].encode()
    message = AgentMessage.decode(bytes(data))
    assert (message.kind, message.payload) == (INPUT, b"ls")


def test_what_is_no_message_is_refused() -> None:
    for data in (b"", MESSAGE.encode()[:119], MESSAGE.encode()[:-1]):
        with pytest.raises(ValueError, match="message"):
            AgentMessage.decode(data)
