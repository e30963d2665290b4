from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from hiyoko.plane.containers.blobs import Blobs, links, platform_digest


def test_a_blob_is_kept_under_its_digest(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    digest = blobs.add(b"hello")
    assert digest == f"sha256:{hashlib.sha256(b'hello').hexdigest()}"
    assert blobs.read(digest) == b"hello"
    assert list((tmp_path / "incoming").iterdir()) == []


def test_a_file_with_another_digest_is_not_taken(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    source = tmp_path / "source"
    source.write_bytes(b"x")
    wrong = f"sha256:{'0' * 64}"
    assert blobs.adopt(source, wrong) != wrong
    assert not blobs.has(wrong)
    assert source.exists()


@pytest.mark.parametrize("digest", ["sha256:../../etc/passwd", "md5:1", "", f"sha256:{'/' * 64}"])
def test_what_is_no_digest_names_no_file(tmp_path: Path, digest: str) -> None:
    with pytest.raises(ValueError, match="no sha256 digest"):
        Blobs(tmp_path).path(digest)


def test_a_configuration_is_read_with_its_defaults(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    config = {"config": {"Cmd": ["a"], "Env": ["A=b=c"], "StopSignal": "SIGQUIT"}}
    read = blobs.config(blobs.add(json.dumps(config).encode()))
    assert (read.command, read.environment) == (("a",), (("A", "b=c"),))
    assert (read.working_directory, read.stop_signal, read.entry_point) == ("/", "SIGQUIT", ())
    assert blobs.config(blobs.add(b"{}")).stop_signal == "SIGTERM"


def test_an_index_leads_to_this_machines_image() -> None:
    arm = {"digest": f"sha256:{'a' * 64}", "platform": {"os": "linux", "architecture": "arm64"}}
    amd = {"digest": f"sha256:{'b' * 64}", "platform": {"os": "linux", "architecture": "amd64"}}
    assert platform_digest(json.dumps({"manifests": [arm, amd]}).encode()) == amd["digest"]
    assert platform_digest(b'{"layers": []}') is None
    with pytest.raises(ValueError, match="does not contain descriptor matching platform"):
        platform_digest(json.dumps({"manifests": [arm]}).encode())


def test_a_manifest_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no image manifest"):
        links(b"{}", "sha256:x")


@pytest.mark.parametrize(
    "text",
    [
        *("[]", "null", "7", "{", "[" * 100_000, '{"config": "x"}', '{"config": {"Env": [1]}}'),
        *('{"config": {"Env": "PATH"}}', '{"config": {"Cmd": [["a"]]}}'),
        *('{"config": {"Entrypoint": {"a": 1}}}', '{"config": {"User": 5}}'),
        *('{"config": {"WorkingDir": 7}}', '{"config": {"StopSignal": 9}}'),
    ],
)
def test_a_configuration_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    blobs = Blobs(tmp_path)
    with pytest.raises(ValueError, match=r"."):
        blobs.config(blobs.add(text.encode()))


@pytest.mark.parametrize(
    "document",
    [
        *([], None, {"manifests": [7]}, {"manifests": ["x"]}, {"config": {}, "layers": []}),
        *(
            {"config": {"digest": "sha512:0"}, "layers": []},
            {"config": {"digest": 5}, "layers": []},
        ),
        {"config": {"digest": f"sha256:{'0' * 64}"}, "layers": [{"digest": "sha256:../../x"}]},
        {"manifests": [{"platform": {"os": "linux", "architecture": "amd64"}, "digest": "x"}]},
    ],
)
def test_a_manifest_of_anything_else_is_refused(document: object) -> None:
    body = json.dumps(document).encode()
    with pytest.raises((ValueError, KeyError, TypeError)):
        links(body, platform_digest(body) or "")
