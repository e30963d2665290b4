"""Lines on their way to S3 leave nothing behind, whatever becomes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hiyoko.plane.balancer.log_context import LogContext
from hiyoko.plane.collector import spool


def no_room(turned: Path, *_: object) -> None:
    raise OSError(28, "No space left on device", str(turned))


def nobody(name: str) -> LogContext | None:
    return None


@pytest.mark.parametrize("fails", [False, True])
def test_lines_that_cannot_be_made_into_files_are_not_kept_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], fails: bool
) -> None:
    if fails:
        monkeypatch.setattr(spool, "make_files", no_room)
    one = spool.Spool(tmp_path, "node")
    one.add(b"a line\n")
    assert (tmp_path / "node.raw").exists()
    one.turn(300.0, nobody)
    one.reap(wait=True)
    assert list(tmp_path.glob("*.raw")) + list(tmp_path.glob("*.turned")) == []
    assert ("are lost" in capfd.readouterr().err) == fails
