"""What a target group's protocol and protocol version ask of HAProxy.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html#target-group-protocol-version
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hiyoko.blueprint.balancers import Listener, TargetGroup
from hiyoko.plane.balancer.answers import bare_answer

_GRPC_CALL = "METH_POST { req.fhdr(content-type) -m beg application/grpc }"


def endpoint_options(group: TargetGroup) -> str:
    """What follows a server's address: how the balancer speaks with it."""
    http2 = group.protocol_version != "HTTP1"
    if group.protocol != "HTTPS":
        return " proto h2" if http2 else ""
    # A target's certificate is not looked at; the name that the client asked for is sent along.
    return " ssl verify none sni req.fhdr(host),host_only" + (" alpn h2" if http2 else "")


def check_options(group: TargetGroup) -> str:
    """What follows ``check``: how the checker speaks with a target."""
    check = group.health_check
    http2 = group.protocol_version != "HTTP1"
    if check.protocol == "HTTPS":
        tls = " check-ssl" if group.protocol == "HTTPS" else " check-ssl verify none"
        return f"{tls} check-alpn h2" if http2 else tls
    return " check-proto h2" if http2 else ""


def version_answers(group: TargetGroup, *, http2_clients: bool) -> Iterator[str]:
    """464: the request's protocol is none that the group's targets speak."""
    match group.protocol_version:
        case "HTTP1":
            if http2_clients:
                yield bare_answer(464, f" if {_GRPC_CALL} {{ fc_http_major 2 }}")
        case "HTTP2":
            yield bare_answer(464, " if { fc_http_major 1 }")
        case _:
            yield bare_answer(464, " if { fc_http_major 1 }")
            yield bare_answer(464, " if !METH_POST")


def has_http2_clients(listeners: Iterable[Listener], attributes: Iterable[tuple[str, str]]) -> bool:
    """HTTP/2 is spoken over TLS only, and only where it is not switched off."""
    on = dict(attributes).get("routing.http2.enabled", "true") == "true"
    return on and any(listener.protocol == "HTTPS" for listener in listeners)


# https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
_GRPC_STATUSES = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
_GRPC_UNKNOWN = 2


def mark_grpc_calls() -> str:
    """Remember that a request is a gRPC call; an answer's rules do not see the request."""
    return f"http-request set-var(txn.grpc) bool(true) if {_GRPC_CALL}"


def grpc_statuses() -> Iterator[str]:
    """An answer of the balancer's own to a gRPC call has the call's status in its headers."""
    call = "{ var(txn.grpc) -m found }"
    other = "!{ status " + " ".join(str(status) for status in _GRPC_STATUSES) + " }"
    for status, code in _GRPC_STATUSES.items():
        yield f"http-after-response set-header grpc-status {code} if {call} {{ status {status} }}"
    yield f"http-after-response set-header grpc-status {_GRPC_UNKNOWN} if {call} {other}"
    yield f'http-after-response set-header grpc-message "HTTP status %[status]" if {call}'
