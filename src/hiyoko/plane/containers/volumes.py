"""A task's volumes: directories that its containers share and that end with it.

A volume that is mounted where the image has something starts with that, once, as on Fargate.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/bind-mounts.html
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from hiyoko.blueprint.tasks import Container
from hiyoko.plane.containers.layers import resolve
from hiyoko.plane.containers.runtime import StartFailed
from hiyoko.plane.user_namespaces import UserNamespace

MODE = 0o755
_OWN = ("dev", "proc", "sys")
_USER_FILES = ("passwd", "group")
_SHARED_MEMORY = ("dev", "shm")


def check_places(container: Container, rootfs: Path, own: Iterable[str] = ()) -> None:
    """Refuse what would put another container's files in the runtime's way. Raises StartFailed.

    The runtime covers paths of /proc with /dev/null when a container starts. Were /dev, or a link
    on the way to a mount point, in a volume, who shares it could swap it at that moment. ``own``:
    where else something is mounted, and no volume has a place.
    """
    _check_image(rootfs)
    places = {
        mount.path: resolve(rootfs, mount.path.strip("/").split("/")).relative_to(rootfs).parts
        for mount in container.mounts
    }
    for path in own:
        place = resolve(rootfs, path.strip("/").split("/")).relative_to(rootfs).parts
        for volume, other in places.items():
            if all(mine == theirs for mine, theirs in zip(place, other, strict=False)):
                raise StartFailed(
                    f"no volume can be mounted at {volume}: the log router has {path}"
                )
    for path, place in places.items():
        if not place or (place[0] in _OWN and place != _SHARED_MEMORY):
            raise StartFailed(f"no volume can be mounted at {path}: it is the container's own")
        for outer, above in places.items():
            if len(above) < len(place) and place[: len(above)] == above:
                raise StartFailed(
                    f"a volume at {path} inside the volume at {outer} is not supported"
                )


def _check_image(rootfs: Path) -> None:
    for name in _OWN:
        if (rootfs / name).is_symlink():
            raise StartFailed(f"/{name} of the image is a link")
    for name in _USER_FILES:
        try:
            found = resolve(rootfs, ["etc", name])
        except ValueError as error:
            raise StartFailed(str(error)) from error
        # The runtime reads it in the container, and would wait for who writes into a pipe.
        special = set(found.relative_to(rootfs).parts[:1]) & set(_OWN)
        if special or (found.exists() and not found.is_file()):
            raise StartFailed(f"/etc/{name} of the image is no file")


def make_volumes(
    top: Path, container: Container, rootfs: Path, users: UserNamespace | None = None
) -> None:
    """Make what the container mounts and is not there yet; ``rootfs`` is its mounted image.

    What the image has there keeps its owners; else ``users``' root is the owner.
    """
    for mount in container.mounts:
        volume = top / mount.volume
        if volume.is_dir():
            continue
        top.mkdir(exist_ok=True)
        # Filled beside its place: what is there under its name is whole.
        part = top / f".{mount.volume}"
        shutil.rmtree(part, ignore_errors=True)
        source = resolve(rootfs, mount.path.strip("/").split("/"))
        if source.is_dir():
            _copy(source, part)
        else:
            part.mkdir(mode=MODE)
            part.chmod(MODE)
            if users is not None:
                users.own(part)
        part.replace(volume)


def _copy(source: Path, target: Path) -> None:
    """Copy a tree with owners and modes; links stay links."""
    shutil.copytree(source, target, symlinks=True, copy_function=_copy_file)
    _own(source, target)
    for directory, names, files in os.walk(source):
        for name in (*names, *files):
            path = Path(directory, name)
            _own(path, target / path.relative_to(source))


def _copy_file(source: str, target: str) -> str:
    return str(shutil.copy2(source, target, follow_symlinks=False))


def _own(source: Path, target: Path) -> None:
    status = source.lstat()
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
