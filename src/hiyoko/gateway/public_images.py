"""Images of the simulated internet: imported, fetched from the real registry, or built here.

What the user imported is taken as it is. Anything else is asked for at its real registry when this
machine reaches it (``hiyoko.porter``). When not, the copy of an earlier day serves, or, for a
few names an image built from Debian packages. Everything that is had is kept, by its digest.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Protocol

from hiyoko.plane.containers.blobs import (
    Blobs,
    BuildFailed,
    BuiltImage,
    Fault,
    FetchedImage,
    FetchFailed,
)
from hiyoko.services.ecr import rows
from hiyoko.services.ecr.model import PublicImage
from hiyoko.store.database import Store

log = logging.getLogger(__name__)

ASK_AGAIN_S = 300.0
"""A tag that the registry was asked about is not asked about again before that."""
TRY_AGAIN_S = 30.0
"""A registry that could not be reached is left alone for that long."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
HOSTS = (
    *("docker.io", "public.ecr.aws", "ghcr.io", "quay.io", "registry.k8s.io"),
    *("gcr.io", "mcr.microsoft.com", "registry.gitlab.com", "cgr.dev"),
)
"""The public registries that stand on the simulated internet."""
_BUILT = {
    "docker.io/library/nginx": ("nginx", frozenset({"latest", "stable", "1"})),
    "docker.io/library/httpd": ("httpd", frozenset({"latest", "2", "2.4"})),
    "docker.io/amazon/amazon-ecs-sample": ("amazon-ecs-sample", frozenset({"latest"})),
}
"""Recipe and tags. What is built is the version of the Debian release: no other tag names it."""
_SAME_AS = {
    "public.ecr.aws/nginx/nginx": "docker.io/library/nginx",
    "public.ecr.aws/docker/library/nginx": "docker.io/library/nginx",
    "public.ecr.aws/docker/library/httpd": "docker.io/library/httpd",
    "public.ecr.aws/ecs-sample-image/amazon-ecs-sample": "docker.io/amazon/amazon-ecs-sample",
}


def known_names() -> dict[str, str]:
    """Every public name that can be pulled without an import, and the name that it stands for."""
    return {name: name for name in _BUILT} | _SAME_AS


def public_host(name: str) -> str | None:
    """The registry that a host belongs to; None when it is none of the public ones."""
    host = name.partition(":")[0].lower()
    if host.endswith(".docker.io"):
        return "docker.io"
    return host if host in HOSTS else None


class Porter(Protocol):
    """Brings images into the world (``hiyoko.porter``)."""

    async def build(self, name: str) -> BuiltImage:
        """The image of a recipe. Raises BuildFailed with a clear text."""
        ...

    async def fetch(self, name: str, reference: str) -> FetchedImage:
        """The image that the real registry has under a name. Raises FetchFailed."""
        ...


