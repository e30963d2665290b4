"""Plane tests run inside a throw-away world: ``make plane`` starts pytest in one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

IN_WORLD = (
    os.getpid() != 1 and Path("/proc/1/cmdline").read_bytes().find(b"hiyoko.plane.keeper") >= 0
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/plane" in str(item.path):
            item.add_marker(pytest.mark.plane)
            if not IN_WORLD:
                item.add_marker(
                    pytest.mark.skip(reason="needs a world of its own: run `make plane`")
                )
