"""A target group as a backend: algorithm, checks, servers."""

from __future__ import annotations

from collections.abc import Iterator

from hiyoko.blueprint.balancers import Target, TargetGroup
from hiyoko.plane.balancer.answers import UNAVAILABLE, own_answer
from hiyoko.plane.balancer.checks import check_lines
from hiyoko.plane.balancer.names import server_name
from hiyoko.plane.balancer.protocols import check_options, endpoint_options, version_answers
from hiyoko.plane.balancer.stickiness import sticky_lines

_ALGORITHMS = {
    "round_robin": "roundrobin",
    "least_outstanding_requests": "leastconn",
    "weighted_random": "random",
}


def backend_lines(
    group: TargetGroup, secret: bytes, *, http2_clients: bool = True
) -> Iterator[str]:
    """The lines of a group's backend section; ``secret`` is what cookies are sealed with."""
    yield from version_answers(group, http2_clients=http2_clients)
    targets = [target for target in group.targets if not target.draining]
    if not targets:
        yield own_answer(UNAVAILABLE, "")
        return
    yield f"balance {_ALGORITHMS[group.algorithm]}"
    # All still initial. What fails open counts as usable. A worker that is being replaced says
    # that it has no servers, though it goes on to serve its connections.
    yield own_answer(UNAVAILABLE, " if { nbsrv lt 1 } !{ stopping }")
    yield "option allbackups"
    yield from check_lines(group.health_check, group.protocol_version)
    yield from sticky_lines(group, targets, secret)
    for target in targets:
        yield _server(group, target)
    for target in targets:
        # All unhealthy means traffic to all: without a check, always usable, used last.
        if target.settled:
            yield f"server open:{server_name(target)} {_endpoint(group, target)} backup"


def _endpoint(group: TargetGroup, target: Target) -> str:
    return f"{target.address}:{target.port}{endpoint_options(group)}"


def _server(group: TargetGroup, target: Target) -> str:
    check = group.health_check
    rise = check.healthy_threshold if target.settled else 1
    port = f" port {check.port}" if check.port is not None else ""
    slow = f" slowstart {group.slow_start_s}s" if group.slow_start_s else ""
    checked = f"check{port}{check_options(group)}"
    return (
        f"server {server_name(target)} {_endpoint(group, target)} {checked} "
        f"inter {check.interval_s}s rise {rise} fall {check.unhealthy_threshold}{slow}"
    )
