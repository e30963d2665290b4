from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hiyoko.plane.containers.blobs import sweep
from hiyoko.plane.containers.layers import FAILED, resolve, unpack, unpack_once

Fill = Callable[[tarfile.TarFile], None]


def add(tar: tarfile.TarFile, name: str, text: str = "", **more: object) -> None:
    info = tarfile.TarInfo(name)
    info.uid, info.gid, info.mode = os.getuid(), os.getgid(), 0o644
    for key, value in more.items():
        setattr(info, key, value)
    info.size = len(text)
    tar.addfile(info, io.BytesIO(text.encode()))


@pytest.fixture
def layer(tmp_path: Path) -> Callable[[Fill], Path]:
    def make(fill: Fill) -> Path:
        path = tmp_path / "layer.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            fill(tar)
        return path

    return make


def test_files_links_and_modes_arrive(layer: Callable[[Fill], Path], tmp_path: Path) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        add(tar, "./usr/bin/tool", "x", mode=0o4755)
        add(tar, "usr/bin/hard", type=tarfile.LNKTYPE, linkname="usr/bin/tool")
        add(tar, "bin", type=tarfile.SYMTYPE, linkname="usr/bin")
        add(tar, "bin/late", "through the link")

    root = tmp_path / "root"
    root.mkdir()
    unpack(layer(fill), root)
    tool = root / "usr" / "bin" / "tool"
    assert stat.S_IMODE(tool.stat().st_mode) == 0o4755
    assert (root / "usr" / "bin" / "hard").stat().st_ino == tool.stat().st_ino
    assert (root / "usr" / "bin" / "late").read_text() == "through the link"
    assert (root / "bin").is_symlink()


@pytest.mark.parametrize("link", ["/etc", "../../../../etc", ".."])
def test_a_link_does_not_lead_out_of_the_layer(
    layer: Callable[[Fill], Path], tmp_path: Path, link: str
) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        add(tar, "way", type=tarfile.SYMTYPE, linkname=link)
        add(tar, "way/new-file", "inside")

    root = tmp_path / "a" / "root"
    root.mkdir(parents=True)
    unpack(layer(fill), root)
    inside = list(tmp_path.rglob("new-file"))
    assert all(path.is_relative_to(root) for path in inside)
    assert len(inside) == 1


def test_dots_in_names_are_refused_and_nothing_is_left(
    layer: Callable[[Fill], Path], tmp_path: Path
) -> None:
    blob = layer(lambda tar: add(tar, "a/../../b", "x"))
    with pytest.raises(ValueError, match="leaves the image"):
        unpack_once(blob, tmp_path / "layers" / "root")
    assert list((tmp_path / "layers").iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="whiteouts are device nodes, which need root")
def test_whiteouts_become_what_overlayfs_knows(
    layer: Callable[[Fill], Path], tmp_path: Path
) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        add(tar, "etc/.wh.gone")
        add(tar, "var/.wh..wh..opq")

    root = tmp_path / "root"
    root.mkdir()
    unpack(layer(fill), root)
    hidden = (root / "etc" / "gone").lstat()
    assert stat.S_ISCHR(hidden.st_mode)
    assert hidden.st_rdev == 0
    assert os.getxattr(root / "var", "user.overlay.opaque") == b"y"


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(ValueError, match="too many links"):
        resolve(tmp_path, ["a", "c"])


@pytest.mark.parametrize("name", ["way/.wh...", ".wh...", ".wh..", "way/.wh."])
def test_a_whiteout_hides_nothing_but_a_name(
    layer: Callable[[Fill], Path], tmp_path: Path, name: str
) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        add(tar, "way/file")
        add(tar, name)

    root, neighbour = tmp_path / "layers" / "root", tmp_path / "layers" / "neighbour"
    root.mkdir(parents=True)
    neighbour.mkdir()
    with pytest.raises(ValueError, match=r"hides nothing|leaves the image"):
        unpack(layer(fill), root)
    assert neighbour.is_dir()
    assert (root / "way" / "file").exists()


