"""A HAProxy as master and worker in a directory of its own: found, checked, ended.

``haproxy.cfg`` is what the process reads, ``haproxy.pid`` and ``master.sock`` are what it makes.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from hiyoko.plane.error import PlaneError
from hiyoko.plane.process import command_line, parent_of, run

CONFIG, MASTER_SOCKET, PID_FILE, LOG = "haproxy.cfg", "master.sock", "haproxy.pid", "haproxy.log"
START_TIMEOUT_S = 10.0
_POLL_S = 0.02
_LOOKS = 6


async def end(pid: int) -> None:
    """Ask the master to end, with its workers, and wait until it has."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(process, ended.set)
    try:
        signal.pidfd_send_signal(process, signal.SIGTERM)
        async with asyncio.timeout(START_TIMEOUT_S):
            await ended.wait()
    except TimeoutError as error:
        raise PlaneError(f"end HAProxy {pid}: still there after {START_TIMEOUT_S:g} s") from error
    finally:
        loop.remove_reader(process)
        os.close(process)


def _pid(place: Path) -> int | None:
    try:
        pid = int((place / PID_FILE).read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    # The number may be another process's by now: it must have been started with our file.
    return pid if str(place / CONFIG) in command_line(pid) else None


async def find_pid(place: Path) -> int | None:
    """The master's pid. It executes itself anew after each load: then it has no name for a moment.

    Without a second look, a daemon that looks at that moment would start another one.
    """
    for _ in range(_LOOKS):
        pid = _pid(place)
        if pid is not None:
            return pid
        if not (place / PID_FILE).exists():
            break
        await asyncio.sleep(_POLL_S)
    return _find_unnamed(place)


def _find_unnamed(place: Path) -> int | None:
    """A master that still loads, and so has written no pid file: whoever started it may be dead.

    A second one would share its port, and the first would go on with what it knows for good.
    """
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        argv = command_line(int(path.name))
        if argv[:1] == ("haproxy",) and str(place / CONFIG) in argv:
            found.add(int(path.name))
    return next((pid for pid in sorted(found) if parent_of(pid) not in found), None)


async def check(place: Path, text: str) -> None:
    """Refuse a configuration before the running process meets it."""
    trial = place / "trial.cfg"
    write(trial, text)
    try:
        await run("sh", "-c", 'cd "$1" && exec haproxy -c -f "$2"', "sh", str(place), str(trial))
    finally:
        trial.unlink(missing_ok=True)


def last_words(place: Path) -> str:
    """The end of what it printed."""
    log = place / LOG
    return log.read_text(errors="replace")[-600:] if log.exists() else ""


def write(path: Path, text: str) -> None:
    """Put a file in its place, whole, for nobody else to read."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.chmod(0o600)
    new.replace(path)
