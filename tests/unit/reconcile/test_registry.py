"""ECR's promises that come with time, on a clock that a test moves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.golden.golden import FixedClock

import hiyoko.services.ecr  # noqa: F401 - registers the operations
from hiyoko import api
from hiyoko.reconcile.registry import EVALUATE_S, RegistryReconciler
from hiyoko.services.ecr import rows
from hiyoko.store.database import Store

DAY_S = 86400.0


class Told:
    """EventBridge, as far as ECR knows it."""

    def __init__(self) -> None:
        self.heard = True
        self.entries: list[dict[str, Any]] = []

    def __call__(
        self, service: str, operation: str, request: api.Request, *, account: str, region: str
    ) -> api.Response:
        assert (service, operation) == ("events", "PutEvents")
        self.entries += request["Entries"]
        return {}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    told = Told()
    monkeypatch.setattr(api, "_ask", [told])
    return told


def push(store: Store, clock: FixedClock, tag: str) -> None:
    request = {
        "repositoryName": "app",
        "tag": tag,
        "digest": f"sha256:{tag * 64}",
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "size": 1,
        "manifest": "{}",
    }
    api.invoke(store, "ecr", "_PutManifest", request, clock=clock)


async def test_a_policy_acts_when_time_alone_has_passed_and_the_events_are_told(
    told: Told,
) -> None:
    store, clock = Store.open(":memory:"), FixedClock()
    reconciler = RegistryReconciler(store, lambda: told.heard, clock)
    api.invoke(store, "ecr", "CreateRepository", {"repositoryName": "app"}, clock=clock)
    push(store, clock, "a")
    clock.time += DAY_S
    push(store, clock, "b")
    aged = {
        "tagStatus": "any",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": 2,
    }
    rule = {"rulePriority": 1, "selection": aged, "action": {"type": "expire"}}
    put = {"repositoryName": "app", "lifecyclePolicyText": json.dumps({"rules": [rule]})}
    api.invoke(store, "ecr", "PutLifecyclePolicy", put, clock=clock)

    report = await reconciler.activate()
    assert report.again_s == EVALUATE_S
    assert [json.loads(one["Detail"])["image-tag"] for one in told.entries] == ["a", "b"]
    assert (await reconciler.activate()).quiet

    clock.time += DAY_S
    told.entries.clear()
    assert (await reconciler.activate()).steps[0] == "run the lifecycle policy of app"
    with store.reading() as tx:
        assert [tag.tag for tag in rows.TAGS.list(tx)] == ["b"]
    (event,) = told.entries
    assert (event["Source"], event["DetailType"]) == ("aws.ecr", "ECR Image Action")
    assert json.loads(event["Detail"])["action-type"] == "DELETE"
    assert (await reconciler.activate()).quiet


async def test_while_nobody_hears_notices_are_forgotten(told: Told) -> None:
    store, clock = Store.open(":memory:"), FixedClock()
    told.heard = False
    api.invoke(store, "ecr", "CreateRepository", {"repositoryName": "app"}, clock=clock)
    push(store, clock, "a")
    await RegistryReconciler(store, lambda: told.heard, clock).activate()
    told.heard = True
    await RegistryReconciler(store, lambda: told.heard, clock).activate()
    assert told.entries == []
