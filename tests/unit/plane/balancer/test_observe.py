"""HAProxy's words as data, and the state that a reload carries over."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from hiyoko.blueprint.balancers import BalancerNode, HealthCheck, Target, TargetGroup
from hiyoko.plane.balancer.observe import (
    ServerSeen,
    describe_failure,
    parse_info,
    parse_stat,
    state_file,
)

GROUP = "arn:aws:elasticloadbalancing:r:1:targetgroup/web/0123456789abcdef"
BACKEND = "tg.web.0123456789abcdef"
CHECK = HealthCheck("HTTP", None, "/", 30, 5, 5, 2, "200")
TARGET = Target("10.0.0.5", IPv4Address("10.0.0.5"), 80, "a")


def node(*targets: Target) -> BalancerNode:
    group = TargetGroup(GROUP, "web", "HTTP", "HTTP1", CHECK, targets)
    return BalancerNode("lb", "web", "eni-1", "s", "a", IPv4Address("10.0.0.1"), (), (group,))


def running(op_state: int, health: int) -> str:
    return (
        "1\n# be_id be_name srv_id srv_name\n"
        f"4 {BACKEND} 1 10.0.0.5:80 10.0.0.5 {op_state} 0 1 1 9 15 3 {health} 6 0 0 0 - 80 - 0 0 "
        "- - 0\n"
    )


def fields(text: str) -> list[str]:
    return text.splitlines()[2].split()


def test_a_new_target_starts_down() -> None:
    line = fields(state_file(node(TARGET)))
    assert len(line) == 25
    assert (line[1], line[3], line[5], line[12]) == (BACKEND, "10.0.0.5:80", "0", "0")


@pytest.mark.parametrize(
    ("op_state", "health", "expected"),
    [
        # Up with a lower threshold before (full: 2); with five, full is 6.
        (2, 2, "6"),
        # One failure behind: it stays one failure behind.
        (2, 5, "5"),
        (0, 3, "0"),
    ],
)
def test_a_known_target_keeps_its_state(op_state: int, health: int, expected: str) -> None:
    line = fields(state_file(node(TARGET), running(op_state, health)))
    assert (line[5], line[12]) == (str(op_state), expected)


def test_a_draining_target_is_left_out() -> None:
    assert len(state_file(node(replace(TARGET, draining=True))).splitlines()) == 2


def test_ports_and_servers_are_read_from_show_stat() -> None:
    text = (
        "# pxname,svname,status,uweight,check_status,check_code,lastchg,\n"
        "port-443,FRONTEND,OPEN,,,,,\n"
        "port-80,FRONTEND,OPEN,,,,,\n"
        "port-81,FRONTEND,STOP,,,,,\n"
        f"{BACKEND},10.0.0.5:80,UP 1/2,1,L7OK,200,7,\n"
        f"{BACKEND},10.0.0.6:80,DOWN,1,* L4TOUT,,,\n"
        f"{BACKEND},10.0.0.7:80,DOWN,1,INI,,,\n"
        f"{BACKEND},10.0.0.10:80,DOWN,1,* L7STS,0,,\n"
        f"{BACKEND},10.0.0.11:80,DOWN,1,* INI,,,\n"
        f"{BACKEND},10.0.0.8:80,MAINT,1,,,,\n"
        f"{BACKEND},10.0.0.9:80,UP,0,INI,,,\n"
        f"{BACKEND},open:10.0.0.5:80,no check,1,,,,\n"
        f"{BACKEND},BACKEND,UP,1,,,,\n"
    )
    ports, servers = parse_stat(text)
    assert ports == (80, 443)
    assert servers[BACKEND, "10.0.0.5:80"].for_s == 7
    assert servers == {
        (BACKEND, "10.0.0.5:80"): ServerSeen(True, "L7OK", "200"),
        (BACKEND, "10.0.0.6:80"): ServerSeen(False, "L4TOUT", ""),
        (BACKEND, "10.0.0.7:80"): ServerSeen(False, "", ""),
        (BACKEND, "10.0.0.8:80"): ServerSeen(False, "", "", maintenance=True),
        # Half taken into service: it is not in use before it has its weight.
        (BACKEND, "10.0.0.9:80"): ServerSeen(False, "", "", weight=0),
        # A check is under way: what the last one saw is not to be had.
        (BACKEND, "10.0.0.10:80"): ServerSeen(False, "", ""),
        (BACKEND, "10.0.0.11:80"): ServerSeen(False, "", ""),
        (BACKEND, "open:10.0.0.5:80"): ServerSeen(True, "", ""),
    }


def test_the_digest_is_the_description() -> None:
    assert parse_info("Name: HAProxy\ndescription: 0123\n\n")["description"] == "0123"


@pytest.mark.parametrize(
    ("check", "code", "reason", "text"),
    [
        (
            "L7STS",
            "404",
            "Target.ResponseCodeMismatch",
            "Health checks failed with these codes: [404]",
        ),
        ("L7TOUT", "", "Target.Timeout", "Request timed out"),
        ("L4TOUT", "", "Target.Timeout", "Request timed out"),
        ("L4CON", "", "Target.FailedHealthChecks", "Health checks failed"),
        ("L6RSP", "", "Target.FailedHealthChecks", "Health checks failed"),
    ],
)
def test_a_failed_check_has_the_reason_of_aws(
    check: str, code: str, reason: str, text: str
) -> None:
    # elasticloadbalancing/latest/application/target-group-health-checks.html
    assert describe_failure(ServerSeen(False, check, code)) == (reason, text)
