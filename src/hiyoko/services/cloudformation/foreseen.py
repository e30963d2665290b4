"""What a wish would change in a stack, as change sets show it and UpdateStack asks it."""

from __future__ import annotations

import json

from hiyoko.api import Call
from hiyoko.services.cloudformation import rows
from hiyoko.services.cloudformation.errors import ValidationError
from hiyoko.services.cloudformation.model import Stack, Wish
from hiyoko.services.cloudformation.run import Around, pseudo_parameters
from hiyoko.services.cloudformation.wishes import in_aws_words
from hiyoko.template.changes import Change, Existing, ForeseenWorld, foresee
from hiyoko.template.functions import Resolver
from hiyoko.template.read import read_template


def foreseen(call: Call, stack: Stack, wish: Wish) -> list[Change]:
    """The changes of resources between a stack as it is and a wish."""
    existing = {
        row.logical_id: Existing(
            row.logical_id,
            row.type,
            row.physical.physical_id,
            json.loads(row.physical.properties),
            json.loads(row.physical.attributes),
            json.loads(row.metadata),
            row.deletion_policy,
        )
        for row in rows.list_resources(call.tx, stack.id)
        if row.physical.physical_id and not row.status.startswith("DELETE_")
    }
    world = ForeseenWorld(existing, Around(call))
    with in_aws_words():
        template = read_template(wish.template)
        resolver = Resolver(
            template, wish.parameters, pseudo_parameters(call, stack.id, stack.name), world
        )
        moved = [
            name
            for name, resource in template.resources.items()
            if name in existing and existing[name].type != resource.type
        ]
        if moved:
            raise ValidationError(
                "Update of resource type is not permitted. The new template modifies resource type"
                f" of the following resources: [{', '.join(moved)}]"
            )
        before = stack.wish.parameters
        changed = frozenset(k for k, v in wish.parameters.items() if before.get(k) != v)
        return foresee(resolver, world, wish.tags, changed)


def same_outputs(before: Wish, after: Wish) -> bool:
    """Do two wishes declare the same outputs? A change of outputs alone is an update."""
    if not before.template:
        return False
    with in_aws_words():
        old, new = read_template(before.template), read_template(after.template)
        return old.outputs == new.outputs and (
            not new.outputs or before.parameters == after.parameters
        )
