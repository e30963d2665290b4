"""``hiyoko logs``: what the tasks printed, from CloudWatch Logs; or what the balancer was asked."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from threading import Event
from time import time
from typing import Any

from hiyoko.cli.balancer_logs import balancer_logs
from hiyoko.cli.duration import seconds
from hiyoko.cli.errors import CommandError
from hiyoko.cli.stack import SiteStack
from hiyoko.cli.target import choose
from hiyoko.settings import Settings
from hiyoko.site.load import load_site


def logs(options: argparse.Namespace, settings: Settings) -> int:
    """Print log lines by time; with --follow go on as they come."""
    site = load_site(Path(options.file))
    if options.service is not None and options.service not in site.services:
        raise CommandError(
            f"there is no service {options.service}; there are {', '.join(site.services)}"
        )
    target = choose(options.target, settings, site.region)
    stack = SiteStack(site, target)
    resources = stack.resources() if stack.describe() else {}
    group = resources.get("LogGroup", {}).get("PhysicalResourceId")
    if not group:
        raise CommandError(f"{site.name} is not deployed; deploy it with: hiyoko up")
    if options.alb:
        return balancer_logs(options, settings, target, resources)
    client = target.client("logs")
    since = int((time() - seconds(options.since)) * 1000)
    shown: set[str] = set()
    while True:
        for event in _events(client, group, options.service, since):
            if event["eventId"] not in shown:
                shown.add(event["eventId"])
                since = max(since, event["timestamp"])
                _print(event, options.json)
        if not options.follow:
            return 0
        Event().wait(0.3 if target.local else 2.0)


def _events(client: Any, group: str, service: str | None, since: int) -> Iterator[dict[str, Any]]:
    arguments: dict[str, Any] = {"logGroupName": group, "startTime": since}
    if service is not None:
        arguments["logStreamNamePrefix"] = f"{service}/"
    for page in client.get_paginator("filter_log_events").paginate(**arguments):
        yield from page["events"]


def _print(event: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(event), flush=True)
        return
    at = datetime.fromtimestamp(event["timestamp"] / 1000).astimezone()
    service, _, task = event["logStreamName"].partition("/")
    print(f"{at:%H:%M:%S} {service}/{task[-32:][:8]} {event['message'].rstrip()}", flush=True)
