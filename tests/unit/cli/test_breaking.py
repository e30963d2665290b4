"""``hiyoko break``: what is asked of the cloud, and what is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hiyoko import launch
from hiyoko.cli.main import run

TOLD = {
    "task": "arn:aws:ecs:ap-northeast-1:123456789012:task/c/0123456789abcdef0123456789abcdef",
    "service": "arn:aws:ecs:ap-northeast-1:123456789012:service/c/web",
    "until": 1_790_000_030.0,
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    calls: list[Any] = []

    def get(_: Any, *asked: Any) -> Any:
        calls.append(asked)
        return TOLD

    monkeypatch.setattr(launch, "get", get)
    return calls


def test_an_interruption_is_asked_for_and_told(
    asked: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["break", "spot", "web"]) == 0
    assert asked == [("/_hiyoko/break/spot", "POST", {"which": "web"})]
    assert capsys.readouterr().out == (
        "task 0123456789ab of web: Your Spot Task was interrupted.\n"
        "its containers have got their signal; what still runs at 14:13:50 UTC is killed\n"
    )


def test_without_a_name_any_task_is_meant(
    asked: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["break", "spot", "--json"]) == 0
    assert asked[0][2] == {"which": ""}
    assert json.loads(capsys.readouterr().out) == TOLD
