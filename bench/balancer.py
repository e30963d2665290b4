"""Requests a second through a node of the load balancer, a bare HAProxy, and none at all.

Run inside a world of its own:

    .venv/bin/python -m hiyoko.plane.world -- .venv/bin/python bench/balancer.py

All three serve the same nginx page in one namespace, one after the other, by the same client (wrk).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import tempfile
from ipaddress import IPv4Address
from pathlib import Path

from hiyoko.blueprint.balancers import (
    BalancerNode,
    Forward,
    HealthCheck,
    Listener,
    Rule,
    Target,
    TargetGroup,
)
from hiyoko.plane.balancer.nodes import BalancerPlane, StartNode, StopNode
from hiyoko.plane.balancer.paths import Paths
from hiyoko.plane.balancer.render import render_haproxy
from hiyoko.plane.process import run, spawn_detached

ENI = "eni-0be0c40be0c40be0c"
ADDRESS = IPv4Address("10.0.0.10")
GROUP = "arn:aws:elasticloadbalancing:r:1:targetgroup/web/0123456789abcdef"

NGINX = """
pid {place}/nginx.pid;
error_log stderr;
worker_processes 2;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000;
  server {{ listen 10.0.0.10:9001; location / {{ return 200 "hello\\n"; }} }}
}}
"""
BARE = """
global
  nbthread 2
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 10s
frontend f
  bind 10.0.0.10:9002
  default_backend b
backend b
  server s 10.0.0.10:9001
"""


def node() -> BalancerNode:
    """One HTTP listener that forwards to nginx."""
    check = HealthCheck("HTTP", None, "/", 5, 2, 5, 2, "200")
    target = Target(str(ADDRESS), ADDRESS, 9001, "a")
    group = TargetGroup(GROUP, "web", "HTTP", "HTTP1", check, (target,))
    rule = Rule("d", 0, (), Forward(((GROUP, 1),)))
    listener = Listener("l", 80, "HTTP", None, (), (rule,))
    return BalancerNode("lb", "web", ENI, "s", "a", ADDRESS, (listener,), (group,))


async def requests_per_second(port: int, seconds: int, rounds: int) -> float:
    """The median of several runs of wrk."""
    found = []
    for _ in range(rounds):
        url = f"http://{ADDRESS}:{port}/"
        out = await run("wrk", "-t1", "-c32", f"-d{seconds}", url, netns=ENI, timeout_s=60)
        match = re.search(r"Requests/sec:\s+([\d.]+)", out)
        assert match, out
        assert "Non-2xx" not in out, out
        found.append(float(match[1]))
    return statistics.median(found)


async def until_up(plane: BalancerPlane) -> None:
    """HAProxy tells nobody of a passed check: it is asked until it says so."""
    async with asyncio.timeout(10):
        while True:
            if all(seen.up for seen in (await plane.observe())[ENI].servers.values()):
                return
            await asyncio.sleep(0.05)


async def measure(place: Path, seconds: int, rounds: int) -> dict[str, float]:
    """Requests a second by way."""
    await run("ip", "netns", "add", ENI)
    await run("ip", "-n", ENI, "link", "set", "lo", "up")
    await run("ip", "-n", ENI, "addr", "add", f"{ADDRESS}/32", "dev", "lo")
    (place / "nginx.conf").write_text(NGINX.format(place=place))
    (place / "bare.cfg").write_text(BARE)
    log = place / "log"
    nginx = ("nginx", "-c", str(place / "nginx.conf"), "-g", "daemon off;")
    await spawn_detached(*nginx, netns=ENI, log=log)
    await spawn_detached("haproxy", "-f", str(place / "bare.cfg"), netns=ENI, log=log)
    plane = BalancerPlane(place / "balancer")
    wish = node()
    await plane.apply(StartNode(wish, render_haproxy(wish, Paths())))
    await until_up(plane)
    found = {
        "nginx direct": await requests_per_second(9001, seconds, rounds),
        "bare HAProxy": await requests_per_second(9002, seconds, rounds),
        "balancer node": await requests_per_second(80, seconds, rounds),
    }
    await plane.apply(StopNode(ENI))
    return found


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        found = await measure(Path(place), options.seconds, options.rounds)
    if options.json:
        print(json.dumps(found))
        return
    for name, rate in found.items():
        print(f"{name:14} {rate:9,.0f} requests/s  {rate / found['nginx direct']:5.0%}")


if __name__ == "__main__":
    asyncio.run(main())
