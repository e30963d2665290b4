"""What the balancer changes in a request on its way to a target, and in the answer.

Each line costs every request about a quarter of a microsecond, so what is rare is asked for once,
and what an attribute's default does not need has no line.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from hiyoko.blueprint.balancers import Listener
from hiyoko.plane.balancer.answers import FORWARDED_FOR_MAX, bare_answer
from hiyoko.plane.balancer.text import quoted

TRACED_BYTES_MAX = 7 * 1024
_HOST = "req.fhdr(host)"
_TRACE = "req.fhdr(x-amzn-trace-id)"
_FORWARDED = "req.fhdr(x-forwarded-for)"
_TLS = {
    "x_amzn_tls_version": ("X-Amzn-Tls-Version", "ssl_fc_protocol"),
    "x_amzn_tls_cipher_suite": ("X-Amzn-Tls-Cipher-Suite", "ssl_fc_cipher"),
}


def request_headers(listener: Listener, attributes: Mapping[str, str]) -> Iterator[str]:
    """What a target is told of the client; ``attributes`` are the load balancer's."""
    if attributes.get("routing.http.drop_invalid_header_fields.enabled") == "true":
        yield "option http-restrict-req-hdr-names delete"
    yield from _target(listener, attributes)
    yield f"http-request set-header X-Forwarded-Proto {listener.protocol.lower()}"
    yield f"http-request set-header X-Forwarded-Port {listener.port}"
    yield from _trace()
    if attributes.get("routing.http.x_amzn_tls_version_and_cipher_suite.enabled") == "true":
        yield from _tls(listener)


def _target(listener: Listener, attributes: Mapping[str, str]) -> Iterator[str]:
    """A target in absolute form becomes a path; the port in Host follows the listener's."""
    # Over HTTP/2 this is how HAProxy itself writes every target.
    absolute = "{ url -m beg http } { fc_http_major 1 }"
    if attributes.get("routing.http.desync_mitigation_mode") == "monitor":
        # Elsewhere a Host that differs from it is refused.
        yield f"http-request set-header Host %[url,field(3,/)] if {absolute}"
    yield f"http-request set-uri %[pathq] if {absolute}"
    if attributes.get("routing.http.preserve_host_header.enabled") == "true":
        return
    if listener.port in (80, 443):
        yield f"http-request set-header Host %[{_HOST},host_only] if {{ {_HOST} -m sub : }}"
    else:
        bare = f"!{{ {_HOST},port_only -m int gt 0 }}"
        yield f"http-request set-header Host %[{_HOST}]:{listener.port} if {bare}"


def _trace() -> Iterator[str]:
    """X-Amzn-Trace-Id: a root of our own, or ours in front of what the client sent.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-request-tracing.html
    """
    traced = quoted("(^|;) *(Root|Self)=")
    small = f"!{{ req.hdrs -m len gt {TRACED_BYTES_MAX} }}"
    yield (
        f"http-request set-var(txn.traced) bool(true) if {{ {_TRACE} -m reg -- {traced} }} {small}"
    )
    others = f"{_TRACE},regsub('(^|;) *Self=[^;]*',,g),regsub('^;?(.)',';\\\\1')"
    yield (
        f'http-request set-header X-Amzn-Trace-Id "Self=%[unique-id,lower]%[{others}]" '
        "if { var(txn.traced) -m found }"
    )
    yield (
        'http-request set-header X-Amzn-Trace-Id "Root=%[unique-id,lower]" '
        "if !{ var(txn.traced) -m found }"
    )


def _tls(listener: Listener) -> Iterator[str]:
    renamed = dict(listener.attributes)
    for key, (usual, fetch) in _TLS.items():
        name = renamed.get(f"routing.http.request.{key}.header_name", usual)
        if listener.protocol == "HTTPS":
            yield f"http-request set-header {name} %[{fetch}]"
        else:
            yield f"http-request del-header {name}"


def client_address(attributes: Mapping[str, str]) -> Iterator[str]:
    """The client as X-Forwarded-For names it, written once for a connection.

    To print an address costs as much as to add a header.
    """
    if attributes.get("routing.http.xff_header_processing.mode", "append") != "append":
        return
    if attributes.get("routing.http.xff_client_port.enabled") == "true":
        yield "tcp-request session set-var(sess.port) src_port"
        yield "tcp-request session set-var(sess.peer) src,concat(:,sess.port)"
    else:
        yield "tcp-request session set-var(sess.peer) src,concat()"


def renamed_spellings(listeners: Iterable[Listener]) -> Iterator[str]:
    """For ``global``: names that attributes give to headers, as they are spelt there."""
    names = {
        value
        for listener in listeners
        for key, value in listener.attributes
        if key.endswith(".header_name")
    }
    yield from (f"  h1-case-adjust {name.lower()} {name}" for name in sorted(names))


def forwarded_for(attributes: Mapping[str, str]) -> Iterator[str]:
    """X-Forwarded-For: the last of all lines about a request.

    The few requests that bring one go on behind ``allow``; the others need only one look. How many
    addresses it may hold does not depend on the mode.
    """
    mode = attributes.get("routing.http.xff_header_processing.mode", "append")
    brought = "{ var(txn.forwarded) -m found }"
    yield f"http-request set-var(txn.forwarded) bool(true) if {{ {_FORWARDED} -m found }}"
    if mode == "append":
        yield f"http-request add-header X-Forwarded-For %[var(sess.peer)] if !{brought}"
    yield f"http-request allow if !{brought}"
    yield bare_answer(463, f" if {{ req.hdr_cnt(x-forwarded-for) gt {FORWARDED_FOR_MAX} }}")
    if mode == "append":
        several = "{ req.fhdr_cnt(x-forwarded-for) gt 1 }"
        yield f"http-request add-header X-Forwarded-For %[var(sess.peer)] if {several}"
        both = f'"%[{_FORWARDED}], %[var(sess.peer)]"'
        yield f"http-request set-header X-Forwarded-For {both} if !{several}"
    elif mode == "remove":
        yield "http-request del-header X-Forwarded-For"


def response_headers(listener: Listener) -> Iterator[str]:
    """Headers that a listener's attributes set or take away in every answer."""
    attributes = dict(listener.attributes)
    for key, value in attributes.items():
        if key.endswith(".header_value"):
            name = key.removeprefix("routing.http.response.").removesuffix(".header_value")
            shown = quoted(value.replace("%", "%%"))
            yield f"http-after-response set-header {name.replace('_', '-')} {shown}"
    if attributes.get("routing.http.response.server.enabled") == "false":
        yield "http-after-response del-header Server"
