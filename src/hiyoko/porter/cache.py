"""What was built or fetched is kept beside the clouds: a fresh one downloads nothing again.

The same content-addressed store as a cloud's own, in ``$XDG_CACHE_HOME/hiyoko/images``
(https://specifications.freedesktop.org/basedir-spec/). It is only a cache: what is broken in it is
built anew, and what cannot be kept is built again next time.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiyoko.plane.containers.blobs import Blobs, links, platform_digest
from hiyoko.settings import cache_directory


def image_cache(environment: Mapping[str, str] = os.environ) -> ImageCache:
    """Where this user's images are kept."""
    return ImageCache(cache_directory(environment) / "images")


@dataclass(frozen=True, slots=True)
class ImageCache:
    """Images by key; a built one's key names everything that it follows from."""

    directory: Path

    def find(self, key: str, blobs: Blobs, digest: str = "") -> dict[str, Any] | None:
        """Copy an image into ``blobs``; None when it is not here, not whole, or another."""
        kept = Blobs(self.directory)
        try:
            image: dict[str, Any] = json.loads(self._mark(key).read_text())
            if digest not in ("", image["digest"]):
                return None
            found = members(kept, image["digest"])
            if not all(_digest(kept.path(member)) == member for member in found):
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        for member in found:
            if not blobs.keep(member):
                blobs.add_file(kept.path(member))
        return image

    def keep(self, key: str, image: dict[str, Any], blobs: Blobs) -> None:
        """Copy an image from ``blobs``; its mark comes last. Raises OSError."""
        kept = Blobs(self.directory)
        for member in members(blobs, image["digest"]):
            kept.add_file(blobs.path(member))
        mark = self._mark(key)
        mark.parent.mkdir(parents=True, exist_ok=True)
        part = mark.with_suffix(f".{secrets.token_hex(8)}")
        part.write_text(json.dumps(image))
        part.rename(mark)

    def _mark(self, key: str) -> Path:
        return self.directory / "built" / f"{key}.json"


def members(blobs: Blobs, digest: str) -> tuple[str, ...]:
    """Every blob of an image, its manifest among them; of an index, this machine's image."""
    body = blobs.read(digest)
    member = platform_digest(body)
    if member is not None:
        return (*members(blobs, member), digest)
    manifest = links(body, digest)
    return (*manifest.layers, manifest.config, digest)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
