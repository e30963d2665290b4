r"""Regular expressions of rules: which ones a load balancer takes, and why not the others.

AWS names what its expressions do not have: lookaheads, lookbehinds, backreferences, atomic groups,
possessive quantifiers, subroutines, recursion and classes such as ``\p{L}``. What is let through
here is a language that every engine of that kind reads alike, and the one of the data plane too:
an expression that it could not compile would keep a node from its next configuration.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-rules.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

DEPTH_MAX = 100
REPEAT_MAX = 1000
COMPILED_MAX = 20_000
"""Bytes that a compiled expression may need, by a high estimate: PCRE2 ends at 65,535."""

_CHARACTER, _CLASS, _GROUP = 8, 48, 16
_CLASS_ESCAPES = "dDwWsS"
_CHARACTER_ESCAPES = {"t": 9, "n": 10, "r": 13, "f": 12}
_ASSERTIONS = "bBAz"
_QUANTIFIER = re.compile(r"[*+?]|\{(\d{1,5})(,(\d{1,5})?)?\}")
_NAME = re.compile(r"P?<([A-Za-z_][A-Za-z0-9_]{0,31})>")
_FLAGS = re.compile(r"[ims]*(?:-[ims]+)?(?=[:)])")
_POSIX = re.compile(
    r"\[:\^?(?:alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper|word|xdigit)"
    r":\]"
)
_POSIX_ALONE = re.compile(r"\[([:.=])[^\]]*\1\]")
_HEX = re.compile(r"x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,2})\})")
_REFUSED_GROUPS = (
    ("?=", "lookaheads are not supported"),
    ("?!", "lookaheads are not supported"),
    ("?<=", "lookbehinds are not supported"),
    ("?<!", "lookbehinds are not supported"),
    ("?>", "atomic groups are not supported"),
    ("?P=", "backreferences are not supported"),
    ("?P>", "subroutines are not supported"),
    ("?&", "subroutines are not supported"),
    ("?R", "recursion is not supported"),
    ("?0", "recursion is not supported"),
    ("?(", "conditional groups are not supported"),
    ("*", "there is nothing to repeat"),
)


class RegexError(ValueError):
    """The expression is not one that a load balancer takes; the text says why."""


def check_regex(text: str) -> int:
    """Refuse with RegexError what is not taken; otherwise the number of capture groups."""
    parser = _Parser(text)
    size = parser.alternatives(0)
    if parser.at < len(text):
        raise RegexError("a parenthesis is closed that was not opened")
    if size > COMPILED_MAX:
        raise RegexError("it is too large")
    return parser.groups


def check_replacement(text: str, groups: int) -> None:
    """Refuse with RegexError a ``$n`` that names no capture group of the expression."""
    for match in re.finditer(r"\$(\d+)", text):
        if not 1 <= int(match[1]) <= groups:
            raise RegexError(f"'{match[0]}' names no capture group")


@dataclass(slots=True)
class _Parser:
    """One pass from left to right. Each part returns the bytes that it may need when compiled."""

    text: str
    at: int = 0
    groups: int = 0
    names: set[str] = field(default_factory=set)

    def alternatives(self, depth: int) -> int:
        """Up to the end, or to the parenthesis that closes this group."""
        if depth > DEPTH_MAX:
            raise RegexError("its groups are too deep")
        size = self._sequence(depth)
        while self._take("|"):
            size += _GROUP + self._sequence(depth)
        return size

    def _sequence(self, depth: int) -> int:
        size = 0
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            group = self.text[self.at] == "("
            part, repeatable = self._atom(depth)
            copies = self._quantifier(repeatable)
            # One character that is repeated has a counter; a group is compiled so many times.
            size += part * copies if group else part
        return size

    def _quantifier(self, repeatable: bool) -> int:
        found = _QUANTIFIER.match(self.text, self.at)
        if found is None:
            return 1
        if not repeatable:
            raise RegexError("there is nothing to repeat")
        low = int(found[1] or 0)
        high = int(found[3] or low)
        if high > REPEAT_MAX or low > high:
            raise RegexError(f"'{found[0]}' is not a valid repetition")
        self.at = found.end()
        self._take("?")
        if self._take("+"):
            raise RegexError("possessive quantifiers are not supported")
        if _QUANTIFIER.match(self.text, self.at):
            raise RegexError("a repetition cannot be repeated")
        return max(1, high) + 1

    def _atom(self, depth: int) -> tuple[int, bool]:
        char = self.text[self.at]
        if char == "(":
            return self._group(depth)
        if _QUANTIFIER.match(self.text, self.at):
            raise RegexError("there is nothing to repeat")
        self.at += 1
        match char:
            case "[":
                if _POSIX_ALONE.match(self.text, self.at - 1):
                    raise RegexError("a named class can only be used in a character class")
                self._class()
                return _CLASS, True
            case "\\":
                escape = self._escape()
                if isinstance(escape, int):
                    return _CHARACTER, True
                return _CLASS, escape not in _ASSERTIONS
            case "^" | "$":
                return _CHARACTER, False
        _visible(char)
        return _CHARACTER, True

    def _group(self, depth: int) -> tuple[int, bool]:
        self.at += 1
        for start, why in _REFUSED_GROUPS:
            if self.text.startswith(start, self.at):
                raise RegexError(why)
        if self._take("?") and not self._take(":"):
            if self.text[self.at : self.at + 1].isdigit():
                raise RegexError("subroutines are not supported")
            if name := _NAME.match(self.text, self.at):
                self._named(name)
            elif flags := _FLAGS.match(self.text, self.at):
                self.at = flags.end()
                if self._take(")"):
                    return 0, False
                self.at += 1
            else:
                raise RegexError("a group has an unknown kind")
        elif self.text[self.at - 1] == "(":
            self.groups += 1
        size = self.alternatives(depth + 1)
        if not self._take(")"):
            raise RegexError("a parenthesis is not closed")
        return size + _GROUP, True

    def _named(self, name: re.Match[str]) -> None:
        if name[1] in self.names:
            raise RegexError(f"two groups are named '{name[1]}'")
        self.names.add(name[1])
        self.groups += 1
        self.at = name.end()

    def _class(self) -> None:
        """After the bracket that opens it, up to the one that closes it."""
        self._take("^")
        first = True
        while first or not self._take("]"):
            low = self._member()
            first = False
            if self.text[self.at : self.at + 1] == "-" and self.text[self.at + 1 :][:1] != "]":
                self.at += 1
                high = self._member()
                if low is None or high is None or low > high:
                    raise RegexError("a character class has a range that is not valid")

    def _member(self) -> int | None:
        """The code of one character of a class; None for a class within the class."""
        if self.at >= len(self.text):
            raise RegexError("a character class is not closed")
        if posix := _POSIX.match(self.text, self.at):
            self.at = posix.end()
            return None
        if self.text[self.at : self.at + 2] in ("[:", "[.", "[="):
            raise RegexError("a character class is not known")
        char = self.text[self.at]
        self.at += 1
        if char != "\\":
            return _visible(char)
        escape = self._escape()
        if isinstance(escape, int):
            return escape
        if escape in _ASSERTIONS:
            raise RegexError(f"'\\{escape}' cannot be used in a character class")
        return None

    def _escape(self) -> int | str:
        """What follows a backslash: a character's code, or a letter that means more than one."""
        char = self.text[self.at : self.at + 1]
        if not char:
            raise RegexError("it ends with a backslash")
        if found := _HEX.match(self.text, self.at):
            self.at = found.end()
            return int(found[1] or found[2], 16)
        self.at += 1
        if char in _CLASS_ESCAPES + _ASSERTIONS:
            return char
        if char in _CHARACTER_ESCAPES:
            return _CHARACTER_ESCAPES[char]
        if char in "123456789k":
            raise RegexError("backreferences are not supported")
        if char == "g":
            raise RegexError("backreferences and subroutines are not supported")
        if char in "pPX":
            raise RegexError("Unicode character classes are not supported")
        if char.isalnum():
            raise RegexError(f"'\\{char}' is not supported")
        return _visible(char)

    def _take(self, char: str) -> bool:
        if self.text.startswith(char, self.at):
            self.at += 1
            return True
        return False


def _visible(char: str) -> int:
    if not " " <= char <= "~":
        raise RegexError("only visible ASCII characters can be used")
    return ord(char)
