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
from hiyoko.plane.balancer.names import backend_name
from hiyoko.plane.balancer.text import format_literal, page, quoted, wildcard

_REASONS = {301: "301 Moved Permanently", 302: "302 Found"}


def render_rules(listener: Listener) -> Iterator[str]:
    """Match in order of priority, then act. The default rule has no conditions and comes last."""
    for number, rule in enumerate(listener.rules, 1):
        terms = "".join(f" {term(condition)}" for condition in rule.conditions)
        yield (
            f"http-request set-var(txn.rule) int({number}) if !{{ var(txn.rule) -m found }}{terms}"
        )
    for number, rule in enumerate(listener.rules, 1):
        yield from _act(listener, number, rule)


def render_forwards(listener: Listener) -> Iterator[str]:
    """The choice of a backend; HAProxy wants it after all ``http-request`` lines."""
    for number, rule in enumerate(listener.rules, 1):
        if not isinstance(rule.action, Forward):
            continue
        groups = [(arn, weight) for arn, weight in rule.action.groups if weight]
        mark = f"{{ var(txn.rule) -m int {number} }}"
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
        case Forward(groups):
            total = sum(weight for _, weight in groups)
            if len(groups) > 1 and total:
                yield f"http-request set-var(txn.roll) rand({total}){mark}"
            elif len(groups) > 1:
                yield own_answer("503 Service Temporarily Unavailable", mark)
        case Redirect():
            yield from _redirect(listener, rule.action, mark)
        case FixedResponse(status, content_type, body):
            if body:
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
        "path": "%[path,regsub(^/,)]",
        "query": "%[query]",
    }

    def filled(template: str) -> str:
        parts = re.split(r"(#\{[a-z]+\})", template)
        return "".join(
            values[part[2:-1]] if part.startswith("#{") else format_literal(part) for part in parts
        )

    base = f"{protocol}://{filled(redirect.host)}:{filled(redirect.port)}{filled(redirect.path)}"
    title = _REASONS[redirect.status]

    def answer(location: str, condition: str) -> str:
        return (
            f'http-request return status {redirect.status} content-type "text/html" '
            f"string {quoted(page(title))} {OWN_HEADERS} "
            f"hdr Location {quoted(location)}{condition}"
        )

    if redirect.query == "#{query}":
        yield answer(f"{base}?{filled(redirect.query)}", mark + " { query -m len gt 0 }")
        yield answer(base, mark)
    elif redirect.query:
        yield answer(f"{base}?{filled(redirect.query)}", mark)
    else:
        yield answer(base, mark)


def term(condition: Condition) -> str:
    """One condition as an anonymous ACL: its patterns are alternatives."""
    match condition.field:
        case "host-header":
            patterns = [f"^{wildcard(value.lower())}$" for value in condition.values]
            return _acl("var(txn.host) -m reg", patterns)
        case "path-pattern":
            # Only a backslash in a query-string value escapes; a path pattern cannot hold one.
            return _acl("path -m reg", [f"^{wildcard(value)}$" for value in condition.values])
        case "http-request-method":
            return _acl("method -m str", list(condition.values))
        case "source-ip":
            return _acl("src", list(condition.values))
        case "http-header":
            patterns = [f"^{wildcard(value)}$" for value in condition.values]
            return _acl(f"req.fhdr({condition.key}) -i -m reg", patterns)
        case "query-string":
            return _acl("query -i -m reg", [_pair(key, value) for key, value in condition.pairs])
        case _:
            raise AssertionError(f"condition {condition.field} was let through")


def _pair(key: str, value: str) -> str:
    name = wildcard(key, "[^=&]") if key else "[^=&]*"
    return f"(^|&){name}={wildcard(value, '[^&]')}(&|$)"


def _acl(fetch: str, patterns: list[str]) -> str:
    return f"{{ {fetch} -- {' '.join(quoted(pattern) for pattern in patterns)} }}"
