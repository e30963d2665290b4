"""Answers that the balancer makes itself, as AWS's words them.

HAProxy says 503 of a target that refuses or does not answer; AWS says 502 and 504. The body is
chosen by the time that has passed (``timeout connect`` is AWS's 10 seconds), the status after it.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
"""

from __future__ import annotations

from collections.abc import Iterator

from hiyoko.plane.balancer.text import page, quoted

OWN_HEADERS = 'hdr Server "awselb/2.0" hdr Date "%[date,http_date]"'
UNAVAILABLE = "503 Service Temporarily Unavailable"
CONNECT_TIMEOUT_S = 10
_ERRORS = {
    400: "400 Bad Request",
    408: "408 Request Timeout",
    500: "500 Internal Server Error",
    502: "502 Bad Gateway",
    504: "504 Gateway Time-out",
}


def own_answer(title: str, condition: str) -> str:
    """An answer of the balancer's own, such as ``503 Service Temporarily Unavailable``."""
    return (
        f'http-request return status {title[:3]} content-type "text/html" '
        f"string {quoted(page(title))} {OWN_HEADERS}{condition}"
    )


def error_answers() -> Iterator[str]:
    """HAProxy's own errors, answered as AWS answers them."""
    for status, title in _ERRORS.items():
        yield (
            f'http-error status {status} content-type "text/html" '
            f"string {quoted(page(title))} {OWN_HEADERS}"
        )
    late = (
        f"%[date,sub(txn.started),div({CONNECT_TIMEOUT_S}),bool,"
        "iif(504 Gateway Time-out,502 Bad Gateway)]"
    )
    yield (
        f'http-error status 503 content-type "text/html" lf-string {_log_format(page(late))} '
        f"{OWN_HEADERS}"
    )


def own_statuses() -> Iterator[str]:
    """The status that AWS gives where HAProxy says 503."""
    mine = "!{ var(txn.answered) -m found } { var(txn.to_target) -m found }"
    yield (
        'http-after-response set-status 504 reason "Gateway Time-out" '
        f"if {{ status 503 }} {mine} {{ date,sub(txn.started) -m int ge {CONNECT_TIMEOUT_S} }}"
    )
    yield (f'http-after-response set-status 502 reason "Bad Gateway" if {{ status 503 }} {mine}')
    yield (
        'http-after-response set-status 503 reason "Service Temporarily Unavailable" '
        "if { status 503 } !{ var(txn.answered) -m found }"
    )


def _log_format(text: str) -> str:
    return quoted(text).replace("\\x25[", "%[")
