"""Plane tests run inside a throw-away world: ``make plane`` starts pytest in one.

Each file leaves the world as it found it: no process, namespace, link or mount more.
"""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hiyoko.plane.network.internet import VOID
from hiyoko.plane.process import NETNS_DIR

IN_WORLD = (
    os.getpid() != 1 and Path("/proc/1/cmdline").read_bytes().find(b"hiyoko.plane.keeper") >= 0
)
ENDING_S = 30
INTERNET_LINKS = {f"{VOID}@{VOID}-end", f"{VOID}-end@{VOID}"}
"""What `prepare_internet` makes belongs to the world, as its addresses and routes do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/plane" in str(item.path):
            item.add_marker(pytest.mark.plane)
            if not IN_WORLD:
                item.add_marker(
                    pytest.mark.skip(reason="needs a world of its own: run `make plane`")
                )


def processes() -> dict[int, str]:
    """What runs in this world."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        # Empty for a zombie, which waits only for its parent.
        if command:
            found[int(path.name)] = command
    return found


def staying(before: dict[int, str]) -> list[str]:
    """The processes that are new, after those that are about to end have done so."""
    for pid in processes().keys() - before.keys():
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            select.select([handle], [], [], ENDING_S)
        finally:
            os.close(handle)
    return [command for pid, command in processes().items() if pid not in before]


def traces() -> dict[str, set[str]]:
    """What else a test might leave."""
    links = subprocess.run(
        ["ip", "-o", "link"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    mounts = Path("/proc/self/mounts").read_text()
    return {
        "links": {line.split(":")[1].strip() for line in links.splitlines()} - INTERNET_LINKS,
        # `ip netns add` mounts its directory on itself, once for all.
        "mounts": {line.split(" ")[1] for line in mounts.splitlines()} - {str(NETNS_DIR)},
        "namespaces": {path.name for path in NETNS_DIR.glob("*")},
    }


@pytest.fixture(scope="module", autouse=True)
def leaves_nothing_behind() -> Iterator[None]:
    """The first to be set up, so the last to look."""
    if not IN_WORLD:
        yield
        return
    running, before = processes(), traces()
    yield
    after = traces()
    left = {kind: after[kind] - before[kind] for kind in after if after[kind] - before[kind]}
    assert (staying(running), left) == ([], {})
