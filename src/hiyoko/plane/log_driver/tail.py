"""One container's log: read from where it was sent last, sent on, kept or dropped meanwhile.

conmon's file is the buffer. Before a batch leaves, its end is noted; so whoever goes on after a
death sends the same batch under the same name, and CloudWatch Logs takes it once.
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

from hiyoko.plane.log_driver.batches import Batch, joined, next_batch
from hiyoko.plane.log_driver.counting import LineCount, count_lines
from hiyoko.plane.log_driver.lines import parse_lines
from hiyoko.plane.log_driver.order import (
    FILE_BYTES_MAX,
    HELD,
    LOG,
    CloudWatchOrder,
    Order,
    Position,
    read_order,
)
from hiyoko.plane.log_driver.sender import Away, Denied, Sender
from hiyoko.plane.log_driver.senders import make_sender
from hiyoko.plane.process import noted_pid

GATHER_S = 0.2
"""A line that comes after a silence is sent at once; those that follow gather for so long. The
driver that AWS runs gathers for 5 seconds, or 1 MiB."""
IDLE_S = 70.0
"""Then the connection is closed: not between two checks of a target, of which each is a line, and
before the other side closes it. To open one costs both sides ten times as much as a line."""
OPEN_EVENT_S = 5.0
"""An event of several lines ends when nothing was added for so long, as at AWS."""
WINDOW_BYTES = 1 << 20
BLOCK_BYTES = 1 << 20
"""So much of a ``blocking`` container's output may wait; then the container waits."""
FREE_BYTES = 1 << 20
_LOOK_BYTES = 1 << 16


FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE = 1, 2
_libc = ctypes.CDLL(None, use_errno=True)


