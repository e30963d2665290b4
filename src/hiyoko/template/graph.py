"""Who refers to whom: unknown names, circles, and the order in which resources can be made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hiyoko.template.error import TemplateError
from hiyoko.template.functions import (
    PSEUDO_PARAMETERS,
    SUB_VARIABLE,
    Resolver,
    function_of,
    split_attribute,
    walk,
)
from hiyoko.template.model import Template


@dataclass(frozen=True, slots=True)
class Reference:
    """A mention of a parameter or resource; ``attribute`` is set for Fn::GetAtt."""

    name: str
    attribute: str | None = None


def references(value: Any, condition: Callable[[str], bool] | None = None) -> Iterator[Reference]:
    """Every mention in a value; with ``condition`` only those in the branches that are taken."""
    call = function_of(value)
    if call is not None:
        name, argument = call
        if name == "Ref":
            yield Reference(argument)
            return
        if name == "Fn::GetAtt":
            owner, attribute = split_attribute(argument)
            yield Reference(owner, attribute if isinstance(attribute, str) else "")
            yield from references(attribute, condition)
            return
        if name == "Fn::Sub":
            yield from _in_sub(argument, condition)
            return
        if name == "Fn::If" and condition is not None:
            yield from references(argument[1] if condition(argument[0]) else argument[2], condition)
            return
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        yield from references(item, condition)


def _in_sub(argument: Any, condition: Callable[[str], bool] | None) -> Iterator[Reference]:
    text, extra = (argument, {}) if isinstance(argument, str) else argument
    yield from references(extra, condition)
    for name in SUB_VARIABLE.findall(text):
        name = name.strip()
        if name.startswith("!") or name in extra:
            continue
        owner, dot, attribute = name.partition(".")
        yield Reference(owner, attribute) if dot else Reference(name)


def check_references(template: Template) -> None:
    """Refuse mentions of what is not declared, and circles."""
    known = {*template.parameters, *template.resources, *PSEUDO_PARAMETERS}
    _check_conditions(template)
    lost: list[str] = []
    for resource in template.resources.values():
        lost += [name for name in resource.depends_on if name not in template.resources]
        lost += _lost(template, resource.properties, known)
    if lost:
        raise TemplateError(
            f"Template format error: Unresolved resource dependencies {_listed(lost)} in the"
            " Resources block of the template"
        )
    for output in template.outputs.values():
        lost += _lost(template, [output.value, output.export], known)
    if lost:
        raise TemplateError(
            f"Unresolved resource dependencies {_listed(lost)} in the Outputs block of the template"
        )
    edges = {name: _edges(template, name, None) for name in template.resources}
    circle = find_circle(edges)
    if circle:
        raise TemplateError(f"Circular dependency between resources: [{', '.join(circle)}]")


def _listed(names: list[str]) -> str:
    return f"[{', '.join(dict.fromkeys(names))}]"


def _lost(template: Template, value: Any, known: set[str]) -> list[str]:
    lost = []
    for reference in references(value):
        if reference.attribute is None:
            if reference.name not in known:
                lost.append(reference.name)
        elif reference.name not in template.resources:
            raise TemplateError(
                "Template error: instance of Fn::GetAtt references undefined resource"
                f" {reference.name}"
            )
    return lost


def _check_conditions(template: Template) -> None:
    used: dict[str, set[str]] = {}
    for name, value in template.conditions.items():
        used[name] = set(_conditions_in(value))
        for reference in references(value):
            if (
                reference.name not in template.parameters
                and reference.name not in PSEUDO_PARAMETERS
            ):
                raise TemplateError(
                    f"Template format error: Unresolved dependencies [{reference.name}]. Cannot"
                    " reference resources in the Conditions block of the template"
                )
    for name, mentioned in used.items():
        for other in sorted(mentioned - set(template.conditions)):
            raise TemplateError(
                f"Template format error: Unresolved condition dependency {other} in {name}"
            )
    circle = find_circle(used)
    if circle:
        raise TemplateError(
            f"Template format error: Circular dependencies for conditions: [{', '.join(circle)}]"
        )
    _check_uses_of_conditions(template)


def _check_uses_of_conditions(template: Template) -> None:
    named = [resource.condition for resource in template.resources.values()]
    named += [output.condition for output in template.outputs.values()]
    for name in named:
        if name is not None and name not in template.conditions:
            raise TemplateError(
                f"Template format error: Unresolved condition dependency {name} in the"
                " Resources block of the template"
            )
    values = [resource.properties for resource in template.resources.values()]
    for value in [*values, *([o.value, o.export] for o in template.outputs.values())]:
        for function, argument, _ in walk(value):
            if function == "Fn::If" and argument[0] not in template.conditions:
                raise TemplateError(
                    f"Template error: unresolved condition dependency {argument[0]} in Fn::If"
                )


def _conditions_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if set(value) == {"Condition"} and isinstance(value["Condition"], str):
            yield value["Condition"]
        for inner in value.values():
            yield from _conditions_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _conditions_in(inner)


def _edges(
    template: Template, name: str, condition: Callable[[str], bool] | None
) -> frozenset[str]:
    resource = template.resources[name]
    mentioned = {reference.name for reference in references(resource.properties, condition)}
    return frozenset((mentioned | set(resource.depends_on)) & set(template.resources))


def dependencies(resolver: Resolver) -> dict[str, frozenset[str]]:
    """What each existing resource needs to be there first.

    A DependsOn on a resource whose condition is false has no effect; a mention of it in a branch
    that is taken is an error.
    """
    template = resolver.template
    alive = resolver.resources()
    found: dict[str, frozenset[str]] = {}
    for name, resource in alive.items():
        live = references(resource.properties, resolver.condition)
        lost = [r.name for r in live if r.name in template.resources and r.name not in alive]
        if lost:
            raise TemplateError(
                f"Template format error: Unresolved resource dependencies {_listed(lost)} in the"
                " Resources block of the template"
            )
        found[name] = _edges(template, name, resolver.condition) & frozenset(alive)
    for output in template.outputs.values():
        if not resolver.exists(output.condition):
            continue
        live = references([output.value, output.export], resolver.condition)
        lost = [r.name for r in live if r.name in template.resources and r.name not in alive]
        if lost:
            raise TemplateError(
                f"Unresolved resource dependencies {_listed(lost)} in the Outputs block of the"
                " template"
            )
    return found


def in_order(edges: Mapping[str, frozenset[str]]) -> list[str]:
    """Names with everything that they need before them; otherwise as declared."""
    ordered: dict[str, None] = {}

    def visit(name: str) -> None:
        if name not in ordered:
            for other in edges:
                if other in edges[name]:
                    visit(other)
            ordered[name] = None

    for name in edges:
        visit(name)
    return list(ordered)


def find_circle(edges: Mapping[str, frozenset[str] | set[str]]) -> list[str]:
    """The names that are in, or between, circles; empty when there is none."""
    left = dict(edges)
    while True:
        wanted = {other for name in left for other in left[name] if other in left}
        kept = {
            name: needs
            for name, needs in left.items()
            if name in wanted and any(other in left for other in needs)
        }
        if len(kept) == len(left):
            return list(kept)
        left = kept
