"""Turning log delivery to S3 on: the bucket must be there and let the load balancer write.

As AWS does, a test file is written when delivery is turned on or its place changes.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping
from typing import Any

from hiyoko import api
from hiyoko.api import AwsError, Call, unsupported
from hiyoko.services.elbv2.errors import invalid_configuration
from hiyoko.services.elbv2.model import LoadBalancer

PRINCIPAL = "logdelivery.elasticloadbalancing.amazonaws.com"
TEST_FILES = {
    "access_logs": "ELBAccessLogTestFile",
    "connection_logs": "ELBConnectionLogTestFile",
}
# Regions from before August 2022 may name Elastic Load Balancing's account instead.
_ACCOUNTS = {
    "us-east-1": "127311923021",
    "us-east-2": "033677994240",
    "us-west-1": "027434742980",
    "us-west-2": "797873946194",
    "ap-northeast-1": "582318560864",
    "ap-northeast-2": "600734575887",
    "ap-northeast-3": "383597477331",
    "ap-south-1": "718504428378",
    "ap-southeast-1": "114774131450",
    "ap-southeast-2": "783225319266",
    "ca-central-1": "985666609251",
    "eu-central-1": "054676820928",
    "eu-west-1": "156460612806",
    "eu-west-2": "652711504416",
    "eu-west-3": "009996457667",
    "eu-north-1": "897822967062",
    "sa-east-1": "507241528517",
}


def check_delivery(
    call: Call, row: LoadBalancer, before: Mapping[str, str], wanted: Mapping[str, str]
) -> None:
    """Refuse a bucket that would refuse the logs; write the test file to one that does not."""
    if wanted.get("health_check_logs.s3.enabled") == "true":
        # HAProxy tells of a check only when its result changes; AWS's file has every one.
        raise unsupported("health_check_logs.s3.enabled", "true")
    for kind, name in TEST_FILES.items():
        keys = [f"{kind}.s3.{part}" for part in ("enabled", "bucket", "prefix")]
        if wanted.get(keys[0]) != "true" or [before.get(k) for k in keys] == [
            wanted.get(k) for k in keys
        ]:
            continue
        bucket, prefix = wanted.get(keys[1], ""), wanted.get(keys[2], "")
        if not bucket:
            raise invalid_configuration(f"The value of '{keys[1]}' cannot be empty")
        if "AWSLogs" in prefix:
            raise invalid_configuration(f"The value of '{keys[2]}' must not contain 'AWSLogs'")
        folder = f"{prefix}/AWSLogs" if prefix else "AWSLogs"
        _write(call, row, bucket, f"{folder}/{row.account}/{name}")


def _write(call: Call, row: LoadBalancer, bucket: str, key: str) -> None:
    place = {"account": row.account, "region": row.region}
    try:
        located = api.ask_neighbour("s3", "GetBucketLocation", {"Bucket": bucket}, **place)
        policy = api.ask_neighbour("s3", "GetBucketPolicy", {"Bucket": bucket}, **place)
    except AwsError as error:
        if error.code in ("NoSuchBucket", "NoSuchBucketPolicy"):
            raise _denied(bucket) from error
        raise
    if (located.get("LocationConstraint") or "us-east-1") != row.region:
        raise invalid_configuration(
            f"Bucket {bucket} is not in the same Region as the load balancer ({row.region})"
        )
    if not allows(json.loads(policy["Policy"]), f"arn:aws:s3:::{bucket}/{key}", row.region):
        raise _denied(bucket)
    body = f"Enable AccessLog for ELB: {row.full_name} at {call.now:.0f}".encode()
    api.ask_neighbour("s3", "PutObject", {"Bucket": bucket, "Key": key, "Body": body}, **place)


def _denied(bucket: str) -> AwsError:
    return invalid_configuration(
        f"Access Denied for bucket: {bucket}. Please check S3bucket permission"
    )


def allows(policy: Mapping[str, Any], resource: str, region: str) -> bool:
    """Whether a bucket policy lets log delivery put this object. Conditions are taken as met."""
    account = _ACCOUNTS.get(region, "")
    writers = {PRINCIPAL, "*", account, f"arn:aws:iam::{account}:root"} - {""}
    effects = {
        statement.get("Effect")
        for statement in _listed(policy.get("Statement"))
        if writers & set(_principals(statement.get("Principal")))
        and any(fnmatch.fnmatchcase("s3:PutObject", a) for a in _listed(statement.get("Action")))
        and any(fnmatch.fnmatchcase(resource, r) for r in _listed(statement.get("Resource")))
    }
    return effects == {"Allow"}


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _principals(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [name for part in value.values() for name in _listed(part)]
    return _listed(value)
