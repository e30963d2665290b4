"""One command to one of HAProxy's sockets, and its answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from hiyoko.plane.error import PlaneError
from hiyoko.plane.silent import Silent

_ANSWER_BYTES_MAX = 1 << 22
_LOOKS, _POLL_S = 6, 0.02


async def ask(socket: Path, command: str, timeout_s: float = 5.0) -> str:
    """Send a command and read until HAProxy closes.

    Raises PlaneError when nobody answers, and Silent when somebody should but does not.

    The path goes through a descriptor of its directory: a Unix socket's own path may have no more
    than 107 characters (unix(7)), and a state directory may lie deep.
    """
    try:
        directory = os.open(socket.parent, os.O_PATH)
    except OSError as error:
        raise PlaneError(f"ask {socket}: {error}") from error
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await _connect(f"/proc/self/fd/{directory}/{socket.name}")
            try:
                writer.write(f"{command}\n".encode())
                writer.write_eof()
                await writer.drain()
                return (await reader.read()).decode(errors="replace")
            finally:
                writer.close()
    except TimeoutError as error:
        raise Silent(f"ask {socket} for '{command}': no answer within {timeout_s:g} s") from error
    except OSError as error:
        raise PlaneError(f"ask {socket} for '{command}': {error!r}") from error
    finally:
        os.close(directory)


COMMAND_BYTES_MAX = 8_000
"""A command line of the master must fit into its buffer (``tune.bufsize``, 16 KB)."""


async def ask_worker(
    master: Path, commands: Sequence[str], worker: str = "@1", timeout_s: float = 5.0
) -> str:
    """Commands to the current worker, or another one, by way of the master; all their answers."""
    answers: list[str] = []
    line = ""
    for command in commands:
        told = f"{worker} {command}"
        if line and len(line) + len(told) >= COMMAND_BYTES_MAX:
            answers.append(await ask(master, line, timeout_s))
            line = ""
        line = f"{line};{told}" if line else told
    if line:
        answers.append(await ask(master, line, timeout_s))
    return "\n".join(answers)


async def old_workers(master: Path) -> list[int]:
    """The pids of workers that end with their last connection."""
    _, _, old = (await ask(master, "show proc")).partition("# old workers")
    return [int(line.split()[0]) for line in old.splitlines() if line.split()[1:2] == ["worker"]]


async def _connect(path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A worker that takes over puts its own socket in the old one's place: look again, briefly."""
    for _ in range(_LOOKS - 1):
        try:
            return await asyncio.open_unix_connection(path, limit=_ANSWER_BYTES_MAX)
        except ConnectionRefusedError:
            await asyncio.sleep(_POLL_S)
    return await asyncio.open_unix_connection(path, limit=_ANSWER_BYTES_MAX)
