"""A small site inside a throw-away world, by the planes' own code, and what it is compared with.

    client (the world's namespace) → internet gateway → groups → balancer's HAProxy → groups → Nginx

Beside it, in a namespace that has nothing but loopback: Nginx alone, and the same HAProxy with the
same configuration in front of it. In the balancer's namespace: Caddy in HAProxy's place. And a
public task, reached without a balancer. No containers: what they cost, all ways would pay alike.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

from hiyoko.blueprint import example
from hiyoko.blueprint.balancers import (
    BalancerNode,
    Forward,
    HealthCheck,
    Listener,
    Rule,
    Target,
    TargetGroup,
)
from hiyoko.blueprint.network import Network, SecurityGroup, Vpc
from hiyoko.plane.balancer.nodes import SURROUNDINGS, BalancerPlane, StartNode, StopNode
from hiyoko.plane.balancer.paths import CertificateFile, Paths
from hiyoko.plane.balancer.pipe import PIPE, make_pipe
from hiyoko.plane.balancer.render import render_haproxy, side_files
from hiyoko.plane.balancer.side_files import SideFiles, puts
from hiyoko.plane.namespaces import in_namespace
from hiyoko.plane.network import NetworkPlane, prepare_internet, steps
from hiyoko.plane.network.congestion import choose_congestion_control
from hiyoko.plane.process import NETNS_DIR, run, spawn_detached

BARE = "bench-bare"
BALANCER, TASK = example.BALANCER, example.TASK_A
OPEN_GROUP = "sg-0a000000000000009"
PUBLIC_TASK = example.example_interface(20, example.PUBLIC_A, (OPEN_GROUP,), "198.19.0.20")
WEB, SINK, CADDY, CADDY_TLS = 80, 81, 8080, 8443
BARE_HTTP, BARE_SINK, BARE_HTTPS = 9080, 9081, 9443
FILE_BYTES = 1 << 30

_NGINX = """\
pid {place}/nginx-{name}.pid;
error_log stderr;
worker_processes 2;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  keepalive_requests 1000000;
  server {{
    listen {address}:80;
    location / {{ return 200 "hello\\n"; }}
    location /files/ {{ alias {place}/files/; }}
  }}
}}
"""
_CADDY = """\
{{
  admin off
  auto_https off
}}
:{http} {{
  reverse_proxy {task}:80
}}
:{https} {{
  tls {pem} {pem}
  reverse_proxy {task}:80
}}
"""


def vpc() -> Vpc:
    """The example with a public task and the benchmark's further ports."""
    drawn = example.example_vpc((PUBLIC_TASK,))
    balancer, tasks = drawn.groups
    ports = (*(example.allow(example.EVERYWHERE, port) for port in (SINK, CADDY, CADDY_TLS)),)
    return replace(
        drawn,
        groups=(
            replace(
                balancer,
                ingress=(*balancer.ingress, *ports),
                egress=(*balancer.egress, example.allow(example.TASK_GROUP, SINK)),
            ),
            replace(tasks, ingress=(*tasks.ingress, example.allow(example.BALANCER_GROUP, SINK))),
            SecurityGroup(
                OPEN_GROUP,
                ingress=(example.allow(example.EVERYWHERE, WEB),),
                egress=(example.allow(example.EVERYWHERE),),
            ),
        ),
    )


def _group(port: int) -> TargetGroup:
    check = HealthCheck("TCP", None, "/", 30, 5, 2, 2, "200")
    target = Target(str(TASK.address), TASK.address, port, "a", settled=True)
    arn = f"arn:aws:elasticloadbalancing:r:1:targetgroup/to-{port}/0123456789abcdef"
    return TargetGroup(arn, f"to-{port}", "HTTP", "HTTP1", check, (target,))


