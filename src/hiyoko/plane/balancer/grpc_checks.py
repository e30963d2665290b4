"""How the targets of a gRPC group are checked.

A target that does not know the method answers at once with its status in the first headers; one
that does answers 200 and says its status behind the message, where a check does not look.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
"""

from __future__ import annotations

from collections.abc import Iterator

from hiyoko.plane.balancer.text import quoted


def grpc_check(path: str, host: str, matcher: str) -> Iterator[str]:
    """A call of the group's method; ``path`` and ``host`` are parts of ``http-check send``."""
    yield (
        f"http-check send meth POST {path} ver HTTP/2 {host} "
        "hdr User-Agent ELB-HealthChecker/2.0 hdr Content-Type application/grpc hdr TE trailers"
    )
    yield "http-check expect status 200"
    yield (
        f"http-check expect fhdr name grpc-status value -m reg {quoted(_pattern(matcher))} "
        "status-code res.fhdr(grpc-status)"
    )


def _pattern(matcher: str) -> str:
    codes: list[str] = []
    for part in matcher.split(","):
        low, _, high = part.partition("-")
        codes += (str(code) for code in range(int(low), int(high or low) + 1))
    return f"^({'|'.join(codes)})$"
