"""Checks that several operations share: names, ARNs, pages, and members that would do nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TypeVar

from hiyoko.api import Request, Response, unsupported
from hiyoko.services.elbv2.errors import validation
from hiyoko.services.elbv2.model import Tags

T = TypeVar("T")

TAGS_MAX = 50


def only(request: Request, known: Collection[str]) -> None:
    """Refuse by name every member that is set but not in ``known``."""
    for member, value in request.items():
        if member not in known and value not in (None, [], "", False):
            raise unsupported(member)


def check_name(kind: str, name: str) -> None:
    """AWS's rules for the names of load balancers and target groups."""
    if len(name) > 32:
        raise validation(f"{kind} name '{name}' cannot be longer than '32' characters")
    if not re.fullmatch(r"[A-Za-z0-9-]+", name):
        raise validation(
            f"{kind} name '{name}' can only contain characters that are alphanumeric "
            "characters or hyphens(-)"
        )
    if name.startswith("-") or name.endswith("-"):
        raise validation(f"{kind} name '{name}' cannot begin or end with '-'")


_ARNS = {
    "load balancer": r"loadbalancer/app/[^/]+/[0-9a-f]{16}",
    "target group": r"targetgroup/[^/]+/[0-9a-f]{16}",
    "listener": r"listener/app/[^/]+/[0-9a-f]{16}/[0-9a-f]{16}",
    "trust store": r"truststore/[^/]+/[0-9a-f]{16}",
    "listener rule": r"listener-rule/app/[^/]+/[0-9a-f]{16}/[0-9a-f]{16}/[0-9a-f]{16}",
}


def check_arn(kind: str, arn: str) -> None:
    """Refuse an ARN that has not the form of its kind."""
    if not re.fullmatch(r"arn:aws[^:]*:elasticloadbalancing:[^:]+:\d{12}:" + _ARNS[kind], arn):
        raise validation(f"'{arn}' is not a valid {kind} ARN")


def page(member: str, rows: Sequence[T], request: Request) -> tuple[Sequence[T], Response]:
    """The rows of the page that ``Marker`` asks for, and the members of the answer about paging."""
    marker = request.get("Marker") or "0"
    if not marker.isdigit() or int(marker) > len(rows):
        raise validation(f"'{marker}' is not a valid marker for {member}")
    start, size = int(marker), int(request.get("PageSize") or 400)
    end = start + size
    return rows[start:end], ({"NextMarker": str(end)} if end < len(rows) else {})


def parse_tags(given: Sequence[Request]) -> Tags:
    """Tags in the caller's order; a repeated key or a reserved one is refused."""
    tags = tuple((tag["Key"], tag.get("Value") or "") for tag in given)
    keys = [key for key, _ in tags]
    if len(set(keys)) < len(keys):
        raise validation("Tag keys must be unique")
    for key in keys:
        # CloudFormation itself marks what it makes with such tags, through the same operations.
        if key.startswith("aws:") and not key.startswith("aws:cloudformation:"):
            raise validation(f"Tag key '{key}' is reserved: it cannot begin with 'aws:'")
    if len(tags) > TAGS_MAX:
        raise validation(f"No more than {TAGS_MAX} tags can be set on a resource")
    return tags
