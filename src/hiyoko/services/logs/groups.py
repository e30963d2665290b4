"""Log groups, their retention and tags."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.logs import rows
from hiyoko.services.logs.errors import AlreadyExists, InvalidParameter, ResourceNotFound
from hiyoko.services.logs.model import LogGroup

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096),
    *(1827, 2192, 2557, 2922, 3288, 3653),
)
_NAME = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")


def now_ms(call: Call) -> int:
    """The time as this API counts it."""
    return int(call.now * 1000)


def group_name(request: Request) -> str:
    """The group by ``logGroupName`` or by ``logGroupIdentifier`` (a name or an ARN)."""
    name: str | None = request.get("logGroupName")
    identifier: str | None = request.get("logGroupIdentifier")
    if name and identifier:
        raise InvalidParameter("LogGroup name and identifier cannot be both specified.")
    if not name and not identifier:
        raise InvalidParameter("Either LogGroup name or identifier must be specified.")
    if name:
        return name
    assert identifier is not None
    return identifier.split(":log-group:", 1)[-1].removesuffix(":*")


def group_of(call: Call, request: Request) -> LogGroup:
    """The group that a request names."""
    return rows.get_group(call.tx, call.account, call.region, group_name(request))


@operation("CreateLogGroup")
def create_log_group(call: Call, request: Request) -> Response:
    """Create a group."""
    for member in ("kmsKeyId", "deletionProtectionEnabled"):
        if request.get(member):
            raise unsupported(member)
    if (request.get("logGroupClass") or "STANDARD") != "STANDARD":
        raise unsupported("logGroupClass", request["logGroupClass"])
    name = request["logGroupName"]
    if not _NAME.fullmatch(name):
        raise InvalidParameter(
            f"1 validation error detected: Value '{name}' at 'logGroupName' failed to satisfy"
            r" constraint: Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+"
        )
    if rows.find_group(call.tx, call.account, call.region, name) is not None:
        raise AlreadyExists("The specified log group already exists")
    group = LogGroup(
        account=call.account,
        region=call.region,
        name=name,
        arn=call.arn("logs", f"log-group:{name}"),
        created_ms=now_ms(call),
        tags=tuple((request.get("tags") or {}).items()),
    )
    rows.GROUPS.insert(call.tx, group)
    return {}


@operation("DeleteLogGroup")
def delete_log_group(call: Call, request: Request) -> Response:
    """Delete a group with its streams and events."""
    group = group_of(call, request)
    for stream in rows.list_streams(call.tx, group):
        rows.delete_stream(call.tx, stream)
    rows.GROUPS.delete(call.tx, account=group.account, region=group.region, name=group.name)
    return {}


@operation("DescribeLogGroups")
def describe_log_groups(call: Call, request: Request) -> Response:
    """Groups by name: all, or by prefix or part of the name."""
    for member in ("accountIdentifiers", "includeLinkedAccounts", "logGroupIdentifiers"):
        if request.get(member):
            raise unsupported(member)
    prefix = request.get("logGroupNamePrefix") or ""
    part = request.get("logGroupNamePattern") or ""
    if prefix and part:
        raise InvalidParameter(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
        )
    if (request.get("logGroupClass") or "STANDARD") != "STANDARD":
        return {"logGroups": []}
    groups = [
        group
        for group in rows.list_groups(call.tx, call.account, call.region)
        if group.name.startswith(prefix) and part.lower() in group.name.lower()
    ]
    after, limit = request.get("nextToken"), request.get("limit") or 50
    if after:
        groups = [group for group in groups if group.name > after]
    answer: Response = {"logGroups": [_view(call, group) for group in groups[:limit]]}
    if len(groups) > limit:
        answer["nextToken"] = groups[limit - 1].name
    return answer


def _view(call: Call, group: LogGroup) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "logGroupName": group.name,
        "creationTime": group.created_ms,
        "metricFilterCount": 0,
        "arn": f"{group.arn}:*",
        "logGroupArn": group.arn,
        "logGroupClass": "STANDARD",
        "storedBytes": rows.stored_bytes(call.tx, rows.list_streams(call.tx, group)),
    }
    if group.retention_days is not None:
        shape["retentionInDays"] = group.retention_days
    return shape


@operation("PutRetentionPolicy")
def put_retention_policy(call: Call, request: Request) -> Response:
    """Let the group's events expire after so many days."""
    group, days = group_of(call, request), request["retentionInDays"]
    if days not in RETENTION_DAYS:
        raise InvalidParameter(
            f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy"
            f" constraint: Member must satisfy enum value set: {list(RETENTION_DAYS)}"
        )
    _put(call, replace(group, retention_days=days))
    return {}


