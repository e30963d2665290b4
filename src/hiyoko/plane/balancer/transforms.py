"""What a rule rewrites in a request on its way to a target.

The first match is replaced, the rest stays; no match leaves the request as it is. A result that is
no URL or no host is a failed transform: AWS answers 500.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-transforms.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hiyoko.blueprint.balancers import Forward, Listener, Transform
from hiyoko.plane.balancer.answers import own_answer
from hiyoko.plane.balancer.text import argument, quoted

RESULT_BYTES_MAX = 14_336
_REFERENCE = re.compile(r"\$([1-9])")
_FAILED = "500 Internal Server Error"
_URL = r"^/[!-~]*$"
_HOST = r"^([A-Za-z0-9_-]+\.)*[A-Za-z0-9_-]+\.?(:[0-9]{1,5})?$"


def render_transforms(listener: Listener) -> Iterator[str]:
    """The rewrites of each rule that forwards, after all that looks at what the client sent."""
    for number, rule in enumerate(listener.rules, 1):
        if not isinstance(rule.action, Forward):
            continue
        mark = f"{{ var(txn.rule) -m int {number} }}"
        for transform in rule.transforms:
            match transform.type:
                case "url-rewrite":
                    yield from _url(transform, mark)
                case "host-header-rewrite":
                    yield from _host(transform, mark)
                case _:
                    raise AssertionError(f"transform {transform.type} was let through")


def _url(transform: Transform, mark: str) -> Iterator[str]:
    """Path and query are one text, as the client sent it."""
    matched = f"{mark} {{ pathq -m reg -- {quoted(transform.regex)} }}"
    yield own_answer(_FAILED, f" if {matched} {_too_long('pathq', transform)}")
    yield f"http-request set-var(txn.transformed_uri) {_replaced('pathq', transform)} if {matched}"
    done = f" if {mark} {{ var(txn.transformed_uri) -m found }}"
    yield own_answer(_FAILED, f"{done} !{{ var(txn.transformed_uri) -m reg {quoted(_URL)} }}")
    yield f"http-request set-pathq %[var(txn.transformed_uri)]{done}"


def _host(transform: Transform, mark: str) -> Iterator[str]:
    """The name without its port, in any case of its letters; the port stays unless one is set."""
    host = "req.hdr(host),host_only"
    matched = f"{mark} {{ {host} -i -m reg -- {quoted(transform.regex)} }}"
    new = "var(txn.transformed_host)"
    yield own_answer(_FAILED, f" if {matched} {_too_long(host, transform)}")
    yield f"http-request set-{new} {_replaced(host, transform, ',i')} if {matched}"
    done = f" if {mark} {{ {new} -m found }}"
    yield own_answer(_FAILED, f"{done} !{{ {new} -m reg {quoted(_HOST)} }}")
    own_port = f"{{ {new},port_only -m int gt 0 }}"
    old_port = "{ req.hdr(host),port_only -m int gt 0 }"
    yield f"http-request set-header Host %[{new}]{done} {own_port}"
    yield (
        f"http-request set-header Host %[{new}]:%[req.hdr(host),port_only]"
        f"{done} {old_port} !{own_port}"
    )
    yield f"http-request set-header Host %[{new}]{done} !{old_port}"


def _too_long(fetch: str, transform: Transform) -> str:
    """The text whose result might not fit. HAProxy 2.6 does not see by itself that it has not."""
    copies = len(_REFERENCE.findall(transform.replace)) + 1
    return f"{{ {fetch} -m len gt {(RESULT_BYTES_MAX - len(transform.replace)) // copies} }}"


def _replaced(fetch: str, transform: Transform, flags: str = "") -> str:
    by = transform.replace.replace("\\", "\\\\")
    by = _REFERENCE.sub(r"\\\1", by)
    return quoted(f"{fetch},regsub({argument(transform.regex)},{argument(by)}{flags})")
