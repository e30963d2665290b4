"""How long a client's connection lives, and what is said before a body is sent.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

KEEP_ALIVE = "client_keep_alive.seconds"


def client_keep_alive(attributes: Mapping[str, str]) -> Iterator[str]:
    """The first answer after the time ends the connection; the default has no lines.

    An answer over HTTP/2 ends nothing: HAProxy 2.6 has no word for it.
    """
    seconds = attributes.get(KEEP_ALIVE)
    if seconds is None:
        return
    yield "tcp-request session set-var(sess.since) date"
    old = f"{{ date,sub(sess.since) -m int ge {seconds} }}"
    yield f"http-after-response set-header Connection close if {old}"


def expect_continue(idle_timeout_s: int) -> str:
    """``Expect: 100-continue`` is answered here and not passed on, as soon as a rule forwards.

    Only the first byte is waited for: the body streams.
    """
    return (
        f"http-request wait-for-body time {idle_timeout_s}s at-least 1 "
        "if !METH_GET { req.fhdr(expect) -m found }"
    )
