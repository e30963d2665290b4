"""Turning a load balancer's logs on and off.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from hiyoko import api, services
from hiyoko.api import AwsError
from hiyoko.neighbours import Neighbours
from hiyoko.services.elbv2 import rows
from hiyoko.services.elbv2.log_delivery import allows
from hiyoko.services.elbv2.model import LoadBalancer
from hiyoko.store.database import Store

HERE = {"account": "123456789012", "region": "ap-northeast-1"}
ARN = (
    "arn:aws:elasticloadbalancing:ap-northeast-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188"
)


@dataclass
class Logs:
    """A load balancer and S3."""

    store: Store
    neighbours: Neighbours

    def set(self, **values: str) -> dict[str, str]:
        """Set attributes: ``access_enabled`` is ``access_logs.s3.enabled``."""
        given = []
        for name, value in values.items():
            kind, _, part = name.rpartition("_")
            given.append({"Key": f"{kind}_logs.s3.{part}", "Value": value})
        request = {"LoadBalancerArn": ARN, "Attributes": given}
        answer = api.invoke(self.store, "elbv2", "ModifyLoadBalancerAttributes", request)
        return {item["Key"]: item["Value"] for item in answer["Attributes"]}

    def s3(self, operation: str, **request: Any) -> dict[str, Any]:
        return self.neighbours.ask("s3", operation, {"Bucket": "logs", **request}, **HERE)

    def bucket(self, principal: Any, resource: str = "arn:aws:s3:::logs/*") -> None:
        self.s3("CreateBucket", CreateBucketConfiguration={"LocationConstraint": HERE["region"]})
        statement = {
            "Effect": "Allow", "Principal": principal, "Action": "s3:PutObject",
            "Resource": resource,
        }  # fmt: skip
        self.s3("PutBucketPolicy", Policy=json.dumps({"Statement": [statement]}))

    def keys(self) -> list[str]:
        return [item["Key"] for item in self.s3("ListObjectsV2").get("Contents", [])]

    def refused(self, **values: str) -> str:
        with pytest.raises(AwsError) as caught:
            self.set(**values)
        return f"{caught.value.code}: {caught.value.message}"


@pytest.fixture
async def logs() -> Any:
    services.load()
    neighbours = Neighbours()
    api.use_neighbours(neighbours.ask)
    made = Logs(Store.open(":memory:"), neighbours)
    with made.store.transaction() as tx:
        rows.LOAD_BALANCERS.insert(
            tx,
            LoadBalancer(
                ARN, HERE["account"], HERE["region"], "web", "web.test", "internal", "vpc-1",
                (), (), 0.0,
            ),
        )  # fmt: skip
    yield made
    neighbours.ask("s3", "ListBuckets", {}, **HERE)
    await neighbours.reset()


async def test_a_bucket_that_allows_it_gets_a_test_file_of_each_kind(logs: Logs) -> None:
    logs.bucket({"Service": "logdelivery.elasticloadbalancing.amazonaws.com"})
    told = logs.set(access_enabled="true", access_bucket="logs", access_prefix="web/a")
    assert told["access_logs.s3.bucket"] == "logs"
    logs.set(connection_enabled="true", connection_bucket="logs")
    folder = "AWSLogs/123456789012"
    wanted = [f"{folder}/ELBConnectionLogTestFile", f"web/a/{folder}/ELBAccessLogTestFile"]
    assert logs.keys() == wanted
    logs.s3("DeleteObject", Key=wanted[1])
    logs.set(access_enabled="true")
    assert logs.keys() == wanted[:1]  # nothing changed, so nothing is tried
    logs.set(access_enabled="false")
    assert logs.set(access_bucket="")["access_logs.s3.enabled"] == "false"


async def test_a_bucket_that_would_refuse_the_logs_is_refused(logs: Logs) -> None:
    denied = (
        "InvalidConfigurationRequest: Access Denied for bucket: logs."
        " Please check S3bucket permission"
    )
    on = {"access_enabled": "true", "access_bucket": "logs"}
    assert logs.refused(**on) == denied  # there is none
    logs.bucket({"AWS": "arn:aws:iam::582318560864:root"}, "arn:aws:s3:::logs/other/*")
    assert logs.refused(**on) == denied
    assert logs.keys() == []
    logs.s3("DeleteBucketPolicy")
    assert logs.refused(**on) == denied
    assert logs.set(access_prefix="other")["access_logs.s3.enabled"] == "false"
    assert "empty" in logs.refused(connection_enabled="true")
    assert "AWSLogs" in logs.refused(**on, access_prefix="AWSLogs/x")


async def test_a_bucket_of_another_region_is_refused(logs: Logs) -> None:
    made = {"Bucket": "logs", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    there = {**HERE, "region": "eu-west-1"}
    logs.neighbours.ask("s3", "CreateBucket", made, **there)
    logs.s3("PutBucketPolicy", Policy='{"Statement": []}')
    assert "not in the same Region" in logs.refused(access_enabled="true", access_bucket="logs")


async def test_health_check_logs_are_refused_by_name(logs: Logs) -> None:
    assert logs.refused(health_check_enabled="true", health_check_bucket="logs").startswith(
        "NotImplemented: hiyoko does not implement health_check_logs.s3.enabled"
    )


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ({"Principal": "*", "Action": "s3:*"}, True),
        ({"Principal": {"AWS": ["1", "582318560864"]}, "Action": ["s3:Get*", "s3:Put*"]}, True),
        ({"Principal": "*", "Action": "s3:GetObject"}, False),
        ({"Principal": {"AWS": "arn:aws:iam::1:root"}, "Action": "s3:PutObject"}, False),
        ({"Principal": "*", "Action": "s3:PutObject", "Effect": "Deny"}, False),
    ],
)
async def test_a_policy_is_read_as_s3_reads_it(statement: dict[str, Any], allowed: bool) -> None:
    whole = {"Effect": "Allow", "Resource": "arn:aws:s3:::logs/*", **statement}
    found = allows({"Statement": whole}, "arn:aws:s3:::logs/AWSLogs/1/x", "ap-northeast-1")
    assert found is allowed
