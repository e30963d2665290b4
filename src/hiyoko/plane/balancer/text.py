"""Words of HAProxy's configuration language, and the answers that AWS's balancer makes itself."""

from __future__ import annotations

import re

_MEANING = re.compile(rb"[^A-Za-z0-9_./:,=()\[\]{}<>&;@ +*?|^!~-]")
"""What could mean something to the parser: every byte that is not known to mean nothing."""


def quoted(text: str) -> str:
    """A word in double quotes: every byte that could mean something to the parser is escaped."""
    escaped = _MEANING.sub(lambda found: b"\\x%02x" % found[0][0], text.encode())
    return f'"{escaped.decode()}"'


def argument(text: str) -> str:
    """An argument of a sample fetch or converter, taken as it is; the whole word is ``quoted``."""
    if re.fullmatch(r"[A-Za-z0-9_.-]+", text):
        return text
    return "'" + text.replace("'", r"'\''") + "'"


def format_literal(text: str) -> str:
    """Text that means itself inside a log-format string."""
    return text.replace("%", "%%")


def page(title: str) -> str:
    """The body of an answer that the balancer makes itself, byte for byte as AWS sends it."""
    return "\r\n".join(
        (
            "<html>",
            f"<head><title>{title}</title></head>",
            "<body>",
            f"<center><h1>{title}</h1></center>",
            "</body>",
            "</html>",
            "",
        )
    )


def wildcard(pattern: str, any_char: str = ".") -> str:
    r"""AWS's wildcards as a regular expression: ``*`` any run, ``?`` one, ``\*`` itself."""
    out: list[str] = []
    chars = iter(pattern)
    for char in chars:
        if char == "\\":
            out.append(re.escape(next(chars, "\\")))
        elif char == "*":
            out.append(any_char + "*")
        elif char == "?":
            out.append(any_char)
        else:
            out.append(re.escape(char))
    return "".join(out)
