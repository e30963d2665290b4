"""Answers that the balancer makes itself, as AWS's words them.

Each carries a mark until the last moment: a target's answer has none, and leaves the list of rules
at the first line. HAProxy says 503 of a target that refuses or does not answer; AWS says 502 and
504. Which one it is follows from the time that has passed (``timeout connect`` is AWS's 10
seconds), so body and status are chosen by the clock.

What HAProxy's HTTP/1 parser refuses never meets these rules: it sends a page of HAProxy's own.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
"""

from __future__ import annotations

from collections.abc import Iterator

from hiyoko.plane.balancer.text import page, quoted

MARK = "x-own-answer"
OWN_HEADERS = f'hdr Server "awselb/2.0" hdr Date "%[date,http_date]" hdr {MARK} made'
UNAVAILABLE = "503 Service Temporarily Unavailable"
CONNECT_TIMEOUT_S = 10
REQUEST_LINE_BYTES_MAX = HEADER_BYTES_MAX = 16 * 1024
REQUEST_HEADERS_BYTES_MAX = 64 * 1024
RESPONSE_HEADERS_BYTES_MAX = 32 * 1024
FORWARDED_FOR_MAX = 30

# AWS's reason phrases, where HAProxy has another one.
_REASONS = {
    302: "Moved Temporarily",
    405: "Not Allowed",
    408: "Request Time-out",
    413: "Request Entity Too Large",
    414: "Request-URI Too Large",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
    505: "HTTP Version Not Supported",
    507: "Insufficient Storage",
}
_ERRORS = {
    408: "408 Request Time-out",
    413: "413 Request Entity Too Large",
    422: "400 Bad Request",
    500: "500 Internal Server Error",
    501: "501 Not Implemented",
    502: "502 Bad Gateway",
    504: "504 Gateway Time-out",
}
# After these nothing more is read of the connection.
_CLOSES = {400, 408, 413, 414, 500, 501, 505}
# The time at which the request was read is in the trace id; kept as a variable to count from.
_SINCE = "unique-id,field(2,-),hex2i"


def own_answer(title: str, condition: str) -> str:
    """An answer of the balancer's own, such as ``503 Service Temporarily Unavailable``."""
    close = " hdr Connection close" if int(title[:3]) in _CLOSES else ""
    return (
        f'http-request return status {title[:3]} content-type "text/html" '
        f"string {quoted(page(title))} {OWN_HEADERS}{close}{condition}"
    )


def bare_answer(status: int, condition: str) -> str:
    """An answer of the balancer's own without a body: AWS's statuses that are no standard's."""
    return f"http-request return status {status} {OWN_HEADERS}{condition}"


def refusals() -> Iterator[str]:
    """Requests that are answered before any rule is looked at; cheap questions come first."""
    yield own_answer("400 Bad Request", " if !{ req.fhdr(host) -m found } HTTP_1.1")
    yield own_answer("405 Not Allowed", " if METH_TRACE")
    # A short request cannot hold a long line: only a long one is looked at closely.
    long = f"{{ req.len ge {REQUEST_LINE_BYTES_MAX} }}"
    line = f"{{ url -m len gt {REQUEST_LINE_BYTES_MAX - len('GET  HTTP/1.1')} }}"
    yield own_answer("414 Request-URI Too Large", f" if {long} {line}")
    # PCRE counts to 65,535 at most.
    big = quoted(
        rf"(?m)^[^\n]{{{HEADER_BYTES_MAX},}}$|\A[\s\S]{{{REQUEST_HEADERS_BYTES_MAX - 1}}}[\s\S]"
    )
    yield own_answer("400 Bad Request", f" if {long} {{ req.hdrs -m reg -- {big} }}")


def long_answers() -> Iterator[str]:
    """A target's answer whose headers are over AWS's limit is none."""
    limit = RESPONSE_HEADERS_BYTES_MAX
    yield (
        f'http-response return status 502 content-type "text/html" '
        f"string {quoted(page('502 Bad Gateway'))} {OWN_HEADERS} "
        f"if {{ res.len gt {limit} }} {{ res.hdrs -m len gt {limit} }}"
    )


def error_answers() -> Iterator[str]:
    """HAProxy's own errors, answered as AWS answers them."""
    for status, title in _ERRORS.items():
        # HAProxy 3 ends the connection after a 408 without saying so.
        close = " hdr Connection close" if status == 408 else ""
        yield (
            f'http-error status {status} content-type "text/html" '
            f"string {quoted(page(title))} {OWN_HEADERS}{close}"
        )
    start = f"%[{_SINCE},set-var(txn.since),sub(txn.since),bool,iif(,)]"
    late = (
        f"%[date,sub(txn.since),div({CONNECT_TIMEOUT_S}),bool,"
        "iif(504 Gateway Time-out,502 Bad Gateway)]"
    )
    yield (
        f'http-error status 503 content-type "text/html" '
        f"lf-string {_log_format(start + page(late))} {OWN_HEADERS.replace('made', 'unreached')}"
    )


def refused_answer() -> str:
    """What HAProxy's analyser refuses; of a frontend, since a ``defaults`` knows no ``regsub``.

    It is HTTP/2's preface on a port that speaks HTTP/1: a request, to look at, whose method is PRI.
    HAProxy's parser takes it, so that what is answered is up to us.
    """
    title = "%[method,regsub(^PRI$,505 HTTP Version Not Supported),regsub(^[^ ]*$,400 Bad Request)]"
    mark = OWN_HEADERS.replace("made", _log_format("for %[method]"))
    return (
        f'http-error status 400 content-type "text/html" '
        f"lf-string {_log_format(page(title))} {mark} hdr Connection close"
    )


def own_statuses() -> Iterator[str]:
    """The last lines about answers: of the balancer's own, the status, the words, the order.

    AWS's order is Server, Date, Content-Type, Content-Length, Location.
    """
    yield f"http-after-response allow if !{{ res.fhdr({MARK}) -m found }}"
    unreached = f"{{ res.fhdr({MARK}) -m str unreached }}"
    late = f"{{ date,sub(txn.since) -m int ge {CONNECT_TIMEOUT_S} }}"
    yield f"http-after-response set-status 504 if {unreached} {late}"
    yield f"http-after-response set-status 502 if {unreached} !{late}"
    yield 'http-after-response set-status 400 reason "Bad Request" if { status 422 }'
    preface = f'{{ res.fhdr({MARK}) -m str "for PRI" }}'
    yield f"http-after-response set-status 505 if {preface}"
    for status, reason in _REASONS.items():
        yield (
            f"http-after-response set-status {status} reason {quoted(reason)} "
            f"if {{ status {status} }}"
        )
    yield f"http-after-response del-header {MARK}"
    for name in ("Content-Type", "Content-Length", "Location"):
        value = f"res.fhdr({name.lower()})"
        yield (f"http-after-response set-header {name} %[{value}] if {{ {value} -m found }}")


def _log_format(text: str) -> str:
    return quoted(text).replace("\\x25[", "%[")
