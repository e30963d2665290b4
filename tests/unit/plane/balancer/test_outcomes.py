"""What log lines tell of targets, second by second."""

from __future__ import annotations

from hiyoko.plane.balancer.log_context import GroupMeant, LogContext
from hiyoko.plane.balancer.outcomes import Outcomes, target_outcomes

GROUP = "arn:aws:elasticloadbalancing:r:1:targetgroup/web/1"
BACKEND, TARGET = "tg.web.1", "10.0.0.5:80"
CONTEXT = LogContext(
    "app/web/1", "1", "r", "a", "x", "y", {}, {BACKEND: GroupMeant(GROUP, "HTTP1")}
)


def head(status: str, ended: str, answer_ms: int, server: str = TARGET) -> bytes:
    return f"12345678 80 {status} {ended} {BACKEND} {server} 1 {answer_ms} 10 20".encode()


def test_a_failure_is_a_5xx_of_the_target_or_a_connection_that_failed() -> None:
    heads = {
        head("200", "--", 5): 7,
        head("404", "--", 5): 1,
        head("503", "--", 5): 2,
        head("502", "SC", -1): 3,
        head("504", "sC", -1): 4,
        head("502", "SH", -1): 5,
        # It takes long, or the client has gone: not known.
        head("504", "sH", -1): 100,
        head("-1", "CH", -1): 100,
        head("503", "SC", -1, "<NOSRV>"): 100,
        head("200", "--", 5, f"open:{TARGET}"): 1,
        b"12345678 80 20": 100,
    }
    outcomes = Outcomes()
    outcomes.add(10.5, target_outcomes(heads, CONTEXT))
    assert outcomes.since(9.0) == {GROUP: {TARGET: (23, 14)}}


def test_seconds_are_summed_from_a_moment_on_and_forgotten_after_a_minute() -> None:
    outcomes, name = Outcomes(), (GROUP, TARGET)
    for now in (0.0, 1.5, 3.9):
        outcomes.add(now, [(name, True, 1)])
    assert outcomes.since(1.0) == {GROUP: {TARGET: (1, 1)}}
    assert outcomes.since(0.9) == {GROUP: {TARGET: (2, 2)}}
    outcomes.add(62.0, [(name, False, 1)])
    assert outcomes.since(-1.0) == {GROUP: {TARGET: (2, 1)}}
