"""``hiyoko logs``: what the tasks printed, from CloudWatch Logs; or what the balancer was asked."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Event
from time import time
from typing import Any

from botocore.exceptions import ConnectionError as NotConnected
from botocore.exceptions import EventStreamError, HTTPClientError
from urllib3.exceptions import HTTPError

from hiyoko.cli.balancer_logs import balancer_logs
from hiyoko.cli.duration import seconds
from hiyoko.cli.errors import CommandError
from hiyoko.cli.stack import SiteStack
from hiyoko.cli.target import Target, choose
from hiyoko.settings import Settings
from hiyoko.site.load import load_site

POLL_S = 2.0
AWAY = "hiyoko: the local cloud does not answer; waiting for it"
LATE_S = 60.0
"""A line may be so much older than the moment at which it can be read."""
KEPT = 10_000
"""So many lines are remembered before the older ones are forgotten."""


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
    wanted = Wanted(target, group, options.service, options.json)
    since = int((time() - seconds(options.since)) * 1000)
    if options.follow and target.local:
        wanted.follow(since)
    elif options.follow:
        wanted.look_again_and_again(since)
    else:
        for event in wanted.events(since):
            wanted.show(event)
    return 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Lines of a log group, of one service or of all."""

    target: Target
    group: str
    service: str | None
    as_json: bool

    def events(self, since: int) -> Iterator[dict[str, Any]]:
        """What is there since a time (epoch milliseconds)."""
        arguments: dict[str, Any] = {"logGroupName": self.group, "startTime": since}
        if self.service is not None:
            arguments["logStreamNamePrefix"] = f"{self.service}/"
        client = self.target.client("logs")
        for page in client.get_paginator("filter_log_events").paginate(**arguments):
            yield from page["events"]

    def follow(self, since: int) -> None:
        """What is there, then each line when it is written, also after the cloud was away."""
        tail = Tail(self, since)
        told = False
        while True:
            try:
                tail.run()
            except EventStreamError:
                told = False  # the three hours of a session are over
            except (NotConnected, HTTPClientError, HTTPError):
                if not told or tail.connected:
                    print(AWAY, file=sys.stderr)
                told = True
                Event().wait(POLL_S)

    def look_again_and_again(self, since: int) -> None:
        """The same on AWS, where a live tail is paid by the minute."""
        shown: set[str] = set()
        while True:
            for event in self.events(since):
                if event["eventId"] not in shown:
                    shown.add(event["eventId"])
                    since = max(since, event["timestamp"])
                    self.show(event)
            Event().wait(POLL_S)

    def show(self, event: dict[str, Any]) -> None:
        """Print one line."""
        if self.as_json:
            print(json.dumps(event), flush=True)
            return
        at = datetime.fromtimestamp(event["timestamp"] / 1000).astimezone()
        service, _, task = event["logStreamName"].partition("/")
        print(f"{at:%H:%M:%S} {service}/{task[-32:][:8]} {event['message'].rstrip()}", flush=True)


class Tail:
    """A live tail, and what it has shown: the next one goes on where it was lost."""

    def __init__(self, wanted: Wanted, since: int) -> None:
        self.wanted = wanted
        self.since = since
        self.connected = False
        self._shown: Counter[tuple[str, int, str]] = Counter()

    def run(self) -> None:
        """One session, begun before the look at what is there."""
        self.connected = False
        wanted, client = self.wanted, self.wanted.target.client("logs")
        found = client.describe_log_groups(logGroupNamePrefix=wanted.group)["logGroups"]
        arn = next(one["logGroupArn"] for one in found if one["logGroupName"] == wanted.group)
        prefixes = {"logStreamNamePrefixes": [f"{wanted.service}/"]} if wanted.service else {}
        began = time()
        stream = client.start_live_tail(logGroupIdentifiers=[arn], **prefixes)["responseStream"]
        with closing(stream):
            before = self._shown.copy()
            twice: Counter[tuple[str, int, str]] = Counter()
            for event in wanted.events(self.since):
                # A session hears of what is written from its begin on: these it may show too.
                if event["ingestionTime"] >= int(began * 1000):
                    twice[_identity(event)] += 1
                self._show(event, before)
            for update in stream:
                self.connected = True
                for event in update.get("sessionUpdate", {}).get("sessionResults", ()):
                    self._show(event, twice)
                self._heard()

    def _show(self, event: dict[str, Any], already: Counter[tuple[str, int, str]]) -> None:
        if already[_identity(event)] > 0:
            already[_identity(event)] -= 1
            return
        self._shown[_identity(event)] += 1
        self.wanted.show(event)

    def _heard(self) -> None:
        """Where another session would begin. An update comes each second."""
        self.since = max(self.since, int((time() - LATE_S) * 1000))
        if len(self._shown) > KEPT:
            self._shown = Counter({i: n for i, n in self._shown.items() if i[1] >= self.since})


def _identity(event: dict[str, Any]) -> tuple[str, int, str]:
    return event["logStreamName"], event["timestamp"], event["message"]