def test_no_file_of_the_hosts_is_linked_or_made_a_device(
    layer: Callable[[Fill], Path], tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.write_text("the host's")

    def fill(tar: tarfile.TarFile) -> None:
        add(tar, "link", type=tarfile.SYMTYPE, linkname=str(outside))
        add(tar, "hard", type=tarfile.LNKTYPE, linkname="link")
        add(tar, "disk", type=tarfile.BLKTYPE, devmajor=8, devminor=0)
        add(tar, "link", "the image's")

    root = tmp_path / "root"
    root.mkdir()
    unpack(layer(fill), root)
    assert outside.read_text() == "the host's"
    assert (root / "hard").is_symlink()
    assert (root / "link").read_text() == "the image's"
    assert not (root / "disk").exists()
    with pytest.raises((ValueError, OSError)):
        unpack(layer(lambda tar: add(tar, "x", type=tarfile.LNKTYPE, linkname=str(outside))), root)


def run_unpack(blob: Path, target: Path, bytes_max: int = 1 << 30) -> tuple[int, str]:
    """The program as a pull runs it: exit status and what it says."""
    program = [sys.executable, "-m", "hiyoko.plane.containers.layers"]
    done = subprocess.run(
        [*program, str(blob), str(target), str(bytes_max)], stderr=subprocess.PIPE, text=True
    )
    return done.returncode, done.stderr


def sparse(path: Path, size: int) -> Path:
    """A layer of a kilobyte whose one file says that it is so large, with holes."""
    info = tarfile.TarInfo("huge")
    info.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.map": f"{size},0",
        "GNU.sparse.size": str(size),
        "GNU.sparse.name": "huge",
    }
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info)
    return path


def test_a_small_layer_that_becomes_huge_ends_at_the_room_there_is(
    layer: Callable[[Fill], Path], tmp_path: Path
) -> None:
    """Compressed zeros, holes and entries without a byte: none of them fills the disk."""

    def many(tar: tarfile.TarFile) -> None:
        for number in range(2000):
            add(tar, f"{number}")

    target = tmp_path / "layers" / "root"
    blobs = [layer(lambda tar: add(tar, "zeros", "\0" * (8 << 20)))]
    blobs[0] = blobs[0].rename(tmp_path / "zeros")
    blobs += [sparse(tmp_path / "holes", 1 << 50), layer(many)]
    for blob in blobs:
        assert blob.stat().st_size < 1 << 17
        status, said = run_unpack(blob, target, 4 << 20)
        assert (status, "no space left for the image" in said) == (1, True), said
        assert list(target.parent.iterdir()) == []
    assert run_unpack(blobs[0], target, 9 << 20) == (0, "")


def test_a_header_beyond_all_measure_ends_the_unpacking(tmp_path: Path) -> None:
    blob = tmp_path / "layer"
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 8 << 30
    with blob.open("wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.truncate(8 << 30)
    status, said = run_unpack(blob, tmp_path / "root")
    assert (status, "its headers are larger" in said) == (1, True), said


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"mtime": 1 << 63}, ""),
        ({"uid": 1 << 40}, ""),
        ({"member": "n" * 300}, "File name too long"),
        ({"type": tarfile.LNKTYPE, "linkname": "etc"}, "No such file"),
    ],
)
def test_an_entry_that_cannot_be_is_told_without_the_hosts_paths(
    layer: Callable[[Fill], Path], tmp_path: Path, wrong: dict[str, Any], why: str
) -> None:
    status, said = run_unpack(
        layer(lambda tar: add(tar, wrong.pop("member", "x"), **wrong)), tmp_path / "l" / "root"
    )
    assert status == 1
    assert said.startswith(FAILED)
    assert why in said
    assert "Traceback" not in said
    assert str(tmp_path) not in said


def test_what_a_killed_unpacking_left_is_in_nobodys_way_and_swept(
    layer: Callable[[Fill], Path], tmp_path: Path
) -> None:
    """The next world counts its processes from 1 again: the same pid comes by soon."""
    images = tmp_path / "images"
    target = images / "layers" / "root"
    for name in (f".root.{os.getpid()}", ".root.1"):
        (images / "layers" / name / "etc").mkdir(parents=True)
    (images / "incoming").mkdir()
    (images / "incoming" / "half").write_text("ha")
    (images / ".import-x").mkdir()
    unpack_once(layer(lambda tar: add(tar, "etc/hosts", "x")), target)
    assert (target / "etc" / "hosts").read_text() == "x"
    assert sweep(images) == 4
    assert sorted(images.rglob("*")) == sorted(
        [images / "incoming", images / "layers", target, target / "etc", target / "etc" / "hosts"]
    )
