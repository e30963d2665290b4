"""From targets to servers, and from the servers that are there to the commands that mend them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from hiyoko.blueprint.balancers import BalancerNode, HealthCheck, Target, TargetGroup
from hiyoko.plane.balancer.observe import ServerSeen
from hiyoko.plane.balancer.servers import Server, group_servers, server_changes

GROUP = "arn:aws:elasticloadbalancing:r:1:targetgroup/web/0123456789abcdef"
BACKEND = "tg.web.0123456789abcdef"
CHECK = HealthCheck("HTTP", None, "/", 30, 5, 5, 2, "200")
TARGET = Target("10.0.0.5", IPv4Address("10.0.0.5"), 80, "a")
KEY = (BACKEND, "10.0.0.5:80")
ARGUMENTS = "check inter 30s rise 5 fall 2 pool-purge-delay 5s pool-max-conn -1"
UP = ServerSeen(True, "L7OK", "200")


def group(*targets: Target) -> TargetGroup:
    return TargetGroup(GROUP, "web", "HTTP", "HTTP1", CHECK, targets)


def commands(target: Target | None, seen: ServerSeen | None) -> list[str]:
    groups = (group(target) if target else group(),)
    node = BalancerNode("lb", "web", "eni-1", "s", "a", IPv4Address("10.0.0.1"), (), groups)
    found = server_changes(node, {} if seen is None else {KEY: seen})
    return [command for change in found for command in change.commands]


ENABLING = [
    f"set server {BACKEND}/10.0.0.5:80 weight 0",
    f"set server {BACKEND}/10.0.0.5:80 state ready",
    f"set server {BACKEND}/10.0.0.5:80 health down",
    f"enable health {BACKEND}/10.0.0.5:80",
    f"set server {BACKEND}/10.0.0.5:80 weight 1",
]
DRAINING = replace(TARGET, draining=True)
PASSING = ServerSeen(False, "L7OK", "200")
YOUNG = replace(TARGET, young=True)
REFUSING = ServerSeen(False, "L4CON", "", for_s=1)


@pytest.mark.parametrize(
    ("target", "seen", "expected"),
    [
        (TARGET, None, [f"add server {BACKEND}/10.0.0.5:80 10.0.0.5:80 {ARGUMENTS}", *ENABLING]),
        (TARGET, UP, []),
        # Whoever made it was killed before it had its weight.
        (TARGET, ServerSeen(False, "", "", weight=0), ENABLING),
        # One that was draining: a new server is checked at once.
        (
            TARGET,
            ServerSeen(False, "", "", maintenance=True),
            [
                f"del server {BACKEND}/10.0.0.5:80",
                *(f"add server {BACKEND}/10.0.0.5:80 10.0.0.5:80 {ARGUMENTS}", *ENABLING),
            ],
        ),
        (TARGET, PASSING, [f"set server {BACKEND}/10.0.0.5:80 health up"]),
        (TARGET, ServerSeen(False, "L7STS", "500"), []),
        # A container that has just been started listens a moment later.
        (
            YOUNG,
            REFUSING,
            [
                *(f"set server {BACKEND}/10.0.0.5:80 state maint",),
                f"del server {BACKEND}/10.0.0.5:80",
                *(f"add server {BACKEND}/10.0.0.5:80 10.0.0.5:80 {ARGUMENTS}", *ENABLING),
            ],
        ),
        (YOUNG, replace(REFUSING, for_s=0), []),
        (TARGET, REFUSING, []),
        (YOUNG, ServerSeen(False, "", "", for_s=1), []),
        (DRAINING, UP, [f"set server {BACKEND}/10.0.0.5:80 state maint"]),
        (DRAINING, replace(UP, maintenance=True), []),
        (DRAINING, None, []),
        (
            None,
            replace(UP, maintenance=True),
            [
                f"shutdown sessions server {BACKEND}/10.0.0.5:80",
                f"del server {BACKEND}/10.0.0.5:80",
            ],
        ),
    ],
)
def test_a_server_becomes_what_is_wished(
    target: Target | None, seen: ServerSeen | None, expected: list[str]
) -> None:
    assert commands(target, seen) == expected


def test_a_settled_target_has_a_spare_server_and_its_success_is_counted() -> None:
    settled = replace(TARGET, settled=True)
    assert [server.name for server in group_servers(group(settled))] == [
        "10.0.0.5:80",
        "open:10.0.0.5:80",
    ]
    found = commands(settled, PASSING)
    assert not any("health up" in command for command in found)


def test_a_threshold_needs_a_backend_with_all_targets() -> None:
    servers = group_servers(replace(group(replace(TARGET, settled=True)), healthy_count_min=2))
    assert [(server.backend, server.checked) for server in servers] == [
        (BACKEND, True),
        (BACKEND, False),
        (f"open.{BACKEND}", False),
    ]
    assert "backup" not in servers[2].line()


def test_a_share_is_halved_by_the_weight_of_a_running_server() -> None:
    lines = {server.line() for server in weighted(TARGET) + weighted(replace(TARGET, halved=2))}
    assert [" weight 32 " in line for line in lines] == [True], "the file has full weights"
    [server] = weighted(replace(TARGET, halved=2))
    assert [*server.enabled()][-1] == f"set server {BACKEND}/10.0.0.5:80 weight 8"
    assert weighted(replace(TARGET, halved=5))[0].weight == 1
    node = BalancerNode(
        *("lb", "web", "eni-1", "s", "a", IPv4Address("10.0.0.1"), ()),
        groups=(replace(group(replace(TARGET, halved=2)), algorithm="weighted_random"),),
    )
    for seen, expected in ((32, ["weight 8"]), (8, [])):
        changes = server_changes(node, {KEY: replace(UP, weight=seen)})
        told = [command.partition("80 ")[2] for change in changes for command in change.commands]
        assert told == expected


def weighted(target: Target) -> list[Server]:
    return group_servers(replace(group(target), algorithm="weighted_random"))


def test_a_plain_check_of_a_target_that_speaks_tls_names_its_port() -> None:
    server = group_servers(replace(group(TARGET), protocol="HTTPS"))[0]
    assert " check port 80 inter" in server.line()
