"""Tags of hosted zones."""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.route53 import rows, views
from hiyoko.services.route53.model import HostedZone


@operation("ChangeTagsForResource")
def change_tags_for_resource(call: Call, request: Request) -> Response:
    """Add and remove tags in one call."""
    zone = _zone(call, request["ResourceType"], request["ResourceId"])
    tags = dict(zone.tags)
    for key in request.get("RemoveTagKeys") or ():
        tags.pop(key, None)
    for tag in request.get("AddTags") or ():
        tags[tag["Key"]] = tag.get("Value") or ""
    rows.put_zone(call.tx, replace(zone, tags=tuple(sorted(tags.items()))))
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(call: Call, request: Request) -> Response:
    """The tags of one zone."""
    zone = _zone(call, request["ResourceType"], request["ResourceId"])
    return {"ResourceTagSet": _tag_set(zone)}


@operation("ListTagsForResources")
def list_tags_for_resources(call: Call, request: Request) -> Response:
    """The tags of several zones."""
    zones = [_zone(call, request["ResourceType"], bare) for bare in request["ResourceIds"]]
    return {"ResourceTagSets": [_tag_set(zone) for zone in zones]}


def _zone(call: Call, kind: str, resource_id: str) -> HostedZone:
    if kind != "hostedzone":
        raise unsupported("ResourceType", kind)
    return rows.get_zone(call.tx, call.account, resource_id)


def _tag_set(zone: HostedZone) -> dict[str, object]:
    return {
        "ResourceType": "hostedzone",
        "ResourceId": zone.zone_id,
        "Tags": views.tags(zone.tags),
    }
