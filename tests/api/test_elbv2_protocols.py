"""Protocol versions, matchers and the attributes of forwarding, in AWS's words.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html
"""

from __future__ import annotations

import pytest
from tests.api.test_elbv2 import Cloud
from tests.api.test_elbv2 import cloud as cloud_fixture

from hiyoko.api import AwsError

cloud = cloud_fixture


def test_a_grpc_group_has_defaults_of_its_own(cloud: Cloud) -> None:
    arn = cloud.group(ProtocolVersion="GRPC")
    (shown,) = cloud("DescribeTargetGroups", TargetGroupArns=[arn])["TargetGroups"]
    assert shown["ProtocolVersion"] == "GRPC"
    assert shown["HealthCheckPath"] == "/AWS.ALB/healthcheck"
    assert shown["Matcher"] == {"GrpcCode": "12"}
    (changed,) = cloud("ModifyTargetGroup", TargetGroupArn=arn, Matcher={"GrpcCode": "0-99"})[
        "TargetGroups"
    ]
    assert changed["Matcher"] == {"GrpcCode": "0-99"}
    http2 = cloud.group(Name="h2", ProtocolVersion="HTTP2")
    (shown,) = cloud("DescribeTargetGroups", TargetGroupArns=[http2])["TargetGroups"]
    assert (shown["ProtocolVersion"], shown["Matcher"]) == ("HTTP2", {"HttpCode": "200"})


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"ProtocolVersion": "HTTP3"}, "ValidationError", "must be one of 'GRPC, HTTP1, HTTP2'"),
        (
            {"ProtocolVersion": "GRPC", "Matcher": {"HttpCode": "200"}},
            "ValidationError",
            "HttpCode",
        ),
        ({"Matcher": {"GrpcCode": "12"}}, "ValidationError", "GrpcCode cannot be specified"),
        (
            {"ProtocolVersion": "GRPC", "Matcher": {"GrpcCode": "100"}},
            "ValidationError",
            "gRPC code",
        ),
        ({"ProtocolVersion": "GRPC", "Matcher": {"GrpcCode": "9-3"}}, "ValidationError", "'0-99'"),
        ({"Matcher": {"HttpCode": "200-600"}}, "ValidationError", "'200-499'"),
    ],
)
def test_a_group_that_cannot_be_is_refused(
    cloud: Cloud, changes: dict[str, object], code: str, words: str
) -> None:
    with pytest.raises(AwsError) as refused:
        cloud.group(**changes)
    assert refused.value.code == code
    assert words in str(refused.value)


def test_a_check_of_another_grpc_method_is_refused_by_name(cloud: Cloud) -> None:
    with pytest.raises(AwsError, match="HealthCheckPath"):
        cloud.group(ProtocolVersion="GRPC", HealthCheckPath="/grpc.health.v1.Health/Check")


@pytest.mark.parametrize("version", ["HTTP2", "GRPC"])
def test_http2_and_grpc_groups_need_an_https_listener(cloud: Cloud, version: str) -> None:
    balancer, group = cloud.balancer(), cloud.group(ProtocolVersion=version)
    with pytest.raises(AwsError) as refused:
        cloud.listener(balancer, group)
    assert refused.value.code == "InvalidConfigurationRequest"
    assert f"the protocol-version '{version}'" in str(refused.value)


def test_attributes_of_forwarding_are_kept_in_their_ranges(cloud: Cloud) -> None:
    balancer = cloud.balancer()
    listener = cloud.listener(balancer, cloud.group())
    key = "routing.http.desync_mitigation_mode"
    for mode in ("monitor", "strictest", "defensive"):
        wanted = [{"Key": key, "Value": mode}]
        answer = cloud("ModifyLoadBalancerAttributes", LoadBalancerArn=balancer, Attributes=wanted)
        assert wanted[0] in answer["Attributes"]
    for wrong, value in ((key, "lax"), ("client_keep_alive.seconds", "59")):
        with pytest.raises(AwsError, match=wrong):
            cloud(
                "ModifyLoadBalancerAttributes",
                LoadBalancerArn=balancer,
                Attributes=[{"Key": wrong, "Value": value}],
            )
    name = "routing.http.request.x_amzn_tls_version.header_name"
    shown = cloud("DescribeListenerAttributes", ListenerArn=listener)["Attributes"]
    assert {"Key": name, "Value": "X-Amzn-Tls-Version"} in shown
    renamed = [{"Key": name, "Value": "X-Version"}]
    answer = cloud("ModifyListenerAttributes", ListenerArn=listener, Attributes=renamed)
    assert renamed[0] in answer["Attributes"]
    with pytest.raises(AwsError, match="header_name"):
        cloud(
            "ModifyListenerAttributes",
            ListenerArn=listener,
            Attributes=[{"Key": name, "Value": "two words"}],
        )
