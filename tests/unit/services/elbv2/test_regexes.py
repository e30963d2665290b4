r"""Regular expressions of rules: what is taken, and that the data plane's engine takes it too.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-rules.html
"""

from __future__ import annotations

import ctypes
import ctypes.util
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiyoko.services.elbv2.regexes import RegexError, check_regex, check_replacement

PIECES = [
    *("a", "b", "-", "]", "}", "{", ",", " ", "/", ".", "^", "$", "|", "(", ")", "(?:", "(?i)"),
    *("(?P<n>", "(?<m>", "(?i:", "(?-s:", "(?=", "(?!", "(?<=", "(?>", "(?R)", "(?1)", "(*"),
    *("*", "+", "?", "{2}", "{1,3}", "{2,}", "{,3}", "{3,1}", "{1001}", "{900}", "[", "[^", "[]"),
    *("[a-z]", "[z-a]", "[[:alpha:]]", "[:x:]", "[.", "\\", "\\d", "\\W", "\\b", "\\A", "\\z"),
    *("\\.", "\\t", "\\x41", "\\x{7e}", "\\x4", "\\1", "\\k", "\\g", "\\p{L}", "\\Q", "\\Z"),
]


@cache
def pcre2() -> ctypes.CDLL:
    """What HAProxy is linked with on Debian."""
    name = ctypes.util.find_library("pcre2-8")
    if name is None:
        pytest.skip("libpcre2-8 is missing: it comes with haproxy")
    library = ctypes.CDLL(name)
    library.pcre2_compile_8.restype = ctypes.c_void_p
    library.pcre2_code_free_8.argtypes = [ctypes.c_void_p]
    return library


def compiles(text: str) -> bool:
    """True when PCRE2 compiles it."""
    raw = text.encode()
    code, offset = ctypes.c_int(), ctypes.c_size_t()
    found = pcre2().pcre2_compile_8(
        raw, ctypes.c_size_t(len(raw)), 0, ctypes.byref(code), ctypes.byref(offset), None
    )
    if found:
        pcre2().pcre2_code_free_8(found)
    return found is not None


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        (r"^/dp/([A-Za-z0-9]+)/?$", 1),
        ("^mywebsite-(.+).com$", 1),
        ("^/[a-z]{2}(-[A-Z]{2})?/i/", 1),
        (r"(?i)(?P<a>\d+)(?<b>[^\s\x41-\x{5A}])(?:c|d)*?", 2),
        (r"[]a][^]a][a-][-a][[:alpha:]\-\\]{2,}", 0),
        ("a{,3}|{|}|]", 0),
        ("[.][:][a.]", 0),
        (r"\bx\B\A\z\.\-\/", 0),
    ],
)
def test_what_is_taken(text: str, groups: int) -> None:
    assert check_regex(text) == groups
    assert compiles(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("(?=a)", "lookaheads"),
        ("(?!a)", "lookaheads"),
        ("(?<=a)", "lookbehinds"),
        ("(?<!a)", "lookbehinds"),
        (r"(a)\1", "backreferences"),
        (r"(?<a>b)\k<a>", "backreferences"),
        ("(?P<a>b)(?P=a)", "backreferences"),
        (r"(a)\g1", "backreferences and subroutines"),
        ("(?>a)", "atomic"),
        ("a*+", "possessive"),
        ("a{2}+", "possessive"),
        ("(a)(?1)", "subroutines"),
        ("(?<a>b)(?&a)", "subroutines"),
        ("(?<a>b)(?P>a)", "subroutines"),
        ("(?R)", "recursion"),
        ("(a)(?(1)b)", "conditional"),
        (r"\p{L}", "Unicode"),
        (r"\PL", "Unicode"),
        (r"\Qa\E", r"'\\Q' is not supported"),
        ("(?#x)", "unknown kind"),
        ("a**", "cannot be repeated"),
        ("*", "nothing to repeat"),
        ("(*UTF8)a", "nothing to repeat"),
        (r"\b+", "nothing to repeat"),
        ("(", "not closed"),
        (")", "not opened"),
        ("[a", "not closed"),
        ("[z-a]", "range"),
        (r"[\d-z]", "range"),
        ("[[:x:]]", "not known"),
        ("[:alpha:]", "only be used in a character class"),
        ("a{3,2}", "not a valid repetition"),
        ("a{1001}", "not a valid repetition"),
        ("(?<a>b)(?<a>c)", "two groups"),
        ("\\", "ends with a backslash"),
        ("é", "visible ASCII"),
        ("(a{1000}){1000}", "too large"),
        ("(" * 101 + ")" * 101, "too deep"),
    ],
)
def test_what_is_refused_and_why(text: str, why: str) -> None:
    with pytest.raises(RegexError, match=why):
        check_regex(text)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_what_is_taken_is_taken_by_the_engine_too(pieces: list[str]) -> None:
    text = "".join(pieces)
    try:
        check_regex(text)
    except RegexError:
        return
    assert compiles(text)


def test_a_large_one_that_is_taken_still_compiles() -> None:
    for text in (r"([\w.-]{900}){4}", "(" * 100 + "a" + ")" * 100, "(?:(?:ab){9}c){9}"):
        check_regex(text)
        assert compiles(text)


def test_a_replacement_names_groups_that_there_are() -> None:
    check_replacement("/$1-$2$x$", 2)
    with pytest.raises(RegexError, match=r"'\$3' names no capture group"):
        check_replacement("$3", 2)
    with pytest.raises(RegexError, match=r"'\$0'"):
        check_replacement("$0", 2)
