"""Archives and directories become images in the store: ``hiyoko image import``.

skopeo (https://github.com/containers/skopeo) reads the archives; what it writes is an OCI image,
whatever came in. A directory is taken as one layer, a root file system without any configuration.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from hiyoko.plane.containers.blobs import Blobs, links, platform_digest
from hiyoko.plane.error import PlaneError
from hiyoko.plane.process import run

if TYPE_CHECKING:  # loaded for the first directory that becomes an image
    import tarfile

IMPORT_TIMEOUT_S = 600.0
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


class SourceKind(StrEnum):
    """What an image can be imported from."""

    OCI_ARCHIVE = "oci-archive"
    DOCKER_ARCHIVE = "docker-archive"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True)
class ImportedImage:
    """An image in the store. ``size`` counts its compressed layers."""

    digest: str
    media_type: str
    size: int
    manifest: str


async def import_archive(image_dir: Path, source: Path, kind: SourceKind) -> ImportedImage:
    """Bring an image into the store. Raises PlaneError with a clear text."""
    if not await asyncio.to_thread(source.exists):
        raise PlaneError(f"import {source}: no such file or directory")
    blobs = Blobs(image_dir)
    if kind is SourceKind.DIRECTORY:
        if not await asyncio.to_thread(source.is_dir):
            raise PlaneError(f"import {source}: not a directory")
        digest = await asyncio.to_thread(_pack, blobs, source)
    else:
        digest = await _convert(blobs, source, kind)
    body = blobs.read(digest)
    manifest = links(body, digest)
    size = sum(blobs.path(one).stat().st_size for one in (manifest.config, *manifest.layers))
    return ImportedImage(digest, MANIFEST_TYPE, size, body.decode())


async def _convert(blobs: Blobs, source: Path, kind: SourceKind) -> str:
    """Copy an archive's image into the store; its manifest's digest."""
    blobs.image_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=blobs.image_dir, prefix=".import-") as work:
        layout = Path(work) / "image"
        try:
            await run(
                *("skopeo", "--insecure-policy", "copy", f"--tmpdir={work}", f"{kind}:{source}"),
                f"oci:{layout}",
                timeout_s=IMPORT_TIMEOUT_S,
            )
        except PlaneError as error:
            raise PlaneError(f"import {source}: {_reason(str(error), kind)}") from error
        return await asyncio.to_thread(_adopt_layout, blobs, layout)


def _reason(said: str, kind: SourceKind) -> str:
    """The last link of skopeo's chain of causes, which it logs in quotes."""
    cause = said.strip().rstrip('"').rpartition(": ")[2]
    return f"this is no {kind} that skopeo can read ({cause})"


def _adopt_layout(blobs: Blobs, layout: Path) -> str:
    index = json.loads((layout / "index.json").read_text())
    for path in (layout / "blobs" / "sha256").iterdir():
        blobs.adopt(path, f"sha256:{path.name}")
    digest: str = index["manifests"][0]["digest"]
    try:
        return platform_digest(blobs.read(digest)) or digest
    except ValueError as error:
        raise PlaneError(f"import image: {error}") from error


def _pack(blobs: Blobs, source: Path) -> str:
    """A directory as an image of one layer."""
    import tarfile

    with tempfile.TemporaryDirectory(dir=_made(blobs.image_dir), prefix=".import-") as work:
        archive = Path(work) / "layer.tar"
        with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
            for path in sorted(source.iterdir()):
                tar.add(path, arcname=path.name, filter=_as_root)
        layer, size = blobs.add_file(archive)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [layer]},
        "history": [{"created_by": "hiyoko image import"}],
    }
    body = json.dumps(config, sort_keys=True).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": blobs.add(body),
            "size": len(body),
        },
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": layer,
                "size": size,
            }
        ],
    }
    text = json.dumps(manifest, sort_keys=True).encode()
    return blobs.add(text)


def _as_root(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """The importing user's files become root's, as in any image; devices stay out."""
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return None if info.isdev() else info


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory
