"""``hiyoko map``: listeners -> rules -> target groups -> targets, in the terminal and as SVG."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from hiyoko.cli.stack import SiteStack
from hiyoko.cli.svg import draw
from hiyoko.cli.target import choose
from hiyoko.cli.view import SiteView, gather
from hiyoko.settings import Settings
from hiyoko.site.load import load_site
from hiyoko.site.model import Site

GLYPHS = {"healthy": "●", "initial": "◔", "draining": "◌", "unused": "○", "unhealthy": "✖"}


def show(options: argparse.Namespace, settings: Settings) -> int:
    """Draw the resource map."""
    site = load_site(Path(options.file))
    view = gather(SiteStack(site, choose(options.target, settings, site.region)))
    if options.svg:
        Path(options.svg).write_text(draw(site, view))
        print(f"{options.svg} is written.")
    elif options.json:
        print(json.dumps(asdict(view), indent=2))
    else:
        for line in lines(site, view):
            print(line)
    return 0


def lines(site: Site, view: SiteView) -> Iterator[str]:
    """The map as a tree of text."""
    if not view.balancer:
        yield f"{site.name}  (no load balancer: tasks with a public address)"
        for task in view.tasks:
            yield f"└─ {task.service}  {task.status}  {task.public_address or task.private_address}"
        return
    yield f"{site.domain}  →  {view.balancer_dns}  ({view.balancer_state})"
    for at, listener in enumerate(view.listeners):
        last = at == len(view.listeners) - 1
        yield f"{'└' if last else '├'}─ {listener.protocol}:{listener.port}"
        stem = "   " if last else "│  "
        for number, rule in enumerate(listener.rules):
            end = number == len(listener.rules) - 1
            yield f"{stem}{'└' if end else '├'}─ {rule.priority}: {rule.condition} → {rule.action}"
            yield from _groups(view, rule.groups, stem + ("   " if end else "│  "))


def _groups(view: SiteView, arns: tuple[str, ...], stem: str) -> Iterator[str]:
    for arn in arns:
        group = view.groups.get(arn)
        if group is None:
            continue
        yield f"{stem}└─ {group.name} (port {group.port})"
        if not group.targets:
            yield f"{stem}   └─ no target is registered"
        for at, target in enumerate(group.targets):
            corner = "└" if at == len(group.targets) - 1 else "├"
            why = f"  {target.reason}" if target.reason else ""
            glyph = GLYPHS.get(target.state, "?")
            yield (
                f"{stem}   {corner}─ {glyph} {target.address}:{target.port}"
                f"  {target.zone}  {target.state}{why}"
            )
