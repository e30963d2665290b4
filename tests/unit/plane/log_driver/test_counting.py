from __future__ import annotations

import os
from pathlib import Path

from hiyoko.plane.log_driver.counting import LineCount, count_lines


def test_lines_are_counted_on_as_the_file_grows(tmp_path: Path) -> None:
    log = tmp_path / "log"
    line = b"x" * 99 + b"\n"
    log.write_bytes(line * 1000)
    file = os.open(log, os.O_RDONLY)
    count = LineCount()
    assert count_lines(file, 100, 100_000) == 999
    assert count.place_behind(file, 200, 100_000, 998) is None
    with log.open("ab") as more:
        more.write(line * 2000)
    assert count.place_behind(file, 200, 300_000, 1500) == 150_200
    # Sent from elsewhere on, it begins anew.
    assert count.place_behind(file, 100_000, 300_000, 3) == 100_300
    assert count.place_behind(file, 100_000, 300_000, 2000) is None
    os.close(file)
