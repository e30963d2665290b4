"""AddTags, RemoveTags, DescribeTags: for all five kinds of resource."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.elbv2 import errors, rows
from hiyoko.services.elbv2.model import (
    Listener,
    LoadBalancer,
    Rule,
    Tags,
    TargetGroup,
    TrustStore,
)
from hiyoko.services.elbv2.requests import parse_tags

ARNS_MAX = 20

Tagged = LoadBalancer | TargetGroup | Listener | Rule | TrustStore


def _find(call: Call, arn: str) -> Tagged:
    kinds: tuple[tuple[str, Callable[[], Tagged]], ...] = (
        (":loadbalancer/", lambda: rows.get_load_balancer(call.tx, arn)),
        (":targetgroup/", lambda: rows.get_target_group(call.tx, arn)),
        (":listener/", lambda: rows.get_listener(call.tx, arn)),
        (":listener-rule/", lambda: rows.get_rule(call.tx, arn)),
        (":truststore/", lambda: rows.get_trust_store(call.tx, arn)),
    )
    for part, get in kinds:
        if part in arn:
            return get()
    raise errors.validation(f"'{arn}' is not a valid ARN")


def _put(call: Call, row: Tagged, tags: Tags) -> None:
    match row:
        case LoadBalancer():
            rows.LOAD_BALANCERS.put(call.tx, replace(row, tags=tags))
        case TargetGroup():
            rows.TARGET_GROUPS.put(call.tx, replace(row, tags=tags))
        case Listener():
            rows.LISTENERS.put(call.tx, replace(row, tags=tags))
        case Rule():
            rows.RULES.put(call.tx, replace(row, tags=tags))
        case TrustStore():
            rows.TRUST_STORES.put(call.tx, replace(row, tags=tags))


@operation("AddTags")
def add_tags(call: Call, request: Request) -> Response:
    """Add tags, or give present ones a new value."""
    given = parse_tags(request["Tags"])
    for row in [_find(call, arn) for arn in request["ResourceArns"]]:
        tags = tuple((dict(row.tags) | dict(given)).items())
        _put(call, row, parse_tags([{"Key": key, "Value": value} for key, value in tags]))
    return {}


@operation("RemoveTags")
def remove_tags(call: Call, request: Request) -> Response:
    """Remove the tags with these keys."""
    for row in [_find(call, arn) for arn in request["ResourceArns"]]:
        _put(call, row, tuple(tag for tag in row.tags if tag[0] not in request["TagKeys"]))
    return {}


@operation("DescribeTags")
def describe_tags(call: Call, request: Request) -> Response:
    """The tags of up to 20 resources."""
    arns = request["ResourceArns"]
    if len(arns) > ARNS_MAX:
        raise errors.validation(f"Tags of at most {ARNS_MAX} resources can be described at a time")
    return {
        "TagDescriptions": [
            {
                "ResourceArn": arn,
                "Tags": [{"Key": key, "Value": value} for key, value in _find(call, arn).tags],
            }
            for arn in arns
        ]
    }
