"""``hiyoko logs --alb``: the last requests of a site's load balancer, and those that come.

Entries are AWS's own (``--raw`` shows them as they are), whether or not they are delivered to S3.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping
from datetime import datetime
from threading import Event
from time import time
from typing import Any
from urllib.parse import urlencode

from hiyoko import launch
from hiyoko.cli.duration import seconds
from hiyoko.cli.errors import CommandError
from hiyoko.cli.target import Target
from hiyoko.settings import Settings

KIND = "AWS::ElasticLoadBalancingV2::LoadBalancer"
LOOK_S = 0.3


def balancer_logs(
    options: argparse.Namespace,
    settings: Settings,
    target: Target,
    resources: Mapping[str, Mapping[str, Any]],
) -> int:
    """Print entries in their order; with --follow go on as they come."""
    if options.service is not None:
        raise CommandError("--alb shows the requests of all services: give no service with it", 2)
    if not target.local:
        raise CommandError(
            "AWS delivers access logs to S3 only: set access_logs.s3.enabled on the load balancer"
        )
    arn = next((r["PhysicalResourceId"] for r in resources.values() if is_balancer(r)), None)
    if arn is None:
        raise CommandError("this site has no load balancer: its services have no domain or port")
    since = f"{time() - seconds(options.since):.3f}"
    asked = {"balancer": arn.split(":loadbalancer/", 1)[1], "since": since, "after": "0"}
    while True:
        answer = launch.get(settings, f"/_hiyoko/balancer-logs?{urlencode(asked)}")
        for entry in answer["entries"]:
            print(_shown(entry, options), flush=True)
        if answer["instance"]:
            asked |= {"after": str(answer["next"]), "instance": answer["instance"]}
        if answer["entries"]:
            continue  # there may be more: they come in pages
        if not options.follow:
            return 0
        Event().wait(LOOK_S)


def is_balancer(resource: Mapping[str, Any]) -> bool:
    """True of a stack's load balancer that is there."""
    return resource.get("ResourceType") == KIND and bool(resource.get("PhysicalResourceId"))


def _shown(entry: str, options: argparse.Namespace) -> str:
    if options.json:
        return json.dumps({"entry": entry})
    return entry if options.raw else columns(entry)


def columns(entry: str) -> str:
    """An entry for the eye: when, what came of it, how long, who, what was asked, who answered."""
    [fields] = csv.reader([entry], delimiter=" ")
    kind, at, _, client, target, *times = fields[:8]
    status, request, actions = fields[8], fields[12], fields[22]
    moment = datetime.fromisoformat(at).astimezone()
    taken = sum(float(part) for part in times if part != "-1")
    whole = f"{taken * 1000:.0f} ms" if times[1] != "-1" else "-"
    by = target if target != "-" else actions
    return (
        f"{moment:%H:%M:%S.%f}"[:12]
        + f" {status} {whole:>8} {client.rpartition(':')[0]:15} {kind:5} {request} → {by}"
    )
