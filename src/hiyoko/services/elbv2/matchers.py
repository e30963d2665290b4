"""Which answers to a health check are a success, by the group's protocol version.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Matcher.html
"""

from __future__ import annotations

import re

from hiyoko.api import Request
from hiyoko.services.elbv2 import errors
from hiyoko.services.elbv2.model import HealthCheck
from hiyoko.services.elbv2.requests import only

# What a check is when nothing is said of it; the default elsewhere is that of HealthCheck.
FIRST_CHECKS = {"GRPC": HealthCheck(path="/AWS.ALB/healthcheck", matcher="12")}


def parse_matcher(matcher: Request, version: str) -> str:
    """The codes as written, such as ``200,202`` or ``0-99``; empty when none are given."""
    only(matcher, {"HttpCode", "GrpcCode"})
    key, other = ("GrpcCode", "HttpCode") if version == "GRPC" else ("HttpCode", "GrpcCode")
    if matcher.get(other):
        raise errors.validation(
            f"{other} cannot be specified for target groups with protocol version '{version}'"
        )
    codes = matcher.get(key) or ""
    low, high, digits = (0, 99, r"\d{1,2}") if version == "GRPC" else (200, 499, r"\d{3}")
    word = "gRPC" if version == "GRPC" else "HTTP"
    for part in codes.split(",") if codes else ():
        ends = re.fullmatch(rf"({digits})(?:-({digits}))?", part)
        if ends is None:
            raise errors.validation(f"Health check matcher {word} code '{codes}' is not valid")
        first, last = int(ends[1]), int(ends[2] or ends[1])
        if not low <= first <= last <= high:
            raise errors.validation(
                f"Health check matcher {word} code '{codes}' must be within '{low}-{high}'"
            )
    return codes
