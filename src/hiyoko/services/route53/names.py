r"""Domain names as Route 53 stores them.

Lower case, a final dot, and every byte other than ``a-z 0-9 - _`` as an octal escape: ``*`` comes
back as ``\052``.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html
"""

from __future__ import annotations

import re

NAME_SERVER_TLDS = ("com", "net", "org", "co.uk")
"""Servers 0-511, 512-1023, 1024-1535 and 1536-2047."""

_TOKEN = re.compile(r"\\([0-3][0-7]{2})|\\(.)|(.)", re.DOTALL)
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
LABEL_MAX = 63
NAME_MAX = 255


class BadName(ValueError):
    """The text is no domain name: ``code`` and text as Route 53's parser gives them."""

    def __init__(self, code: str, text: str, value: str) -> None:
        super().__init__(f"FATAL problem: {code} ({text}) encountered with '{value}'")


def stored_name(text: str) -> str:
    """The stored form of a name that a caller gave. Raises BadName."""
    labels: list[str] = [""]
    sizes = [0]
    for octal, escaped, plain in _TOKEN.findall(text):
        if plain == ".":
            labels.append("")
            sizes.append(0)
            continue
        character = chr(int(octal, 8)) if octal else (escaped or plain)
        if not 0 < ord(character) < 256 or (plain and not "!" <= plain <= "~"):
            raise BadName("UnsupportedCharacter", "Value contains unsupported characters", text)
        character = character.lower()
        labels[-1] += character if character in _PLAIN else f"\\{ord(character):03o}"
        sizes[-1] += 1
    if labels[-1] == "":
        labels.pop()
        sizes.pop()
    if not any(sizes):
        raise BadName("DomainNameEmpty", "Domain name is empty", text)
    if any(size == 0 for size in sizes):
        raise BadName("DomainLabelEmpty", "Domain label is empty", text)
    if any(size > LABEL_MAX for size in sizes):
        raise BadName("DomainLabelTooLong", "Domain label is too long", text)
    if sum(sizes) + len(sizes) + 1 > NAME_MAX:
        raise BadName("DomainNameTooLong", "Domain name is too long", text)
    return ".".join(labels) + "."


def order(name: str) -> str:
    """The sort key of stored names: labels reversed, compared as text, the dot a character."""
    return ".".join(reversed(name.rstrip(".").split("."))) + "."


def is_within(name: str, zone: str) -> bool:
    """True when the stored ``name`` is ``zone`` or below it."""
    return name == zone or name.endswith("." + zone)


def parent_of(name: str) -> str:
    """The name without its leftmost label; the root is ``.``."""
    return name.split(".", 1)[1] or "."
