"""CloudWatch Logs through its operations."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import process_time
from typing import Any

import pytest

import hiyoko.services.logs  # noqa: F401  registers the operations
from hiyoko.api import AwsError, invoke
from hiyoko.reconcile.log_retention import LogRetention
from hiyoko.services.logs.model import DAY_MS
from hiyoko.store.database import Store


@dataclass
class At:
    """A clock that stands where the test puts it."""

    time: float = 1_700_000_000.0

    def now(self) -> float:
        return self.time


@dataclass
class Logs:
    """The service with a group ``app`` and a stream ``web``."""

    store: Store
    clock: At

    def __call__(self, name: str, **request: Any) -> dict[str, Any]:
        return invoke(self.store, "logs", name, request, clock=self.clock)

    @property
    def ms(self) -> int:
        return int(self.clock.time * 1000)

    def put(self, *messages: str, at: int | None = None, stream: str = "web") -> dict[str, Any]:
        start = self.ms if at is None else at
        return self(
            "PutLogEvents",
            logGroupName="app",
            logStreamName=stream,
            logEvents=[{"timestamp": start + i, "message": m} for i, m in enumerate(messages)],
        )

    def get(self, **request: Any) -> dict[str, Any]:
        return self("GetLogEvents", logGroupName="app", logStreamName="web", **request)

    def find(self, **request: Any) -> dict[str, Any]:
        return self("FilterLogEvents", logGroupName="app", **request)


@pytest.fixture
def logs() -> Iterator[Logs]:
    store = Store.open(":memory:")
    service = Logs(store, At())
    service("CreateLogGroup", logGroupName="app", tags={"team": "a"})
    service("CreateLogStream", logGroupName="app", logStreamName="web")
    yield service
    store.close()


def messages(answer: dict[str, Any]) -> list[str]:
    return [event["message"] for event in answer["events"]]


def refusal(logs: Logs, name: str, **request: Any) -> tuple[str, str]:
    with pytest.raises(AwsError) as refused:
        logs(name, **request)
    return refused.value.code, refused.value.message


def test_a_stream_is_read_from_its_end_or_from_its_head(logs: Logs) -> None:
    logs.put(*"abcdef")
    assert messages(logs.get(limit=2)) == ["e", "f"]
    assert messages(logs.get(limit=2, startFromHead=True)) == ["a", "b"]


def test_forward_tokens_lead_to_the_end_and_then_stay(logs: Logs) -> None:
    logs.put(*"abc")
    page = logs.get(limit=2, startFromHead=True)
    page = logs.get(limit=2, nextToken=page["nextForwardToken"])
    assert messages(page) == ["c"]
    last = page["nextForwardToken"]
    page = logs.get(nextToken=last)
    assert messages(page) == []
    assert page["nextForwardToken"] == last
    logs.put("d", at=logs.ms + 10)
    assert messages(logs.get(nextToken=last)) == ["d"]


def test_backward_tokens_lead_to_the_beginning(logs: Logs) -> None:
    logs.put(*"abcd")
    page = logs.get(limit=3)
    assert messages(page) == ["b", "c", "d"]
    assert messages(logs.get(limit=3, nextToken=page["nextBackwardToken"])) == ["a"]


def test_an_empty_stream_gives_tokens_that_find_what_comes_later(logs: Logs) -> None:
    token = logs.get()["nextForwardToken"]
    logs.put("first")
    assert messages(logs.get(nextToken=token)) == ["first"]


def test_events_stand_by_time_whatever_their_order_of_arrival(logs: Logs) -> None:
    logs.put("later", at=logs.ms + 1000)
    logs.put("earlier")
    assert messages(logs.get(startFromHead=True)) == ["earlier", "later"]


def test_the_end_time_is_left_out_when_getting_and_included_when_filtering(logs: Logs) -> None:
    logs.put(*"abc")
    assert messages(logs.get(endTime=logs.ms + 1)) == ["a"]
    assert messages(logs.find(endTime=logs.ms + 1)) == ["a", "b"]


def test_filtering_goes_over_all_streams_by_time_and_by_pages(logs: Logs) -> None:
    logs("CreateLogStream", logGroupName="app", logStreamName="api")
    logs.put("GET 1", "GET 3")
    logs.put("GET 2", "POST 4", at=logs.ms, stream="api")
    page = logs.find(filterPattern="GET", limit=2)
    found = messages(page)
    page = logs.find(filterPattern="GET", limit=2, nextToken=page["nextToken"])
    assert sorted(found + messages(page)) == ["GET 1", "GET 2", "GET 3"]
    assert "nextToken" not in page
    assert messages(logs.find(logStreamNames=["api"])) == ["GET 2", "POST 4"]
    assert messages(logs.find(logStreamNamePrefix="w")) == ["GET 1", "GET 3"]


def test_event_ids_are_unique(logs: Logs) -> None:
    logs.put(*"aaaa")
    ids = {event["eventId"] for event in logs.find()["events"]}
    assert len(ids) == 4
    assert all(len(one) == 56 for one in ids)


def test_expired_events_are_not_shown_and_then_removed(logs: Logs) -> None:
    logs.put("old")
    logs("PutRetentionPolicy", logGroupName="app", retentionInDays=1)
    logs.clock.time += 2 * DAY_MS / 1000
    assert messages(logs.get()) == []
    assert messages(logs.find()) == []
    assert logs("_ExpireLogEvents") == {"Removed": 1}
    assert logs("_ExpireLogEvents") == {"Removed": 0}


@pytest.mark.parametrize(("token", "count"), [("awslogs/c/1/0", 1), ("49590302", 2)])
def test_a_batch_of_the_log_driver_is_taken_once_and_anybody_else_s_each_time(
    logs: Logs, token: str, count: int
) -> None:
    event = {"timestamp": logs.ms, "message": "a"}
    batch = {"logGroupName": "app", "logStreamName": "web", "logEvents": [event]}
    for _ in range(2):
        logs("PutLogEvents", **batch, sequenceToken=token)
    assert messages(logs.get()) == ["a"] * count
    logs("PutLogEvents", **batch, sequenceToken=f"{token}1")
    assert len(messages(logs.get())) == count + 1


async def test_expired_events_go_away_by_the_clock(logs: Logs) -> None:
    logs.put("old")
    logs("PutRetentionPolicy", logGroupName="app", retentionInDays=1)
    retention = LogRetention(logs.store, logs.clock)
    woken: list[int] = []
    logs.store.watch(lambda _: woken.append(1))

    def stored() -> int:
        group = logs("DescribeLogGroups")["logGroups"][0]
        return int(group["storedBytes"])

    await retention.activate()
    logs.clock.time += 1.5 * DAY_MS / 1000
    assert stored() > 0
    await retention.activate()
    assert stored() == 0
    assert woken == []  # no reconciler looks at log lines


def test_a_retention_that_aws_does_not_have_is_refused(logs: Logs) -> None:
    code, _ = refusal(logs, "PutRetentionPolicy", logGroupName="app", retentionInDays=2)
    assert code == "InvalidParameterException"


def test_events_too_old_and_too_new_are_left_out_and_named(logs: Logs) -> None:
    old = logs.put("ancient", at=logs.ms - 15 * DAY_MS)
    assert old["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    new = logs.put("tomorrow", at=logs.ms + DAY_MS)
    assert new["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 0}
    assert messages(logs.get()) == []


def test_a_batch_out_of_order_is_refused(logs: Logs) -> None:
    events = [{"timestamp": logs.ms + 1, "message": "b"}, {"timestamp": logs.ms, "message": "a"}]
    code, message = refusal(
        logs, "PutLogEvents", logGroupName="app", logStreamName="web", logEvents=events
    )
    assert code == "InvalidParameterException"
    assert "chronological order" in message


def test_missing_groups_and_streams_are_named_as_aws_does(logs: Logs) -> None:
    assert refusal(logs, "CreateLogStream", logGroupName="no", logStreamName="s") == (
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    )
    assert refusal(logs, "GetLogEvents", logGroupName="app", logStreamName="no") == (
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    )
    assert refusal(logs, "CreateLogGroup", logGroupName="app") == (
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
    )


def test_groups_are_listed_by_prefix_and_by_pages(logs: Logs) -> None:
    for name in ("/ecs/a", "/ecs/b", "/ecs/c"):
        logs("CreateLogGroup", logGroupName=name)
    page = logs("DescribeLogGroups", logGroupNamePrefix="/ecs/", limit=2)
    assert [group["logGroupName"] for group in page["logGroups"]] == ["/ecs/a", "/ecs/b"]
    page = logs("DescribeLogGroups", logGroupNamePrefix="/ecs/", nextToken=page["nextToken"])
    assert [group["logGroupName"] for group in page["logGroups"]] == ["/ecs/c"]
    assert page["logGroups"][0]["arn"].endswith(":log-group:/ecs/c:*")


def test_streams_show_their_first_and_last_event(logs: Logs) -> None:
    logs.put(*"abc")
    (stream,) = logs("DescribeLogStreams", logGroupName="app")["logStreams"]
    assert stream["firstEventTimestamp"] == logs.ms
    assert stream["lastEventTimestamp"] == logs.ms + 2


def test_deleting_a_group_deletes_its_events(logs: Logs) -> None:
    logs.put("gone")
    logs("DeleteLogGroup", logGroupName="app")
    logs("CreateLogGroup", logGroupName="app")
    logs("CreateLogStream", logGroupName="app", logStreamName="web")
    assert messages(logs.get()) == []


def test_tags_by_arn_and_by_name_are_the_same_tags(logs: Logs) -> None:
    arn = "arn:aws:logs:ap-northeast-1:123456789012:log-group:app"
    logs("TagResource", resourceArn=arn, tags={"stage": "x"})
    assert logs("ListTagsLogGroup", logGroupName="app")["tags"] == {"team": "a", "stage": "x"}
    logs("UntagLogGroup", logGroupName="app", tags=["team"])
    assert logs("ListTagsForResource", resourceArn=arn)["tags"] == {"stage": "x"}


def test_ten_thousand_lines_are_quick(logs: Logs) -> None:
    begun = process_time()  # what others do on the machine does not count
    for batch in range(10):
        logs.put(*(f"line {i}" for i in range(1000)), at=logs.ms + batch * 1000)
    assert len(logs.get(startFromHead=True)["events"]) == 10_000
    assert process_time() - begun < 3


def test_adding_events_wakes_no_reconciler(logs: Logs) -> None:
    woken: list[int] = []
    logs.store.watch(lambda _: woken.append(1))
    logs.put("one", "two")
    assert not woken
    assert len(logs.get()["events"]) == 2
