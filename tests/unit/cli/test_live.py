"""Progress as it is shown when standard output is a file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hiyoko.cli.live import Live
from hiyoko.cli.stack import TASK, Progress

STACK = "AWS::CloudFormation::Stack"


def event(
    name: str, status: str, reason: str = "", kind: str = "AWS::EC2::VPC", after_s: float = 0.0
) -> Progress:
    at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=after_s)
    return Progress(at, name, kind, status, reason)


def shown(capsys: pytest.CaptureFixture[str], *events: Progress) -> tuple[Live, list[str]]:
    with Live("shop") as live:
        for each in events:
            live.show(each)
    return live, capsys.readouterr().out.splitlines()


def test_a_finished_resource_is_a_line_with_the_time_it_took_in_the_cloud(
    capsys: pytest.CaptureFixture[str],
) -> None:
    begun = event("Vpc", "CREATE_IN_PROGRESS")
    again = event("Vpc", "CREATE_IN_PROGRESS", "Resource creation Initiated", after_s=1.0)
    _, lines = shown(capsys, begun, again, event("Vpc", "CREATE_COMPLETE", after_s=62.5))
    assert lines == ["  +  62.5 s  Vpc  EC2::VPC"]


def test_what_goes_on_is_no_line_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    _, lines = shown(capsys, event("Vpc", "CREATE_IN_PROGRESS"))
    assert lines == []


def test_a_resource_that_was_never_seen_to_begin_has_no_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, lines = shown(capsys, event("Vpc", "DELETE_COMPLETE"))
    assert lines == ["  -          Vpc  EC2::VPC"]


def test_a_failure_is_shown_and_kept_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    live, lines = shown(capsys, event("Vpc", "CREATE_FAILED", "The CIDR is taken"))
    assert live.failures == [("Vpc", "The CIDR is taken")]
    assert lines == ["  !          Vpc  CREATE_FAILED  The CIDR is taken"]


def test_a_task_that_stopped_is_shown_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    live, lines = shown(capsys, event("web", "STOPPED", "CannotPullContainerError", kind=TASK))
    assert live.failures == [("task of web", "CannotPullContainerError")]
    assert lines == ["  !          task of web stopped: CannotPullContainerError"]


def test_a_cancelled_resource_is_no_reason_for_the_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    live, _ = shown(capsys, event("Vpc", "CREATE_FAILED", "Resource creation cancelled"))
    assert live.failures == []


def test_what_is_kept_is_remembered(capsys: pytest.CaptureFixture[str]) -> None:
    live, _ = shown(capsys, event("Zone", "DELETE_SKIPPED"))
    assert live.skipped == {"Zone"}


def test_of_the_stack_only_a_rollback_is_worth_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    _, lines = shown(
        capsys,
        event("shop", "CREATE_IN_PROGRESS", kind=STACK),
        event("shop", "ROLLBACK_IN_PROGRESS", "Vpc failed", kind=STACK),
        event("shop", "ROLLBACK_COMPLETE", kind=STACK),
    )
    assert lines == ["  ! ROLLBACK_IN_PROGRESS  Vpc failed"]


def test_a_terminal_has_a_moving_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    live = Live("shop", _tty=True)
    with live:
        for name in ("A", "B", "C", "D", "E"):
            live.show(event(name, "CREATE_IN_PROGRESS"))
        live.show(event("A", "CREATE_COMPLETE"))
    out = capsys.readouterr().out
    assert "0 done; under way: A, B, C and 2 more" in out
    assert "1 done; under way: B, C, D and 1 more" in out
    assert out.endswith("\r\x1b[K")
