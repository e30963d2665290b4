"""A target group as a backend: algorithm, checks, servers."""

from __future__ import annotations

from collections.abc import Iterator

from hiyoko.blueprint.balancers import Target, TargetGroup
from hiyoko.plane.balancer.answers import UNAVAILABLE, own_answer
from hiyoko.plane.balancer.checks import check_lines
from hiyoko.plane.balancer.names import server_name
from hiyoko.plane.balancer.stickiness import sticky_lines

_ALGORITHMS = {
    "round_robin": "roundrobin",
    "least_outstanding_requests": "leastconn",
    "weighted_random": "random",
}


def backend_lines(group: TargetGroup, secret: bytes) -> Iterator[str]:
    """The lines of a group's backend section; ``secret`` is what cookies are sealed with."""
    targets = [target for target in group.targets if not target.draining]
    if not targets:
        yield own_answer(UNAVAILABLE, "")
        return
    yield f"balance {_ALGORITHMS[group.algorithm]}"
    # All still initial. What fails open counts as usable. A worker that is being replaced says
    # that it has no servers, though it goes on to serve its connections.
    yield own_answer(UNAVAILABLE, " if { nbsrv lt 1 } !{ stopping }")
    yield "http-request set-var(txn.to_target) bool(true)"
    yield "option allbackups"
    yield from check_lines(group.health_check)
    yield from sticky_lines(group, targets, secret)
    for target in targets:
        yield _server(group, target)
    for target in targets:
        # All unhealthy means traffic to all: without a check, always usable, used last.
        if target.settled:
            yield f"server open:{server_name(target)} {_endpoint(group, target)} backup"


def _endpoint(group: TargetGroup, target: Target) -> str:
    tls = " ssl verify none sni req.hdr(host)" if group.protocol == "HTTPS" else ""
    return f"{target.address}:{target.port}{tls}"


def _server(group: TargetGroup, target: Target) -> str:
    check = group.health_check
    rise = check.healthy_threshold if target.settled else 1
    port = f" port {check.port}" if check.port is not None else ""
    tls = ""
    if check.protocol == "HTTPS":
        tls = " check-ssl verify none" if group.protocol == "HTTP" else " check-ssl"
    elif group.protocol == "HTTPS":
        tls = " no-check-ssl"
    slow = f" slowstart {group.slow_start_s}s" if group.slow_start_s else ""
    return (
        f"server {server_name(target)} {_endpoint(group, target)} check{port}{tls} "
        f"inter {check.interval_s}s rise {rise} fall {check.unhealthy_threshold}{slow}"
    )
