"""Lifecycle policies that count images. They act at once: on a push and when they are put.

AWS runs a policy within a day
(https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html); rules by age are
refused by name, because nothing here would run them in time.
"""

from __future__ import annotations

import json
from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.ecr import rows
from hiyoko.services.ecr.errors import InvalidParameter, LifecyclePolicyNotFound
from hiyoko.services.ecr.model import Image, LifecycleRule, Repository
from hiyoko.services.ecr.repositories import own_registry
from hiyoko.store.database import Transaction

_SELECTION = {"tagStatus", "tagPrefixList", "countType", "countNumber"}


def parse_policy(text: str) -> tuple[LifecycleRule, ...]:
    """The rules of a policy, by priority. Raises InvalidParameter, or refuses by name."""
    try:
        rules = [_rule(rule) for rule in json.loads(text)["rules"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidParameter(
            "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint:"
            f" 'Lifecycle policy validation failure: {error}'"
        ) from error
    return tuple(sorted(rules, key=lambda rule: rule.priority))


def _rule(rule: Request) -> LifecycleRule:
    selection = rule["selection"]
    if selection["countType"] != "imageCountMoreThan":
        raise unsupported("lifecyclePolicyText.countType", selection["countType"])
    for name in selection.keys() - _SELECTION:
        raise unsupported(f"lifecyclePolicyText.{name}")
    if rule["action"]["type"] != "expire":
        raise unsupported("lifecyclePolicyText.action", rule["action"]["type"])
    if selection["tagStatus"] == "tagged" and not selection.get("tagPrefixList"):
        raise ValueError("a rule for tagged images needs tagPrefixList")
    return LifecycleRule(
        priority=int(rule["rulePriority"]),
        tag_status=str(selection["tagStatus"]),
        count=int(selection["countNumber"]),
        prefixes=tuple(selection.get("tagPrefixList", ())),
    )


def expired(
    images: list[Image], tags: dict[str, list[str]], rules: tuple[LifecycleRule, ...]
) -> list[Image]:
    """The images that the rules let go: each image belongs to the first rule that selects it."""
    left = sorted(images, key=lambda image: (-image.pushed_at, image.digest))
    gone: list[Image] = []
    for rule in rules:
        chosen = [image for image in left if _selects(rule, tags.get(image.digest, []))]
        gone += chosen[rule.count :]
        left = [image for image in left if image not in chosen]
    return gone


def _selects(rule: LifecycleRule, tags: list[str]) -> bool:
    match rule.tag_status:
        case "any":
            return True
        case "untagged":
            return not tags
        case _:
            return any(tag.startswith(rule.prefixes) for tag in tags)


def expire(tx: Transaction, repository: Repository) -> None:
    """Let go of what the repository's policy no longer keeps."""
    if not repository.rules:
        return
    tags: dict[str, list[str]] = {}
    for tag in rows.list_tags(tx, repository):
        tags.setdefault(tag.digest, []).append(tag.tag)
    for image in expired(rows.list_images(tx, repository), tags, repository.rules):
        rows.delete_image(tx, image)


@operation("PutLifecyclePolicy")
def put_lifecycle_policy(call: Call, request: Request) -> Response:
    """Set the policy; it acts at once."""
    own_registry(call, request)
    repository = rows.get_repository(call.tx, call.account, call.region, request["repositoryName"])
    text = request["lifecyclePolicyText"]
    changed = replace(repository, policy=text, policy_at=call.now, rules=parse_policy(text))
    rows.put_repository(call.tx, changed)
    expire(call.tx, changed)
    return _shown(changed)


@operation("GetLifecyclePolicy")
def get_lifecycle_policy(call: Call, request: Request) -> Response:
    """The policy as it was put. Raises LifecyclePolicyNotFound."""
    repository = _with_policy(call, request)
    return _shown(repository) | {"lastEvaluatedAt": repository.policy_at}


@operation("DeleteLifecyclePolicy")
def delete_lifecycle_policy(call: Call, request: Request) -> Response:
    """Remove the policy. Raises LifecyclePolicyNotFound."""
    repository = _with_policy(call, request)
    rows.put_repository(call.tx, replace(repository, policy="", rules=()))
    return _shown(repository) | {"lastEvaluatedAt": repository.policy_at}


def _with_policy(call: Call, request: Request) -> Repository:
    own_registry(call, request)
    repository = rows.get_repository(call.tx, call.account, call.region, request["repositoryName"])
    if not repository.policy:
        raise LifecyclePolicyNotFound(repository.name, call.account)
    return repository


def _shown(repository: Repository) -> Response:
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "lifecyclePolicyText": repository.policy,
    }
