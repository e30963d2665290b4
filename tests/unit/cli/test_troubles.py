"""Why tasks stop, told while a stack is being made."""

from __future__ import annotations

from typing import Any

from tests.unit.cli.stubs import Scripts

from hiyoko.cli.target import Target
from hiyoko.cli.troubles import Troubles


def troubles(scripts: Scripts, *rounds: list[dict[str, Any]]) -> Troubles:
    """Troubles of a cluster whose stopped tasks are these, a list for each look."""
    ecs = scripts.script("ecs")
    for tasks in rounds:
        arns = [f"arn:{number}" for number, _ in enumerate(tasks)]
        wanted = {"cluster": "shop", "desiredStatus": "STOPPED"}
        ecs.add_response("list_tasks", {"taskArns": arns}, wanted)
        if arns:
            ecs.add_response("describe_tasks", {"tasks": tasks}, {"cluster": "shop", "tasks": arns})
    return Troubles(Target("local", "ap-northeast-1", None, scripts), "shop")


def stopped(reason: str, *codes: int) -> dict[str, Any]:
    containers = [{"exitCode": code} for code in codes]
    return {"group": "service:web", "stoppedReason": reason, "containers": containers}


def test_without_a_cluster_nothing_is_asked() -> None:
    assert Troubles(Target("local", "ap-northeast-1", None, Scripts())).news() == []


def test_a_reason_is_told_once_even_when_many_tasks_have_it() -> None:
    first = stopped("Failed: task " + "a" * 32)
    second = stopped("Failed: task " + "b" * 32)
    found = troubles(Scripts(), [first, second], [first, second])
    assert found.news() == [("web", "Failed: task (id)")]
    assert found.news() == []


def test_exit_codes_are_part_of_the_reason() -> None:
    ended = stopped("Essential container in task exited", 1)
    assert troubles(Scripts(), [ended]).news() == [
        ("web", "Essential container in task exited (exit code 1)")
    ]


def test_a_task_that_was_stopped_on_purpose_is_no_trouble() -> None:
    planned = stopped("Scaling activity initiated by (deployment ecs-svc/1)", 143)
    assert troubles(Scripts(), [planned], []).news() == []


def test_a_cluster_that_is_not_there_yet_is_no_trouble() -> None:
    scripts = Scripts()
    scripts.script("ecs").add_client_error("list_tasks", "ClusterNotFoundException")
    assert Troubles(Target("local", "ap-northeast-1", None, scripts), "shop").news() == []
