from __future__ import annotations

from pathlib import Path

from hiyoko.plane.containers.logs import LogFile, LogLine, parse_lines

STAMP = "2026-11-24T22:11:23.860635910+00:00"
AT = 1795558283860


def test_lines_are_read_and_parts_are_joined() -> None:
    data = (
        f"{STAMP} stdout F one two\n{STAMP} stderr P thr\n{STAMP} stderr F ee\n{STAMP} stdout F \n"
    )
    lines, used = parse_lines(data.encode())
    assert lines == [LogLine(AT, "one two"), LogLine(AT, "three"), LogLine(AT, "")]
    assert used == len(data)


def test_an_unfinished_line_waits() -> None:
    whole = f"{STAMP} stdout F one\n"
    for rest in (f"{STAMP} stdout P par", f"{STAMP} stdout P part\n", "2026"):
        lines, used = parse_lines((whole + rest).encode())
        assert [line.message for line in lines] == ["one"]
        assert used == len(whole)


def test_what_a_full_disk_left_of_a_line_is_passed_over() -> None:
    """conmon wrote a part of a line, and the next one right behind it."""
    torn = f"{STAMP[:26]}{STAMP} stdout F lost\n"
    data = f"{STAMP} stdout F one\n{STAMP} stdout P par\n{torn}{STAMP} stdout F two\n"
    lines, used = parse_lines(data.encode())
    assert [line.message for line in lines] == ["one", "two"]
    assert used == len(data)


def test_reading_goes_on_where_it_was_delivered(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert LogFile(path).unread() == ([], 0)
    path.write_text(f"{STAMP} stdout F one\n")
    lines, offset = LogFile(path).unread()
    assert [line.message for line in lines] == ["one"]
    LogFile(path).delivered(offset)
    assert LogFile(path).unread() == ([], offset)
    with path.open("a") as file:
        file.write(f"{STAMP} stdout F two\n")
    assert [line.message for line in LogFile(path).unread()[0]] == ["two"]


def test_a_log_that_was_begun_anew_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(f"{STAMP} stdout F new\n")
    LogFile(path).delivered(10_000)
    assert [line.message for line in LogFile(path).unread()[0]] == ["new"]
