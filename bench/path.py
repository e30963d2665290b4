"""What the way costs: a site's whole path, the same HAProxy bare on loopback, Nginx alone.

All three ask the same Nginx for the same page, in the same world, in turn. The bare HAProxy has
the balancer's own configuration with loopback addresses and runs in a task's namespace, so the
difference is the way: the hops through the router, every gate, every translation.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from bench.cloud import ROOT, Cloud
from bench.figures import Figure

EXAMPLE = ROOT / "examples/2-https/site.yaml"
CONNECTIONS, ROUNDS, SECONDS = 64, 5, 3
HTTP, HTTPS = 9080, 9443
SILENT = "sed -i 's|access_log .*|access_log off;|' /etc/nginx/nginx.conf"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to the page: a URL, and whose namespace the client is in."""

    name: str
    url: str
    enter: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of the client found."""

    rate: float
    cpu_us: float


def load_site(place: Path) -> Path:
    """The example with the tasks' brakes off: the CPU limit, a log line for each request."""
    site: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    web = site["services"]["web"]
    web["deploy"] |= {"cpu": 4096, "memory": 8192}
    web["command"] = ["sh", "-c", f"{SILENT} && exec nginx -g 'daemon off;'"]
    file = place / "site.yaml"
    file.write_text(yaml.safe_dump(site))
    return file


def forward_http(cloud: Cloud) -> None:
    """Let port 80 forward as 443 does; the example only redirects there."""
    elb = cloud.client("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    listeners = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    by_port = {listener["Port"]: listener for listener in listeners}
    (rule,) = elb.describe_rules(ListenerArn=by_port[443]["ListenerArn"])["Rules"]
    group = rule["Actions"][0]["TargetGroupArn"]
    elb.modify_listener(
        ListenerArn=by_port[80]["ListenerArn"],
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )


def bare(text: str) -> str:
    """A node's configuration on loopback."""
    text = re.sub(r"bind [\d.]+:80\b", f"bind 127.0.0.1:{HTTP}", text)
    text = re.sub(r"bind [\d.]+:443\b", f"bind 127.0.0.1:{HTTPS}", text)
    return re.sub(r"(server \S+) [\d.]+:80\b", r"\1 127.0.0.1:80", text)


def task_interface(cloud: Cloud) -> str:
    """The namespace of one running task."""
    ecs = cloud.client("ecs")
    (cluster,) = ecs.list_clusters()["clusterArns"]
    tasks = ecs.list_tasks(cluster=cluster, desiredStatus="RUNNING")["taskArns"]
    (task,) = ecs.describe_tasks(cluster=cluster, tasks=tasks[:1])["tasks"]
    details = {item["name"]: item["value"] for item in task["attachments"][0]["details"]}
    return str(details["networkInterfaceId"])


def measure(cloud: Cloud, domain: str) -> list[Figure]:
    """Requests a second by way, and their ratios round by round."""
    cloud.until_200(f"http://{domain}/")
    node = next(iter((cloud.state_dir / "run/balancer").iterdir()))
    place = cloud.state_dir / "bench"
    place.mkdir(exist_ok=True)
    (place / "haproxy.cfg").write_text(bare((node / "haproxy.cfg").read_text()))
    (place / "servers.state").write_text("1\n")
    enter = ("ip", "netns", "exec", task_interface(cloud))
    haproxy = cloud.background(
        *enter, "sh", "-c", f"cd '{place}' && exec haproxy -f haproxy.cfg 2>haproxy.log"
    )
    ways = (
        Way("Nginx on loopback", "http://127.0.0.1/", enter),
        Way("HTTP, HAProxy bare", f"http://127.0.0.1:{HTTP}/", enter),
        Way("HTTP, whole path", f"http://{domain}/"),
        Way("HTTPS, HAProxy bare", f"https://127.0.0.1:{HTTPS}/", enter),
        Way("HTTPS, whole path", f"https://{domain}/"),
    )
    try:
        cloud.until_200(ways[1].url, *enter)
        found: dict[str, list[Run]] = {way.name: [] for way in ways}
        for number in range(ROUNDS):
            # There and back, so that nobody is always the one after the heaviest.
            for way in ways if number % 2 == 0 else reversed(ways):
                found[way.name].append(_run(cloud, way))
    finally:
        haproxy.terminate()
        haproxy.wait()
    return [*_absolute(found), *_ratios(found)]


def _run(cloud: Cloud, way: Way) -> Run:
    client = (sys.executable, str(ROOT / "bench/client.py"), way.url)
    said = cloud.inside(*client, str(CONNECTIONS), str(SECONDS), *way.enter)
    return Run(**json.loads(said))


def _absolute(found: dict[str, list[Run]]) -> Iterator[Figure]:
    for name, runs in found.items():
        yield Figure.of(name, [run.rate for run in runs], "requests/s")
        yield Figure.of("  CPU time a request, all three programs", [r.cpu_us for r in runs], "us")


def _ratios(found: dict[str, list[Run]]) -> Iterator[Figure]:
    """Each round's pairs are compared: what else the machine did was much the same for both."""
    for scheme in ("HTTP", "HTTPS"):
        whole, alone = found[f"{scheme}, whole path"], found[f"{scheme}, HAProxy bare"]
        direct = found["Nginx on loopback"]
        for name, others in (("HAProxy bare", alone), ("Nginx on loopback", direct)):
            pairs = list(zip(whole, others, strict=True))
            what = f"{scheme}, whole path : {name}"
            yield Figure.of(f"{what}, requests/s", [a.rate / b.rate for a, b in pairs], "")
            yield Figure.of(f"{what}, by CPU time", [b.cpu_us / a.cpu_us for a, b in pairs], "")
