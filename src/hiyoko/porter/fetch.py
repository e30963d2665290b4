"""An image from its real registry: ``python -m hiyoko.porter.fetch --state-dir DIR NAME TAG``.

A tag is asked about each time, and what it leads to is copied only when it isn't in the cache
already; without a way to the registry the cache answers and says so. Every blob's digest is
compared. Progress and the answer are JSON lines on stdout.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hiyoko.plane.containers.blobs import Blobs, Fault, FetchFailed, links, platform_digest
from hiyoko.porter.build import tell
from hiyoko.porter.cache import ImageCache, image_cache
from hiyoko.porter.remote import Remote

ANSWER_S = 8.0
"""A registry that has not told a tag's digest by then is away; it may have many addresses."""
_AT_ONCE = 3
"""Layers on the way at one time: more don't make a line faster."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Brings images into ``blobs``, by way of the cache."""

    blobs: Blobs
    cache: ImageCache
    remote: Remote

    def fetch(self, reference: str) -> dict[str, Any]:
        """The image that a tag or digest leads to. Raises FetchFailed."""
        key = f"fetched-{quote(self.remote.name, '')}-{quote(reference, '')}"
        try:
            with _at_most(ANSWER_S):
                digest = self.remote.digest(reference)
        except FetchFailed as error:
            known = self.cache.find(key, self.blobs)
            if error.fault is not Fault.UNREACHABLE or known is None:
                raise
            return known | {"stale": str(error)}
        known = self.cache.find(key, self.blobs, digest) if digest else None
        if known is not None:
            return known
        image = self._copy(reference, digest)
        try:
            self.cache.keep(key, image, self.blobs)
        except OSError as error:
            tell(progress=f"{self.remote.name} is not kept for other clouds: {error}")
        return image

    def _copy(self, reference: str, digest: str) -> dict[str, Any]:
        """Copy the image for this machine; the index that led to it is kept with it."""
        body, media_type = self._manifest(digest or reference)
        top = {"digest": self.blobs.add(body), "media_type": media_type}
        try:
            member = platform_digest(body)
            if member is not None:
                body, media_type = self._manifest(member)
                self.blobs.add(body)
            manifest = links(body, member or top["digest"])
        except (ValueError, KeyError, TypeError) as error:
            raise FetchFailed(
                Fault.FAILED, f"{self.remote.name}: this is no image for this machine: {error}"
            ) from error
        size = self._copy_blobs((manifest.config, *manifest.layers))
        if member is None:
            return top | {"size": size}
        inner = {"digest": member, "media_type": media_type, "size": size}
        return top | {"size": size, "member": inner}

    def _manifest(self, reference: str) -> tuple[bytes, str]:
        body, media_type = self.remote.manifest(reference)
        if reference.startswith("sha256:"):
            found = self.blobs.add(body)
            if found != reference:
                raise FetchFailed(
                    Fault.FAILED,
                    f"{self.remote.host} answers for {reference} with content of {found}",
                )
        return body, media_type

    def _copy_blobs(self, digests: Iterable[str]) -> int:
        with ThreadPoolExecutor(_AT_ONCE) as workers:
            return sum(workers.map(self._copy_blob, dict.fromkeys(digests)))

    def _copy_blob(self, digest: str) -> int:
        """Copy a blob that isn't at hand; its size."""
        if not self.blobs.keep(digest):
            tell(progress=f"fetching {self.remote.name} {digest[:19]}")
            writer = self.blobs.writer()
            try:
                for part in self.remote.blob(digest):
                    writer.write(part)
                if writer.digest != digest:
                    raise FetchFailed(
                        Fault.FAILED,
                        f"{self.remote.host} answers for {digest} with content of {writer.digest}",
                    )
                writer.commit(self.blobs.path(digest))
            finally:
                writer.discard()
        return self.blobs.path(digest).stat().st_size


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError inside the block when it takes longer. For the main thread only."""

    def late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def main() -> int:
    """One image; the last line on stdout is the answer."""
    image_dir = Path(sys.argv[sys.argv.index("--state-dir") + 1]) / "images"
    name, reference = sys.argv[-2:]
    # When the porter ends, so do we, and leave nothing half done in the store.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        cache = image_cache()
        tell(**Fetcher(Blobs(image_dir), cache, Remote(name)).fetch(reference))
    except FetchFailed as error:
        tell(error=str(error), fault=error.fault)
        return 1
    except (OSError, json.JSONDecodeError) as error:
        tell(error=f"{name}: {error}", fault=Fault.FAILED)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
