"""Draining, and who is used."""

from __future__ import annotations

from dataclasses import replace

from hiyoko.services.elbv2.model import (
    Action,
    Registration,
    TargetGroup,
    WeightedGroup,
    canonical_hosted_zone_id,
    used_groups,
)

GROUP = TargetGroup("arn", "1", "r", "web", "HTTP", 80, "vpc", 0.0)
TARGET = Registration("arn", "1", "r", "10.0.0.1", 80, "a", 0.0)


def test_a_deregistered_target_drains_for_the_delay_and_is_then_expired() -> None:
    assert not TARGET.drains(GROUP, 9.0)
    gone = replace(TARGET, deregistered_at=10.0)
    assert gone.drains(GROUP, 309.9)
    assert not gone.expired(GROUP, 309.9)
    assert gone.expired(GROUP, 310.0)
    quick = replace(GROUP, attributes={"deregistration_delay.timeout_seconds": "5"})
    assert gone.expired(quick, 15.0)


def test_groups_are_named_once_in_the_order_of_actions() -> None:
    groups = (WeightedGroup("b"), WeightedGroup("a"), WeightedGroup("b"))
    assert used_groups([Action("forward", groups=groups), Action("fixed-response")]) == ("b", "a")


def test_tokyo_has_its_hosted_zone() -> None:
    # docs.aws.amazon.com/general/latest/gr/elb.html
    assert canonical_hosted_zone_id("ap-northeast-1") == "Z14GRHDCWA56QT"
