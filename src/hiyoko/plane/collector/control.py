"""How the collector is started and spoken to."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiyoko.plane.collector.files import NAMES
from hiyoko.plane.containers.watch import Watch
from hiyoko.plane.error import PlaneError
from hiyoko.plane.process import noted_pid, run
from hiyoko.plane.silent import ANSWER_S, Silent, kill, patiently

MODULE = "hiyoko.plane.collector"
ANSWER_BYTES_MAX = 64 << 20


@dataclass(frozen=True, slots=True)
class CollectorPlane:
    """This cloud's collector. ``balancers`` holds the nodes' directories.

    ``watch`` tells of the end of the one that was started or asked for its status.
    """

    balancers: Path
    directory: Path
    watch: Watch | None = None

    @classmethod
    def below(cls, run_dir: Path, wake: Callable[[], None] | None = None) -> CollectorPlane:
        """The collector of the cloud that runs in this directory. ``wake``: when it has ended."""
        watch = Watch(wake) if wake is not None else None
        return cls(run_dir / "balancer", run_dir / "collector", watch)

    async def start(self) -> None:
        """Start it and wait until it can be asked; one that runs already stays.

        Raises PlaneError.
        """
        await run(
            *(sys.executable, "-m", MODULE),
            *("--balancers", str(self.balancers), "--directory", str(self.directory)),
        )
        self._heed()

    def pid(self) -> int | None:
        """The collector's process, if there is one."""
        return noted_pid(self.directory / NAMES.lock, MODULE)

    async def status(self) -> dict[str, Any] | None:
        """What it says of itself; None when there is none.

        Raises PlaneError, and Silent when it has not answered for a long while.
        """
        answer = await patiently(lambda timeout_s: self.ask("status", timeout_s=timeout_s))
        self._heed()
        return answer

    def _heed(self) -> None:
        if self.watch is not None:
            pid = self.pid()
            self.watch.processes([pid] if pid is not None else [])

    async def end(self) -> None:
        """End one that does not answer. Raises PlaneError."""
        pid = self.pid()
        await kill([pid] if pid is not None else [], "the collector")

    async def ask(self, do: str, timeout_s: float = ANSWER_S, **more: Any) -> dict[str, Any] | None:
        """The collector's answer; None when there is none. Raises PlaneError, Silent among them."""
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
            async with asyncio.timeout(timeout_s):
                writer.write(json.dumps({"do": do, **more}).encode() + b"\n")
                await writer.drain()
                line = await reader.readline()
        except TimeoutError as error:
            text = f"ask the collector to {do}: no answer within {timeout_s:g} s"
            raise Silent(text) from error
        except (OSError, ValueError) as error:
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
