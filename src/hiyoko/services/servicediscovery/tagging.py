"""Tags of namespaces and services, by their ARNs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.servicediscovery import errors, rows, views
from hiyoko.services.servicediscovery.model import Namespace, Service, Tags

MOST = 50


def tags_in(request: Request, arn: str = "") -> Tags:
    """The ``Tags`` of a request. Raises TooManyTagsException."""
    given: Sequence[Mapping[str, str]] = request.get("Tags") or ()
    found = {one["Key"]: one["Value"] for one in given}
    if len(found) > MOST:
        raise errors.too_many_tags(arn)
    return tuple(found.items())


def _find(call: Call, arn: str) -> Namespace | Service:
    kind, _, _ = arn.rpartition(":")[2].partition("/")
    try:
        if kind == "namespace":
            return rows.get_namespace(call.tx, call.account, call.region, arn)
        if kind == "service":
            return rows.get_service(call.tx, call.account, call.region, arn)
    except AwsError as error:
        raise errors.resource_not_found(arn) from error
    raise errors.resource_not_found(arn)


def _retag(call: Call, found: Namespace | Service, tags: Tags) -> None:
    if isinstance(found, Namespace):
        rows.NAMESPACES.put(call.tx, replace(found, tags=tags))
    else:
        rows.SERVICES.put(call.tx, replace(found, tags=tags))


@operation("TagResource")
def tag_resource(call: Call, request: Request) -> Response:
    """Add tags to a namespace or a service."""
    found = _find(call, request["ResourceARN"])
    merged = {**dict(found.tags), **dict(tags_in(request, found.arn))}
    if len(merged) > MOST:
        raise errors.too_many_tags(found.arn)
    _retag(call, found, tuple(merged.items()))
    return {}


@operation("UntagResource")
def untag_resource(call: Call, request: Request) -> Response:
    """Remove tags by their keys."""
    found = _find(call, request["ResourceARN"])
    kept = tuple((key, value) for key, value in found.tags if key not in request["TagKeys"])
    _retag(call, found, kept)
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(call: Call, request: Request) -> Response:
    """The tags of a namespace or a service."""
    return {"Tags": views.tags(_find(call, request["ResourceARN"]).tags)}
