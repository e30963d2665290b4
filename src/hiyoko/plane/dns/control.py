"""Where the DNS process keeps its files, and how it is spoken to."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hiyoko.plane.error import PlaneError
from hiyoko.plane.silent import ANSWER_S, Silent, listener

SOCKET = "dns.sock"
ANSWER_BYTES_MAX = 16 << 20


@contextmanager
def socket_path(run_dir: Path, name: str = SOCKET) -> Iterator[str]:
    """A path to a socket that is short enough whatever the directory's (108 bytes, unix(7))."""
    descriptor = os.open(run_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


async def ask(run_dir: Path, request: str, timeout_s: float = ANSWER_S) -> dict[str, Any] | None:
    """The running process's answer; None when there is no such process.

    Raises PlaneError, and Silent when the answer does not come in time.
    """
    try:
        with socket_path(run_dir) as path:
            reader, writer = await asyncio.open_unix_connection(path, limit=ANSWER_BYTES_MAX)
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    try:
        async with asyncio.timeout(timeout_s):
            writer.write(request.encode() + b"\n")
            await writer.drain()
            line = await reader.readline()
    except TimeoutError as error:
        text = f"ask the DNS process for {request}: no answer within {timeout_s:g} s"
        raise Silent(text, listener(writer.transport)) from error
    except OSError as error:
        raise PlaneError(f"ask the DNS process for {request}: {error!r}") from error
    finally:
        writer.close()
    if not line:
        raise PlaneError(f"ask the DNS process for {request}: it hung up")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise PlaneError(f"ask the DNS process for {request}: {answer['error']}")
    return answer
