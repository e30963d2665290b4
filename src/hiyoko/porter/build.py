"""Packages in, OCI image out: ``python -m hiyoko.porter.build --state-dir DIR NAME``.

mmdebstrap (https://gitlab.mister-muffin.de/josch/mmdebstrap) downloads and extracts the packages
without running their scripts: nothing on the host changes, and an ordinary user can do it. The
image is written so that the same packages give the same digest. Progress and the answer are JSON
lines on stdout.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from hiyoko.plane.containers.blobs import Blobs
from hiyoko.porter.cache import ImageCache, image_cache, members
from hiyoko.porter.recipes import APPLETS, RECIPES, Recipe

MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
_EPOCH = 1_700_000_000
"""The time stamp of everything that we add: any constant will do."""
FORMAT = 4
"""Counts up when recipes change in a way that must reach images built before."""
_DROPPED = (
    "dev", "proc", "sys", "etc/apt", "etc/init.d", "etc/logrotate.d", "etc/cron.d",
    "etc/cron.daily", "var/cache", "var/lib/apt", "var/lib/dpkg", "var/log/apt",
    "usr/share/man", "usr/share/locale",
    "usr/share/info", "usr/share/lintian", "usr/share/bug", "usr/share/doc-base",
    "usr/share/bash-completion", "usr/lib/systemd", "usr/lib/x86_64-linux-gnu/gconv",
    "usr/lib/x86_64-linux-gnu/libdb-5.3.so", "usr/bin/ip", "usr/sbin/tc", "usr/sbin/devlink",
)  # fmt: skip
_MERGED = ("bin", "sbin", "lib", "lib64")
"""Debian 12 has a merged /usr (https://wiki.debian.org/UsrMerge); packages still say /bin."""


class BuildError(Exception):
    """The image can't be built; the text says why and what helps."""


def tell(**said: Any) -> None:
    """One JSON line for whoever waits. In one piece: layers are fetched by several threads."""
    sys.stdout.write(f"{json.dumps(said)}\n")
    sys.stdout.flush()


def _debian_sources() -> list[str]:
    """The Debian mirrors that this machine's apt uses, in sources.list form; may be none."""
    try:
        listed = subprocess.run(  # noqa: S603, RUF100
            [
                "apt-get",
                "indextargets",
                "--format",
                "deb $(REPO_URI) $(RELEASE) $(COMPONENT)",
                "Created-By: Packages",
                "Origin: Debian",
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return sorted(set(listed.splitlines()))


def _suite() -> str:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return "bookworm"
    return (
        release.get("VERSION_CODENAME", "bookworm") if release.get("ID") == "debian" else "bookworm"
    )


def extract_packages(packages: tuple[str, ...], archive: Path) -> None:
    """Download and extract the packages with all they need, as a tar archive."""
    program = shutil.which("mmdebstrap")
    if program is None:
        raise BuildError(
            "mmdebstrap is not installed, and public images are built with it"
            " (apt-get install mmdebstrap)"
        )
    mode, around, environment = "unshare", list[str](), dict(os.environ)
    if os.geteuid() == 0:
        # Whatever becomes of it: its mounts end with it, its files lie where we remove them. An
        # ordinary user's runs in a world of its own anyway, whose root may not enter our folder.
        mode, around = "root", ["unshare", "--mount", "--"]
        environment["TMPDIR"] = str(archive.parent)
    command = [
        *around,
        *(program, "--variant=extract", f"--mode={mode}", f"--include={','.join(packages)}"),
        *('--aptopt=APT::Install-Recommends "false"', _suite(), str(archive), *_debian_sources()),
    ]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stderr is not None
    said = []
    try:
        for line in process.stderr:
            if line.startswith("I: "):
                tell(progress=line[3:].strip())
            else:
                said.append(line.strip())
    finally:
        # Also when we are told to end: so is it, and it tidies up.
        process.wait()
        process.stderr.close()
    if process.returncode != 0:
        reasons = [line for line in said if line.startswith("E: ")] or said[-3:]
        raise BuildError(f"mmdebstrap could not extract {', '.join(packages)}: {' '.join(reasons)}")


def _place(name: str, drop: tuple[str, ...]) -> str:
    """Where a package's file goes in the image; empty when it stays out."""
    path = name.removeprefix("./").strip("/")
    top, slash, _ = path.partition("/")
    if top in _MERGED:
        if not slash:
            return ""
        path = f"usr/{path}"
    if any(path == one or path.startswith(f"{one}/") for one in (*_DROPPED, *drop)):
        return ""
    if path.startswith("usr/share/doc/") and not path.endswith("/copyright"):
        return ""
    return path


def _package_members(
    source: tarfile.TarFile, drop: tuple[str, ...]
) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    members = {}
    for member in source.getmembers():
        path = _place(member.name, drop)
        if member.isdev() or (member.islnk() and not _place(member.linkname, drop)):
            continue  # a hard link to a file that stays out has no content of its own
        if path:
            members[path] = member
    # A hard link can only be made after the file that it names.
    for path in sorted(members, key=lambda path: (members[path].islnk(), path)):
        member = members[path]
        content = source.extractfile(member) if member.isfile() else None
        info = tarfile.TarInfo(path)
        info.type, info.mode, info.size = member.type, member.mode, member.size
        info.uid, info.gid = member.uid, member.gid
        info.mtime = _EPOCH if member.isdir() else int(member.mtime)
        info.linkname = member.linkname
        if member.islnk():
            info.linkname, info.size = _place(member.linkname, drop), 0
        yield info, content


def _own_members(recipe: Recipe) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    for path, mode in recipe.directories:
        info = tarfile.TarInfo(path)
        info.type, info.mode, info.mtime = tarfile.DIRTYPE, mode, _EPOCH
        yield info, None
    for path, text, mode in recipe.files:
        data = text.encode()
        info = tarfile.TarInfo(path)
        info.size, info.mode, info.mtime = len(data), mode, _EPOCH
        yield info, io.BytesIO(data)
    for path, target in recipe.links:
        yield _link(path, target), None


def _base_links() -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    for name in _MERGED:
        yield _link(name, f"usr/{name}"), None


def _applets(taken: set[str]) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    for name in APPLETS:
        if f"usr/bin/{name}" not in taken:
            yield _link(f"usr/bin/{name}", "busybox"), None


def _link(path: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.linkname, info.mode, info.mtime = tarfile.SYMTYPE, target, 0o777, _EPOCH
    return info


def _add_layer(
    blobs: Blobs, members: Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]
) -> tuple[dict[str, Any], str]:
    """Write a layer into the store: its descriptor, and the digest of it unpacked."""
    with tempfile.TemporaryFile() as plain, tempfile.NamedTemporaryFile() as packed:
        with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for info, content in members:
                archive.addfile(info, content)
        plain.seek(0)
        diff = hashlib.file_digest(plain, "sha256").hexdigest()
        plain.seek(0)
        # No name and no time in gzip's header: the same content gives the same digest.
        with gzip.GzipFile("", "wb", compresslevel=6, fileobj=packed, mtime=0) as squeezed:
            shutil.copyfileobj(plain, squeezed, 1 << 20)
        packed.flush()
        digest, size = blobs.add_file(Path(packed.name))
    return {"mediaType": _LAYER_TYPE, "digest": digest, "size": size}, f"sha256:{diff}"


def write_image(blobs: Blobs, recipe: Recipe, archive: Path) -> dict[str, Any]:
    """The image of a recipe whose packages are in ``archive``; the answer to the client."""
    with tarfile.open(archive) as source:
        taken: set[str] = set()

        def base() -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
            yield from _base_links()
            for info, content in _package_members(source, recipe.drop):
                taken.add(info.name)
                yield info, content
            yield from _applets(taken)

        layers = [_add_layer(blobs, base()), _add_layer(blobs, _own_members(recipe))]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2023-11-14T22:13:20Z",
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Cmd": list(recipe.command),
            "ExposedPorts": {f"{recipe.port}/tcp": {}},
            "StopSignal": recipe.stop_signal,
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in layers]},
    }
    return add_manifest(blobs, config, [layer for layer, _ in layers])


