from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiyoko.api import AwsError
from hiyoko.services.ec2.model import SecurityGroupRule
from hiyoko.services.ec2.permissions import (
    permission_views,
    read_ports,
    read_protocol,
    rule_in_words,
)


def rule(protocol: str, low: int, high: int, cidr: str = "10.0.0.0/8") -> SecurityGroupRule:
    return SecurityGroupRule(
        account="123456789012",
        region="ap-northeast-1",
        rule_id="sgr-1",
        group_id="sg-1",
        egress=False,
        protocol=protocol,
        from_port=low,
        to_port=high,
        cidr=cidr,
    )


@pytest.mark.parametrize(
    ("text", "protocol"),
    [("6", "tcp"), ("UDP", "udp"), ("1", "icmp"), ("-1", "-1"), ("all", "-1"), ("050", "50")],
)
def test_protocols_come_back_by_name_where_they_have_one(text: str, protocol: str) -> None:
    assert read_protocol(text) == protocol


@pytest.mark.parametrize("text", ["", "tcpx", "256", "-2", "1.0"])
def test_an_unknown_protocol_is_refused(text: str) -> None:
    with pytest.raises(AwsError, match=r"InvalidPermission\.Malformed"):
        read_protocol(text)


def test_ports_do_not_count_for_all_protocols() -> None:
    assert read_ports("-1", 22, 22) == (-1, -1)
    assert read_ports("50", 22, 22) == (-1, -1)
    assert read_ports("icmp", None, None) == (-1, -1)
    assert read_ports("icmp", 8, None) == (8, -1)


@given(low=st.integers(-2, 70000), high=st.integers(-2, 70000))
def test_a_port_range_is_read_as_given_or_refused(low: int, high: int) -> None:
    if 0 <= low <= high <= 65535:
        assert read_ports("tcp", low, high) == (low, high)
    else:
        with pytest.raises(AwsError):
            read_ports("tcp", low, high)


def test_permissions_of_all_protocols_omit_the_ports() -> None:
    (view,) = permission_views([rule("-1", -1, -1), rule("-1", -1, -1, "192.168.0.0/16")])
    assert "FromPort" not in view
    assert [r["CidrIp"] for r in view["IpRanges"]] == ["10.0.0.0/8", "192.168.0.0/16"]


def test_rules_are_written_as_awss_errors_write_them() -> None:
    assert rule_in_words(rule("-1", -1, -1)) == "peer: 10.0.0.0/8, ALL, ALLOW"
    assert (
        rule_in_words(rule("tcp", 80, 81))
        == "peer: 10.0.0.0/8, TCP, from port: 80, to port: 81, ALLOW"
    )
