"""A ClientHello by hand (RFC 8446, 4.1.2; RFC 5246, 7.4.1.2): it offers exactly what a test says.

A client library offers what it likes and hides what the server thinks of the rest; this one reads
the ServerHello or the alert and stops there.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Sequence

VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
"""By AWS's names."""

# Every suite that a policy holds, and some that none does.
CIPHERS = {
    "TLS_AES_128_GCM_SHA256": 0x1301,
    "TLS_AES_256_GCM_SHA384": 0x1302,
    "TLS_CHACHA20_POLY1305_SHA256": 0x1303,
    "TLS_AES_128_CCM_SHA256": 0x1304,
    "ECDHE-ECDSA-AES128-GCM-SHA256": 0xC02B,
    "ECDHE-RSA-AES128-GCM-SHA256": 0xC02F,
    "ECDHE-ECDSA-AES128-SHA256": 0xC023,
    "ECDHE-RSA-AES128-SHA256": 0xC027,
    "ECDHE-ECDSA-AES128-SHA": 0xC009,
    "ECDHE-RSA-AES128-SHA": 0xC013,
    "ECDHE-ECDSA-AES256-GCM-SHA384": 0xC02C,
    "ECDHE-RSA-AES256-GCM-SHA384": 0xC030,
    "ECDHE-ECDSA-AES256-SHA384": 0xC024,
    "ECDHE-RSA-AES256-SHA384": 0xC028,
    "ECDHE-ECDSA-AES256-SHA": 0xC00A,
    "ECDHE-RSA-AES256-SHA": 0xC014,
    "AES128-GCM-SHA256": 0x009C,
    "AES128-SHA256": 0x003C,
    "AES128-SHA": 0x002F,
    "AES256-GCM-SHA384": 0x009D,
    "AES256-SHA256": 0x003D,
    "AES256-SHA": 0x0035,
    "ECDHE-ECDSA-CHACHA20-POLY1305": 0xCCA9,
    "ECDHE-RSA-CHACHA20-POLY1305": 0xCCA8,
    "DHE-RSA-AES256-GCM-SHA384": 0x009F,
    "DHE-RSA-AES128-SHA": 0x0033,
    "DES-CBC3-SHA": 0x000A,
    "RC4-SHA": 0x0005,
    "CAMELLIA256-SHA": 0x0084,
    "ECDHE-RSA-NULL-SHA": 0xC010,
}
NAMES = {number: name for name, number in CIPHERS.items()}

GROUPS = {"secp256r1": 23, "secp384r1": 24, "secp521r1": 25, "X25519": 29}
"""RFC 8446, 4.2.7, and some that no policy has."""
OTHER_GROUPS = {"X448": 30, "ffdhe2048": 256}

_SIGNATURES = (
    0x0403,
    0x0503,
    0x0603,
    0x0804,
    0x0805,
    0x0806,
    0x0401,
    0x0501,
    0x0601,
    0x0203,
    0x0201,
)
_HELLO_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


def _extension(number: int, body: bytes) -> bytes:
    return struct.pack(">HH", number, len(body)) + body


def _list(body: bytes) -> bytes:
    return struct.pack(">H", len(body)) + body


def client_hello(
    version: str,
    ciphers: Sequence[int],
    name: str,
    groups: Sequence[int] = (23, 24, 25, 29),
) -> bytes:
    """The record. For TLS 1.3 it sends no key share: the answer is a HelloRetryRequest."""
    number = VERSIONS[version]
    sni = b"\0" + _list(name.encode())
    extensions = _extension(0, _list(sni))
    extensions += _extension(10, _list(struct.pack(f">{len(groups)}H", *groups)))
    extensions += _extension(11, b"\x01\x00")
    if number >= VERSIONS["TLSv1.2"]:
        extensions += _extension(13, _list(struct.pack(f">{len(_SIGNATURES)}H", *_SIGNATURES)))
    if version == "TLSv1.3":
        extensions += _extension(43, b"\x02" + struct.pack(">H", number))
        extensions += _extension(51, _list(b""))
    legacy = min(number, VERSIONS["TLSv1.2"])
    body = struct.pack(">H", legacy) + os.urandom(32) + b"\0"
    body += _list(struct.pack(f">{len(ciphers)}H", *ciphers)) + b"\x01\x00" + _list(extensions)
    message = b"\x01" + struct.pack(">I", len(body))[1:] + body
    return b"\x16\x03\x01" + _list(message)


def ask(
    connect: Callable[[], socket.socket],
    version: str,
    ciphers: Sequence[int],
    name: str,
    groups: Sequence[int] = (23, 24, 25, 29),
) -> tuple[str, int] | None:
    """The version and cipher that the server chose, or None when it refused."""
    with connect() as plain:
        plain.sendall(client_hello(version, ciphers, name, groups))
        with plain.makefile("rb") as read:
            head = read.read(5)
            if len(head) < 5 or head[0] != 0x16:
                return None
            record = read.read(struct.unpack(">H", head[3:])[0])
    chosen = struct.unpack(">H", record[4:6])[0]
    session = record[38]
    cipher = struct.unpack(">H", record[39 + session : 41 + session])[0]
    if b"\x00\x2b\x00\x02\x03\x04" in record:
        chosen = VERSIONS["TLSv1.3"]
    return next(key for key, value in VERSIONS.items() if value == chosen), cipher


def offered(connect: Callable[[], socket.socket], version: str, name: str) -> list[str]:
    """Every suite that the server takes in this version, in the order of its preference."""
    left, found = list(CIPHERS.values()), []
    while left:
        # Ours is the other way round than AWS's: the order that comes out is the server's.
        answer = ask(connect, version, left[::-1], name)
        if answer is None or answer[0] != version:
            break
        found.append(NAMES[answer[1]])
        left.remove(answer[1])
    return found