def punch(file: int, begin: int, end: int) -> None:
    """Free the blocks of a part of a file, where its file system can (fallocate(2))."""
    mode, length = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, ctypes.c_longlong(end - begin)
    descriptor = os.open(f"/proc/self/fd/{file}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        _libc.fallocate(descriptor, mode, ctypes.c_longlong(begin), length)
    finally:
        os.close(descriptor)


def written_from(file: int, at: int, size: int) -> int:
    """Where behind a place of a file that was freed something is written; its size if nothing is.

    The rest of a block that was freed in part reads as zeros, as whole ones do.
    """
    try:
        at = os.lseek(file, at, os.SEEK_DATA)
    except OSError:  # ENXIO: nothing is written any more (lseek(2))
        return size
    while block := os.pread(file, _LOOK_BYTES, at):
        rest = block.lstrip(b"\0")
        at += len(block) - len(rest)
        if rest:
            break
    return at


class GivenUp(Exception):
    """The container has ended and its output finds no way."""


@dataclass(slots=True)
class Tail:
    """The log in a container's directory, and the way that it is sent."""

    directory: Path
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    position: Position = field(default_factory=Position)
    _sender: Sender | None = None
    _count: LineCount = field(default_factory=LineCount)
    _file: int = -1
    _following: int = -1
    _watched: int = -1
    _held: int = -1
    _sent_at: float = 0.0
    _lost_from: int | None = None
    _lost_to: int = 0
    """To here what is lost was counted and freed, and so many are these lines."""
    _lost_lines: int = 0
    _uncounted: str = ""
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
        order = read_order(self.directory)
        return noted_pid(self.directory / "conmon.pid", order.cid) if order is not None else None

    def _monitor_ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._watched)
        os.close(self._watched)
        self._watched = -1
        self.ended.set()
        self.changed.set()

    def grown(self) -> None:
        """conmon wrote something, or has begun another file."""
        self.changed.set()
        if self._denied is not None:
            self._limit()
            self._follow()

    async def run(self) -> None:
        """Until the container has ended and everything is sent, or has no way."""
        self.position = replace(Position.read(self.directory), given_up=False)
        self._open(HELD if self._inode(HELD) == self.position.inode else LOG)
        try:
            while True:
                self.changed.clear()
                over = self.ended.is_set()
                order = read_order(self.directory)
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
            self._tell(f"the last {self._rest()} lines are lost: {why}")
            self._note(replace(self.position, given_up=True))
        finally:
            self._close()
            self._release()
            self._let_go()
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
        self._lost_lines, self._uncounted = 0, ""
        if _endless(read_order(self.directory)):
            self._find_hole()
        self._let_go()

    def _find_hole(self) -> None:
        """What a driver that has died since had no room for."""
        at, size = self.position.offset, self._size()
        begin = os.lseek(self._file, at, os.SEEK_HOLE) if at < size else size
        if begin < size:  # a file's end counts as a hole (lseek(2))
            self._lost_to = written_from(self._file, begin, size)
            self._hole = self._line_end(begin), self._lost_to
            self._uncounted = "at least "

    def _follow(self) -> None:
        """Keep hold of the file that comes next: one that gives way to yet another one is lost."""
        if self._file < 0 or not self._turned():
            return
        if self._following >= 0:
            status = os.fstat(self._following)
            if status.st_ino == self._inode(LOG):
                return
            lost = count_lines(self._following, 0, status.st_size)
            self._tell(f"{lost} lines lost: two more files have been begun")
            self._let_go()
        self._following = os.open(self.directory / LOG, os.O_RDONLY | os.O_CLOEXEC)

    def _rest(self) -> int:
        """How many lines were not sent, of this file and of one that came after it."""
        rest = self._lost_lines + count_lines(self._file, self.position.offset, self._size())
        self._follow()
        if self._following >= 0:
            rest += count_lines(self._following, 0, os.fstat(self._following).st_size)
        return rest

    def _let_go(self) -> None:
        if self._following >= 0:
            os.close(self._following)
            self._following = -1

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
            begin, end = self.position.offset, max(self.position.offset, self._hole[1])
            lost = self._lost_lines + count_lines(self._file, begin, end)
            self._tell(f"{self._uncounted}{lost} lines lost: the buffer was full")
            self._note(Position(self.position.inode, end))
            self._hole, self._lost_lines, self._uncounted = None, 0, ""
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
        start = order.start if isinstance(order, CloudWatchOrder) else ""
        pattern = re.compile(start) if start else None
        events = joined(lines, pattern)
        wait_s = IDLE_S
        if pattern is not None and events and not whole:
            age_s = time.time() - events[-1].timestamp_ms / 1000
            if len(data) == limit and len(events) > 1:
                events.pop()
            elif len(data) < limit and age_s < OPEN_EVENT_S:
                events.pop()
                wait_s = OPEN_EVENT_S - age_s
        return next_batch(events, self._sender_for(order).limits), wait_s

    async def _gathered(self) -> None:
        """Wait until it is time for another request, unless there is enough for it already."""
        if self._size() - self.position.offset >= WINDOW_BYTES:
            return
        left = self._sent_at + GATHER_S - time.monotonic()
        if left > 0:
            await _within(self.ended, left)

    async def _idle(self, wait_s: float) -> None:
        if not await _within(self.changed, wait_s):
            self._close()

    def _close(self) -> None:
        if self._sender is not None:
            self._sender.close()

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
        if _endless(read_order(self.directory)) and end - self._freed >= FREE_BYTES:
            punch(self._file, 0, end)
            self._freed = end

    async def _put(self, batch: Batch, begin: int) -> None:
        attempt = last_attempts = 0
        while True:
            order = read_order(self.directory)
            if order is None:
                raise GivenUp("nobody wants it any more")
            over = self.ended.is_set()
            sender = self._sender_for(order)
            try:
                refused = await sender.put(batch, f"{order.cid}/{self.position.inode}/{begin}")
            except (Denied, Away) as error:
                self._denied = isinstance(error, Denied)
                if over and self._denied:
                    last_attempts += 1
                    if last_attempts == sender.last_attempts:
                        raise GivenUp(str(error)) from error
            else:
                self._denied = None
                if refused:
                    self._tell(f"{len(batch.events)} events lost: {refused}")
                return
            self._limit()
            await asyncio.sleep(sender.back_off_s[min(attempt, len(sender.back_off_s) - 1)])
            attempt += 1

    def _sender_for(self, order: Order) -> Sender:
        """The one that there is, with what is known now: keys are renewed."""
        if self._sender is None:
            self._sender = make_sender(order)
        self._sender.renew(order)
        return self._sender

    def _tell(self, what: str) -> None:
        print(f"{self.directory}: {what}", file=sys.stderr, flush=True)

    def _limit(self) -> None:
        """Drop, or let the container wait, when more is on hold than its mode allows.

        With the service itself away (which AWS's never is) conmon's file may grow: nothing is
        dropped before that is half full.
        """
        order = read_order(self.directory)
        if order is None or self._file < 0:
            return
        if isinstance(order, CloudWatchOrder) and order.endless:
            away = FILE_BYTES_MAX if self._denied is None else FILE_BYTES_MAX // 2
            self._drop(order.buffer_bytes if self._denied else away)
        elif isinstance(order, CloudWatchOrder) and order.blocking:
            behind = self._size() - self.position.offset
            if behind > (BLOCK_BYTES if self._denied else FILE_BYTES_MAX // 2):
                self._hold()
            else:
                self._release()
        elif self._denied and self._lost_from is None:
            edge = self._edge(order)
            if edge is not None:
                self._lost_from = max(edge, self.position.until)

    def _drop(self, bytes_max: int) -> None:
        """Keep so much of a file that nobody begins anew, and free what comes behind.

        Nobody can be made to wait for it either: a proxy that does is a task without network.
        """
        begin, size = self.position.offset, self._size()
        lost = self._hole[1] - self._hole[0] if self._hole is not None else 0
        if size - begin - lost <= bytes_max:
            return
        if self._hole is not None:  # not reached yet: what is lost now belongs to it
            self._lost_from, self._hole = self._hole[0], None
        elif self._lost_from is None:
            self._lost_from = max(self._line_end(begin + bytes_max), self.position.until)
            self._lost_to = written_from(self._file, self._lost_from, size)
        end = self._line_end(size)
        if end - self._lost_to >= FREE_BYTES:
            self._lost_lines += count_lines(self._file, self._lost_to, end)
            punch(self._file, self._lost_to, end)
            self._lost_to = end

    def _edge(self, order: Order) -> int | None:
        """Where the buffer ends; None while there is room in it."""
        begin, size = self.position.offset, self._size()
        if not isinstance(order, CloudWatchOrder):
            return self._count.place_behind(self._file, begin, size, order.buffer_lines)
        full = size - begin > order.buffer_bytes
        return self._line_end(begin + order.buffer_bytes) if full else None

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


def _endless(order: Order | None) -> bool:
    return isinstance(order, CloudWatchOrder) and order.endless


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Whether it happened in time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
