"""Starting programs, in the right network namespace, with errors that say what was attempted."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from hiyoko.plane.error import PlaneError

NETNS_DIR = Path("/run/netns")
"""Where iproute2 keeps named namespaces; in the world, /run is the world's own."""

_DETACH = 'cd "$1" && log=$2 && shift 2 && { setsid "$@" >>"$log" 2>&1 </dev/null & echo $!; }'
"""A shell that ends at once hands its child to the world's init: the daemon is nobody's parent."""


def in_namespace(argv: tuple[str, ...], netns: str | None) -> tuple[str, ...]:
    """The command that runs ``argv`` in a named network namespace."""
    if netns is None:
        return argv
    return ("nsenter", f"--net={NETNS_DIR / netns}", "--", *argv)


async def run(
    *argv: str,
    stdin: str | None = None,
    netns: str | None = None,
    timeout_s: float = 30.0,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a program to its end and return what it printed.

    Raises PlaneError with the command and its own words when it fails, is missing or takes longer
    than ``timeout_s``.
    """
    command = in_namespace(argv, netns)
    shown = " ".join(command)[:300]
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(env) if env is not None else None,
        )
    except OSError as error:
        raise PlaneError(f"{shown}: {error}") from error
    try:
        async with asyncio.timeout(timeout_s):
            out, err = await process.communicate(None if stdin is None else stdin.encode())
    except TimeoutError as error:
        raise PlaneError(f"{shown}: no end after {timeout_s:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        said = err.decode(errors="replace").strip() or out.decode(errors="replace").strip()
        raise PlaneError(f"{shown}: exit {process.returncode}: {said[:2000]}")
    return out.decode(errors="replace")


async def spawn_detached(
    *argv: str,
    log: Path,
    netns: str | None = None,
    cwd: Path = Path("/"),
    env: Mapping[str, str] | None = None,
) -> int:
    """Start a program that outlives the daemon; its pid in the world's pid namespace.

    The program is a child of the world's init, in a session of its own, with its output appended
    to ``log``.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    printed = await run(
        "sh", "-c", _DETACH, "sh", str(cwd), str(log), *in_namespace(argv, netns), env=env
    )
    return int(printed)


def command_line(pid: int) -> tuple[str, ...]:
    """The argument vector of a living process; empty when there is none.

    Before a process from a pid file is signalled, its command line must be the expected one: the
    number may belong to another process by now.
    """
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ()
    return tuple(os.fsdecode(part) for part in raw.rstrip(b"\0").split(b"\0")) if raw else ()


def noted_pid(note: Path, argument: str) -> int | None:
    """The process whose pid is in this file, if it lives and was started with this argument."""
    try:
        pid = int(note.read_text())
    except (OSError, ValueError):
        return None
    return pid if argument in command_line(pid) else None


def parent_of(pid: int) -> int | None:
    """The parent of a living process (proc(5)); None when it is not there."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(")")[2].split()[1])
