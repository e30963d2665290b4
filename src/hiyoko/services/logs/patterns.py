"""Filter patterns of unstructured text.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hiyoko.api import unsupported
from hiyoko.services.logs.errors import InvalidParameter

_TERM = re.compile(r'\s*([-?]?)(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))')


@dataclass(frozen=True, slots=True)
class Pattern:
    """Terms that must all occur, of which one must occur, and that must not occur."""

    all_of: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()

    def matches(self, message: str) -> bool:
        """Whether a message has what the pattern asks for; case matters."""
        return (
            all(term in message for term in self.all_of)
            and (not self.any_of or any(term in message for term in self.any_of))
            and not any(term in message for term in self.none_of)
        )


def parse(text: str) -> Pattern:
    """Read a pattern; JSON, space-delimited and regular expression patterns are refused by name."""
    stripped = text.strip()
    for opening, kind in (("{", "JSON"), ("[", "space-delimited"), ("%", "regular expression")):
        if stripped.startswith(opening):
            raise unsupported(f"filterPattern ({kind})")
    terms: dict[str, list[str]] = {"": [], "?": [], "-": []}
    position = 0
    while position < len(stripped):
        match = _TERM.match(stripped, position)
        if match is None:
            raise InvalidParameter("Invalid filter pattern")
        quoted = match[2]
        term = match[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        terms[match[1]].append(term)
        position = match.end()
    return Pattern(tuple(terms[""]), tuple(terms["?"]), tuple(terms["-"]))
