"""Tags of endpoints, rules and query log configurations, by their ARNs."""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.route53resolver import errors, rows
from hiyoko.services.route53resolver.model import (
    QueryLogConfig,
    ResolverEndpoint,
    ResolverRule,
    Tags,
)
from hiyoko.services.route53resolver.pages import page
from hiyoko.services.route53resolver.parsing import tags_in

Tagged = ResolverEndpoint | ResolverRule | QueryLogConfig


@operation("TagResource")
def tag_resource(call: Call, request: Request) -> Response:
    """Add tags to a resource."""
    found = _find(call, request["ResourceArn"])
    merged = {**dict(found.tags), **dict(tags_in(request))}
    given = [{"Key": key, "Value": value} for key, value in merged.items()]
    _retag(call, found, tags_in({"Tags": given}))
    return {}


@operation("UntagResource")
def untag_resource(call: Call, request: Request) -> Response:
    """Remove tags by their keys."""
    found = _find(call, request["ResourceArn"])
    kept = tuple((key, value) for key, value in found.tags if key not in request["TagKeys"])
    _retag(call, found, kept)
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(call: Call, request: Request) -> Response:
    """The tags of a resource."""
    found = _find(call, request["ResourceArn"])
    return page(request, "Tags", [{"Key": key, "Value": value} for key, value in found.tags])


def _find(call: Call, arn: str) -> Tagged:
    kind, _, resource_id = arn.rpartition(":")[2].partition("/")
    try:
        found: Tagged
        if kind == "resolver-endpoint":
            found = rows.get_endpoint(call, resource_id)
        elif kind == "resolver-rule":
            found = rows.get_rule(call, resource_id)
        elif kind == "resolver-query-log-config":
            found = rows.get_query_log_config(call, resource_id)
        else:
            raise errors.no_such_resource(arn)
    except AwsError as error:
        raise errors.no_such_resource(arn) from error
    if found.arn != arn:
        raise errors.no_such_resource(arn)
    return found


def _retag(call: Call, found: Tagged, tags: Tags) -> None:
    match found:
        case ResolverEndpoint():
            rows.ENDPOINTS.put(call.tx, replace(found, tags=tags))
        case ResolverRule():
            rows.RULES.put(call.tx, replace(found, tags=tags))
        case QueryLogConfig():
            rows.QUERY_LOG_CONFIGS.put(call.tx, replace(found, tags=tags))