def node() -> BalancerNode:
    """Ports 80 and 443 forward to Nginx, 81 to the sink."""
    web, sink = _group(WEB), _group(SINK)

    def forward(group: TargetGroup) -> tuple[Rule, ...]:
        return (Rule("d", 0, (), Forward(((group.arn, 1),))),)

    listeners = (
        Listener("http", 80, "HTTP", None, (), forward(web)),
        Listener(
            "https",
            443,
            "HTTPS",
            "p",
            ("c",),
            forward(web),
            tls_versions=("TLSv1.3", "TLSv1.2"),
            ciphers=("TLS_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
        ),
        Listener("sink", SINK, "HTTP", None, (), forward(sink)),
    )
    return BalancerNode(
        "lb", "web", BALANCER.eni_id, "s", "a", BALANCER.address, listeners, (web, sink)
    )


def bare(text: str) -> str:
    """The same configuration on loopback."""
    for port, alone in ((80, BARE_HTTP), (443, BARE_HTTPS), (SINK, BARE_SINK)):
        text = re.sub(rf"bind [\d.]+:{port}\b", f"bind 127.0.0.1:{alone}", text)
    return text.replace(f"{TASK.address}:", "127.0.0.1:")


async def _certificate(place: Path) -> CertificateFile:
    """RSA 2048, ACM's default."""
    key, chain = place / "key.pem", place / "chain.pem"
    await run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
        *("-subj", "/CN=bench.test", "-keyout", str(key), "-out", str(chain)),
    )
    both = place / "bench.pem"
    both.write_text(chain.read_text() + key.read_text())
    return CertificateFile(str(both), "bench")


async def _servers(place: Path) -> None:
    """Nginx and the sink in the task, in the public task, and on loopback."""
    for name, netns, address in (
        ("task", TASK.eni_id, TASK.address),
        ("public", PUBLIC_TASK.eni_id, PUBLIC_TASK.address),
        ("bare", BARE, IPv4Address("127.0.0.1")),
    ):
        config = place / f"nginx-{name}.conf"
        config.write_text(_NGINX.format(place=place, name=name, address=address))
        log = place / f"{name}.log"
        await spawn_detached("nginx", "-c", str(config), "-g", "daemon off;", netns=netns, log=log)
        sink = str(Path(__file__).with_name("sink.py"))
        await spawn_detached(
            sys.executable, "-S", sink, str(address), str(SINK), netns=netns, log=log
        )


async def _proxies(place: Path, plane: BalancerPlane) -> None:
    certificate = await _certificate(place)
    wish = node()
    paths = Paths({"c": certificate}, directory=str(place / "lists"))
    beside = SideFiles(place / "lists")
    for step in puts(side_files(wish, paths), beside.observe()):
        beside.apply(step)
    text = render_haproxy(wish, paths)
    await plane.apply(StartNode(wish, text))
    alone = place / "alone"
    alone.mkdir()
    (alone / "haproxy.cfg").write_text(bare(text))
    (alone / "servers.state").write_text("1\n")
    make_pipe(alone)
    await spawn_detached(
        *SURROUNDINGS,
        *("haproxy", "-f", str(alone / "haproxy.cfg")),
        netns=BARE,
        log=place / "alone.log",
        cwd=alone,
    )
    # Log lines are read on both sides, as a collector does.
    for pipe in (alone / PIPE, plane.directory / wish.eni_id / PIPE):
        await spawn_detached(
            "sh", "-c", 'exec cat "$1" >/dev/null', "sh", str(pipe), log=place / "cat.log"
        )
    if shutil.which("caddy"):
        pem = certificate.path
        config = place / "Caddyfile"
        config.write_text(_CADDY.format(http=CADDY, https=CADDY_TLS, task=TASK.address, pem=pem))
        await spawn_detached(
            *("caddy", "run", "--config", str(config), "--adapter", "caddyfile"),
            netns=BALANCER.eni_id,
            log=place / "caddy.log",
            env={"HOME": str(place), "PATH": "/usr/bin:/bin"},
        )


def _files(place: Path) -> None:
    place.chmod(0o755)
    files = place / "files"
    files.mkdir()
    with (files / "big").open("wb") as big:
        big.truncate(FILE_BYTES)


@asynccontextmanager
async def rig(place: Path, *, programs: bool = True) -> AsyncIterator[None]:
    """Everything stands and answers; the world's end ends it. ``programs``: see NetworkPlane."""
    _files(place)
    await prepare_internet()
    network = NetworkPlane(programs=programs)
    for step in steps(Network((vpc(),)), await network.observe()):
        await network.apply(step)
    await run("ip", "netns", "add", BARE)
    await run("ip", "-n", BARE, "link", "set", "lo", "up")
    in_namespace(NETNS_DIR / BARE, choose_congestion_control)
    await _servers(place)
    plane = BalancerPlane(place / "balancer")
    await _proxies(place, plane)
    try:
        yield
    finally:
        await plane.apply(StopNode(BALANCER.eni_id))
