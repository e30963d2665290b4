"""The daemon's side of the porter's socket."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hiyoko.plane.containers.blobs import BuildFailed, BuiltImage
from hiyoko.porter.server import SOCKET_NAME

BUILD_TIMEOUT_S = 600.0
"""Downloading tens of megabytes over a slow line, and then some."""


@dataclass(frozen=True, slots=True)
class PorterClient:
    """Asks the porter for images. ``progress`` is told (image, line) while one is built."""

    run_dir: Path
    progress: Callable[[str, str], None] = lambda _name, _line: None

    async def build(self, name: str) -> BuiltImage:
        """The built image. Raises BuildFailed with a clear text."""
        try:
            async with asyncio.timeout(BUILD_TIMEOUT_S):
                return await self._ask(name)
        except TimeoutError as error:
            raise BuildFailed(f"building {name} took longer than {BUILD_TIMEOUT_S:g} s") from error
        except OSError as error:
            raise BuildFailed(
                f"the porter, which builds public images, does not answer: {error}"
            ) from error

    async def _ask(self, name: str) -> BuiltImage:
        # Through the directory's handle: a socket's path may be 108 bytes at most (unix(7)).
        directory = os.open(self.run_dir, os.O_PATH | os.O_DIRECTORY)
        try:
            reader, writer = await asyncio.open_unix_connection(
                f"/proc/self/fd/{directory}/{SOCKET_NAME}"
            )
        finally:
            os.close(directory)
        try:
            writer.write(json.dumps({"build": name}).encode() + b"\n")
            await writer.drain()
            async for line in reader:
                said = json.loads(line)
                if "progress" in said:
                    self.progress(name, said["progress"])
                elif "error" in said:
                    raise BuildFailed(said["error"])
                else:
                    return BuiltImage(said["digest"], said["media_type"], said["size"])
        finally:
            writer.close()
            await writer.wait_closed()
        raise BuildFailed(f"the porter ended while it built {name}")
