"""Lifecycle policies: kept, previewed, and acted on.

AWS runs a policy within a day of its being put, and then again and again. Here it acts at once on a
push and when it is put; ``reconcile.registry`` runs it when time alone has made an image too old.
https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html
"""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.ecr import rows
from hiyoko.services.ecr.errors import LifecyclePolicyNotFound
from hiyoko.services.ecr.events import tell_image
from hiyoko.services.ecr.lifecycle_rules import Expiry, parse_policy, plan
from hiyoko.services.ecr.model import LifecyclePreview, Repository
from hiyoko.services.ecr.pages import page
from hiyoko.services.ecr.repositories import get_repository


def expiries(call: Call, repository: Repository, policy: str) -> tuple[list[Expiry], rows.Tags]:
    """What a policy lets go of now, and every image's tags."""
    tags = rows.tags_by_digest(call.tx, repository)
    images = rows.list_images(call.tx, repository)
    return plan(images, tags, parse_policy(policy), call.now), tags


def expire(call: Call, repository: Repository) -> None:
    """Let go of what the repository's policy no longer keeps."""
    if not repository.policy:
        return
    gone, tags = expiries(call, repository, repository.policy)
    for expiry in gone:
        digest = expiry.image.digest
        for tag in tags.get(digest) or [""]:
            tell_image(call, "DELETE", repository.name, digest, tag)
        rows.delete_image(call.tx, expiry.image)


@operation("PutLifecyclePolicy")
def put_lifecycle_policy(call: Call, request: Request) -> Response:
    """Set the policy; it acts at once."""
    repository = get_repository(call, request)
    text = request["lifecyclePolicyText"]
    parse_policy(text)
    changed = replace(repository, policy=text, policy_at=call.now)
    rows.put_repository(call.tx, changed)
    expire(call, changed)
    return _shown(changed)


@operation("GetLifecyclePolicy")
def get_lifecycle_policy(call: Call, request: Request) -> Response:
    """The policy as it was put, and when it last acted. Raises LifecyclePolicyNotFound."""
    repository = _with_policy(call, request)
    return _shown(repository) | {"lastEvaluatedAt": repository.policy_at}


@operation("DeleteLifecyclePolicy")
def delete_lifecycle_policy(call: Call, request: Request) -> Response:
    """Remove the policy. Raises LifecyclePolicyNotFound."""
    repository = _with_policy(call, request)
    rows.put_repository(call.tx, replace(repository, policy=""))
    return _shown(repository) | {"lastEvaluatedAt": repository.policy_at}


@operation("_RunLifecyclePolicy")
def run_lifecycle_policy(call: Call, request: Request) -> Response:
    """Time has passed: let the repository's policy act; ``{repositoryName}``."""
    name = request["repositoryName"]
    repository = rows.find_repository(call.tx, call.account, call.region, name)
    if repository is not None and repository.policy:
        repository = replace(repository, policy_at=call.now)
        rows.put_repository(call.tx, repository)
        expire(call, repository)
    return {}


@operation("StartLifecyclePolicyPreview")
def start_lifecycle_policy_preview(call: Call, request: Request) -> Response:
    """What a policy would do now, without doing it; without a text, the repository's own."""
    repository = get_repository(call, request)
    text = request.get("lifecyclePolicyText") or _with_policy(call, request).policy
    found, tags = expiries(call, repository, text)
    results = tuple(
        (one.image.digest, tuple(tags.get(one.image.digest, ())), one.image.pushed_at, one.priority)
        for one in found
    )
    preview = LifecyclePreview(call.account, call.region, repository.name, text, results)
    rows.PREVIEWS.put(call.tx, preview)
    return _shown(repository) | {"lifecyclePolicyText": text, "status": "IN_PROGRESS"}


@operation("GetLifecyclePolicyPreview")
def get_lifecycle_policy_preview(call: Call, request: Request) -> Response:
    """The last preview's images, oldest first. Raises LifecyclePolicyPreviewNotFoundException."""
    repository = get_repository(call, request)
    preview = rows.PREVIEWS.find(
        call.tx, account=call.account, region=call.region, repository=repository.name
    )
    if preview is None:
        raise AwsError(
            "LifecyclePolicyPreviewNotFoundException",
            "Lifecycle policy preview does not exist for the repository with name"
            f" '{repository.name}' in the registry with id '{call.account}'",
        )
    wanted = request.get("imageIds", ())
    status = request.get("filter", {}).get("tagStatus", "ANY")
    results = [
        {
            "imageDigest": digest,
            "imageTags": list(tags),
            "imagePushedAt": pushed_at,
            "action": {"type": "EXPIRE"},
            "appliedRulePriority": priority,
        }
        for digest, tags, pushed_at, priority in preview.results
        if status == "ANY" or (status == "TAGGED") == bool(tags)
        if not wanted
        or any(w.get("imageDigest") == digest or w.get("imageTag") in tags for w in wanted)
    ]
    shown, token = page(request, results)
    response = _shown(repository) | {
        "lifecyclePolicyText": preview.policy,
        "status": "COMPLETE",
        "previewResults": list(shown),
        "summary": {"expiringImageTotalCount": len(preview.results)},
    }
    return response | ({"nextToken": token} if token else {})


def _with_policy(call: Call, request: Request) -> Repository:
    repository = get_repository(call, request)
    if not repository.policy:
        raise LifecyclePolicyNotFound(repository.name, call.account)
    return repository


def _shown(repository: Repository) -> Response:
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "lifecyclePolicyText": repository.policy,
    }