def add_manifest(
    blobs: Blobs, config: dict[str, Any], layers: list[dict[str, Any]]
) -> dict[str, Any]:
    """Write configuration and manifest of an image; its digest, media type and size.

    Builders that go on from an image count its layers in its history.
    """
    config = {**config, "history": [{"created_by": "hiyoko"} for _ in layers]}
    body = json.dumps(config, sort_keys=True).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MEDIA_TYPE,
        "config": {"mediaType": _CONFIG_TYPE, "digest": blobs.add(body), "size": len(body)},
        "layers": layers,
    }
    size = len(body) + sum(layer["size"] for layer in layers)
    digest = blobs.add(json.dumps(manifest, sort_keys=True).encode())
    return {"digest": digest, "media_type": MEDIA_TYPE, "size": size}


def build(image_dir: Path, name: str, cache: ImageCache | None = None) -> dict[str, Any]:
    """The image, built unless it was built before, here or in another cloud. Raises BuildError."""
    recipe = RECIPES.get(name)
    if recipe is None:
        raise BuildError(f"there is no recipe for an image named {name!r}")
    blobs = Blobs(image_dir)
    mark = image_dir / "built" / f"{name}.{FORMAT}.json"
    try:
        known: dict[str, Any] = json.loads(mark.read_text())
        if all(blobs.keep(member) for member in members(blobs, known["digest"])):
            return known
    except (OSError, ValueError, KeyError):
        pass
    mark.parent.mkdir(parents=True, exist_ok=True)
    key = f"{name}.{FORMAT}.{_suite()}"
    built = cache.find(key, blobs) if cache is not None else None
    if built is None:
        built = _build_now(blobs, name, recipe)
        if cache is not None:
            try:
                cache.keep(key, built, blobs)
            except OSError as error:
                tell(progress=f"image {name} is not kept for other clouds: {error}")
    part = mark.with_suffix(".part")
    part.write_text(json.dumps(built))
    part.rename(mark)
    return built


def _build_now(blobs: Blobs, name: str, recipe: Recipe) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=blobs.image_dir, prefix=".build-") as work:
        archive = Path(work) / "packages.tar"
        extract_packages(recipe.packages, archive)
        tell(progress=f"writing image {name}")
        return write_image(blobs, recipe, archive)


def main() -> int:
    """One image; the last line on stdout is the answer."""
    image_dir = Path(sys.argv[sys.argv.index("--state-dir") + 1]) / "images"
    image_dir.mkdir(parents=True, exist_ok=True)
    # When the porter ends, so do we, and leave nothing half done in the store.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        tell(**build(image_dir, sys.argv[-1], image_cache()))
    except (BuildError, OSError, tarfile.TarError) as error:
        tell(error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
