"""A user namespace for each task, in which its network namespace lies.

Root in a task is the first id of a range that nobody else on the machine has. A namespace is made
together with the network namespace of the same name, because who made that one owns it: so the
task's root may open raw sockets there, and nowhere else (user_namespaces(7)).

What ``/run/netns`` is for network namespaces, ``/run/userns`` is for these: a directory each, in
which the namespace is pinned, with a file that belongs to the range's first id.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import hashlib
import os
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hiyoko.plane.enter import MS_BIND
from hiyoko.plane.error import PlaneError
from hiyoko.plane.keeper import mount
from hiyoko.plane.process import NETNS_DIR, run

USERNS_DIR = Path("/run/userns")
IDS = 1 << 16
"""Of one range: as many as images use, nobody (65534) among them."""
FIRST, RANGES = 0x7000_0000, 4094
"""The ids that no convention gives away: beyond those that containers and subordinate ids take,
below those that are negative to some programs (https://systemd.io/UIDS-GIDS/)."""
SUBORDINATE = (Path("/etc/subuid"), Path("/etc/subgid"))
PARALLEL = 8
_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class UserNamespace:
    """A pinned user namespace; ``first`` is who its root is outside."""

    name: str
    first: int

    @property
    def directory(self) -> Path:
        """What belongs to it."""
        return USERNS_DIR / self.name

    @property
    def path(self) -> Path:
        """The namespace, as setns(2) takes it."""
        return self.directory / "user"

    @property
    def root(self) -> Path:
        """A file that is its root's. Nothing else here is: who got out could lead us astray."""
        return self.directory / "root"

    @property
    def layers(self) -> Path:
        """Where layers are seen with its owners while a root is mounted."""
        return self.directory / "layers"

    def own(self, *paths: Path) -> None:
        """Give files to its root."""
        for path in paths:
            os.chown(path, self.first, self.first, follow_symlinks=False)


def subordinate(texts: Iterable[str]) -> frozenset[int]:
    """The ranges of ours in which subuid(5) gives an id to somebody."""
    found: set[int] = set()
    for line in (line for text in texts for line in text.splitlines()):
        _, *numbers = line.split(":")
        if len(numbers) == 2 and all(number.isdecimal() for number in numbers):
            start, count = map(int, numbers)
            low = max(0, start - FIRST) // IDS
            high = min(RANGES, -(-(start + count - FIRST) // IDS))
            found.update(FIRST + number * IDS for number in range(low, high))
    return frozenset(found)


def choose(name: str, taken: Collection[int]) -> int:
    """The range of a name: it follows from the name, the next one where another has it.

    Raises PlaneError when there is none.
    """
    start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    for number in range(RANGES):
        first = FIRST + (start + number) % RANGES * IDS
        if first not in taken:
            return first
    raise PlaneError(f"no range of {IDS} ids is left for {name}")


def find(name: str) -> UserNamespace | None:
    """The user namespace of that name; None when there is none."""
    try:
        first = UserNamespace(name, 0).root.stat().st_uid
    except FileNotFoundError:
        return None
    # It is given to its root when all else of it is there.
    return UserNamespace(name, first) if first else None


def _names() -> list[str]:
    return sorted(path.name for path in USERNS_DIR.iterdir()) if USERNS_DIR.is_dir() else []


def _taken() -> set[int]:
    given = subordinate(path.read_text() for path in SUBORDINATE if path.exists())
    return {found.first for found in map(find, _names()) if found} | given


async def add(names: Sequence[str]) -> None:
    """Make user namespaces, each with its network namespace. Raises PlaneError."""
    # Of one that was being made when the daemon was killed, and of none that is used.
    drop(name for name in _names() if name in names or not (NETNS_DIR / name).exists())
    chosen: list[UserNamespace] = []
    taken = _taken()
    for name in names:
        chosen.append(UserNamespace(name, choose(name, taken)))
        taken.add(chosen[-1].first)
    limit = asyncio.Semaphore(PARALLEL)

    async def make(one: UserNamespace) -> None:
        async with limit, _started(one) as pid:
            _pin(one, pid)
            # A name without a mount is left by who was killed between the two.
            (NETNS_DIR / one.name).unlink(missing_ok=True)
            await run("ip", "netns", "attach", one.name, str(pid))

    results = await asyncio.gather(*map(make, chosen), return_exceptions=True)
    for refused in filter(None, results):
        raise refused


@asynccontextmanager
async def _started(one: UserNamespace) -> AsyncIterator[int]:
    """A process in new namespaces, with the ids that it shall have."""
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--user", "--net", "--", "cat"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        # Echoed by who has become cat, and so is in its namespaces.
        process.stdin.write(b"\n")
        if not await process.stdout.readline():
            said = (await process.stderr.read()).decode(errors="replace").strip()
            raise PlaneError(f"make user namespace {one.name}: {said}")
        _map_ids(process.pid, one.first)
        yield process.pid
    except OSError as error:
        raise PlaneError(f"make user namespace {one.name}: {error}") from error
    finally:
        process.stdin.close()
        await process.wait()


def _map_ids(pid: int, first: int) -> None:
    for kind in ("uid_map", "gid_map"):
        Path(f"/proc/{pid}/{kind}").write_text(f"0 {first} {IDS}\n")


def _pin(one: UserNamespace, pid: int) -> None:
    one.layers.mkdir(parents=True)
    one.path.touch()
    mount(f"/proc/{pid}/ns/user", str(one.path), "none", MS_BIND)
    one.root.touch()
    one.own(one.root)


def drop(names: Iterable[str]) -> None:
    """Let go of user namespaces, as far as they are there. Raises OSError.

    One with a process in it goes with that process.
    """
    for name in names:
        one = UserNamespace(name, 0)
        if not one.directory.is_dir():
            continue
        for place in (one.layers, one.path):
            unmount_all(place)
        for file in (one.root, one.path):
            file.unlink(missing_ok=True)
        for directory in _existing(one.layers, one.directory):
            directory.rmdir()


def _existing(*directories: Path) -> Iterator[Path]:
    return (directory for directory in directories if directory.is_dir())


def unmount_all(place: Path) -> None:
    """Take away whatever is mounted at a place. Raises OSError."""
    while _libc.umount2(os.fsencode(place), _MNT_DETACH) == 0:
        pass
    number = ctypes.get_errno()
    if number not in (errno.EINVAL, errno.ENOENT):
        raise OSError(number, f"umount {place}: {os.strerror(number)}")
