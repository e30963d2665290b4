"""The files of /etc that a container is given, whatever its image has there."""

from __future__ import annotations

from pathlib import Path

from hiyoko.blueprint.tasks import Task
from hiyoko.plane.user_namespaces import UserNamespace


def resolv_conf(task: Task) -> str:
    """The VPC's resolver, as the DHCP option set of a new VPC gives it."""
    search = f"search {task.search_domain}\n" if task.search_domain else ""
    return f"{search}nameserver {task.resolver}\noptions timeout:2 attempts:2\n"


def hosts(task: Task) -> str:
    """The loopback, the task itself, and what it reaches by Service Connect."""
    aliases = "".join(f"{address} {name}\n" for name, address in task.aliases)
    return f"127.0.0.1 localhost\n{task.address} {task.hostname}\n{aliases}"


def write(etc: Path, task: Task, trust: Path, users: UserNamespace | None) -> None:
    """Put them into a directory, as the task's root's. ``trust``: whom it shall trust."""
    etc.mkdir(exist_ok=True)
    (etc / "resolv.conf").write_text(resolv_conf(task))
    (etc / "hosts").write_text(hosts(task))
    (etc / "hostname").write_text(f"{task.hostname}\n")
    (etc / "trust.pem").write_bytes(trust.read_bytes())
    if users is not None:
        users.own(*etc.iterdir())
