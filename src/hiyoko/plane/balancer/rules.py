"""A listener's rules as HAProxy's: the first match sets ``txn.rule``, actions follow from it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hiyoko.blueprint.balancers import (
    Condition,
    FixedResponse,
    Forward,
    Listener,
    Redirect,
    Rule,
)
from hiyoko.plane.balancer.answers import OWN_HEADERS, own_answer
from hiyoko.plane.balancer.guards import guard_lines
from hiyoko.plane.balancer.names import backend_name
from hiyoko.plane.balancer.seals import SealKey
from hiyoko.plane.balancer.stickiness import group_choice
from hiyoko.plane.balancer.text import argument, format_literal, page, quoted, wildcard

LOCATION_BYTES_MAX = 14_336
"""Longer ones are answered with 507. AWS names no length; this one is what an answer can hold."""
_REASONS = {301: "301 Moved Permanently", 302: "302 Found"}

_SHAPES = (
    ("str", re.compile(r"([^*?\\]+)")),
    ("beg", re.compile(r"([^*?\\]+)\*")),
    ("end", re.compile(r"\*([^*?\\]+)")),
    ("sub", re.compile(r"\*([^*?\\]+)\*")),
)


def render_rules(listener: Listener) -> Iterator[str]:
    """Match in order of priority, then act. The default rule has no conditions and comes last."""
    for number, rule in enumerate(listener.rules, 1):
        terms = "".join(f" {term(condition)}" for condition in rule.conditions)
        yield (
            f"http-request set-var(txn.rule) int({number}) if !{{ var(txn.rule) -m found }}{terms}"
        )
    for number, rule in enumerate(listener.rules, 1):
        yield from guard_lines(number, rule)
        yield from _act(listener, number, rule)


def render_forwards(listener: Listener, key: SealKey) -> Iterator[str]:
    """The choice of a backend; HAProxy wants it after all ``http-request`` lines."""
    for number, rule in enumerate(listener.rules, 1):
        if not isinstance(rule.action, Forward):
            continue
        groups = [(arn, weight) for arn, weight in rule.action.groups if weight]
        mark = f"{{ var(txn.rule) -m int {number} }}"
        yield from group_choice(mark, rule.action, key)
        if len(rule.action.groups) == 1:
            yield f"use_backend {backend_name(rule.action.groups[0][0])} if {mark}"
            continue
        below = 0
        for arn, weight in groups:
            below += weight
            yield f"use_backend {backend_name(arn)} if {mark} {{ var(txn.roll) -m int lt {below} }}"


def _act(listener: Listener, number: int, rule: Rule) -> Iterator[str]:
    mark = f" if {{ var(txn.rule) -m int {number} }}"
    match rule.action:
        case Forward(groups, _):
            total = sum(weight for _, weight in groups)
            if len(groups) > 1 and total:
                yield f"http-request set-var(txn.roll) rand({total}){mark}"
            elif len(groups) > 1:
                yield own_answer("503 Service Temporarily Unavailable", mark)
        case Redirect():
            yield from _redirect(listener, rule.action, mark)
        case FixedResponse(status, content_type, body):
            # A 204 has no content (RFC 9110, 15.3.5): HAProxy would refuse the whole file.
            if body and status != 204:
                kind = quoted(f"{content_type or 'text/plain'}; charset=utf-8")
                yield (
                    f"http-request return status {status} content-type {kind} "
                    f"string {quoted(body)} {OWN_HEADERS}{mark}"
                )
            else:
                yield f"http-request return status {status} {OWN_HEADERS}{mark}"


def _redirect(listener: Listener, redirect: Redirect, mark: str) -> Iterator[str]:
    protocol = redirect.protocol.replace("#{protocol}", listener.protocol).lower()
    values = {
        "protocol": listener.protocol.lower(),
        "host": "%[var(txn.host)]",
        "port": str(listener.port),
        "path": "%[path,bytes(1)]",
        "query": "%[query]",
    }

    def filled(template: str) -> str:
        parts = re.split(r"(#\{[a-z]+\})", template)
        return "".join(
            values[part[2:-1]] if part.startswith("#{") else format_literal(part) for part in parts
        )

    base = f"{protocol}://{filled(redirect.host)}:{filled(redirect.port)}{filled(redirect.path)}"
    wanted = "http-request set-var-fmt(txn.location) "
    query = quoted(f"{base}?{filled(redirect.query)}")
    if redirect.query == "#{query}":
        yield f"{wanted}{query}{mark} {{ query -m len gt 0 }}"
        yield f"{wanted}{quoted(base)}{mark} !{{ query -m len gt 0 }}"
    else:
        yield f"{wanted}{query if redirect.query else quoted(base)}{mark}"
    too_long = f"{{ var(txn.location) -m len gt {LOCATION_BYTES_MAX} }}"
    yield own_answer("507 Insufficient Storage", f"{mark} {too_long}")
    yield (
        f'http-request return status {redirect.status} content-type "text/html" '
        f"string {quoted(page(_REASONS[redirect.status]))} {OWN_HEADERS} "
        f'hdr Location "%[var(txn.location)]"{mark}'
    )


def term(condition: Condition) -> str:
    """One condition as an anonymous ACL: its patterns are alternatives."""
    match condition.field:
        case "host-header":
            return _text("var(txn.host) -i", condition)
        case "path-pattern":
            # Only a backslash in a query-string value escapes; a path pattern cannot hold one.
            return _text("path", condition)
        case "http-request-method":
            return _acl("method -m str", list(condition.values))
        case "source-ip":
            return _acl("src", list(condition.values))
        case "http-header":
            # Each header line is compared for itself, in their order.
            header = quoted(f"req.fhdr({argument(condition.key)})")
            return _text(f"{header} -i", condition)
        case "query-string":
            return _acl("query -i -m reg", [_pair(key, value) for key, value in condition.pairs])
        case _:
            raise AssertionError(f"condition {condition.field} was let through")


def _text(fetch: str, condition: Condition) -> str:
    if condition.regexes:
        return _acl(f"{fetch} -m reg", list(condition.regexes))
    # Most are a text, or one that begins or ends in a certain way: no regular expression needed.
    for method, shape in _SHAPES:
        found = [shape.fullmatch(value) for value in condition.values]
        if all(found):
            return _acl(f"{fetch} -m {method}", [match[1] for match in found if match])
    return _acl(f"{fetch} -m reg", [f"^{wildcard(value)}$" for value in condition.values])


def _pair(key: str, value: str) -> str:
    name = wildcard(key, "[^=&]") if key else "[^=&]*"
    return f"(^|&){name}={wildcard(value, '[^&]')}(&|$)"


def _acl(fetch: str, patterns: list[str]) -> str:
    return f"{{ {fetch} -- {' '.join(quoted(pattern) for pattern in patterns)} }}"
