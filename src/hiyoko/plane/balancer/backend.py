"""A target group as a backend: algorithm, checks, servers."""

from __future__ import annotations

from collections.abc import Iterator

from hiyoko.blueprint.balancers import TargetGroup
from hiyoko.plane.balancer.answers import UNAVAILABLE, own_answer
from hiyoko.plane.balancer.checks import check_lines
from hiyoko.plane.balancer.events import EVENTS
from hiyoko.plane.balancer.protocols import version_answers
from hiyoko.plane.balancer.servers import server_arguments
from hiyoko.plane.balancer.stickiness import sticky_lines

_ALGORITHMS = {
    "round_robin": "roundrobin",
    "least_outstanding_requests": "leastconn",
    # One draw: of two, HAProxy would take the less busy one, and who fails is never busy.
    "weighted_random": "random(1)",
}


def backend_lines(
    group: TargetGroup, secret: bytes, *, http2_clients: bool = True
) -> Iterator[str]:
    """A group's backend section up to its servers; ``secret`` is what cookies are sealed with.

    This is its structure, which needs a reload to change: so servers' arguments stand in a
    comment, and the structure is the same with and without targets.
    """
    yield from version_answers(group, http2_clients=http2_clients)
    yield f"balance {_ALGORITHMS[group.algorithm]}"
    yield from _unavailable()
    yield "option allbackups"
    # Changes of health wake the daemon, if there is one.
    yield f"log unix@{EVENTS} local0 notice"
    yield "option log-health-checks"
    yield from check_lines(group.health_check, group.protocol_version)
    yield from sticky_lines(group, secret)
    for arguments in server_arguments(group):
        yield f"# each server: {arguments}"


def open_lines(group: TargetGroup, secret: bytes, *, http2_clients: bool = True) -> Iterator[str]:
    """The section of the backend that a group opens to, if it has one, up to its servers.

    These are all targets, unchecked.
    """
    yield from version_answers(group, http2_clients=http2_clients)
    yield f"balance {_ALGORITHMS[group.algorithm]}"
    yield from _unavailable()
    yield from sticky_lines(group, secret)


def _unavailable() -> Iterator[str]:
    """None, or all still initial. What fails open counts as usable.

    A worker that is being replaced says that it has no servers, though it goes on to serve its
    connections.
    """
    yield own_answer(UNAVAILABLE, " if { nbsrv lt 1 } !{ stopping }")