@operation("DeleteRetentionPolicy")
def delete_retention_policy(call: Call, request: Request) -> Response:
    """Keep the group's events for ever."""
    _put(call, replace(group_of(call, request), retention_days=None))
    return {}


def _put(call: Call, group: LogGroup) -> None:
    rows.GROUPS.put(call.tx, group)
    expire(call, group)


def expire(call: Call, group: LogGroup) -> int:
    """Remove the group's expired events; how many there were."""
    oldest = group.oldest_ms(now_ms(call))
    if oldest <= 0:
        return 0
    streams = rows.list_streams(call.tx, group)
    with call.tx.unobserved():
        return sum(rows.delete_expired(call.tx, stream.stream_id, oldest) for stream in streams)


@operation("_ExpireLogEvents")
def expire_log_events(call: Call, request: Request) -> Response:
    """Remove the expired events of every group of the account and region."""
    del request
    groups = rows.list_groups(call.tx, call.account, call.region)
    return {"Removed": sum(expire(call, group) for group in groups)}


def _by_arn(call: Call, request: Request) -> LogGroup:
    arn = request["resourceArn"].removesuffix(":*")
    name = arn.split(":log-group:", 1)[-1]
    group = rows.find_group(call.tx, call.account, call.region, name)
    if group is None or group.arn != arn:
        raise ResourceNotFound("The specified resource does not exist.")
    return group


def _tag(call: Call, group: LogGroup, tags: dict[str, str]) -> None:
    if len({**dict(group.tags), **tags}) > 50:
        raise InvalidParameter("The maximum number of tags is 50.")
    merged = tuple({**dict(group.tags), **tags}.items())
    rows.GROUPS.put(call.tx, replace(group, tags=merged))


def _untag(call: Call, group: LogGroup, keys: list[str]) -> None:
    kept = tuple((key, value) for key, value in group.tags if key not in keys)
    rows.GROUPS.put(call.tx, replace(group, tags=kept))


@operation("TagResource")
def tag_resource(call: Call, request: Request) -> Response:
    """Add tags to a group by its ARN."""
    _tag(call, _by_arn(call, request), dict(request["tags"]))
    return {}


@operation("UntagResource")
def untag_resource(call: Call, request: Request) -> Response:
    """Remove tags of a group by its ARN."""
    _untag(call, _by_arn(call, request), list(request["tagKeys"]))
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(call: Call, request: Request) -> Response:
    """A group's tags by its ARN."""
    return {"tags": dict(_by_arn(call, request).tags)}


@operation("TagLogGroup")
def tag_log_group(call: Call, request: Request) -> Response:
    """Add tags to a group by its name."""
    _tag(call, group_of(call, request), dict(request["tags"]))
    return {}


@operation("UntagLogGroup")
def untag_log_group(call: Call, request: Request) -> Response:
    """Remove tags of a group by its name."""
    _untag(call, group_of(call, request), list(request["tags"]))
    return {}


@operation("ListTagsLogGroup")
def list_tags_log_group(call: Call, request: Request) -> Response:
    """A group's tags by its name."""
    return {"tags": dict(group_of(call, request).tags)}
