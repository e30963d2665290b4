"""What becomes of a request.  (pure)"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Asked:
    """What HAProxy tells of a request: header values, and the path with its query."""

    host: str
    path: str
    cookie: str = ""
    authorization: str = ""
    origin: str = ""

    @property
    def url(self) -> str:
        """What the client asked for: rules of this kind are on HTTPS listeners only."""
        return f"https://{self.host}{self.path}"

    @property
    def cookies(self) -> dict[str, str]:
        """Names and values; the first of a name counts (RFC 6265, section 5.4: the closest)."""
        found: dict[str, str] = {}
        for pair in self.cookie.split(";"):
            name, mark, value = pair.strip().partition("=")
            if mark:
                found.setdefault(name, value)
        return found


def path_of(target: str) -> str:
    """Path and query of a request target; HTTP/2's comes as a whole URL."""
    if target.startswith("/"):
        return target
    parts = urlsplit(target)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


@dataclass(frozen=True, slots=True)
class Pass:
    """The request goes on with these headers; ``cookies`` come back with its answer."""

    headers: tuple[tuple[str, str], ...] = ()
    cookies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refuse:
    """The balancer answers by itself: a status with its words."""

    title: str
    location: str = ""
    cookies: tuple[str, ...] = ()


Answer = Pass | Refuse

UNAUTHORIZED = Refuse("401 Authorization Required")
FAILED = Refuse("500 Internal Server Error")
PROVIDER_SAID_NO = Refuse("561 Authentication Error")


class Refused(Exception):
    """Ends a flow with an answer; the text goes to the log.

    ``reason`` is the access log's code for it, where AWS has one; of a provider's answer, until it
    is known what was asked, ``FAILED_THERE``, ``NO_ANSWER``, ``SENSELESS`` or ``BAD_GRANT``.
    """

    def __init__(self, answer: Refuse, why: str, reason: str = "") -> None:
        super().__init__(f"{answer.title}: {why}")
        self.answer = answer
        self.why = why
        self.reason = reason


FAILED_THERE, NO_ANSWER, SENSELESS, BAD_GRANT = "failed", "no answer", "senseless", "bad grant"
