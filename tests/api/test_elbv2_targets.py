"""Targets and their groups' settings: what may be set, what goes together, what is shown.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.test_elbv2 import Cloud, cloud, refused

from hiyoko.reconcile.zones import draw
from hiyoko.services.elbv2 import rows
from hiyoko.services.elbv2.seen import ANOMALIES_SEEN, AnomalySeen

__all__ = ["cloud"]

ROUTING = "target_group_health.unhealthy_state_routing.minimum_healthy_targets"
DNS = "target_group_health.dns_failover.minimum_healthy_targets"
ALGORITHM = "load_balancing.algorithm"
CROSS_ZONE = "load_balancing.cross_zone.enabled"


def modify(cloud: Cloud, group: str, **given: str) -> dict[str, str]:
    wanted = [{"Key": key, "Value": value} for key, value in given.items()]
    answer = cloud("ModifyTargetGroupAttributes", TargetGroupArn=group, Attributes=wanted)
    return {item["Key"]: item["Value"] for item in answer["Attributes"]}


@pytest.mark.parametrize(
    ("given", "code", "text"),
    [
        ({f"{ALGORITHM}.anomaly_mitigation": "on"}, "InvalidConfig", "weighted_random"),
        ({f"{ALGORITHM}.anomaly_mitigation": "yes"}, "ValidationError", "not valid"),
        ({f"{ROUTING}.count": "off"}, "ValidationError", "not valid"),
        ({f"{ROUTING}.count": "0"}, "ValidationError", "not valid"),
        ({f"{DNS}.percentage": "101"}, "ValidationError", "not valid"),
        ({f"{ROUTING}.count": "3", f"{DNS}.count": "2"}, "InvalidConfig", "greater than or equal"),
        ({f"{ROUTING}.count": "2"}, "InvalidConfig", "greater than or equal"),
        ({CROSS_ZONE: "false", "stickiness.enabled": "true"}, "InvalidConfig", "Stickiness"),
        (
            {
                "slow_start.duration_seconds": "30",
                "load_balancing.algorithm.type": "least_outstanding_requests",
            },
            "InvalidConfig",
            "round_robin",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    cloud: Cloud, given: dict[str, str], code: str, text: str
) -> None:
    group = cloud.group()
    with pytest.raises(Exception, match=f"^{code}.*{text}"):
        modify(cloud, group, **given)


def test_thresholds_may_be_counts_and_percentages(cloud: Cloud) -> None:
    group = cloud.group()
    given = {f"{ROUTING}.count": "2", f"{DNS}.count": "3", f"{DNS}.percentage": "50"}
    shown = modify(cloud, group, **given)
    assert given.items() <= shown.items()
    assert (
        modify(cloud, group, **{f"{ROUTING}.count": "1", f"{DNS}.count": "off"})[f"{DNS}.count"]
        == "off"
    )


def test_without_cross_zone_a_target_has_a_zone_and_its_own_nodes_decide(cloud: Cloud) -> None:
    group, balancer = cloud.group(), cloud.balancer()
    cloud.listener(balancer, group)
    far = [{"Id": "192.168.0.1", "AvailabilityZone": "all"}]
    cloud("RegisterTargets", TargetGroupArn=group, Targets=far)
    with refused("InvalidConfigurationRequest", "'all'"):
        modify(cloud, group, **{CROSS_ZONE: "false"})
    cloud("DeregisterTargets", TargetGroupArn=group, Targets=far)
    cloud.clock.time += 301
    cloud("_ExpireTargets")
    modify(cloud, group, **{CROSS_ZONE: "false"})
    with refused("ValidationError", "'all'"):
        cloud("RegisterTargets", TargetGroupArn=group, Targets=far)
    cloud("RegisterTargets", TargetGroupArn=group, Targets=[{"Id": "10.0.1.9"}])
    # Only the node of the target's zone looks at it.
    cloud.see(group, balancer, "healthy")
    assert cloud.health(group) == [("healthy", "Target.Timeout")]


def test_a_load_balancers_own_address_is_no_target(cloud: Cloud) -> None:
    group, balancer = cloud.group(), cloud.balancer()
    cloud.listener(balancer, group)
    with cloud.store.reading() as tx:
        address = rows.get_load_balancer(tx, balancer).nodes[0].private_ip
    cloud("RegisterTargets", TargetGroupArn=group, Targets=[{"Id": address}])
    assert cloud.health(group) == [("unused", "Target.IpUnusable")]


def test_health_says_that_no_zonal_shift_overrides(cloud: Cloud) -> None:
    group = cloud.group()
    cloud("RegisterTargets", TargetGroupArn=group, Targets=[{"Id": "10.0.1.9"}])
    shown = cloud("DescribeTargetHealth", TargetGroupArn=group)["TargetHealthDescriptions"][0]
    assert shown["AdministrativeOverride"]["State"] == "no_override"
    assert shown["Target"]["AvailabilityZone"] == "ap-northeast-1a"


def test_who_asks_is_told_of_anomalies(cloud: Cloud) -> None:
    group, balancer = cloud.group(), cloud.balancer()
    cloud.listener(balancer, group)
    on = {f"{ALGORITHM}.type": "weighted_random", f"{ALGORITHM}.anomaly_mitigation": "on"}
    assert on.items() <= modify(cloud, group, **on).items()
    with refused("InvalidConfigurationRequest", "weighted_random"):
        modify(cloud, group, **{f"{ALGORITHM}.type": "round_robin"})
    addresses = [f"10.0.1.{number}" for number in (7, 8, 9)]
    cloud("RegisterTargets", TargetGroupArn=group, Targets=[{"Id": one} for one in addresses])
    with cloud.store.transaction() as tx:
        for address, result, halved in zip(
            addresses, ("anomalous", "anomalous", "normal"), (0, 3, 2), strict=True
        ):
            ANOMALIES_SEEN.put(tx, AnomalySeen(group, address, 80, result, halved, 0.0))
    unknown = [{"Id": "10.0.1.6", "Port": 80}]

    def shown(**more: Any) -> list[dict[str, str] | None]:
        told = cloud("DescribeTargetHealth", TargetGroupArn=group, **more)
        return [one.get("AnomalyDetection") for one in told["TargetHealthDescriptions"]]

    assert shown() == [None] * 3
    for name in ("AnomalyDetection", "All"):
        assert shown(Include=[name]) == [
            {"Result": "anomalous", "MitigationInEffect": "no"},
            {"Result": "anomalous", "MitigationInEffect": "yes"},
            {"Result": "normal", "MitigationInEffect": "yes"},
        ]
    cloud("RegisterTargets", TargetGroupArn=group, Targets=unknown)
    named = shown(Include=["AnomalyDetection"], Targets=[*unknown, {"Id": "10.0.1.5", "Port": 80}])
    assert named == [{"Result": "normal", "MitigationInEffect": "no"}, None]


def test_boto3_is_told_of_anomalies(endpoint: Any) -> None:
    vpc = endpoint.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    elbv2 = endpoint.client("elbv2")
    group = elbv2.create_target_group(
        Name="web", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip"
    )["TargetGroups"][0]["TargetGroupArn"]
    on = {f"{ALGORITHM}.type": "weighted_random", f"{ALGORITHM}.anomaly_mitigation": "on"}
    elbv2.modify_target_group_attributes(
        TargetGroupArn=group, Attributes=[{"Key": k, "Value": v} for k, v in on.items()]
    )
    target = {"Id": "192.168.0.1", "AvailabilityZone": "all"}
    elbv2.register_targets(TargetGroupArn=group, Targets=[target])
    [found] = elbv2.describe_target_health(TargetGroupArn=group, Include=["AnomalyDetection"])[
        "TargetHealthDescriptions"
    ]
    assert found["AnomalyDetection"] == {"Result": "normal", "MitigationInEffect": "no"}


@pytest.mark.parametrize("kind", ["instance", "lambda", "alb"])
def test_other_kinds_of_targets_are_refused_by_name(cloud: Cloud, kind: str) -> None:
    with refused("NotImplemented", "TargetType"):
        cloud.group(TargetType=kind)


def test_a_zonal_shift_is_refused_by_name(cloud: Cloud) -> None:
    given = [{"Key": "zonal_shift.config.enabled", "Value": "true"}]
    with refused("NotImplemented", "zonal_shift"):
        cloud("ModifyLoadBalancerAttributes", LoadBalancerArn=cloud.balancer(), Attributes=given)


def test_the_name_leads_to_nodes_with_healthy_targets_only(cloud: Cloud) -> None:
    group, balancer = cloud.group(), cloud.balancer()
    cloud.listener(balancer, group)
    cloud("RegisterTargets", TargetGroupArn=group, Targets=[{"Id": "10.0.1.9"}])

    def addresses() -> list[str]:
        with cloud.store.reading() as tx:
            found = rows.get_load_balancer(tx, balancer)
            records = [record for zone in draw(tx).zones for record in zone.records]
        named = [r for r in records if r.name.rstrip(".") == found.dns_name.lower()]
        public = [node.public_ip for node in found.nodes]
        served = {value for record in named for value in record.values}
        return ["ac"[public.index(value)] for value in sorted(served, key=public.index)]

    cloud.see(group, balancer, "unhealthy", "unhealthy")
    assert addresses() == ["a", "c"]
    cloud.see(group, balancer, "unhealthy", "healthy")
    assert addresses() == ["c"]
    cloud.see(group, balancer, "healthy", "healthy")
    assert addresses() == ["a", "c"]
