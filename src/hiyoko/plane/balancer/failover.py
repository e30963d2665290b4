"""Routing failover: where a threshold of healthy targets is missed, all targets get requests.

The default threshold (one healthy target) needs none of this: a backend's spare servers do it, but
for clients that come back to a target, who could not tell its spare server from it.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hiyoko.blueprint.balancers import TargetGroup
from hiyoko.plane.balancer.names import backend_name, open_backend


def threshold_lines(groups: Iterable[TargetGroup]) -> Iterator[str]:
    """What the choices of open backends go by, from the requests' side of a frontend."""
    for group in groups:
        if group.opens_early and group.healthy_percent_min is not None:
            # Healthy ones in percent of all, without a division that would lose the rest.
            name, place = _variable(group), open_backend(group.arn)
            yield f"http-request set-var({name}) nbsrv({place}),mul({group.healthy_percent_min})"


def opened(lines: Iterable[str], groups: Iterable[TargetGroup]) -> Iterator[str]:
    """The lines of a frontend; before each choice of a group, the choice of its open backend."""
    apart = {backend_name(group.arn): group for group in groups if group.opens_apart}
    for line in lines:
        word, name, condition = (*line.split(" ", 2), "", "")[:3]
        found = apart.get(name) if word == "use_backend" else None
        for below in _thresholds(found) if found is not None else ():
            yield f"use_backend {open_backend(found.arn)} {condition} {below}" if found else ""
        yield line


def _thresholds(group: TargetGroup) -> Iterator[str]:
    name = backend_name(group.arn)
    # A worker that is being replaced says that it has none.
    if group.healthy_count_min > 1 or group.stickiness is not None:
        yield f"{{ nbsrv({name}) lt {group.healthy_count_min} }} !{{ stopping }}"
    if group.healthy_percent_min is not None:
        yield f"{{ nbsrv({name}),mul(100),sub({_variable(group)}) -m int lt 0 }} !{{ stopping }}"


def _variable(group: TargetGroup) -> str:
    return "txn.least_" + group.arn.rsplit("/", 1)[1]
