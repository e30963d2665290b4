"""Lifecycle policies as data, and which images they let go of: no rows, no clock of its own.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html says what a
rule may hold,
https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html how rules are
evaluated: all of them look at all images; then they mark in the order of their priority.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hiyoko.api import unsupported
from hiyoko.services.ecr.errors import InvalidParameter
from hiyoko.services.ecr.model import Image

DAY_S = 86400.0
RULES_MAX = 50
WILDCARDS_MAX = 4
"""In one tag pattern."""
_BY_COUNT = "imageCountMoreThan"
_BY_AGE = ("sinceImagePushed", "sinceImagePulled")
_OF_ARCHIVES = "sinceImageTransitioned"
_MEMBERS = {
    "policy": {"rules"},
    "rule": {"rulePriority", "description", "selection", "action"},
    "selection": {
        *("tagStatus", "tagPrefixList", "tagPatternList"),
        *("countType", "countNumber", "countUnit", "storageClass"),
    },
    "action": {"type", "targetStorageClass"},
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``tag_status``: tagged, untagged, any; ``number``: of images, or of days.

    A tagged image is selected when each of ``patterns`` matches one of its tags.
    """

    priority: int
    tag_status: str
    count_type: str
    number: int
    patterns: tuple[str, ...] = ()

    def selects(self, tags: Collection[str]) -> bool:
        """Whether an image with these tags is this rule's business."""
        match self.tag_status:
            case "any":
                return True
            case "untagged":
                return not tags
            case _:
                return all(
                    any(fnmatch.fnmatchcase(tag, pattern) for tag in tags)
                    for pattern in self.patterns
                )

    def overdue(self, images: Sequence[Image], now: float) -> Sequence[Image]:
        """Which of the selected images, newest first, this rule would let go of."""
        if self.count_type == _BY_COUNT:
            return images[self.number :]
        return [image for image in images if self._since(image) + self.number * DAY_S <= now]

    def _since(self, image: Image) -> float:
        # An image that was never pulled counts from its push.
        pulled = image.pulled_at if self.count_type == "sinceImagePulled" else 0.0
        return pulled or image.pushed_at


@dataclass(frozen=True, slots=True)
class Expiry:
    """An image that a rule lets go of."""

    image: Image
    priority: int


def plan(
    images: Iterable[Image], tags: Mapping[str, Collection[str]], rules: Sequence[Rule], now: float
) -> list[Expiry]:
    """The images that the rules let go of, oldest first. ``rules`` come in order of priority.

    What a rule selects no later rule may expire, also when that rule itself keeps it. A member of
    an index stays as long as the index does.
    """
    newest = sorted(images, key=lambda image: (-image.pushed_at, image.digest))
    marked: dict[str, Expiry] = {}
    taken: set[str] = set()
    for rule in rules:
        selected = [image for image in newest if rule.selects(tags.get(image.digest, ()))]
        for image in rule.overdue(selected, now):
            if image.digest not in taken:
                marked[image.digest] = Expiry(image, rule.priority)
        taken |= {image.digest for image in selected}
    held = {member for image in newest if image.digest not in marked for member in image.members}
    return [marked[i.digest] for i in reversed(newest) if i.digest in marked.keys() - held]


def parse_policy(text: str) -> tuple[Rule, ...]:
    """The rules of a policy, by priority. Raises InvalidParameter, or refuses by name."""
    try:
        document = _members(json.loads(text), "policy", ("rules",))
        rules = sorted(map(_rule, _list(document["rules"])), key=lambda rule: rule.priority)
        _check_together(rules)
    except ValueError as error:
        raise InvalidParameter(
            "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint:"
            f" 'Lifecycle policy validation failure: {error}'"
        ) from error
    return tuple(rules)


def _check_together(rules: Sequence[Rule]) -> None:
    if not 1 <= len(rules) <= RULES_MAX:
        raise ValueError(f"a policy has 1 to {RULES_MAX} rules")
    if len({rule.priority for rule in rules}) != len(rules):
        raise ValueError("rulePriority must be unique within a policy")
    for status in ("untagged", "any"):
        if sum(rule.tag_status == status for rule in rules) > 1:
            raise ValueError(f"there can be only one rule with tagStatus={status}")
    if any(rule.tag_status == "any" for rule in rules[:-1]):
        raise ValueError("a rule with tagStatus=any must have the lowest priority")


