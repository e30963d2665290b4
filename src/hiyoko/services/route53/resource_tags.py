"""Tags of hosted zones and health checks."""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.route53 import rows, views
from hiyoko.services.route53.model import HealthCheck, HostedZone


@operation("ChangeTagsForResource")
def change_tags_for_resource(call: Call, request: Request) -> Response:
    """Add and remove tags in one call."""
    found = _found(call, request["ResourceType"], request["ResourceId"])
    pairs = dict(found.tags)
    for key in request.get("RemoveTagKeys") or ():
        pairs.pop(key, None)
    for tag in request.get("AddTags") or ():
        pairs[tag["Key"]] = tag.get("Value") or ""
    tags = tuple(sorted(pairs.items()))
    if isinstance(found, HostedZone):
        rows.put_zone(call.tx, replace(found, tags=tags))
    else:
        rows.put_check(call.tx, replace(found, tags=tags))
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(call: Call, request: Request) -> Response:
    """The tags of one resource."""
    return {"ResourceTagSet": _tag_set(call, request["ResourceType"], request["ResourceId"])}


@operation("ListTagsForResources")
def list_tags_for_resources(call: Call, request: Request) -> Response:
    """The tags of several resources of one type."""
    kind = request["ResourceType"]
    return {"ResourceTagSets": [_tag_set(call, kind, bare) for bare in request["ResourceIds"]]}


def _found(call: Call, kind: str, resource_id: str) -> HostedZone | HealthCheck:
    if kind == "hostedzone":
        return rows.get_zone(call.tx, call.account, resource_id)
    if kind == "healthcheck":
        return rows.get_check(call.tx, call.account, resource_id)
    raise unsupported("ResourceType", kind)


def _tag_set(call: Call, kind: str, resource_id: str) -> dict[str, object]:
    found = _found(call, kind, resource_id)
    bare = found.zone_id if isinstance(found, HostedZone) else found.check_id
    return {"ResourceType": kind, "ResourceId": bare, "Tags": views.tags(found.tags)}
