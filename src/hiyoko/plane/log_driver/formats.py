"""``awslogs-datetime-format``: what a time stamp at the head of an event looks like.

The codes are those of Python's strftime that the driver knows.
https://docs.docker.com/engine/logging/drivers/awslogs/#awslogs-datetime-format
"""

from __future__ import annotations

import re

_CODES = {
    "a": r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)",
    "A": r"(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)",
    "w": r"[0-6]",
    "d": r"(?:0?[1-9]|[12]\d|3[01])",
    "b": r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)",
    "B": (
        r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
    ),
    "m": r"(?:0?[1-9]|1[0-2])",
    "Y": r"\d{4}",
    "y": r"\d{2}",
    "H": r"(?:[01]?\d|2[0-3])",
    "I": r"(?:0?[1-9]|1[0-2])",
    "M": r"[0-5]?\d",
    "p": r"[AP]M",
    "S": r"[0-5]?\d",
    "L": r"\d{3}",
    "f": r"\d{6}",
    "z": r"[+-]\d{4}",
    "Z": r"[A-Z]{1,4}T",
    "j": r"(?:[0-2]?\d\d?|3[0-5]\d|36[0-6])",
    "%": "%",
}


def datetime_pattern(text: str) -> str:
    """The regular expression of a format. Raises ValueError for a code that is none."""
    found = []
    at = 0
    while at < len(text):
        if text[at] != "%":
            found.append(re.escape(text[at]))
            at += 1
            continue
        code = text[at + 1 : at + 2]
        if code not in _CODES:
            raise ValueError(f"%{code} is no code of awslogs-datetime-format")
        found.append(_CODES[code])
        at += 2
    return "".join(found)
