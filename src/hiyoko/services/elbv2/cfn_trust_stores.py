"""CloudFormation's trust stores and their revocation lists.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-elasticloadbalancingv2-truststore.html
"""

from __future__ import annotations

from typing import Any

from hiyoko.template.resource_type import Handle, Made, ResourceType, in_place, register, replaces
from hiyoko.template.tagging import tag_keys_to_drop, tags_to_write

NAME_LENGTH_MAX = 32
_BUNDLE = (
    "CaCertificatesBundleS3Bucket",
    "CaCertificatesBundleS3Key",
    "CaCertificatesBundleS3ObjectVersion",
)


def _call(handle: Handle, operation: str, **request: Any) -> dict[str, Any]:
    return handle.invoke("elbv2", operation, request)


def _create_store(handle: Handle) -> Made:
    name = handle.properties.get("Name") or handle.name(NAME_LENGTH_MAX)
    given = handle.given(*_BUNDLE)
    answer = _call(handle, "CreateTrustStore", Name=name, Tags=handle.tags(), **given)
    return Made(str(answer["TrustStores"][0]["TrustStoreArn"]))


def _update_store(handle: Handle) -> None:
    arn = handle.physical_id
    if handle.changed(*_BUNDLE):
        _call(handle, "ModifyTrustStore", TrustStoreArn=arn, **handle.given(*_BUNDLE))
    if drop := tag_keys_to_drop(handle):
        _call(handle, "RemoveTags", ResourceArns=[arn], TagKeys=drop)
    if write := tags_to_write(handle):
        _call(handle, "AddTags", ResourceArns=[arn], Tags=write)


def _delete_store(handle: Handle) -> None:
    _call(handle, "DeleteTrustStore", TrustStoreArn=handle.physical_id)


def _read_store(handle: Handle) -> dict[str, Any]:
    answer = _call(handle, "DescribeTrustStores", TrustStoreArns=[handle.physical_id])
    shown = dict(answer["TrustStores"][0])
    names = ("TrustStoreArn", "Status", "NumberOfCaCertificates", "TotalRevokedEntries")
    return {name: shown[name] for name in names}


def _create_revocation(handle: Handle) -> Made:
    given = handle.given("TrustStoreArn", "RevocationContents")
    answer = _call(handle, "AddTrustStoreRevocations", **given)
    added = answer["TrustStoreRevocations"]
    # One resource may add several lists; the first one's id names it, as on AWS.
    ids = [item["RevocationId"] for item in added]
    return Made(f"{ids[0]}|{given['TrustStoreArn']}", {"ids": ids})


def _delete_revocation(handle: Handle) -> None:
    arn = handle.properties["TrustStoreArn"]
    ids = list(handle.attributes["ids"])
    _call(handle, "RemoveTrustStoreRevocations", TrustStoreArn=arn, RevocationIds=ids)


register(
    ResourceType(
        "AWS::ElasticLoadBalancingV2::TrustStore",
        {**in_place(*_BUNDLE, "Tags"), **replaces("Name")},
        _create_store,
        _delete_store,
        _update_store,
        read=_read_store,
        attributes=frozenset(
            {"NumberOfCaCertificates", "Status", "TotalRevokedEntries", "TrustStoreArn"}
        ),
        named="Name",
        tags=True,
        missing=frozenset({"TrustStoreNotFound"}),
    ),
    ResourceType(
        "AWS::ElasticLoadBalancingV2::TrustStoreRevocation",
        replaces("RevocationContents", "TrustStoreArn"),
        _create_revocation,
        _delete_revocation,
        read=lambda handle: {"RevocationId": handle.physical_id.partition("|")[0]},
        required=frozenset({"RevocationContents", "TrustStoreArn"}),
        attributes=frozenset({"RevocationId"}),
        missing=frozenset({"RevocationIdNotFound", "TrustStoreNotFound"}),
    ),
)
