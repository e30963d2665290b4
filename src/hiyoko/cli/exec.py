"""``hiyoko exec``: a command in a running container, on the user's own terminal."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
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
    site = load_site(Path(options.file))
    if options.service not in site.services:
        raise CommandError(
            f"there is no service {options.service}; there are {', '.join(site.services)}"
        )
    target = choose("local", settings, site.region)
    found = _container(SiteStack(site, target), options)
    with tempfile.NamedTemporaryFile("r", dir=settings.run_dir, prefix="exec-") as log:
        command = command_in(
            settings, found, options.argv or ["sh"], terminal=sys.stdin.isatty(), log=log.name
        )
        sys.stdout.flush()
        return status_of(_wait(command), log.read())


def _wait(command: list[str]) -> int:
    """The exit status of a command that the terminal's signals are for, and ours, too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    return child.wait()


def status_of(status: int, log: str) -> int:
    """The exit status, as docker exec and a shell have it: 127 or 126 where nothing was run.

    runc has said why on the terminal, and in its log; its own status could be the command's.
    """
    if "unable to start container process" not in log:
        return status
    missing = "executable file not found" in log or "no such file or directory" in log
    return 127 if missing else 126


def command_in(
    settings: Settings, cid: str, argv: list[str], *, terminal: bool, log: str = ""
) -> list[str]:
    """The command that runs ``argv`` in a container of the world. ``log``: a file for runc's."""
    world = launch.find_world(settings)
    if world is None:
        raise CommandError(NOT_RUNNING)
    runc = shutil.which("runc", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if runc is None:
        raise CommandError("runc is not installed; install it with: apt-get install runc")
    return [
        *(sys.executable, "-m", "hiyoko.plane.enter", str(world.init), "--"),
        *(runc, f"--root={settings.run_dir / 'runc'}", *([f"--log={log}"] if log else []), "exec"),
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
    pages = ecs.get_paginator("list_tasks").paginate(cluster=cluster, serviceName=options.service)
    wanted = options.task or ""
    tasks: list[dict[str, Any]] = []
    for page in pages:
        arns = [a for a in page["taskArns"] if a.rpartition("/")[2].startswith(wanted)]
        if arns:
            tasks += ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]
    tasks = [task for task in tasks if task["lastStatus"] == "RUNNING"]
    if not tasks:
        which = f" whose id starts with {options.task}" if options.task else ""
        raise CommandError(f"{options.service} has no running task{which}; see: hiyoko status")
    containers = {one["name"]: one for one in tasks[0]["containers"]}
    name = options.container or options.service
    if name not in containers:
        raise CommandError(
            f"there is no container {name} in the task; there are {', '.join(containers)}"
        )
    return str(containers[name]["runtimeId"])
