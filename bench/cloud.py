"""A cloud of the benchmark's own, driven as a user drives it; ended however the benchmark ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import botocore.session

ROOT = Path(__file__).resolve().parents[1]
HIYOKO = Path(sys.executable).parent / "hiyoko"
PATIENCE_S = 600


@dataclass(frozen=True, slots=True)
class Cloud:
    """A state directory and two free ports; whether it runs changes."""

    state_dir: Path
    api_port: int
    proxy_port: int

    @property
    def environment(self) -> dict[str, str]:
        """What makes ``hiyoko`` mean this cloud."""
        clean = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
        return clean | {
            "HIYOKO_STATE_DIR": str(self.state_dir),
            "HIYOKO_API_PORT": str(self.api_port),
            "HIYOKO_PROXY_PORT": str(self.proxy_port),
        }

    def hiyoko(self, *argv: str) -> str:
        """Run a command of ours; its output. A failure is shown and ends the benchmark."""
        done = subprocess.run(
            [HIYOKO, *argv],
            env=self.environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        if done.returncode != 0:
            sys.exit(f"hiyoko {' '.join(argv)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def timed(self, *argv: str) -> tuple[float, str]:
        """Run a command of ours; the seconds that it took, its output."""
        begun = perf_counter()
        said = self.hiyoko(*argv)
        return perf_counter() - begun, said

    def inside(self, *argv: str) -> str:
        """Run a program as a client on the simulated internet; its output."""
        return self.hiyoko("run", "--", *argv)

    def background(self, *argv: str) -> subprocess.Popen[bytes]:
        """Start a program on the simulated internet; it ends with the world at the latest."""
        return subprocess.Popen(
            [HIYOKO, "run", "--", *argv],
            env=self.environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def until_200(self, url: str, *enter: str) -> str:
        """Ask until 200 is answered. The loop runs inside: to go in takes longer than to ask."""
        ask = f"curl -sf -o /dev/null --max-time 1 '{url}'"
        return self.inside(*enter, "sh", "-c", f"until {ask}; do sleep 0.02; done")

    def status(self) -> dict[str, Any]:
        """``hiyoko cloud status``."""
        answer: dict[str, Any] = json.loads(self.hiyoko("cloud", "status", "--json"))
        return answer

    def client(self, service: str) -> Any:
        """An AWS client of this cloud."""
        return botocore.session.Session().create_client(
            service,
            region_name="ap-northeast-1",
            endpoint_url=f"http://127.0.0.1:{self.api_port}",
            aws_access_key_id="bench",
            aws_secret_access_key="bench",
        )

    def close(self) -> None:
        """End everything; an ordinary user's layers belong to ids that only the world has."""
        commands: list[tuple[str, ...]] = [("cloud", "stop")]
        if os.geteuid():
            layers = (str(self.state_dir / name) for name in ("images", "tasks"))
            commands.insert(0, ("run", "--", "rm", "-rf", *layers))
        for argv in commands:
            subprocess.run(
                [HIYOKO, *argv], env=self.environment, stdout=subprocess.DEVNULL, check=False
            )


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def cloud_of_our_own() -> Iterator[Cloud]:
    """A cloud in a directory of its own, not started yet; SIGTERM ends it like Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupt)
    with tempfile.TemporaryDirectory(prefix="hiyoko-bench-") as place:
        cloud = Cloud(Path(place) / "state", *_free_ports())
        try:
            yield cloud
        finally:
            # A second Ctrl-C must not leave a world behind.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            cloud.close()


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(other.getsockname()[1])
