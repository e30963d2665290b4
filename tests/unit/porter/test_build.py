"""The image from packages, without the packages' download."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from hiyoko.plane.containers.blobs import Blobs, links
from hiyoko.porter.build import BuildError, build, write_image
from hiyoko.porter.recipes import NGINX, RECIPES


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    path = tmp_path / "packages.tar"
    with tarfile.open(path, "w") as tar:
        for name, text in {
            "./lib/x86_64-linux-gnu/libc.so.6": "libc",
            "./bin/busybox": "busybox",
            "./usr/sbin/nginx": "nginx",
            "./usr/share/doc/nginx/changelog.gz": "old",
            "./usr/share/doc/nginx/copyright": "BSD",
            "./usr/share/man/man8/nginx.8": "man",
        }.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(text), 1_600_000_000
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


def names(blobs: Blobs, image: dict[str, Any]) -> list[set[str]]:
    found = []
    for layer in links(blobs.read(image["digest"]), image["digest"]).layers:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blobs.read(layer)))) as tar:
            found.append(set(tar.getnames()))
    return found


def test_packages_and_our_files_become_two_layers(packages: Path, tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    base, own = names(blobs, write_image(blobs, NGINX, packages))
    assert {"bin", "lib", "usr/lib/x86_64-linux-gnu/libc.so.6", "usr/bin/sh"} <= base
    assert "usr/share/doc/nginx/copyright" in base
    assert not any("man8" in name or "changelog" in name for name in base)
    assert {"etc/nginx/conf.d/default.conf", "usr/share/nginx/html/index.html"} <= own


def test_the_same_packages_give_the_same_digest(packages: Path, tmp_path: Path) -> None:
    one = write_image(Blobs(tmp_path / "a"), NGINX, packages)
    assert write_image(Blobs(tmp_path / "b"), NGINX, packages) == one


def test_an_image_without_a_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no recipe"):
        build(tmp_path, "nonesuch")


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_serves_on_port_80(name: str) -> None:
    assert RECIPES[name].port == 80
    assert "busybox-static" in RECIPES[name].packages
