"""``hiyoko check``: walk a request's way, time each hop, and prove what must not be possible."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hiyoko.cli.client import client_command
from hiyoko.cli.enclosure import enclosure
from hiyoko.cli.errors import CommandError
from hiyoko.cli.stack import SiteStack
from hiyoko.cli.target import choose
from hiyoko.cli.view import SiteView, gather
from hiyoko.plane.addresses import ROOT_SERVER
from hiyoko.probe import Result
from hiyoko.settings import Settings
from hiyoko.site.load import load_site
from hiyoko.site.model import Service, Site

PUBLIC_ROOT_SERVER = "198.41.0.4"
"""a.root-servers.net (https://www.iana.org/domains/root/servers)."""
Question = tuple[str, str, list[Any]]


@dataclass(frozen=True, slots=True)
class Proof:
    """All results of one check."""

    results: tuple[Result, ...]

    @property
    def ok(self) -> bool:
        """Whether everything is as it should be."""
        return all(result.ok for result in self.results)

    def lines(self, short: bool = False) -> Iterator[str]:
        """The results for people; ``short`` leaves details of what is well out."""
        width = max((len(result.name) for result in self.results), default=0)
        for result in self.results:
            sign = "ok" if result.ok else "NO"
            detail = "" if short and result.ok and len(result.detail) > 60 else result.detail
            # What an API said of itself was not timed: it is no hop.
            took = f"{result.ms:7.1f} ms" if result.ms else " " * 10
            yield f"  {sign}  {result.name:<{width}}  {took}  {detail}".rstrip()


def check(options: argparse.Namespace, settings: Settings) -> int:
    """Check a deployed site. Exit status 1 when something is not as it should be."""
    site = load_site(Path(options.file))
    stack = SiteStack(site, choose(options.target, settings, site.region))
    proof = prove(site, stack, settings)
    if options.json:
        shown = {"ok": proof.ok, "results": [asdict(result) for result in proof.results]}
        print(json.dumps(shown, indent=2))
    else:
        for line in proof.lines():
            print(line)
        print("everything is as it should be" if proof.ok else "something is not as it should be")
    return 0 if proof.ok else 1


def prove(site: Site, stack: SiteStack, settings: Settings) -> Proof:
    """Ask every question from the internet's side and put the APIs' own words beside them."""
    view = gather(stack)
    root = str(ROOT_SERVER) if stack.target.local else PUBLIC_ROOT_SERVER
    if site.domain is None:
        return Proof((*_health(view), *_ask(_direct(site, view), stack, settings)))
    first = _ask([("name, from the root", "dns", [site.domain, root])], stack, settings)
    if not first[0].ok:
        return Proof(tuple(first))
    addresses = first[0].detail.rpartition("-> ")[2].split(", ")
    questions = [*_way(site, addresses), *_negatives(site, view, addresses)]
    enclosed = enclosure(stack) if site.endpoints else ()
    return Proof((*first, *_health(view), *enclosed, *_ask(questions, stack, settings)))


def _way(site: Site, addresses: list[str]) -> Iterator[Question]:
    assert site.domain is not None
    for address in addresses:
        yield f"TCP to {address}", "tcp", [address, 443]
    for host in site.hosts:
        yield f"TLS chain and name of {host}", "tls", [host, addresses[0]]
    yield "HTTP redirects to HTTPS", "redirect", [site.domain, addresses[0]]
    for name, service in site.services.items():
        host, path = service.host or site.domain, _path(service)
        status = _expected(service)
        yield f"{name}: https://{host}{path}", "page", [host, addresses[0], path, True, status]
    for host in site.redirects:
        yield f"{host} redirects", "page", [host, addresses[0], "/", True, 301]


def _path(service: Service) -> str:
    return (service.path or "/").removesuffix("*")


def _expected(service: Service) -> int:
    """200 for a whole host; below a path of its own, whatever the service says (0)."""
    return 200 if service.path in (None, "/", "/*") else 0


def _negatives(site: Site, view: SiteView, addresses: list[str]) -> Iterator[Question]:
    assert site.domain is not None
    yield "HTTP serves no content", "no_content", [site.domain, addresses[0], "/index.html"]
    for address in addresses:
        yield f"port 22 of {address} is closed", "silent", [address, 22]
    ports = {name: service.expose for name, service in site.services.items()}
    for task in view.tasks:
        if task.private_address:
            port = ports.get(task.service, 80)
            yield (
                f"no outsider reaches {task.private_address}",
                "silent",
                [
                    task.private_address,
                    port,
                ],
            )


def _direct(site: Site, view: SiteView) -> list[Question]:
    questions: list[Question] = []
    ports = {name: service.expose for name, service in site.services.items()}
    for task in view.tasks:
        if task.public_address:
            port = ports.get(task.service, 80)
            questions.append(
                (
                    f"{task.service} at {task.public_address}",
                    "plain_page",
                    [task.public_address, port],
                )
            )
            questions.append(
                (f"port 22 of {task.public_address} is closed", "silent", [task.public_address, 22])
            )
    return questions


def _health(view: SiteView) -> Iterator[Result]:
    for service in view.services:
        ok = service.running >= service.desired
        detail = f"{service.running} of {service.desired} tasks run"
        yield Result(f"service {service.name}", ok, 0.0, detail)
    for group in view.groups.values():
        healthy = sum(target.state == "healthy" for target in group.targets)
        reasons = sorted({t.reason for t in group.targets if t.reason})
        detail = f"{healthy} of {len(group.targets)} targets healthy"
        shown = f"{detail}: {'; '.join(reasons)}" if reasons else detail
        yield Result(f"targets of {group.name}", healthy > 0, 0.0, shown)


def _ask(questions: list[Question], stack: SiteStack, settings: Settings) -> list[Result]:
    """Run the probes on the target's internet; their results in order."""
    argv = [sys.executable, "-m", "hiyoko.probe", json.dumps(questions)]
    command = client_command(settings, argv) if stack.target.local else argv
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    results = [Result(**json.loads(line)) for line in done.stdout.splitlines()]
    if len(results) != len(questions):
        raise CommandError(f"the probes did not end: {done.stderr.strip()[-500:]}")
    return results
