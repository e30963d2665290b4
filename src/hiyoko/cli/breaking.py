"""``hiyoko break``: what AWS does to a site some day, done now."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime

from hiyoko import launch
from hiyoko.settings import Settings


def spot(options: argparse.Namespace, settings: Settings) -> int:
    """Take the capacity of one Fargate Spot task back."""
    body = {"which": options.which or ""}
    told = launch.get(settings, "/_hiyoko/break/spot", "POST", body)
    if options.json:
        print(json.dumps(told, indent=2))
        return 0
    task, service = told["task"].rpartition("/")[2], told["service"].rpartition("/")[2]
    until = datetime.fromtimestamp(told["until"], UTC)
    print(f"task {task[:12]}{f' of {service}' if service else ''}: Your Spot Task was interrupted.")
    print(
        f"its containers have got their signal; what still runs at {until:%H:%M:%S} UTC is killed"
    )
    return 0
