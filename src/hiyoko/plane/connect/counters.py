"""What a proxy has counted since it began: its HAProxy's own counters. Pure.

https://docs.haproxy.org/2.6/management.html#9.1
"""

from __future__ import annotations

import csv
from dataclasses import astuple, dataclass, replace

FRONTEND = "FRONTEND"
_COLUMNS = ("conn_tot", "req_tot", "bin", "bout", "stot")
_ANSWERS = ("hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx")


@dataclass(frozen=True, slots=True)
class Counted:
    """A frontend's counters, or a server's: ``sessions`` are requests, but for TCP connections.

    Answers are those that a server gave, by the hundred of their status. ``active`` is how many
    sessions are open just now.
    """

    connections: int = 0
    requests: int = 0
    received: int = 0
    sent: int = 0
    sessions: int = 0
    answers_2xx: int = 0
    answers_3xx: int = 0
    answers_4xx: int = 0
    answers_5xx: int = 0
    active: int = 0

    @property
    def numbers(self) -> tuple[int, ...]:
        """All of it but ``active``, in order."""
        return astuple(self)[:-1]

    def since(self, before: tuple[int, ...]) -> Counted:
        """What was counted since; all of it where the counters began anew."""
        now = self.numbers
        if len(before) != len(now) or any(a < b for a, b in zip(now, before, strict=True)):
            return self
        news = Counted(*(a - b for a, b in zip(now, before, strict=True)))
        return replace(news, active=self.active)


Counters = dict[tuple[str, str], Counted]
"""By HAProxy's proxy and, in it, ``FRONTEND`` or a server's name."""


def parse_counters(text: str) -> Counters:
    """``show stat`` (CSV): frontends and servers, without those of ingress."""
    return {
        (row["pxname"], row["svname"]): Counted(
            *(int(row[name] or 0) for name in (*_COLUMNS, *_ANSWERS, "scur"))
        )
        for row in csv.DictReader(text.lstrip("# ").splitlines())
        if row["svname"] != "BACKEND" and not row["pxname"].startswith("ingress.")
    }
