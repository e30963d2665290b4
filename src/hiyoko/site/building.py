"""Images that a site builds: each named by a digest of what it is built from.

So an unchanged context is the same image, and no new deployment. What the base images' tags lead to
is no part of the digest; neither is ``.git``.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hiyoko.site.containers import OWN_REGISTRY
from hiyoko.site.model import Build, Site

FORMAT = "1"
"""Counts up when images of the same context shall be built anew."""
_TAG_LENGTH = 20
_IGNORE_FILES = (".containerignore", ".dockerignore")


class BuildFault(Exception):
    """Why an image can't be built as the site says; the text names the service."""


@dataclass(frozen=True, slots=True)
class ImageBuild:
    """One image to build: by which file, from which folder, to which name and tag in ECR."""

    service: str
    context: Path
    dockerfile: Path
    args: tuple[tuple[str, str], ...]
    target: str
    repository: str
    tag: str


def image_builds(site: Site, folder: Path) -> tuple[ImageBuild, ...]:
    """What a site builds. ``folder`` is where paths start. Raises BuildFault."""
    return tuple(
        _image_build(site, name, service.build, folder)
        for name, service in site.services.items()
        if service.build is not None
    )


def _image_build(site: Site, name: str, build: Build, folder: Path) -> ImageBuild:
    context = (folder / build.context).resolve()
    dockerfile = context / build.dockerfile
    if not context.is_dir():
        raise BuildFault(f"services.{name}.build: there is no folder {context}")
    if not dockerfile.is_file():
        raise BuildFault(f"services.{name}.build: there is no file {dockerfile}")
    args = tuple(sorted(build.args.items()))
    target = build.target or ""
    try:
        tag = _digest(context, dockerfile, args, target)[:_TAG_LENGTH]
    except OSError as error:
        raise BuildFault(f"services.{name}.build: {error.filename}: {error.strerror}") from error
    repository = f"{site.name}/{name}".lower()
    return ImageBuild(name, context, dockerfile, args, target, repository, tag)


def with_images(site: Site, builds: tuple[ImageBuild, ...]) -> Site:
    """The site with the name of its image for each service that builds one."""
    services = dict(site.services)
    for build in builds:
        image = f"{OWN_REGISTRY}/{build.repository}:{build.tag}"
        services[build.service] = services[build.service].model_copy(update={"image": image})
    return site.model_copy(update={"services": services})


def _digest(context: Path, dockerfile: Path, args: tuple[tuple[str, str], ...], target: str) -> str:
    whole = hashlib.sha256(repr((FORMAT, args, target)).encode())
    whole.update(_file_digest(dockerfile))
    for name, path in sorted(_files(context)):
        status = path.lstat()
        whole.update(f"\0{name}\0{stat.S_IFMT(status.st_mode) | status.st_mode & 0o777}\0".encode())
        if stat.S_ISLNK(status.st_mode):
            whole.update(os.fsencode(path.readlink()))
        elif stat.S_ISREG(status.st_mode):
            whole.update(_file_digest(path))
    return whole.hexdigest()


def _file_digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _files(context: Path) -> Iterator[tuple[str, Path]]:
    """Everything in a context that is not ignored, by its name from there."""
    ignored = _ignored(context)
    for folder, folders, files in os.walk(context):
        here = Path(folder).relative_to(context)
        folders[:] = [
            name
            for name in folders
            if str(here / name) != ".git" and not (ignored and ignored.fullmatch(str(here / name)))
        ]
        for name in (*folders, *files):
            relative = str(here / name)
            if not (ignored and ignored.fullmatch(relative)):
                yield relative, context / relative


def _ignored(context: Path) -> re.Pattern[str] | None:
    """What the context's ignore file leaves out; nothing when it takes something in again.

    Too much in the digest only builds once more, too little would miss a change.
    https://docs.docker.com/build/concepts/context/#dockerignore-files
    """
    file = next((context / name for name in _IGNORE_FILES if (context / name).is_file()), None)
    lines = [line.strip() for line in file.read_text().splitlines()] if file else []
    patterns = [line.strip("/") for line in lines if line and not line.startswith("#")]
    if not patterns or any(pattern.startswith("!") for pattern in patterns):
        return None
    return re.compile("|".join(map(_expression, patterns)))


def _expression(pattern: str) -> str:
    """A pattern of an ignore file; a folder that matches is left out whole."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.removeprefix("./"))
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(meaning.get(part) or re.escape(part) for part in parts) + "(?:/.*)?"
