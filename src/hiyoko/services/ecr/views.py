"""Model -> the API's shapes."""

from __future__ import annotations

from hiyoko.api import Response
from hiyoko.services.ecr.model import Image, Repository


def repository(row: Repository) -> Response:
    """A Repository."""
    return {
        "repositoryArn": row.arn,
        "registryId": row.account,
        "repositoryName": row.name,
        "repositoryUri": row.uri,
        "createdAt": row.created_at,
        "imageTagMutability": "IMMUTABLE" if row.immutable else "MUTABLE",
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
    }
    if tags:
        shown["imageTags"] = tags
    return shown
