"""What an update would do to each resource, without doing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hiyoko.template.functions import KNOWN_AFTER_APPLY, Resolver
from hiyoko.template.graph import dependencies, in_order, references
from hiyoko.template.resource_type import ResourceType, Update, find_type


@dataclass(frozen=True, slots=True)
class Existing:
    """A resource as the stack has it now."""

    logical_id: str
    type: str
    physical_id: str
    properties: Mapping[str, Any]
    attributes: Mapping[str, Any]
    metadata: Mapping[str, Any] | None = None
    policy: str = "Delete"


@dataclass(frozen=True, slots=True)
class Detail:
    """One changed property and what made it change."""

    attribute: str
    name: str | None
    recreation: str
    source: str
    cause: str | None = None
    before: Any = None
    after: Any = None
    evaluation: str = "Static"


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one resource. ``replacement`` is True, False or Conditional."""

    action: str
    logical_id: str
    type: str
    physical_id: str = ""
    replacement: str = ""
    scope: tuple[str, ...] = ()
    details: tuple[Detail, ...] = ()
    policy_action: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


def with_tags(
    kind: ResourceType | None, properties: Mapping[str, Any], tags: Mapping[str, str]
) -> dict[str, Any]:
    """Properties with the stack's tags added, where the type takes tags; its own tags win."""
    if kind is None or not kind.tags or not tags:
        return dict(properties)
    own = properties.get("Tags", [])
    taken = {tag.get("Key") for tag in own if isinstance(tag, dict)}
    more = [{"Key": key, "Value": value} for key, value in tags.items() if key not in taken]
    return {**properties, "Tags": [*own, *more]}


class ForeseenWorld:
    """Answers from what exists; what will be new is known after apply. Is the resolver's world."""

    def __init__(self, existing: Mapping[str, Existing], around: Any) -> None:
        self.existing = existing
        self.around = around
        self.fresh: set[str] = set()

    def ref(self, logical_id: str) -> str:
        """The physical id, unless the resource will be a new one."""
        found = self.existing.get(logical_id)
        if found is None or logical_id in self.fresh:
            return KNOWN_AFTER_APPLY
        return found.physical_id

    def attribute(self, logical_id: str, name: str) -> Any:
        """The attribute as it is now, unless the resource will be a new one."""
        found = self.existing.get(logical_id)
        if found is None or logical_id in self.fresh:
            return KNOWN_AFTER_APPLY
        return found.attributes.get(name, KNOWN_AFTER_APPLY)

    def imported(self, name: str) -> str:
        """The value of another stack's export."""
        return str(self.around.imported(name))

    def zones(self, region: str) -> list[str]:
        """The availability zones."""
        return list(self.around.zones(region))


def foresee(
    resolver: Resolver,
    world: ForeseenWorld,
    tags: Mapping[str, str],
    changed_parameters: frozenset[str] = frozenset(),
) -> list[Change]:
    """The changes from ``world.existing`` to the template, in the order of its dependencies."""
    found: list[Change] = []
    alive = resolver.resources()
    world.fresh.update(name for name in alive if name not in world.existing)
    for name in in_order(dependencies(resolver)):
        resource = alive[name]
        kind = find_type(resource.type)
        after = with_tags(kind, resolver.properties(resource), tags)
        existing = world.existing.get(name)
        if existing is None:
            found.append(Change("Add", name, resource.type, after=after))
            continue
        details = [
            _detail(
                resolver, world, changed_parameters, kind, name, key, existing.properties, after
            )
            for key in sorted({*after, *existing.properties})
            if after.get(key) != existing.properties.get(key)
        ]
        if (resource.metadata or {}) != (existing.metadata or {}):
            details.append(Detail("Metadata", None, "Never", "DirectModification"))
        if not details:
            continue
        needs = {detail.recreation for detail in details}
        replacement = (
            "True" if "Always" in needs else "Conditional" if "Conditionally" in needs else "False"
        )
        if replacement != "False":
            world.fresh.add(name)
        policy = (
            "ReplaceAndRetain" if resource.update_replace_policy == "Retain" else "ReplaceAndDelete"
        )
        found.append(
            Change(
                "Modify",
                name,
                resource.type,
                existing.physical_id,
                replacement,
                tuple(dict.fromkeys(detail.attribute for detail in details)),
                tuple(details),
                policy if replacement == "True" else None,
                existing.properties,
                after,
            )
        )
    for name, existing in world.existing.items():
        if name not in alive:
            keep = "Retain" if existing.policy.startswith("Retain") else "Delete"
            found.append(
                Change(
                    "Remove",
                    name,
                    existing.type,
                    existing.physical_id,
                    policy_action=keep,
                    before=existing.properties,
                )
            )
    return found


def _detail(
    resolver: Resolver,
    world: ForeseenWorld,
    changed_parameters: frozenset[str],
    kind: ResourceType | None,
    owner: str,
    name: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> Detail:
    written = resolver.template.resources[owner].properties.get(name)
    recreation = (kind.update_of.get(name, Update.IN_PLACE) if kind else Update.IN_PLACE).value
    source, cause = "DirectModification", None
    for reference in references(written, resolver.condition):
        if reference.name in changed_parameters:
            source, cause = "ParameterReference", reference.name
        elif reference.name in world.fresh:
            source = "ResourceReference" if reference.attribute is None else "ResourceAttribute"
            tail = "" if reference.attribute is None else f".{reference.attribute}"
            cause = reference.name + tail
    attribute = "Tags" if name == "Tags" else "Properties"
    return Detail(
        attribute,
        None if attribute == "Tags" else name,
        recreation,
        source,
        cause,
        before.get(name),
        after.get(name),
        "Dynamic" if source.startswith("Resource") else "Static",
    )
