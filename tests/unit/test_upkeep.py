"""The daemon's own log: bounded, and stderr stays in its newest file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """\
import logging, os, sys
from pathlib import Path
from hiyoko.upkeep import LogFile

logging.basicConfig(level="INFO", handlers=[LogFile(sys.argv[1], maxBytes=2000, backupCount=1)])
for number in range(100):
    logging.info("line %d of a log that grows and grows", number)
os.write(2, b"a last word on stderr")
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log written by a process whose stderr was appended to the same file, as launch does."""
    path = tmp_path / "daemon.log"
    with path.open("ab") as errors:
        subprocess.run([sys.executable, "-c", PROGRAM, str(path)], stderr=errors, check=True)
    return path


def test_the_log_is_bounded_to_two_files(log: Path) -> None:
    files = sorted(log.parent.iterdir())
    assert [file.name for file in files] == ["daemon.log", "daemon.log.1"]
    assert all(file.stat().st_size <= 2100 for file in files)


def test_stderr_follows_to_the_new_file(log: Path) -> None:
    assert log.read_text().endswith("a last word on stderr")
