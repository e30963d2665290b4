"""One sync of the disk for all commits that wait for it (group commit).

A commit that nobody but its caller waits for may leave its sync to be shared: the caller holds its
answer until :meth:`SharedSync.wait` returns. Those that come while a sync is under way share the
next one, so however slow the disk is, nobody waits for more than two, and the event loop for none.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field


def sync_file(path: str) -> None:
    """Return when all that was written to the file is on its disk. Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(file)
    finally:
        os.close(file)


@dataclass(slots=True)
class SharedSync:
    """Counts commits, and knows how many of them are on disk."""

    sync: Callable[[], None]
    """Puts on disk whatever was committed before it is called; runs in a thread. Raises OSError."""
    failure: OSError | None = None
    """Why a sync failed. The kernel may have dropped what it could not write, and a later sync
    would not tell: there is no way back from it but to read the file again."""
    _committed: int = 0
    _synced: int = 0
    _round: asyncio.Task[None] | None = None
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, "shared-sync")  # made when first needed
    )

    def committed(self) -> None:
        """A commit has left its sync to be shared."""
        self._committed += 1

    async def wait(self) -> None:
        """Return when every commit until now is on disk. Raises the OSError that a sync met."""
        wanted = self._committed
        while self._synced < wanted:
            if self.failure is not None:
                raise self.failure
            if self._round is None:
                self._round = asyncio.create_task(self._sync())
            # Who stops waiting ends nobody else's sync.
            await asyncio.shield(self._round)

    async def _sync(self) -> None:
        covered = self._committed
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self.sync)
        except OSError as error:
            self.failure = error
        else:
            self._synced = covered
        finally:
            self._round = None

    def close(self) -> None:
        """Let go of the thread."""
        self._thread.shutdown()
