"""Requests that two programs may read differently: what each mitigation mode lets through.

HAProxy's parser refuses most of what AWS calls severe by itself, in every mode; these are the lines
for what the parser would let through.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html#desync-mitigation-mode
"""

from __future__ import annotations

from collections.abc import Iterator

from hiyoko.plane.balancer.answers import own_answer
from hiyoko.plane.balancer.text import quoted

MODE = "routing.http.desync_mitigation_mode"
_BODYLESS = "{ method GET HEAD } { fc_http_major 1 }"
_FOUND = "{ var(txn.class) -m found }"
_CLASSES = (
    (
        f"{_BODYLESS} {{ req.fhdr(content-length) -m found }}",
        "Ambiguous/UndefinedContentLengthSemantics",
    ),
    (f"{_FOUND} {{ req.fhdr(content-length) -m int 0 }}", "Acceptable/GetHeadZeroContentLength"),
    (
        f"{_BODYLESS} {{ req.fhdr(transfer-encoding) -m found }}",
        "Ambiguous/UndefinedTransferEncodingSemantics",
    ),
    ("{ req.hdrs -m reg -- " + quoted(r"[^\t\r\n -~]") + " }", "Acceptable/NonCompliantHeader"),
    (_FOUND + " { req.hdrs -m reg -- " + quoted(r"\x00") + " }", "Severe/BadHeader"),
    ("{ fc_http_major 1 } !{ req.ver 1.0 1.1 }", "Acceptable/NonCompliantVersion"),
)
"""What is looked for, by the last one that holds."""


def classifies(mode: str) -> bool:
    """True in the mode that asks of each request what is wrong with it."""
    return mode == "strictest"


def desync_lines(mode: str) -> Iterator[str]:
    """The lines of a frontend; ``defensive``, the default, has none.

    ``txn.class`` is AWS's classification and its reason: ``CLASS/REASON``, for the log.
    """
    if mode == "monitor":
        yield "option accept-invalid-http-request"
    if not classifies(mode):
        return
    for condition, classified in _CLASSES:
        yield f"http-request set-var(txn.class) str({classified}) if {condition}"
    yield own_answer("400 Bad Request", " if { var(txn.class) -m found }")
