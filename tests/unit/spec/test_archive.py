from __future__ import annotations

from pathlib import Path

import pytest

from hiyoko.spec.service import Specs


def test_a_second_start_reads_the_cache(tmp_path: Path) -> None:
    Specs(tmp_path).service("sts")
    (cached,) = tmp_path.iterdir()
    written = cached.stat().st_mtime_ns
    assert Specs(tmp_path).service("sts").operation("GetCallerIdentity").name == "GetCallerIdentity"
    assert cached.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    "content", [b"", b"HIYOKO1\n", b"HIYOKO1\n\xff\xff\x00\x00abc", b"something"]
)
def test_a_broken_cache_is_made_anew(tmp_path: Path, content: bytes) -> None:
    Specs(tmp_path).service("sts")
    (cached,) = tmp_path.iterdir()
    cached.write_bytes(content)
    assert Specs(tmp_path).service("sts").operation("AssumeRole").input is not None
    assert [path.name for path in tmp_path.iterdir()] == [cached.name]


def test_an_unknown_service_is_none() -> None:
    assert Specs().find_service("skynet") is None
    assert Specs().find_service("../data/ec2") is None
