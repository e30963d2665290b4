"""Whether tasks can have user namespaces of their own here: tried once, on what they would use.

Which file system maps the owners of layers is the kernel's to say, and so is who may make a
namespace: https://docs.kernel.org/filesystems/idmappings.html.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hiyoko.plane import user_namespaces
from hiyoko.plane.containers.cgroups import real_root
from hiyoko.plane.containers.overlay import mount_overlay
from hiyoko.plane.error import PlaneError, words_of
from hiyoko.plane.process import run

NAME = "trial"
ROOTLESS = "an ordinary user's subordinate ids are one range, which is the world's"


async def users_refused(images: Path) -> str:
    """Why tasks have no user namespaces of their own; empty when they have."""
    if not real_root():
        return ROOTLESS
    try:
        await user_namespaces.add([NAME])
        try:
            await _try_root(images)
        finally:
            await run("ip", "netns", "delete", NAME)
            user_namespaces.drop([NAME])
    except (PlaneError, OSError) as error:
        return words_of(error)
    return ""


@contextmanager
def _directories(images: Path) -> Iterator[tuple[Path, Path, Path, Path]]:
    """A layer with one file, and what else an overlay takes."""
    images.mkdir(parents=True, exist_ok=True)
    if os.statvfs(images).f_flag & os.ST_NOEXEC:
        # The runtime takes that off volumes, which only the world's root may.
        raise PlaneError(f"the file system of {images} is mounted with noexec")
    with tempfile.TemporaryDirectory(prefix=".trial-", dir=images) as name:
        layer, upper, work, root = (Path(name, one) for one in ("layer", "upper", "work", "root"))
        for directory in (layer, upper, work, root):
            directory.mkdir()
        (layer / "file").touch()
        yield layer, upper, work, root


async def _try_root(images: Path) -> None:
    users = user_namespaces.find(NAME)
    assert users is not None, "it was made"
    with _directories(images) as (layer, upper, work, root):
        await mount_overlay([layer], upper, work, root, users)
        try:
            owner = (root / "file").stat().st_uid
        finally:
            user_namespaces.unmount_all(root)
        if owner != users.first:
            raise PlaneError("overlayfs does not map the owners of layers")
