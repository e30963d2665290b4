"""ACM's events on a real bus: a rule that matches them takes them to its target."""

from __future__ import annotations

import json

import pytest
from tests.api.bundles import Maker
from tests.api.dns_cloud import Cloud
from tests.api.test_acm_import import Keys

from hiyoko import api
from hiyoko.api import ask_neighbour
from hiyoko.neighbours import Neighbours
from hiyoko.reconcile.certificate_events import tell
from hiyoko.services.acm.key_store import use_key_store
from hiyoko.services.acm.rows import list_all_known

pytest.importorskip("moto", reason="needs the extra hiyoko[more]")

WHO = {"account": "123456789012", "region": "ap-northeast-1"}


async def test_a_rule_takes_an_event_of_acms_to_a_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    neighbours = Neighbours()
    monkeypatch.setattr(api, "_ask", [neighbours.ask])
    queue = ask_neighbour("sqs", "CreateQueue", {"QueueName": "acm-events"}, **WHO)["QueueUrl"]
    arn = "arn:aws:sqs:ap-northeast-1:123456789012:acm-events"
    pattern = json.dumps({"source": ["aws.acm"], "detail-type": ["ACM Certificate Available"]})
    ask_neighbour("events", "PutRule", {"Name": "acm", "EventPattern": pattern}, **WHO)
    target = {"Rule": "acm", "Targets": [{"Id": "1", "Arn": arn}]}
    ask_neighbour("events", "PutTargets", target, **WHO)
    use_key_store(Keys())
    cloud = Cloud()
    made = Maker().leaf("www.example.com")
    cloud.clock.time = made.certificate.not_valid_before_utc.timestamp() + 1
    cloud("acm", "ImportCertificate", Certificate=made.pem, PrivateKey=made.key_pem)
    for _ in range(2):
        with cloud.store.reading() as tx:
            wished = list_all_known(tx)
        await tell(cloud.store, cloud.clock, wished)
    found = ask_neighbour(
        "sqs", "ReceiveMessage", {"QueueUrl": queue, "MaxNumberOfMessages": 10}, **WHO
    )
    (message,) = found["Messages"]
    event = json.loads(message["Body"])
    assert event["source"] == "aws.acm"
    assert event["detail"]["Action"] == "IMPORT"
    await neighbours.reset()
