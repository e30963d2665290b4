"""Clients of a site, seen from the host: how many requests failed, and when the last one did."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Cloud

LOAD = Path(__file__).with_name("load.py")
CONNECTIONS = 64


@dataclass
class Clients:
    """64 connections that ask without a pause. ``failed`` is complete once they have ended."""

    process: subprocess.Popen[str]
    answered: int = 0
    refused: int = 0
    failed: list[tuple[float, str]] = field(default_factory=list)

    def all_served(self) -> float:
        """Return when each connection was answered from now on; the time of the world's clock."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self._said()["at"])

    def _said(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        said: dict[str, Any] = json.loads(self.process.stdout.readline())
        return said

    def end(self) -> None:
        """Let them go home and take down what they say."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        said = self._said()
        self.answered, self.refused = said["answered"], said["refused"]
        self.failed = [(when, why) for when, why in said["failed"]]
        assert self.process.wait(120) == 0

    def failed_after(self, when: float) -> list[tuple[float, str]]:
        """Failures later than a moment (``time.monotonic``)."""
        return [one for one in self.failed if one[0] > when]


@contextmanager
def clients(cloud: Cloud, url: str, count: int = CONNECTIONS) -> Iterator[Clients]:
    """Clients of the simulated internet, all of them served once before the block begins."""
    with subprocess.Popen(
        cloud.command("run", "--", sys.executable, "-S", str(LOAD), url, str(count)),
        env=cloud.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        here = Clients(process)
        here.all_served()
        try:
            yield here
            here.end()
        finally:
            process.kill()
