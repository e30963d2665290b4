"""Cookies that only the balancer can make or read: what they name, when, and a seal on both.

A seal is ``base64(NAME.TIME.MAC)``. NAME is the HMAC of what the cookie leads to, or a target's
address in a box (``boxes``), so nobody learns it, not even by trying all; MAC is the HMAC of the
rest. All nodes of a balancer have the same keys, so one reads what another has made.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass

EXPIRY_S = 604_800
"""Seven days whatever the duration is: AWS keeps that inside the value."""
EXPIRES = f"Expires=%[date({EXPIRY_S}),http_date]; Path=/"
_NAME_LENGTH, _MAC_LENGTH = 16, 32


@dataclass(frozen=True, slots=True)
class SealKey:
    """A key of one purpose, derived from the cloud's secret."""

    key: bytes

    @classmethod
    def of(cls, secret: bytes, purpose: str) -> SealKey:
        """The key for this purpose: a cookie's name and what its values lead to."""
        return cls(hmac.digest(secret, purpose.encode(), "sha256"))

    def name(self, what: str) -> str:
        """What stands in a cookie for ``what``."""
        return hmac.new(self.key, what.encode(), hashlib.sha256).hexdigest()[:_NAME_LENGTH]

    @property
    def hmac(self) -> str:
        """HAProxy's converter to the hexadecimal HMAC."""
        return f"hmac(sha256,{base64.b64encode(self.key).decode()}),hex,lower"

    def opened(self, into: str, duration_s: int, condition: str = "") -> Iterator[str]:
        """``into`` is the name in ``txn.seal``, if the seal is ours and not too old."""
        yield f"http-request set-var(txn.seal_at) var(txn.seal),field(2,.){condition}"
        yield f"http-request set-var(txn.seal_mac) var(txn.seal),field(3,.){condition}"
        genuine = (
            f"{{ var(txn.seal),field(1,.,2),{self.hmac},bytes(0,{_MAC_LENGTH}),"
            "secure_memcmp(txn.seal_mac) }"
        )
        fresh = f"{{ date,sub(txn.seal_at) -m int lt {duration_s} }}"
        yield (
            f"http-request set-var({into}) var(txn.seal),field(1,.)"
            f"{condition or ' if'} {genuine} {fresh}"
        )

    def sealed(self, fetch: str, condition: str = "") -> Iterator[str]:
        """``txn.seal`` for what ``fetch`` says in an answer, not yet in base64."""
        yield f"http-response set-var(txn.now) date{condition}"
        yield (
            f"http-response set-var(txn.seal) {fetch},{self.hmac},bytes(0,{_NAME_LENGTH}),"
            f"concat(.,txn.now){condition}"
        )
        yield from self.signed(condition)

    def signed(self, condition: str = "") -> Iterator[str]:
        """``txn.seal``, which has all but its MAC, becomes whole."""
        yield (
            f"http-response set-var(txn.seal_mac) var(txn.seal),{self.hmac},"
            f"bytes(0,{_MAC_LENGTH}){condition}"
        )
        yield f"http-response set-var(txn.seal) var(txn.seal),concat(.,txn.seal_mac){condition}"


def read_pair(cookie: str, condition: str = "") -> Iterator[str]:
    """``txn.seal`` from the cookie, or from its twin: a page of another site sends that alone."""
    yield f"http-request set-var(txn.seal) req.cook({cookie}),b64dec{condition}"
    yield (
        f"http-request set-var(txn.seal) req.cook({cookie}CORS),b64dec"
        f"{condition or ' if'} !{{ req.cook({cookie}) -m found }}"
    )


def send_pair(cookie: str, condition: str = "") -> Iterator[str]:
    """The cookie and its twin for pages of other sites, with the value of ``txn.seal``."""
    value = "%[var(txn.seal),base64]"
    yield f'http-response add-header Set-Cookie "{cookie}={value}; {EXPIRES}"{condition}'
    secure = "%[ssl_fc,iif(; Secure,)]"
    yield (
        f'http-response add-header Set-Cookie "{cookie}CORS={value}; {EXPIRES}; '
        f'SameSite=None{secure}"{condition}'
    )
