"""Helpers' output is cut while they go on writing."""

from __future__ import annotations

from pathlib import Path

from hiyoko.plane.helper_logs import BYTES_MAX, KEPT_BYTES
from hiyoko.reconcile.helper_logs import HelperLogs
from hiyoko.settings import Settings


async def test_what_a_helper_prints_is_cut_and_its_last_lines_are_kept(tmp_path: Path) -> None:
    settings = Settings(tmp_path, 1, 2)
    places = [
        settings.log_dir / "dns.log",
        settings.run_dir / "log_driver" / "log",
        settings.run_dir / "collector" / "collector.log",
        settings.run_dir / "connect" / "eni-1" / "haproxy.log",
        settings.run_dir / "balancer" / "eni-2" / "haproxy.log",
        settings.run_dir / "agents" / "eni-2" / "agent.log",
    ]
    small, own = settings.log_dir / "porter.log", settings.daemon_log
    for path in (*places, small, own):
        path.parent.mkdir(parents=True, exist_ok=True)
    small.write_text("a line\n")
    own.write_bytes(b"x" * (BYTES_MAX + 1))
    writers = [path.open("ab", buffering=0) for path in places]
    for writer in writers:
        writer.write(b"early" + b"." * (BYTES_MAX - KEPT_BYTES // 2) + b"\n")
        writer.write((b"." * 99 + b"\n") * (KEPT_BYTES // 100) + b"last\n")
    report = await HelperLogs(settings).activate()
    assert sorted(report.steps) == sorted(f"cut {path}" for path in places)
    for path, writer in zip(places, writers, strict=True):
        writer.write(b"next\n")
        writer.close()
        assert path.read_text() == "next\n"
        kept = path.with_name(f"{path.name}.1").read_bytes()
        assert kept.endswith(b"last\n")
        assert len(kept) <= KEPT_BYTES
        assert b"early" not in kept
    assert small.read_text() == "a line\n"
    assert own.stat().st_size > BYTES_MAX
    assert (await HelperLogs(settings).activate()).quiet
