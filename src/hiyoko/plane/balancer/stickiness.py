"""Stickiness: which target, or which group, a client comes back to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from hiyoko.blueprint.balancers import Target
from hiyoko.plane.balancer.names import server_name


def sticky_lines(duration_s: int, targets: list[Target]) -> Iterator[str]:
    """AWSALB names the target and the time; it is sent again with every answer."""
    yield "http-request set-var(txn.stuck_to) req.cook(AWSALB),field(1,.)"
    yield "http-request set-var(txn.stuck_at) req.cook(AWSALB),field(2,.)"
    fresh = f"{{ date,sub(txn.stuck_at) -m int lt {duration_s} }}"
    for target in targets:
        mark = f"{{ var(txn.stuck_to) -m str {_cookie(server_name(target))} }}"
        yield f"use-server {server_name(target)} if {mark} {fresh}"
    value = "%[srv_name,regsub(open:,),sha1,hex,lower,bytes(0,16)].%[date]"
    # Seven days whatever the duration is: AWS keeps that inside the value.
    expires = "Expires=%[date(604800),http_date]; Path=/"
    yield f'http-response add-header Set-Cookie "AWSALB={value}; {expires}"'
    yield f'http-response add-header Set-Cookie "AWSALBCORS={value}; {expires}; SameSite=None"'


def _cookie(name: str) -> str:
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:16]
