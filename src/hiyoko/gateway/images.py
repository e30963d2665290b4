"""Images that the user imports: into an ECR repository, or onto the simulated internet."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from hiyoko import api
from hiyoko.api import AwsError
from hiyoko.gateway.public_images import known_names
from hiyoko.plane.containers.importing import ImportedImage, SourceKind, import_archive
from hiyoko.plane.containers.reference import Reference, parse_reference
from hiyoko.plane.error import PlaneError
from hiyoko.services.ecr import rows
from hiyoko.services.ecr.model import PublicImage, registry_host
from hiyoko.settings import Settings
from hiyoko.store.database import Store


async def import_image(
    settings: Settings, store: Store, name: str, path: Path, kind: str
) -> dict[str, str | int]:
    """Import an archive or a directory under a name as ``docker pull`` takes it.

    An ECR name's repository is created if need be. Raises PlaneError with a clear text.
    """
    try:
        reference = parse_reference(name)
        source = SourceKind(kind)
    except ValueError as error:
        raise PlaneError(f"import image {name}: {error}") from error
    if reference.digest:
        raise PlaneError(f"import image {name}: a digest is not chosen; name a tag")
    image = await import_archive(settings.image_dir, path, source)
    try:
        _record(store, reference, image)
    except AwsError as error:
        raise PlaneError(f"import image {name}: {error.message}") from error
    return _shown(reference.name, reference.tag, image.digest, image.size)


def _record(store: Store, reference: Reference, image: ImportedImage) -> None:
    if reference.ecr is None:
        row = PublicImage(
            repository=reference.name,
            tag=reference.tag,
            digest=image.digest,
            media_type=image.media_type,
            size=image.size,
            created_at=round(time.time(), 3),
        )
        with store.transaction() as tx:
            rows.put_public_image(tx, row)
        return
    account, region = reference.ecr
    invoke = partial(api.invoke, store, "ecr", account=account, region=region)
    with store.reading() as tx:
        known = rows.find_repository(tx, account, region, reference.path)
    if known is None:
        invoke("CreateRepository", {"repositoryName": reference.path})
    request = {
        "repositoryName": reference.path,
        "tag": reference.tag,
        "digest": image.digest,
        "mediaType": image.media_type,
        "size": image.size,
        "manifest": image.manifest,
    }
    invoke("_PutManifest", request)


def list_images(settings: Settings, store: Store) -> list[dict[str, str | int]]:
    """Every image by name and tag: those of the simulated internet, then those in ECR.

    A public image that would be built on first use has no digest yet.
    """
    with store.reading() as tx:
        public = {(image.repository, image.tag): image for image in rows.list_public_images(tx)}
        found = [
            _shown(image.repository, image.tag, image.digest, image.size)
            for image in public.values()
        ]
        for name, known in known_names().items():
            image = public.get((known, "latest"))
            if (name, "latest") not in public:
                digest, size = (image.digest, image.size) if image else ("", 0)
                found.append(_shown(name, "latest", digest, size))
        sizes = {image.digest: image.size for image in rows.IMAGES.list(tx)}
        for tag in rows.TAGS.list(tx):
            name = f"{registry_host(tag.account, tag.region)}/{tag.repository}"
            found.append(_shown(name, tag.tag, tag.digest, sizes.get(tag.digest, 0)))
    return found


def _shown(name: str, tag: str, digest: str, size: int) -> dict[str, str | int]:
    return {"name": name, "tag": tag, "digest": digest, "size": size}
