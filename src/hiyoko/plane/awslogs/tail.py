"""One container's log: read from where it was sent last, sent on, kept or dropped meanwhile.

conmon's file is the buffer. Before a batch leaves, its end is noted; so whoever goes on after a
death sends the same batch under the same token, and the service takes it once.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import signal
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from hiyoko.plane.awslogs.batches import Batch, joined, next_batch
from hiyoko.plane.awslogs.client import Away, Denied, LogsClient
from hiyoko.plane.awslogs.lines import parse_lines
from hiyoko.plane.awslogs.order import HELD, LOG, Order, Position
from hiyoko.plane.process import command_line

GATHER_S = 0.2
"""A line that comes after a silence is sent at once; those that follow gather for so long. The
driver that AWS runs gathers for 5 seconds, or 1 MiB."""
IDLE_S = 70.0
"""Then the connection is closed: not between two checks of a target, of which each is a line, and
before the other side closes it. To open one costs both sides ten times as much as a line."""
OPEN_EVENT_S = 5.0
"""An event of several lines ends when nothing was added for so long, as at AWS."""
BACK_OFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
LAST_ATTEMPTS = 3
"""So often an ended container's log tries to find a way."""
WINDOW_BYTES = 1 << 20
BLOCK_BYTES = 1 << 20
"""So much of a ``blocking`` container's output may wait; then the container waits."""
FILE_BYTES_MAX = 64 << 20
"""conmon begins the file anew here."""
FREE_BYTES = 1 << 20
_LOOK_BYTES = 1 << 16
_KEYS = ("ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException")


FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE = 1, 2
_libc = ctypes.CDLL(None, use_errno=True)


def punch(descriptor: int, end: int) -> None:
    """Free the blocks of a file's first bytes, where its file system can (fallocate(2))."""
    mode, length = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, ctypes.c_longlong(end)
    _libc.fallocate(descriptor, mode, ctypes.c_longlong(0), length)


class GivenUp(Exception):
    """The container has ended and its packets find no way."""


