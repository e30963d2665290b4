"""ECS's events on the default bus, matched by rules and written to a log group by them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.api.ecs_cloud import Cloud

from hiyoko import api
from hiyoko.neighbours import Neighbours
from hiyoko.reconcile.ecs_events import EcsEventsReconciler
from hiyoko.reconcile.report import Report
from hiyoko.services.ecs import rows

HERE = {"account": api.DEFAULT_ACCOUNT, "region": api.DEFAULT_REGION}
GROUP = "arn:aws:logs:ap-northeast-1:123456789012:log-group:/events"


@dataclass
class Bus:
    """EventBridge with a rule that writes ECS's events down."""

    cloud: Cloud
    written: list[dict[str, Any]] = field(default_factory=list)
    neighbours: Neighbours = field(init=False)

    def __post_init__(self) -> None:
        self.neighbours = Neighbours(write_log=self._write)

    def _write(self, account: str, region: str, group: str, stream: str, text: str) -> None:
        assert group == "/events"
        self.written.append(json.loads(text))

    def listen(self, target: str = GROUP) -> None:
        """Make the rule: from now on somebody hears."""
        rule = {"Name": "ecs", "EventPattern": json.dumps({"source": ["aws.ecs"]})}
        self.neighbours.ask("events", "PutRule", rule, **HERE)
        targets = {"Rule": "ecs", "Targets": [{"Id": "one", "Arn": target}]}
        self.neighbours.ask("events", "PutTargets", targets, **HERE)

    def send(self) -> Report:
        """Let the reconciler tell what there is to tell."""
        heard = "events" in self.neighbours.used
        reconciler = EcsEventsReconciler(self.cloud.store, lambda: heard, self.cloud.clock)
        return asyncio.run(reconciler.activate())

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The events of this detail-type so far."""
        return [one for one in self.written if one["detail-type"] == kind]


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bus]:
    bus = Bus(Cloud.ready())
    monkeypatch.setattr(api, "_ask", [bus.neighbours.ask])
    yield bus
    asyncio.run(bus.neighbours.reset())


def test_each_change_of_a_task_is_an_event(bus: Bus) -> None:
    bus.listen()
    (task,) = bus.cloud.run_task()
    bus.send()
    bus.cloud.attach(task)
    bus.send()
    bus.cloud.run(task)
    bus.send()
    bus.cloud("StopTask", cluster="c", task=task["taskArn"], reason="enough")
    bus.send()
    assert bus.send().quiet
    events = bus.told("ECS Task State Change")
    shown = [(one["detail"]["lastStatus"], one["detail"]["desiredStatus"]) for one in events]
    assert shown == [
        ("PROVISIONING", "RUNNING"),
        ("PENDING", "RUNNING"),
        ("RUNNING", "RUNNING"),
        ("STOPPING", "STOPPED"),
    ]
    assert [one["detail"]["version"] for one in events] == [1, 2, 3, 4]
    last = events[-1]
    assert last["source"] == "aws.ecs"
    assert last["resources"] == [task["taskArn"]]
    detail = last["detail"]
    assert (detail["stopCode"], detail["stoppedReason"]) == ("UserInitiated", "enough")
    assert detail["attachments"][0]["type"] == "eni"
    assert detail["createdAt"].endswith("Z")
    # The version lets a listener tell which of two views of a task is the newer one.
    assert bus.cloud.task(task["taskArn"])["version"] == 4


def test_a_service_tells_its_deployment_and_its_steady_state(bus: Bus) -> None:
    bus.listen()
    service = bus.cloud.serve()
    bus.cloud.schedule()
    bus.cloud.run()
    bus.cloud.schedule()
    bus.send()
    began, completed = bus.told("ECS Deployment State Change")
    deployment = service["deployments"][0]["id"]
    assert began["resources"] == [service["serviceArn"]]
    assert began["detail"] == {
        "eventType": "INFO",
        "eventName": "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "deploymentId": deployment,
        "updatedAt": began["detail"]["updatedAt"],
        "reason": f"ECS deployment {deployment} in progress.",
    }
    assert completed["detail"]["eventName"] == "SERVICE_DEPLOYMENT_COMPLETED"
    assert completed["detail"]["reason"] == f"ECS deployment {deployment} completed."
    (steady,) = bus.told("ECS Service Action")
    assert steady["detail"]["eventName"] == "SERVICE_STEADY_STATE"
    assert steady["detail"]["clusterArn"] == service["clusterArn"]


def test_a_failed_deployment_is_an_error(bus: Bus) -> None:
    bus.listen()
    cloud = bus.cloud
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    cloud.serve(desiredCount=1, deploymentConfiguration=breaker)
    for _ in range(3):
        cloud.schedule()
        for task in cloud.tasks():
            cloud.attach(task)
            cloud.see(task, failure="CannotPullContainerError: no route")
        cloud.schedule()
        cloud.leave()
        cloud.clock.time += 60
    bus.send()
    failed = bus.told("ECS Deployment State Change")[-1]["detail"]
    assert (failed["eventType"], failed["eventName"]) == ("ERROR", "SERVICE_DEPLOYMENT_FAILED")
    assert failed["reason"] == "ECS deployment circuit breaker: tasks failed to start."


def test_a_deployment_that_waits_at_a_hook_says_so(bus: Bus) -> None:
    bus.listen()
    hook = {"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"]}
    how = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0, "lifecycleHooks": [hook]}
    bus.cloud.serve(desiredCount=1, deploymentConfiguration=how)
    bus.cloud.schedule()
    bus.cloud.run()
    bus.cloud.schedule()
    bus.cloud("UpdateService", cluster="c", service="web", forceNewDeployment=True)
    bus.cloud.schedule()
    bus.send()
    (event,) = bus.told("ECS Hook State Change")
    assert event["detail"]["eventName"] == "HOOK_AWAITING_ACTION"
    arn = event["detail"]["serviceDeploymentArn"]
    found = bus.cloud("DescribeServiceDeployments", serviceDeploymentArns=[arn])
    (waiting,) = found["serviceDeployments"][0]["lifecycleHookDetails"]
    assert event["detail"]["hookId"] == waiting["hookId"]


def test_without_a_listener_nothing_is_sent_nor_kept(bus: Bus) -> None:
    bus.cloud.serve()
    bus.cloud.schedule()
    bus.send()
    assert bus.neighbours.used == set()
    with bus.cloud.store.reading() as tx:
        assert rows.NOTICES.list(tx) == []
    # Who listens later hears what happens from then on.
    bus.listen()
    bus.send()
    assert bus.written == []
    bus.cloud.run()
    bus.send()
    assert [one["detail"]["lastStatus"] for one in bus.written] == ["RUNNING", "RUNNING"]


def test_a_target_that_cannot_be_reached_holds_nothing_up(bus: Bus) -> None:
    bus.listen("arn:aws:lambda:ap-northeast-1:123456789012:function:none")
    bus.cloud.run_task()
    assert bus.send().refusals == {}
    assert bus.send().quiet
