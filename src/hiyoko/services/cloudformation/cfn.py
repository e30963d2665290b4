"""CloudFormation's own types, and the CDK's metadata, which do nothing."""

from __future__ import annotations

from hiyoko.template.resource_type import Handle, Made, ResourceType, in_place, register


def _wait_handle(handle: Handle) -> Made:
    """The URL that AWS presigns; nothing waits on it here, as WaitCondition is refused."""
    return Made(
        f"https://cloudformation-waitcondition-{handle.region}.s3.{handle.region}.amazonaws.com/"
        f"{handle.stack_id}/{handle.logical_id}"
    )


def _metadata(handle: Handle) -> Made:
    return Made(handle.name())


register(
    ResourceType("AWS::CloudFormation::WaitConditionHandle", {}, _wait_handle),
    ResourceType(
        "AWS::CDK::Metadata", in_place("Analytics"), _metadata, update=lambda handle: None
    ),
)
