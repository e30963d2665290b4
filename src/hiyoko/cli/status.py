"""``hiyoko status``: what is there, and how it is."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hiyoko import launch
from hiyoko.cli.stack import SiteStack
from hiyoko.cli.target import Target, choose
from hiyoko.cli.view import SiteView, gather
from hiyoko.settings import Settings
from hiyoko.site.load import load_site
from hiyoko.site.model import Site


def status(options: argparse.Namespace, settings: Settings) -> int:
    """Show the site. Exit status 1 when a service has fewer tasks than it should."""
    site = load_site(Path(options.file))
    target = choose(options.target, settings, site.region)
    view = gather(SiteStack(site, target))
    delegation = _delegation(site, target, view, settings)
    if options.json:
        print(json.dumps({**asdict(view), "delegation": delegation}, indent=2))
    else:
        _print(site, view, delegation)
    return 0 if all(s.running >= s.desired for s in view.services) else 1


def _delegation(
    site: Site, target: Target, view: SiteView, settings: Settings
) -> dict[str, Any] | None:
    """Name servers of the zone, and (here) whether the parent delegates to them."""
    if not view.hosted_zone_id:
        return None
    zone = target.client("route53").get_hosted_zone(Id=view.hosted_zone_id)
    servers = zone.get("DelegationSet", {}).get("NameServers", [])
    shown: dict[str, Any] = {"zone": site.hosted_zone, "name_servers": servers}
    if target.local:
        seen = launch.get(settings, "/_hiyoko/status")["delegations"]
        shown["delegated_by"] = seen.get(view.hosted_zone_id, "")
    return shown


def _print(site: Site, view: SiteView, delegation: dict[str, Any] | None) -> None:
    url = f"https://{site.domain}/" if site.domain else "tasks with a public address"
    print(f"{site.name}  {view.status}  {url}")
    if delegation:
        by = delegation.get("delegated_by")
        known = "" if by is None else f", delegated by {by}" if by else ", NOT delegated yet"
        print(f"  zone         {delegation['zone']}: {' '.join(delegation['name_servers'])}{known}")
    if view.balancer:
        print(f"  certificate  {view.certificate}")
        print(f"  balancer     {view.balancer_state}  {view.balancer_dns}")
    for service in view.services:
        counts = f"{service.running}/{service.desired} running"
        pending = f", {service.pending} pending" if service.pending else ""
        print(f"  service      {service.name}: {counts}{pending}, {service.rollout}")
        print(f"               {service.event}")
    for task in view.tasks:
        name = task.arn.rpartition("/")[2][:12]
        public = f"  public {task.public_address}" if task.public_address else ""
        why = f"  {task.reason}" if task.reason else ""
        print(
            f"  task         {name}  {task.service}  {task.status}  {task.private_address}"
            f"{public}{why}"
        )
    for group in view.groups.values():
        for item in group.targets:
            why = f"  {item.reason}" if item.reason else ""
            print(f"  target       {group.name} {item.address}:{item.port}  {item.state}{why}")
