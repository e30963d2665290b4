"""Containers' output on its way to CloudWatch Logs, as the awslogs driver sends it.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html: a missing group
stops the task before a container starts, unless ``awslogs-create-group`` is set.
"""

from __future__ import annotations

from collections.abc import Mapping

from hiyoko import api
from hiyoko.api import AwsError
from hiyoko.blueprint.tasks import Container, LogTarget, Task
from hiyoko.clock import Clock
from hiyoko.plane.containers.logs import LogFile
from hiyoko.store.database import Store

BATCHES_MAX = 8
"""At most so much of one container's log at a time: the other tasks want their turn."""
_MESSAGE_MAX = 256 * 1024 - 26
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html"""


def prepare_logs(store: Store, task: Task, clock: Clock) -> str:
    """Make the streams of a task's containers; the stopped reason when that can't be done."""
    for container in task.containers:
        if container.log is None:
            continue
        try:
            _make_stream(store, task, container.log, clock)
        except AwsError as error:
            return (
                "ResourceInitializationError: failed to validate logger args: create stream has"
                " been retried 1 times: failed to create Cloudwatch log stream:"
                f" {error.code}: {error.message}"
            )
    return ""


def _make_stream(store: Store, task: Task, target: LogTarget, clock: Clock) -> None:
    names = {"logGroupName": target.group, "logStreamName": target.stream}
    if target.create_group:
        try:
            _call(store, task, target, clock, "CreateLogGroup", {"logGroupName": target.group})
        except AwsError as error:
            if error.code != "ResourceAlreadyExistsException":
                raise
    try:
        _call(store, task, target, clock, "CreateLogStream", names)
    except AwsError as error:
        if error.code != "ResourceAlreadyExistsException":
            raise


def _call(
    store: Store,
    task: Task,
    target: LogTarget,
    clock: Clock,
    operation: str,
    request: Mapping[str, object],
) -> None:
    api.invoke(
        store,
        "logs",
        operation,
        request,
        account=task.account,
        region=target.region or task.region,
        clock=clock,
    )


def deliver_log(store: Store, task: Task, container: Container, log: LogFile, clock: Clock) -> bool:
    """Send what the container printed since the last time; True when nothing is left.

    A group that was deleted meanwhile loses the lines, as on AWS. Raises AwsError otherwise.
    """
    target = container.log
    for _ in range(BATCHES_MAX):
        lines, offset = log.unread()
        if offset == log.offset:
            return True
        # CloudWatch Logs takes no empty messages; the driver drops them too.
        events = [
            {"timestamp": line.timestamp_ms, "message": line.message[:_MESSAGE_MAX]}
            for line in sorted(lines, key=lambda line: line.timestamp_ms)
            if line.message
        ]
        if target is not None and events:
            request: dict[str, object] = {
                "logGroupName": target.group,
                "logStreamName": target.stream,
                "logEvents": events,
            }
            try:
                _call(store, task, target, clock, "PutLogEvents", request)
            except AwsError as error:
                if error.code != "ResourceNotFoundException":
                    raise
        log.delivered(offset)
    return False
