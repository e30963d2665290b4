"""How the collector is started and spoken to."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiyoko.plane.collector.files import NAMES
from hiyoko.plane.error import PlaneError
from hiyoko.plane.process import run

ANSWER_S = 10.0
ANSWER_BYTES_MAX = 64 << 20


@dataclass(frozen=True, slots=True)
class CollectorPlane:
    """This cloud's collector. ``balancers`` holds the nodes' directories."""

    balancers: Path
    directory: Path

    @classmethod
    def below(cls, run_dir: Path) -> CollectorPlane:
        """The collector of the cloud that runs in this directory."""
        return cls(run_dir / "balancer", run_dir / "collector")

    async def start(self) -> None:
        """Start it and wait until it can be asked; one that runs already stays.

        Raises PlaneError.
        """
        await run(
            *(sys.executable, "-m", "hiyoko.plane.collector"),
            *("--balancers", str(self.balancers), "--directory", str(self.directory)),
        )

    async def ask(self, do: str, **more: Any) -> dict[str, Any] | None:
        """The collector's answer; None when there is none. Raises PlaneError."""
        try:
            place = os.open(self.directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            reader, writer = await asyncio.open_unix_connection(
                f"/proc/self/fd/{place}/{NAMES.socket}", limit=ANSWER_BYTES_MAX
            )
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        finally:
            os.close(place)
        try:
            async with asyncio.timeout(ANSWER_S):
                writer.write(json.dumps({"do": do, **more}).encode() + b"\n")
                await writer.drain()
                line = await reader.readline()
        except (OSError, TimeoutError, ValueError) as error:
            raise PlaneError(f"ask the collector to {do}: {error!r}") from error
        finally:
            writer.close()
        if not line:
            raise PlaneError(f"ask the collector to {do}: it hung up")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PlaneError(f"ask the collector to {do}: {answer['error']}")
        return answer

    def ready(self) -> list[Path]:
        """The notes of the files that wait to be delivered, the oldest first."""
        notes = (self.directory / "ready").glob("*.json")
        return sorted(notes, key=lambda note: (note.stat().st_mtime, note.name))
