"""CloudFormation's log group, made by the operations that clients call.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-logs-loggroup.html
"""

from __future__ import annotations

from hiyoko.template.resource_type import Handle, Made, ResourceType, in_place, register, replaces
from hiyoko.template.tagging import own_tags, tag_keys_to_drop, tags_to_write


def _create(handle: Handle) -> Made:
    name = handle.properties.get("LogGroupName") or handle.name(512)
    request = {"logGroupName": name}
    if "LogGroupClass" in handle.properties:
        request["logGroupClass"] = handle.properties["LogGroupClass"]
    tags = {tag["Key"]: tag["Value"] for tag in own_tags(handle)}
    handle.invoke("logs", "CreateLogGroup", {**request, **({"tags": tags} if tags else {})})
    _set_retention(handle, name)
    return Made(name)


def _set_retention(handle: Handle, name: str) -> None:
    if not handle.changed("RetentionInDays"):
        return
    days = handle.properties.get("RetentionInDays")
    if days is None:
        handle.invoke("logs", "DeleteRetentionPolicy", {"logGroupName": name})
    else:
        request = {"logGroupName": name, "retentionInDays": days}
        handle.invoke("logs", "PutRetentionPolicy", request)


def _update(handle: Handle) -> None:
    _set_retention(handle, handle.physical_id)
    arn = str(handle.attributes["Arn"]).removesuffix(":*")
    if drop := tag_keys_to_drop(handle):
        handle.invoke("logs", "UntagResource", {"resourceArn": arn, "tagKeys": drop})
    if write := tags_to_write(handle):
        tags = {tag["Key"]: tag["Value"] for tag in write}
        handle.invoke("logs", "TagResource", {"resourceArn": arn, "tags": tags})


def _read(handle: Handle) -> dict[str, str]:
    name = handle.physical_id
    return {"Arn": f"arn:aws:logs:{handle.region}:{handle.account}:log-group:{name}:*"}


def _delete(handle: Handle) -> None:
    handle.invoke("logs", "DeleteLogGroup", {"logGroupName": handle.physical_id})


register(
    ResourceType(
        "AWS::Logs::LogGroup",
        {
            **in_place("RetentionInDays", "Tags"),
            **replaces("LogGroupName", "LogGroupClass"),
        },
        _create,
        _delete,
        _update,
        read=_read,
        attributes=frozenset({"Arn"}),
        named="LogGroupName",
        tags=True,
    )
)
