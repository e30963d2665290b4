from __future__ import annotations

import json

from hiyoko.plane.containers.exec import start_failure

REFUSAL = "exec failed: unable to start container process: "


def line(message: str) -> str:
    return json.dumps({"level": "error", "msg": message, "time": "2026-11-30T21:00:00Z"})


def test_a_command_that_did_start_has_no_failure() -> None:
    for log in ("", "no JSON", line("something else"), line("exit status 3"), "[1]"):
        assert start_failure(log) == ""


def test_a_refusal_is_told_as_go_tells_it() -> None:
    named = 'exec: "none": executable file not found in $PATH'
    log = "\n".join(("a warning", line(REFUSAL + named)))
    assert start_failure(log) == f"Failed to start pty: {named}"
    path = 'exec: "/bin/x": stat /bin/x: no such file or directory'
    assert start_failure(line(REFUSAL + path)) == (
        "Failed to start pty: fork/exec /bin/x: no such file or directory"
    )
    denied = 'exec: "/etc/passwd": permission denied'
    assert start_failure(line(REFUSAL + denied)) == (
        "Failed to start pty: fork/exec /etc/passwd: permission denied"
    )
