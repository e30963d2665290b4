"""What a pushed manifest says: its links, its members, whose referrer it is. Pure.

https://github.com/opencontainers/image-spec/blob/main/manifest.md
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

IMAGE_TYPES = frozenset(
    {
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    }
)
INDEX_TYPES = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
BYTES_MAX = 4 << 20
"""https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImage.html"""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as it was pushed. ``layers`` are the blobs of an image (its configuration first),
    ``members`` the manifests of an index; ``artifact_type`` and ``subject`` as OCI has them.
    """

    digest: str
    media_type: str
    size: int
    layers: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    artifact_type: str = ""
    subject: str = ""


def digest_of(text: str) -> str:
    """The digest of a manifest's bytes."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def read_manifest(text: str, media_type: str = "") -> Manifest:
    """Read a manifest; without ``media_type`` it names its own. Raises ValueError."""
    try:
        document: dict[str, Any] = json.loads(text)
        kind = media_type or str(document.get("mediaType", ""))
        if kind not in IMAGE_TYPES | INDEX_TYPES:
            raise ValueError(f"media type {kind!r} is not supported")
        subject = str((document.get("subject") or {}).get("digest", ""))
        if kind in INDEX_TYPES:
            members = tuple(str(member["digest"]) for member in document["manifests"])
            size = max((int(one.get("size", 0)) for one in document["manifests"]), default=0)
            artifact = str(document.get("artifactType", ""))
            return Manifest(
                digest_of(text), kind, size, (), members, artifact_type=artifact, subject=subject
            )
        blobs = (document["config"], *document["layers"])
        config_type = str(document["config"].get("mediaType", ""))
        return Manifest(
            digest=digest_of(text),
            media_type=kind,
            size=sum(int(blob["size"]) for blob in blobs),
            layers=tuple(str(blob["digest"]) for blob in blobs),
            artifact_type=str(document.get("artifactType") or config_type),
            subject=subject,
        )
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError("the manifest is not well-formed") from error
