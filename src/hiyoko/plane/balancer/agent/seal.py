"""Sealed values in cookies and in the state that travels through an identity provider.  (pure)

A value is encrypted and authenticated (AES-GCM) with a key that all nodes of the balancer have.
What it is for is authenticated with it, so no value is taken for another.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
SHARDS_MAX = 4
COOKIE_BYTES_MAX = 4096
"""A browser keeps that much of one cookie: name, value and attributes."""


@dataclass(frozen=True, slots=True)
class Seal:
    """Seals and opens with one 32-byte key."""

    key: bytes = field(repr=False)

    def close(self, purpose: str, content: Mapping[str, Any]) -> str:
        """The content, unreadable and unchangeable, in characters that cookies may have."""
        plain = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + AESGCM(self.key).encrypt(nonce, plain, purpose.encode())
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def open(self, purpose: str, text: str) -> dict[str, Any] | None:
        """What was sealed for this purpose; None when it was not, or not by us."""
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            plain = AESGCM(self.key).decrypt(
                sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose.encode()
            )
        except (ValueError, binascii.Error, InvalidTag):
            return None
        content = json.loads(plain)
        return content if isinstance(content, dict) else None


def shards(name: str, value: str, attributes: str) -> tuple[str, ...] | None:
    """``Set-Cookie`` values that carry ``value``; None when four are not enough.

    The first says how many they are: shards of an older, longer value may still be there.
    """
    room = COOKIE_BYTES_MAX - len(f"{name}-0=0; {attributes}")
    parts = [value[at : at + room] for at in range(0, len(value), room)]
    if not 0 < len(parts) <= SHARDS_MAX:
        return None
    parts[0] = f"{len(parts)}{parts[0]}"
    return tuple(f"{name}-{number}={part}; {attributes}" for number, part in enumerate(parts))


def gathered(name: str, cookies: Mapping[str, str]) -> str:
    """The value of a sharded cookie; empty when there is none, or not all of it."""
    first = cookies.get(f"{name}-0", "")
    count = first[:1]
    if count not in ("1", "2", "3", "4"):
        return ""
    rest = [cookies.get(f"{name}-{number}", "") for number in range(1, int(count))]
    return "".join((first[1:], *rest)) if all(rest) else ""
