"""Model -> the API's shapes."""

from __future__ import annotations

from hiyoko.api import Response
from hiyoko.services.ecr.model import CacheRule, CreationTemplate, Image, Repository


def mutability(value: str, exclusions: tuple[str, ...]) -> Response:
    """Whether tags may move, with the patterns of those that are excepted."""
    shown: Response = {"imageTagMutability": value}
    if exclusions:
        shown["imageTagMutabilityExclusionFilters"] = [
            {"filterType": "WILDCARD", "filter": pattern} for pattern in exclusions
        ]
    return shown


def repository(row: Repository) -> Response:
    """A Repository."""
    return {
        "repositoryArn": row.arn,
        "registryId": row.account,
        "repositoryName": row.name,
        "repositoryUri": row.uri,
        "createdAt": row.created_at,
        **mutability(row.mutability, row.exclusions),
        "imageScanningConfiguration": {"scanOnPush": row.scan_on_push},
        "encryptionConfiguration": {"encryptionType": "AES256"},
    }


def image_detail(row: Image, tags: list[str]) -> Response:
    """An ImageDetail."""
    shown: Response = {
        "registryId": row.account,
        "repositoryName": row.repository,
        "imageDigest": row.digest,
        "imageSizeInBytes": row.size,
        "imagePushedAt": row.pushed_at,
        "imageManifestMediaType": row.media_type,
        "imageStatus": "ACTIVE",
    }
    if tags:
        shown["imageTags"] = tags
    if row.artifact_type:
        shown["artifactMediaType"] = row.artifact_type
    if row.subject:
        shown["subjectManifestDigest"] = row.subject
    if row.pulled_at:
        shown["lastRecordedPullTime"] = row.pulled_at
    return shown


def cache_rule(row: CacheRule) -> Response:
    """A PullThroughCacheRule."""
    shown: Response = {
        "ecrRepositoryPrefix": row.prefix,
        "upstreamRegistryUrl": row.upstream,
        "upstreamRegistry": row.kind,
        "registryId": row.account,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }
    more = {
        "credentialArn": row.credential,
        "customRoleArn": row.role,
        "upstreamRepositoryPrefix": row.upstream_prefix,
    }
    return shown | {name: value for name, value in more.items() if value}


def template(row: CreationTemplate) -> Response:
    """A RepositoryCreationTemplate."""
    shown: Response = {
        "prefix": row.prefix,
        "appliedFor": list(row.applied_for),
        "encryptionConfiguration": {"encryptionType": "AES256"},
        **mutability(row.mutability, row.exclusions),
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }
    if row.tags:
        shown["resourceTags"] = [{"Key": key, "Value": value} for key, value in row.tags]
    more = {
        "description": row.description,
        "repositoryPolicy": row.access_policy,
        "lifecyclePolicy": row.policy,
        "customRoleArn": row.role,
    }
    return shown | {name: value for name, value in more.items() if value}
