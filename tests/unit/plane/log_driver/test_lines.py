from __future__ import annotations

from hiyoko.plane.log_driver.lines import LogLine, parse_lines

STAMP = "2026-11-24T22:11:23.860635910+00:00"
AT = 1795558283860635910


def test_lines_are_read_and_parts_are_joined() -> None:
    one = f"{STAMP} stdout F one two\n"
    parts = f"{STAMP} stderr P thr\n{STAMP} stderr F ee\n"
    data = f"{one}{parts}{STAMP} stdout F \n"
    assert parse_lines(data.encode()) == [
        LogLine(AT, "one two", len(one)),
        LogLine(AT, "three", len(one + parts), "stderr"),
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


def record(stream: str, tag: str, text: str) -> str:
    return f"{STAMP} {stream} {tag} {text}\n"


def read(*records: str, whole: bool = False) -> list[tuple[str, str, int]]:
    """What is found: the stream, the message, and how many records one is behind at its end."""
    places = {len("".join(records[:count])): count for count in range(len(records) + 1)}
    found = parse_lines("".join(records).encode(), whole=whole)
    return [(line.stream, line.message, places[line.end]) for line in found]


def test_two_streams_lines_are_not_mixed_and_one_inside_another_is_not_gone_on_from() -> None:
    long, rest = record("stdout", "P", "lo"), record("stdout", "F", "ng")
    error = record("stderr", "F", "error")
    assert read(record("stdout", "F", "a"), long, error, error, rest) == [
        ("stdout", "a", 1),
        ("stderr", "error", 1),
        ("stderr", "error", 1),
        ("stdout", "long", 5),
    ]


def test_a_line_of_the_other_stream_does_not_wait_for_what_is_unfinished() -> None:
    prompt, error = record("stdout", "P", "login: "), record("stderr", "F", "error")
    assert read(prompt, error) == [("stdout", "login: ", 0), ("stderr", "error", 2)]
    # What comes behind the last whole line is read again.
    assert read(prompt, error, prompt) == [("stdout", "login: ", 0), ("stderr", "error", 2)]
    assert read(error, prompt) == [("stderr", "error", 1)]
    assert read(prompt, record("stderr", "P", "err"), whole=True) == [
        ("stdout", "login: ", 0),
        ("stderr", "err", 2),
    ]
