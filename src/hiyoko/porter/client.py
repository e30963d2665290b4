"""The daemon's side of the porter's socket."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiyoko.plane.containers.blobs import (
    BuildFailed,
    BuiltImage,
    Fault,
    FetchedImage,
    FetchFailed,
)
from hiyoko.porter.server import SOCKET_NAME

PORTER_TIMEOUT_S = 600.0
"""Downloading tens of megabytes over a slow line, and then some."""


@dataclass(frozen=True, slots=True)
class PorterClient:
    """Asks the porter for images. ``progress`` is told (image, line) while one is on its way."""

    run_dir: Path
    progress: Callable[[str, str], None] = lambda _name, _line: None

    async def build(self, name: str) -> BuiltImage:
        """The built image. Raises BuildFailed with a clear text."""
        try:
            said = await self._ask(name, {"build": name})
        except _Silent as error:
            raise BuildFailed(f"building {name}: {error}") from error
        if "error" in said:
            raise BuildFailed(said["error"])
        return _image(said)

    async def fetch(self, name: str, reference: str) -> FetchedImage:
        """The image that the real registry has under a name. Raises FetchFailed."""
        try:
            said = await self._ask(name, {"fetch": name, "reference": reference})
        except _Silent as error:
            raise FetchFailed(Fault.FAILED, f"fetching {name}: {error}") from error
        if "error" in said:
            raise FetchFailed(Fault(said.get("fault", Fault.FAILED)), said["error"])
        image, member = _image(said), said.get("member")
        return FetchedImage(
            image.digest,
            image.media_type,
            image.size,
            _image(member) if member else None,
            said.get("stale", ""),
        )

    async def _ask(self, name: str, question: dict[str, str]) -> dict[str, Any]:
        """The last line of the answer. Raises _Silent when there is none."""
        try:
            async with asyncio.timeout(PORTER_TIMEOUT_S):
                return await self._converse(name, question)
        except TimeoutError as error:
            raise _Silent(f"it took longer than {PORTER_TIMEOUT_S:g} s") from error
        except OSError as error:
            raise _Silent(f"the porter, which brings images in, does not answer: {error}") from (
                error
            )

    async def _converse(self, name: str, question: dict[str, str]) -> dict[str, Any]:
        # Through the directory's handle: a socket's path may be 108 bytes at most (unix(7)).
        directory = os.open(self.run_dir, os.O_PATH | os.O_DIRECTORY)
        try:
            reader, writer = await asyncio.open_unix_connection(
                f"/proc/self/fd/{directory}/{SOCKET_NAME}"
            )
        finally:
            os.close(directory)
        try:
            writer.write(json.dumps(question).encode() + b"\n")
            await writer.drain()
            async for line in reader:
                said: dict[str, Any] = json.loads(line)
                if "progress" not in said:
                    return said
                self.progress(name, said["progress"])
        finally:
            writer.close()
            await writer.wait_closed()
        raise _Silent("the porter ended meanwhile")


class _Silent(Exception):
    """The porter gave no answer."""


def _image(said: dict[str, Any]) -> BuiltImage:
    return BuiltImage(said["digest"], said["media_type"], said["size"])