@dataclass(slots=True)
class Tail:
    """The log in a container's directory, and the way that it is sent."""

    directory: Path
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    position: Position = field(default_factory=Position)
    _client: LogsClient = field(default_factory=LogsClient)
    _file: int = -1
    _watched: int = -1
    _held: int = -1
    _sent_at: float = 0.0
    _lost_from: int | None = None
    _hole: tuple[int, int] | None = None
    _denied: bool | None = None
    _freed: int = 0

    def look(self) -> None:
        """Find out whether conmon lives, and hear of its end."""
        if self._watched >= 0:
            return
        monitor = self.monitor()
        if monitor is None:
            self.ended.set()
        else:
            self.ended.clear()
            try:
                self._watched = os.pidfd_open(monitor)
            except ProcessLookupError:
                self.ended.set()
            else:
                # Whoever held it may have died before letting it go.
                signal.pidfd_send_signal(self._watched, signal.SIGCONT)
                asyncio.get_running_loop().add_reader(self._watched, self._monitor_ended)
        self.changed.set()

    def monitor(self) -> int | None:
        """The conmon that writes the log, as long as it lives."""
        order = Order.read(self.directory)
        try:
            pid = int((self.directory / "conmon.pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if order is not None and order.cid in command_line(pid) else None

    def _monitor_ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._watched)
        os.close(self._watched)
        self._watched = -1
        self.ended.set()
        self.changed.set()

    def grown(self) -> None:
        """conmon wrote something."""
        self.changed.set()
        if self._denied is not None:
            self._limit()

    async def run(self) -> None:
        """Until the container has ended and everything is sent, or has no way."""
        self.position = replace(Position.read(self.directory), given_up=False)
        self._open(HELD if self._inode(HELD) == self.position.inode else LOG)
        try:
            while True:
                self.changed.clear()
                over = self.ended.is_set()
                order = Order.read(self.directory)
                if order is None:
                    return
                # Asked before the file is read: whatever was written to it before is found there.
                turned = self._turned()
                batch, wait_s = self._next(order, last=over or turned)
                if batch is not None:
                    await self._gathered()
                    await self._send(batch)
                elif turned:
                    self._open(LOG)
                elif over:
                    self._note(Position(self.position.inode, self._size()))
                    return
                else:
                    await self._idle(wait_s)
        except GivenUp as why:
            print(f"{self.directory}: the rest is lost: {why}", file=sys.stderr, flush=True)
            self._note(replace(self.position, given_up=True))
        finally:
            self._client.close()
            self._release()
            os.close(self._file)
            self._file = -1

    def _open(self, name: str) -> None:
        """conmon's present file, or the one that we were in; another one is read from its head."""
        if self._file >= 0:
            os.close(self._file)
        self._file = os.open(self.directory / name, os.O_RDONLY | os.O_CLOEXEC | os.O_CREAT, 0o600)
        inode = os.fstat(self._file).st_ino
        if inode != self.position.inode:
            self._note(Position(inode))
        if self._inode(HELD) != inode:
            (self.directory / HELD).unlink(missing_ok=True)
            # Where conmon has turned right now, it is the next file's name: then it tells nobody of
            # another one, and is made anew.
            os.link(self.directory / LOG, self.directory / HELD)
        self._hole = self._lost_from = None

    def _inode(self, name: str) -> int | None:
        try:
            return (self.directory / name).stat().st_ino
        except FileNotFoundError:
            return None

    def _turned(self) -> bool:
        """Whether conmon has begun another file."""
        return self._inode(LOG) not in (None, self.position.inode)

    def _size(self) -> int:
        return os.fstat(self._file).st_size

    def _note(self, position: Position) -> None:
        self.position = position
        position.write(self.directory)

    def _next(self, order: Order, *, last: bool) -> tuple[Batch | None, float]:
        """The next batch, or none and how long an unfinished event may still wait.

        ``last``: nothing more is going to be written to this file.
        """
        if self._hole is not None and self.position.offset >= self._hole[0]:
            self._note(Position(self.position.inode, max(self.position.offset, self._hole[1])))
            self._hole = None
        at, until = self.position.offset, self.position.until
        limit = until - at if until else WINDOW_BYTES
        if self._hole is not None:
            limit = min(limit, self._hole[0] - at)
        data = os.pread(self._file, limit, at)
        whole = bool(until) or (last and len(data) < limit)
        # A line longer than what is read at a time goes in pieces.
        lines = parse_lines(data, whole=whole)
        if not lines and len(data) == limit:
            lines = parse_lines(data, whole=True)
        pattern = re.compile(order.start) if order.start else None
        events = joined(lines, pattern)
        wait_s = IDLE_S
        if pattern is not None and events and not whole:
            age_s = time.time() - events[-1].timestamp_ms / 1000
            if len(data) == limit and len(events) > 1:
                events.pop()
            elif len(data) < limit and age_s < OPEN_EVENT_S:
                events.pop()
                wait_s = OPEN_EVENT_S - age_s
        return next_batch(events), wait_s

    async def _gathered(self) -> None:
        """Wait until it is time for another request."""
        left = self._sent_at + GATHER_S - time.monotonic()
        if left > 0:
            await _within(self.ended, left)

    async def _idle(self, wait_s: float) -> None:
        if not await _within(self.changed, wait_s):
            self._client.close()

    async def _send(self, batch: Batch) -> None:
        """Have a batch taken, however often that must be tried. Raises GivenUp."""
        begin, inode = self.position.offset, self.position.inode
        end = begin + batch.end
        if batch.events:
            self._note(replace(self.position, until=end))
            self._sent_at = time.monotonic()
            await self._put(batch, begin)
        self._note(Position(inode, end))
        self._free(end)
        self._denied = None
        if self._lost_from is not None:
            # There is room again: what comes from here on is kept.
            self._hole = (max(self._lost_from, end), self._line_end(self._size()))
            self._lost_from = None
        self._limit()

    def _free(self, end: int) -> None:
        """Give back the blocks of what was sent, where nobody else ever shortens the file."""
        order = Order.read(self.directory)
        if order is None or not order.endless or end - self._freed < FREE_BYTES:
            return
        descriptor = os.open(f"/proc/self/fd/{self._file}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            punch(descriptor, end)
        finally:
            os.close(descriptor)
        self._freed = end

    async def _put(self, batch: Batch, begin: int) -> None:
        attempt = last_attempts = 0
        while True:
            order = Order.read(self.directory)
            if order is None:
                raise GivenUp("nobody wants it any more")
            over = self.ended.is_set()
            try:
                self._denied = await self._ask(order, batch, begin)
            except (Denied, Away) as error:
                self._denied = isinstance(error, Denied)
                if over and self._denied:
                    last_attempts += 1
                    if last_attempts == LAST_ATTEMPTS:
                        raise GivenUp(str(error)) from error
            if self._denied is None:
                return
            self._limit()
            await asyncio.sleep(BACK_OFF_S[min(attempt, len(BACK_OFF_S) - 1)])
            attempt += 1

    async def _ask(self, order: Order, batch: Batch, begin: int) -> bool | None:
        """None when the batch is done with; else whether it is the task's own fault."""
        request = {
            "logGroupName": order.group,
            "logStreamName": order.stream,
            "logEvents": [{"timestamp": at, "message": text} for at, text in batch.events],
            "sequenceToken": f"awslogs/{order.cid}/{self.position.inode}/{begin}",
        }
        answer = await self._client.call(order, "PutLogEvents", request)
        if answer.status == 200:
            return None
        if answer.status >= 500 or "Throttling" in answer.code:
            return False
        if answer.code in _KEYS:
            return True
        # A group or stream that was deleted meanwhile, or what the service will never take.
        said = f"{answer.status} {answer.code}: {answer.body.get('message', '')}"
        print(f"{self.directory}: {len(batch.events)} events lost: {said}", file=sys.stderr)
        sys.stderr.flush()
        return None

    def _limit(self) -> None:
        """Drop, or let the container wait, when more is on hold than its mode allows.

        With the service itself away (which AWS's never is) conmon's file may grow: nothing is
        dropped before that is half full.
        """
        order = Order.read(self.directory)
        if order is None or self._file < 0:
            return
        behind = self._size() - self.position.offset
        if order.blocking:
            if behind > (BLOCK_BYTES if self._denied else FILE_BYTES_MAX // 2):
                self._hold()
            else:
                self._release()
        elif self._denied and self._lost_from is None and behind > order.buffer_bytes:
            edge = self._line_end(self.position.offset + order.buffer_bytes)
            self._lost_from = max(edge, self.position.until)

    def _line_end(self, at: int) -> int:
        """Where the last line ends that ends before this place."""
        first = max(self.position.offset, at - _LOOK_BYTES)
        found = os.pread(self._file, at - first, first).rfind(b"\n")
        return first + found + 1 if found >= 0 else at

    def _hold(self) -> None:
        """Let conmon read no more, so that the container's writes wait; not after it has ended."""
        if self._held >= 0 or self._watched < 0:
            return
        try:
            self._held = os.pidfd_open(int((self.directory / "container.pid").read_text()))
        except (OSError, ValueError):
            return
        signal.pidfd_send_signal(self._watched, signal.SIGSTOP)
        asyncio.get_running_loop().add_reader(self._held, self._release)

    def _release(self) -> None:
        if self._held < 0:
            return
        asyncio.get_running_loop().remove_reader(self._held)
        os.close(self._held)
        self._held = -1
        if self._watched >= 0:
            signal.pidfd_send_signal(self._watched, signal.SIGCONT)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Whether it happened in time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
