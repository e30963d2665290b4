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


def desync_lines(mode: str) -> Iterator[str]:
    """The lines of a frontend; ``defensive``, the default, has none."""
    if mode == "monitor":
        yield "option accept-invalid-http-request"
    if mode != "strictest":
        return
    for classified in (
        # GetHeadZeroContentLength, UndefinedContentLengthSemantics
        f"{_BODYLESS} {{ req.fhdr(content-length) -m found }}",
        # UndefinedTransferEncodingSemantics
        f"{_BODYLESS} {{ req.fhdr(transfer-encoding) -m found }}",
        # NonCompliantHeader, and BadHeader for the byte 0
        "{ req.hdrs -m reg -- " + quoted(r"[^\t\r\n -~]") + " }",
        # NonCompliantVersion
        "{ fc_http_major 1 } !{ req.ver 1.0 1.1 }",
    ):
        yield own_answer("400 Bad Request", f" if {classified}")