def _rule(given: Any) -> Rule:
    rule = _members(given, "rule", ("rulePriority", "selection", "action"))
    selection = _members(rule["selection"], "selection", ("tagStatus", "countType", "countNumber"))
    action = _members(rule["action"], "action", ("type",))
    if action["type"] == "transition":
        raise unsupported("lifecyclePolicyText.action.type", "transition")
    if action["type"] != "expire":
        raise ValueError(f"{action['type']!r} is no action type: write expire")
    if selection.get("storageClass", "standard") != "standard":
        raise unsupported("lifecyclePolicyText.selection.storageClass", selection["storageClass"])
    return Rule(
        priority=_number(rule, "rulePriority"),
        tag_status=_status(selection),
        count_type=_count_type(selection),
        number=_number(selection, "countNumber"),
        patterns=_patterns(selection),
    )


def _members(given: Any, where: str, required: Sequence[str]) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise ValueError(f"a {where} must be an object")  # noqa: TRY004 - it is the user's value
    if unknown := sorted(given.keys() - _MEMBERS[where]):
        raise ValueError(
            f"object instance has properties which are not allowed by the schema: {unknown}"
        )
    if missing := [name for name in required if name not in given]:
        raise ValueError(f"object has missing required properties ({missing})")
    return given


def _list(given: Any) -> list[Any]:
    if not isinstance(given, list):
        raise ValueError("rules must be a list")  # noqa: TRY004 - it is the user's value
    return given


def _number(given: Mapping[str, Any], name: str) -> int:
    value = given[name]
    if type(value) is not int or value < 1:
        raise ValueError(f"{name} must be a whole number, 1 at least")
    return value


def _status(selection: Mapping[str, Any]) -> str:
    status = selection["tagStatus"]
    if status not in ("tagged", "untagged", "any"):
        raise ValueError(f"{status!r} is no tagStatus: write tagged, untagged or any")
    return str(status)


def _count_type(selection: Mapping[str, Any]) -> str:
    kind = selection["countType"]
    if kind == _OF_ARCHIVES:
        raise unsupported("lifecyclePolicyText.selection.countType", kind)
    if kind == _BY_COUNT:
        if "countUnit" in selection:
            raise ValueError(f"countUnit is not allowed with {_BY_COUNT}")
    elif kind not in _BY_AGE:
        raise ValueError(f"{kind!r} is no countType: write {_BY_COUNT} or {_BY_AGE[0]}")
    elif selection.get("countUnit") != "days":
        raise ValueError(f"countUnit must be days with {kind}")
    return str(kind)


def _patterns(selection: Mapping[str, Any]) -> tuple[str, ...]:
    """The tag patterns; a prefix is a pattern with ``*`` at its end."""
    prefixes, patterns = (selection.get(name) for name in ("tagPrefixList", "tagPatternList"))
    if selection["tagStatus"] != "tagged":
        if prefixes or patterns:
            raise ValueError("tagPrefixList and tagPatternList need tagStatus=tagged")
        return ()
    if bool(prefixes) == bool(patterns):
        raise ValueError("tagStatus=tagged needs either tagPrefixList or tagPatternList")
    given = prefixes or patterns
    if not isinstance(given, list) or not all(isinstance(one, str) and one for one in given):
        raise ValueError("tagPrefixList and tagPatternList are lists of words")
    if prefixes:
        # Characters that mean something in a pattern are themselves in a prefix.
        return tuple(f"{''.join(f'[{c}]' if c in '*?[' else c for c in one)}*" for one in given)
    for one in given:
        if one.count("*") > WILDCARDS_MAX:
            raise ValueError(f"{one!r} has more than {WILDCARDS_MAX} wildcards")
    return tuple("".join(f"[{c}]" if c in "?[" else c for c in one) for one in given)
