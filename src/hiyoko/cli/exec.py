"""``hiyoko exec``: a command in a running container, on the user's own terminal."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from hiyoko import launch
from hiyoko.cli.cloud import NOT_RUNNING
from hiyoko.cli.errors import CommandError
from hiyoko.cli.stack import SiteStack
from hiyoko.cli.target import choose
from hiyoko.settings import Settings
from hiyoko.site.load import load_site


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run it in a task of the service; a terminal, its size and the exit status are passed on."""
    argv = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
    site = load_site(Path(options.file))
    if options.service not in site.services:
        raise CommandError(
            f"there is no service {options.service}; there are {', '.join(site.services)}"
        )
    target = choose("local", settings, site.region)
    found = _container(SiteStack(site, target), options)
    command = command_in(settings, found, argv or ["sh"], terminal=sys.stdin.isatty())
    sys.stdout.flush()
    os.execvpe(command[0], command, os.environ)


def command_in(settings: Settings, cid: str, argv: list[str], *, terminal: bool) -> list[str]:
    """The command that runs ``argv`` in a container of the world."""
    world = launch.find_world(settings)
    if world is None:
        raise CommandError(NOT_RUNNING)
    runc = shutil.which("runc", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if runc is None:
        raise CommandError("runc is not installed; install it with: apt-get install runc")
    return [
        *(sys.executable, "-m", "hiyoko.plane.enter", str(world.init), "--"),
        *(runc, f"--root={settings.run_dir / 'runc'}", "exec"),
        *(["--tty"] if terminal else []),
        *("--env", f"TERM={os.environ.get('TERM', 'xterm')}", cid, *argv),
    ]


def _container(stack: SiteStack, options: argparse.Namespace) -> str:
    """The runtime id of the container that is meant. Raises CommandError."""
    resources = stack.resources() if stack.describe() else {}
    cluster = resources.get("Cluster", {}).get("PhysicalResourceId")
    if not cluster:
        raise CommandError(f"{stack.site.name} is not deployed; deploy it with: hiyoko up")
    ecs = stack.target.client("ecs")
    arns = ecs.list_tasks(cluster=cluster, serviceName=options.service)
    tasks: list[dict[str, Any]] = []
    if arns["taskArns"]:
        described = ecs.describe_tasks(cluster=cluster, tasks=arns["taskArns"][:100])["tasks"]
        tasks = [task for task in described if task["lastStatus"] == "RUNNING"]
    if options.task:
        tasks = [t for t in tasks if t["taskArn"].rpartition("/")[2].startswith(options.task)]
    if not tasks:
        which = f" whose id starts with {options.task}" if options.task else ""
        raise CommandError(f"{options.service} has no running task{which}; see: hiyoko status")
    containers = {one["name"]: one for one in tasks[0]["containers"]}
    wanted = options.container or options.service
    if wanted not in containers:
        raise CommandError(
            f"there is no container {wanted} in the task; there are {', '.join(containers)}"
        )
    return str(containers[wanted]["runtimeId"])
