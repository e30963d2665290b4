"""A target's address inside a cookie, so that only the balancer can read it.

No list of targets is needed to find the way back, so targets may come and go without a reload.
A box is ``CIPHER-SALT``: the address and the port as one number, xor the first 48 bits of the SHA-1
of ``SALT``, which is a random number and the time, and a key. SHA-1 is enough, as a collision is of
no use to anybody, and cheaper than HAProxy's HMAC. The seal around it (``seals``) is made of the
box, so that one that somebody has changed is never opened.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator

from hiyoko.plane.balancer.seals import SealKey

_PORTS = 1 << 16
_PAD_BYTES, _KEY_DIGITS = 6, 32


def boxed(key: SealKey, into: str, condition: str = "") -> Iterator[str]:
    """``into`` is the box of the server that has answered, with the time in ``txn.now``.

    Its name is its address and port.
    """
    yield f"http-response set-var(txn.salt) rand,concat(.,txn.now){condition}"
    yield f"http-response set-var(txn.pad) var(txn.salt),{_pad(key)}{condition}"
    yield f"http-response set-var(txn.port) srv_name,field(2,:){condition}"
    # To HAProxy 3 what a mask leaves is of either family, which is no number but as digits.
    yield (
        f"http-response set-var({into}) srv_name,field(1,:),ipmask(32),hex,hex2i,mul({_PORTS}),"
        f"add(txn.port),xor(txn.pad),concat(-,txn.salt){condition}"
    )


def unboxed(key: SealKey, box: str, salt: str, into: str, condition: str) -> Iterator[str]:
    """``into`` is the server's name from the expressions of a genuine box and of its salt."""
    yield f"http-request set-var(txn.pad) {salt},{_pad(key)}{condition}"
    yield f"http-request set-var(txn.box) {box},field(1,-),xor(txn.pad){condition}"
    yield f"http-request set-var(txn.port) var(txn.box),mod({_PORTS}){condition}"
    yield (
        f"http-request set-var({into}) var(txn.box),div({_PORTS}),ipmask(32),concat(:,txn.port)"
        f"{condition}"
    )


def _pad(key: SealKey) -> str:
    # So long that salt and key are one block of SHA-1.
    own = hmac.new(key.key, b"box", "sha256").hexdigest()[:_KEY_DIGITS]
    return f"concat({own}),sha1,bytes(0,{_PAD_BYTES}),hex,hex2i"
