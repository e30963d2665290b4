"""``hiyoko cloud start|stop|status|reset``."""

from __future__ import annotations

import argparse
import json
from time import monotonic
from typing import Any

from hiyoko import launch
from hiyoko.cli.errors import CommandError
from hiyoko.settings import Settings

NOT_RUNNING = "the local cloud is not running; start it with: hiyoko cloud start"


def start(options: argparse.Namespace, settings: Settings) -> int:
    """Start the cloud, or say that it runs."""
    begun = monotonic()
    cloud, fresh = launch.start(settings)
    if fresh:
        print(f"The local cloud is up at {cloud.endpoint} after {monotonic() - begun:.1f} s.")
    else:
        print(f"The local cloud is already up at {cloud.endpoint}.")
    return 0


def stop(options: argparse.Namespace, settings: Settings) -> int:
    """End the cloud; what was made is kept."""
    if launch.stop(settings):
        print(f"The local cloud has ended. Its state is kept in {settings.state_dir}.")
    else:
        print("The local cloud was not running.")
    return 0


def reset(options: argparse.Namespace, settings: Settings) -> int:
    """Empty the cloud."""
    launch.get(settings, "/_hiyoko/reset", "POST")
    print("The local cloud is empty.")
    return 0


def status(options: argparse.Namespace, settings: Settings) -> int:
    """What runs, and what its reconcilers say. Exit status 1 when it does not run."""
    cloud = launch.find(settings)
    if cloud is None:
        world = launch.find_world(settings)
        state = "daemon stopped, world alive" if world else "stopped"
        if options.json:
            print(json.dumps({"running": False, "state": state}))
        else:
            print(f"The local cloud: {state}. Start it with: hiyoko cloud start")
        return 1
    answer = launch.get(settings, "/_hiyoko/status")
    answer = {
        "running": True,
        "endpoint": cloud.endpoint,
        "proxy": f"http://127.0.0.1:{cloud.proxy_port}",
        "state_dir": str(settings.state_dir),
        **answer,
        "daemon": {**answer["daemon"], "pid": cloud.daemon_pid},
    }
    if options.json:
        print(json.dumps(answer, indent=2))
        return 0
    _print(answer)
    return 0


def _print(answer: dict[str, Any]) -> None:
    daemon = answer["daemon"]
    print(f"endpoint   {answer['endpoint']}   (AWS's API)")
    print(f"proxy      {answer['proxy']}   (for a browser)")
    print(f"state      {answer['state_dir']}")
    print(f"daemon     pid {daemon['pid']}, {daemon['memory_mb']} MB, {daemon['mode']}")
    images = answer["images"]
    print(
        f"images     {images['blob_mb']} MB in {images['blobs']} blobs,"
        f" {images['unpacked_layers']} layers unpacked"
    )
    for note in answer.get("notes", []):
        print(f"note       {note}")
    print(f"neighbours {_neighbours(answer['neighbours'])}")
    for name, report in answer["reconcilers"].items():
        refused = report["refusals"]
        state = "converged" if not refused else f"{len(refused)} refused"
        print(
            f"{name:<14} {state}, {report['activations']} activations, last {report['last_ms']} ms"
        )
        for step, why in refused.items():
            print(f"    {step}: {why}")


def _neighbours(told: dict[str, Any]) -> str:
    """The services that are not ours: who answers, and that what they keep ends with the daemon."""
    if told["by"] is None:
        return "none: pip install 'hiyoko[more]' brings S3, parameters, secrets, keys and queues"
    asked = f"; asked so far: {', '.join(told['used'])}" if told["used"] else ""
    return f"{', '.join(told['services'])}: by {told['by']}, in memory until the daemon ends{asked}"


def require(settings: Settings) -> launch.Cloud:
    """The running cloud, or the sentence that says how to start it."""
    cloud = launch.find(settings)
    if cloud is None:
        raise CommandError(NOT_RUNNING)
    return cloud
