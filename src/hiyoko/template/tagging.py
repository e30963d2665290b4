"""What every type with tags needs when they change."""

from __future__ import annotations

from hiyoko.template.resource_type import Handle

Tag = dict[str, str]


def own_tags(handle: Handle) -> list[Tag]:
    """The resource's tags with the stack's, without CloudFormation's three."""
    return [dict(tag) for tag in handle.properties.get("Tags", [])]


def tags_to_write(handle: Handle) -> list[Tag]:
    """The tags that an update adds or changes."""
    old = handle.old.get("Tags", [])
    return [tag for tag in own_tags(handle) if tag not in old]


def tag_keys_to_drop(handle: Handle) -> list[str]:
    """The keys that an update removes."""
    kept = {tag["Key"] for tag in own_tags(handle)}
    return [tag["Key"] for tag in handle.old.get("Tags", []) if tag["Key"] not in kept]


def lower_tags(tags: list[Tag]) -> list[Tag]:
    """Tags as the ECS family writes them: ``key`` and ``value``."""
    return [{"key": tag["Key"], "value": tag["Value"]} for tag in tags]
