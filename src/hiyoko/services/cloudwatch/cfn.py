"""CloudFormation's alarm, made by the operations that clients call.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-alarm.html
"""

from __future__ import annotations

from typing import Any

from hiyoko.template.resource_type import Handle, Made, ResourceType, in_place, register, replaces
from hiyoko.template.tagging import own_tags, tag_keys_to_drop, tags_to_write

_SAME = (
    *("ActionsEnabled", "AlarmActions", "AlarmDescription", "ComparisonOperator"),
    *("DatapointsToAlarm", "Dimensions", "EvaluateLowSampleCountPercentile", "EvaluationPeriods"),
    *("ExtendedStatistic", "InsufficientDataActions", "MetricName", "Metrics", "Namespace"),
    *("OKActions", "Period", "Statistic", "Threshold", "TreatMissingData", "Unit"),
)


def _arn(handle: Handle, name: str) -> str:
    return f"arn:aws:cloudwatch:{handle.region}:{handle.account}:alarm:{name}"


def _put(handle: Handle, name: str, **more: Any) -> None:
    request = {key: handle.properties[key] for key in _SAME if key in handle.properties}
    handle.invoke("cloudwatch", "PutMetricAlarm", {"AlarmName": name, **request, **more})


def _create(handle: Handle) -> Made:
    name = handle.properties.get("AlarmName") or handle.name(255)
    tags = own_tags(handle)
    _put(handle, name, **({"Tags": tags} if tags else {}))
    return Made(name)


def _update(handle: Handle) -> None:
    name = handle.physical_id
    if handle.changed(*_SAME):
        _put(handle, name)
    arn = _arn(handle, name)
    if drop := tag_keys_to_drop(handle):
        handle.invoke("cloudwatch", "UntagResource", {"ResourceARN": arn, "TagKeys": drop})
    if write := tags_to_write(handle):
        handle.invoke("cloudwatch", "TagResource", {"ResourceARN": arn, "Tags": write})


def _read(handle: Handle) -> dict[str, str]:
    return {"Arn": _arn(handle, handle.physical_id)}


def _delete(handle: Handle) -> None:
    handle.invoke("cloudwatch", "DeleteAlarms", {"AlarmNames": [handle.physical_id]})


register(
    ResourceType(
        "AWS::CloudWatch::Alarm",
        {**in_place(*_SAME, "Tags"), **replaces("AlarmName")},
        _create,
        _delete,
        _update,
        read=_read,
        attributes=frozenset({"Arn"}),
        required=frozenset({"ComparisonOperator", "EvaluationPeriods"}),
        named="AlarmName",
        tags=True,
        missing=frozenset({"ResourceNotFound"}),
    )
)
