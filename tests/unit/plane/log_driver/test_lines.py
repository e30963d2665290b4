from __future__ import annotations

from hiyoko.plane.log_driver.lines import LogLine, parse_lines

STAMP = "2026-11-24T22:11:23.860635910+00:00"
AT = 1795558283860


def test_lines_are_read_and_parts_are_joined() -> None:
    one = f"{STAMP} stdout F one two\n"
    parts = f"{STAMP} stderr P thr\n{STAMP} stderr F ee\n"
    data = f"{one}{parts}{STAMP} stdout F \n"
    assert parse_lines(data.encode()) == [
        LogLine(AT, "one two", len(one)),
        LogLine(AT, "three", len(one + parts)),
        LogLine(AT, "", len(data)),
    ]


def test_an_unfinished_line_waits_until_nothing_more_comes() -> None:
    line = f"{STAMP} stdout F one\n"
    for rest in (f"{STAMP} stdout P par", f"{STAMP} stdout P part\n", "2026"):
        assert [one.message for one in parse_lines((line + rest).encode())] == ["one"]
    data = f"{line}{STAMP} stdout P part\n".encode()
    assert parse_lines(data, whole=True)[-1] == LogLine(AT, "part", len(data))


def test_what_is_no_line_is_passed_over() -> None:
    data = f"{STAMP} stdout P half a {STAMP} stdout F one\nnonsense\n{STAMP} stdout F two\n"
    broken = f"2026-11-24T22:1{STAMP} stdout F lost\n" + data
    assert [line.message for line in parse_lines(broken.encode())] == ["two"]
