"""A HAProxy as master and worker in a directory of its own: found, checked, started, told.

``haproxy.cfg`` is what the process reads, ``haproxy.pid`` and ``master.sock`` are what it makes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from hiyoko.plane.balancer.events import notify_path, readiness
from hiyoko.plane.balancer.socket import ask, ask_worker
from hiyoko.plane.error import PlaneError
from hiyoko.plane.files import write_private
from hiyoko.plane.process import command_line, parent_of, run, spawn_detached
from hiyoko.plane.ready import end
from hiyoko.plane.silent import kill

CONFIG, MASTER_SOCKET, PID_FILE, LOG = "haproxy.cfg", "master.sock", "haproxy.pid", "haproxy.log"
START_TIMEOUT_S = 10.0
_POLL_S = 0.02
_LOOKS = 6
_TOLD = (
    *("New server registered", "Server deleted"),
    # Done before, by one who was killed right after.
    *("Already exists a server", "No such server"),
)


def _pid(place: Path) -> int | None:
    try:
        pid = int((place / PID_FILE).read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    # The number may be another process's by now: it must have been started with our file.
    return pid if str(place / CONFIG) in command_line(pid) else None


async def find_pid(place: Path) -> int | None:
    """The master's pid. It executes itself anew after each load: then it has no name for a moment.

    Without a second look, a daemon that looks at that moment would start another one. A place
    without a configuration never had a master: it is not looked for among all processes.
    """
    if not (place / CONFIG).exists():
        return None
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
    found = _of(place)
    return next((pid for pid in sorted(found) if parent_of(pid) not in found), None)


def _of(place: Path) -> set[int]:
    """The master and all workers of a directory."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        argv = command_line(int(path.name))
        if argv[:1] == ("haproxy",) and str(place / CONFIG) in argv:
            found.add(int(path.name))
    return found


async def end_master(place: Path, pid: int) -> None:
    """End a master with its workers; also one that does not hear that it is asked to.

    Raises PlaneError.
    """
    try:
        await end(pid, "HAProxy")
    except PlaneError:
        await end_silent(place)


async def end_silent(place: Path) -> None:
    """End a master that does not answer, and its workers, old ones too: they hold its ports.

    Raises PlaneError.
    """
    await kill(sorted(_of(place)), "HAProxy")


def _directories(directory: Path) -> list[Path]:
    return sorted(path for path in directory.iterdir() if path.is_dir())


async def find_all(directory: Path) -> dict[Path, int]:
    """The masters that run below a directory, by their own one."""
    found: dict[Path, int] = {}
    for place in _directories(directory):
        pid = await find_pid(place)
        if pid is not None:
            found[place] = pid
    return found


async def check(place: Path, text: str) -> None:
    """Refuse a configuration before the running process meets it."""
    trial = place / "trial.cfg"
    write_private(trial, text)
    try:
        await run("sh", "-c", 'cd "$1" && exec haproxy -c -f "$2"', "sh", str(place), str(trial))
    finally:
        trial.unlink(missing_ok=True)


def last_words(place: Path) -> str:
    """The end of what it printed."""
    log = place / LOG
    return log.read_text(errors="replace")[-600:] if log.exists() else ""


async def spawn(place: Path, surroundings: Sequence[str] = ("env",)) -> None:
    """Start the master in the namespace that its directory is named by.

    ``surroundings``: what is before the program, with ``env`` and its variables last.
    """
    await spawn_detached(
        *surroundings,
        f"NOTIFY_SOCKET={notify_path(place.name)}",
        *("haproxy", "-Ws", "-S", f"unix@{MASTER_SOCKET},mode,600"),
        *("-p", PID_FILE, "-f", str(place / CONFIG)),
        netns=place.name,
        log=place / LOG,
        cwd=place,
    )


@asynccontextmanager
async def loading(place: Path) -> AsyncIterator[None]:
    """Leave the block when the master that was started or reloaded in it is ready and answers.

    Raises PlaneError with what it printed when that takes too long.
    """
    try:
        async with readiness(place.name, START_TIMEOUT_S):
            yield
        await _answers(place)
    except PlaneError as error:
        raise PlaneError(f"load HAProxy in {place}: {error}: {last_words(place)}") from error


async def _answers(place: Path) -> None:
    """Until the master answers: HAProxy 3.0 says READY=1, and then executes itself once more."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            await ask(place / MASTER_SOCKET, "show proc")
        except PlaneError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(_POLL_S)
        else:
            return


@contextmanager
def written(place: Path, text: str) -> Iterator[None]:
    """What a restart reads, before the process that runs is told of it in the block.

    Killed in between, the next look finds HAProxy behind it. On a full disk the process is told
    all the same, and then PlaneError is raised.
    """
    unwritten: OSError | None = None
    try:
        write_private(place / CONFIG, text)
    except OSError as error:
        unwritten = error
    yield
    if unwritten is not None:
        raise PlaneError(f"write {place / CONFIG}: {unwritten.strerror}") from unwritten


async def change_servers(place: Path, commands: Sequence[str], *also: str) -> None:
    """Tell the current worker of its servers; ``also``: beginnings of answers that are fine, too.

    Raises PlaneError with what it said when that was something else.
    """
    said = await ask_worker(place / MASTER_SOCKET, commands)
    fine = (*_TOLD, *also)
    wrong = {line for line in said.splitlines() if line and not line.startswith(fine)}
    if wrong:
        raise PlaneError(f"change servers in {place}: {' '.join(sorted(wrong))}")
