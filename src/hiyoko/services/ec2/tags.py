"""Tags: on creation by TagSpecifications, later by CreateTags and DeleteTags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response
from hiyoko.services.ec2 import errors, rows
from hiyoko.services.ec2.filters import Filters, page, select
from hiyoko.services.ec2.model import Tags
from hiyoko.services.ec2.operation import operation

TAGS_MAX = 50
SERVICE_TAGS = ("aws:cloudformation:", "aws:ecs:")


def merged(old: Tags, new: Iterable[Mapping[str, Any]]) -> Tags:
    """The tags after writing these. Raises what AWS says of bad or too many ones."""
    tags = dict(old)
    for tag in new:
        key = tag.get("Key") or ""
        value = tag.get("Value") or ""
        if not key:
            raise errors.missing("Tag.Key")
        # CloudFormation and ECS tag what they make, and come through these same operations.
        if key.lower().startswith("aws:") and not key.startswith(SERVICE_TAGS):
            raise errors.bad_value("Tag keys starting with 'aws:' are reserved for internal use")
        if len(key) > 128:
            raise errors.bad_value("Tag key exceeds the maximum length of 128 characters")
        if len(value) > 256:
            raise errors.bad_value("Tag value exceeds the maximum length of 256 characters")
        tags[key] = value
    if len(tags) > TAGS_MAX:
        raise AwsError("TagLimitExceeded", f"The maximum number of tags ({TAGS_MAX}) was reached.")
    return tuple(sorted(tags.items()))


def wanted_tags(request: Request, *types: str) -> Tags:
    """The tags that the request specifies for a resource of one of these types."""
    tags: Tags = ()
    for specification in request.get("TagSpecifications") or ():
        kind = specification.get("ResourceType")
        if kind not in types:
            raise errors.bad_value(
                f"'{kind}' is not a valid taggable resource type for this operation."
            )
        tags = merged(tags, specification.get("Tags") or ())
    return tags


def shown(tags: Tags) -> list[dict[str, str]]:
    """Tags as the API shows them."""
    return [{"Key": key, "Value": value} for key, value in tags]


def _find(call: Call, resource_id: str) -> tuple[rows.Kind[Any], Any]:
    prefix = resource_id.rpartition("-")[0]
    for kind in rows.TAGGABLE:
        if kind.prefix == prefix:
            return kind, kind.get(call, resource_id)
    raise AwsError("InvalidID", f"The ID '{resource_id}' is not valid")


@operation("CreateTags", "Resources", "Tags")
def create_tags(call: Call, request: Request) -> Response:
    """Write the tags on every resource, or on none."""
    for resource_id in request["Resources"]:
        kind, row = _find(call, resource_id)
        kind.put(call, replace(row, tags=merged(row.tags, request["Tags"])))
    return {}


@operation("DeleteTags", "Resources", "Tags")
def delete_tags(call: Call, request: Request) -> Response:
    """Delete tags by key, or by key and value; without ``Tags`` all of them."""
    for resource_id in request["Resources"]:
        kind, row = _find(call, resource_id)
        left = () if request.get("Tags") is None else row.tags
        for tag in request.get("Tags") or ():
            key, value = tag.get("Key"), tag.get("Value")
            left = tuple((k, v) for k, v in left if k != key or value not in (None, v))
        kind.put(call, replace(row, tags=left))
    return {}


_Tag = tuple[str, str, str, str]
_FILTERS: Filters[_Tag] = {
    "resource-id": lambda tag: tag[0],
    "resource-type": lambda tag: tag[1],
    "key": lambda tag: tag[2],
    "value": lambda tag: tag[3],
}


@operation("DescribeTags", "Filters", "MaxResults", "NextToken")
def describe_tags(call: Call, request: Request) -> Response:
    """Every tag of every resource, filtered."""
    every = [
        (kind.id_of(row), kind.resource_type, key, value)
        for kind in rows.TAGGABLE
        for row in kind.list(call)
        for key, value in row.tags
    ]
    chosen = sorted(select(every, request.get("Filters") or (), _FILTERS))
    return page(
        chosen,
        request,
        lambda tag: "\0".join(tag),
        lambda tag: {
            "ResourceId": tag[0],
            "ResourceType": tag[1],
            "Key": tag[2],
            "Value": tag[3],
        },
        "Tags",
    )