@dataclass(slots=True)
class PublicImages:
    """What the public registries of the simulated internet answer with."""

    store: Store
    blobs: Blobs
    porter: Porter
    _asked: dict[tuple[str, str], float] = field(default_factory=dict)
    """When a name and tag were last asked about, by the monotonic clock."""
    _away: dict[str, tuple[float, FetchFailed]] = field(default_factory=dict)
    """When a registry was last found to be out of reach, and how."""
    _locks: defaultdict[tuple[str, str], asyncio.Lock] = field(
        default_factory=lambda: defaultdict(asyncio.Lock)
    )

    async def find(self, name: str, reference: str) -> PublicImage | None:
        """The image that a name and a tag or digest lead to; None when there is no such image.

        Raises FetchFailed when nobody can tell.
        """
        async with self._locks[name, reference]:
            image = self._at_hand(name, reference)
            if image is not None and self._is_settled(image, name, reference):
                return image
            try:
                found = await self._fetch(name, reference)
            except FetchFailed as error:
                if error.fault is Fault.ABSENT:
                    return None
                found = await self._stand_in(name, reference, image, error)
            self._asked[name, reference] = time.monotonic()
            return found

    def _at_hand(self, name: str, reference: str) -> PublicImage | None:
        find = rows.find_public_digest if DIGEST.fullmatch(reference) else rows.find_public_image
        with self.store.reading() as tx:
            for known in (name, _SAME_AS.get(name, name)):
                image = find(tx, known, reference)
                if image is not None and self.blobs.has(image.digest):
                    return image
        return None

    def _is_settled(self, image: PublicImage, name: str, reference: str) -> bool:
        """Whether there is nothing to ask: a digest never changes, an import is the user's word."""
        if DIGEST.fullmatch(reference) or not (image.built or image.fetched_at):
            return True
        asked = self._asked.get((name, reference))
        return asked is not None and time.monotonic() - asked < ASK_AGAIN_S

    async def _fetch(self, name: str, reference: str) -> PublicImage:
        host = name.partition("/")[0]
        away = self._away.get(host)
        if away is not None and time.monotonic() - away[0] < TRY_AGAIN_S:
            raise away[1]
        try:
            fetched = await self.porter.fetch(name, reference)
        except FetchFailed as error:
            if error.fault is Fault.UNREACHABLE:
                self._away[host] = (time.monotonic(), error)
            raise
        if fetched.stale:
            log.warning("%s:%s: the cached image serves: %s", name, reference, fetched.stale)
        return self._record(name, reference, fetched)

    def _record(self, name: str, reference: str, fetched: FetchedImage) -> PublicImage:
        now = round(time.time(), 3)
        tag = rows.untagged(fetched.digest) if DIGEST.fullmatch(reference) else reference
        image = PublicImage(
            name, tag, fetched.digest, fetched.media_type, fetched.size, now, fetched_at=now
        )
        with self.store.transaction() as tx:
            rows.put_public_image(tx, image)
            if (member := fetched.member) is not None:
                row = PublicImage(
                    name,
                    rows.untagged(member.digest),
                    member.digest,
                    member.media_type,
                    member.size,
                    now,
                    fetched_at=now,
                )
                rows.put_public_image(tx, row)
        return image

    async def _stand_in(
        self, name: str, reference: str, image: PublicImage | None, error: FetchFailed
    ) -> PublicImage:
        """What serves while the registry does not: what is at hand, or what is built here."""
        if image is not None and not image.built:
            log.warning("%s:%s: the image at hand serves: %s", name, reference, error)
            return image
        known = _SAME_AS.get(name, name)
        recipe, tags = _BUILT.get(known, ("", frozenset[str]()))
        if reference not in tags:
            raise error
        try:
            built = await self.porter.build(recipe)
        except BuildFailed as failed:
            # An image of an older recipe is better than none.
            if image is not None:
                return image
            raise FetchFailed(error.fault, f"{error}; and it can't be built here: {failed}") from (
                failed
            )
        if image is not None and image.digest == built.digest:
            return image
        row = PublicImage(
            known,
            reference,
            built.digest,
            built.media_type,
            built.size,
            round(time.time(), 3),
            built=True,
        )
        with self.store.transaction() as tx:
            rows.put_public_image(tx, row)
        return row

    def at_hand(self) -> list[str]:
        """The names and tags that can be had without the registries."""
        with self.store.reading() as tx:
            images = rows.list_public_images(tx)
        names = {f"{image.repository}:{image.tag}" for image in images}
        return sorted(names | {f"{name}:latest" for name in known_names()})

    def has_blob(self, name: str, digest: str) -> bool:
        """Whether a blob is of one of a repository's images: what is in ECR is nobody else's."""
        with self.store.reading() as tx:
            images = [
                image
                for known in {name, _SAME_AS.get(name, name)}
                for image in rows.PUBLIC_IMAGES.list(tx, repository=known)
            ]
        return any(
            digest.encode() in self.blobs.read(image.digest)
            for image in images
            if self.blobs.has(image.digest)
        )

    def tags(self, name: str) -> list[str]:
        """The tags of a repository that are at hand."""
        with self.store.reading() as tx:
            return [image.tag for image in rows.list_public_images(tx, name)]
