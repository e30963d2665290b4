"""A node's pipe and counters, as the collector sees them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from hiyoko.plane.balancer.counting import (
    Tally,
    count_connections,
    count_errors,
    count_logins,
    count_requests,
)
from hiyoko.plane.balancer.log_context import FILE, LogContext
from hiyoko.plane.balancer.log_line import ERROR_HEAD, HEAD, LINE_BYTES_MAX, LOGIN
from hiyoko.plane.balancer.outcomes import Outcomes, target_outcomes
from hiyoko.plane.balancer.pipe import PIPE, Counters, parse_counters
from hiyoko.plane.balancer.render import STATS_SOCKET

PIPE_BYTES = (4 << 20, 1 << 20)
"""A quarter of a second of a node's utmost; an ordinary user may ask for 1 MiB at most
(/proc/sys/fs/pipe-max-size), and with very many nodes not for that."""
READ_BYTES = 1 << 20
HEADS_MAX = 20_000
ASK_S = 1.0


@dataclass(slots=True)
class Node:
    """One node's directory and its open pipe.

    ``spooled`` is true when lines that were just read are to be delivered to S3.
    """

    directory: Path
    pipe: int
    since: float
    heads: Counter[bytes] = field(default_factory=Counter)
    errors: Counter[tuple[bytes, bytes]] = field(default_factory=Counter)
    contexts: dict[str, LogContext] = field(default_factory=dict)
    workers: dict[int, Counters] = field(default_factory=dict)
    pending: list[tuple[Counters, bool]] = field(default_factory=list)
    logins: Counter[tuple[str, int]] = field(default_factory=Counter)
    dropped: int = 0
    folded_at: float = 0.0
    spooled: bool = False
    _rest: bytes = b""

    @classmethod
    def opened(cls, directory: Path, now: float) -> Node:
        """Open the pipe. Raises OSError. Both ends are held, so it never tells of an end."""
        pipe = os.open(directory / PIPE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        for size in PIPE_BYTES:
            with contextlib.suppress(PermissionError):
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, size)
                break
        return cls(directory, pipe, now)

    @property
    def name(self) -> str:
        """The interface's id."""
        return self.directory.name

    def read(self) -> bytes:
        """The whole lines that have come; they are counted already."""
        try:
            data = os.read(self.pipe, READ_BYTES)
        except BlockingIOError:
            return b""
        cut = data.rfind(b"\n") + 1
        block = self._rest + data[:cut] if self._rest else data[:cut]
        self._rest = data[cut:] if cut else (self._rest + data)[-LINE_BYTES_MAX:]
        if not cut:
            return b""
        heads = Counter(HEAD.findall(block))
        meant = [self.context(name.decode("latin-1")) for name in {head[:8] for head in heads}]
        self.spooled = any(one is not None and (one.access or one.connection) for one in meant)
        self.heads.update(heads)
        if b"\nE " in block or block.startswith(b"E "):
            self.errors.update(ERROR_HEAD.findall(block))
        if b"\nC " in block or block.startswith(b"C "):
            for line in block.splitlines():
                counters = Counters.read_line(line) if line.startswith(b"C ") else None
                if counters is not None:
                    self.pending.append((counters, False))
        if b"\nG " in block or block.startswith(b"G "):
            told = LOGIN.findall(block)
            self.logins.update((name.decode(), int(value)) for name, value in told)
        return block

    def context(self, digest: str) -> LogContext | None:
        """What lines of this context mean; None while nobody has put it down."""
        known = self.contexts.get(digest)
        if known is None:
            try:
                known = LogContext.read((self.directory / FILE.format(digest)).read_text())
            except (OSError, ValueError, KeyError, TypeError):
                return None
            self.contexts[digest] = known
        return known

    def refresh(self) -> None:
        """Read the contexts again: a renewed certificate has changed them."""
        for digest in list(self.contexts):
            path = self.directory / FILE.format(digest)
            if path.exists():
                try:
                    self.contexts[digest] = LogContext.read(path.read_text())
                except (OSError, ValueError, KeyError, TypeError):
                    continue

    def look(self) -> None:
        """Ask HAProxy for its counters. One that does not answer is asked another time."""
        info, stat = (_ask(self.directory, command) for command in ("show info", "show stat"))
        counters = parse_counters(info, stat)
        if counters is not None:
            self.pending.append((counters, True))

    def fold(self, tally: Tally, outcomes: Outcomes, now: float) -> None:
        """Count everything that has come since the last time."""
        self.folded_at = now
        by_context: dict[str, dict[bytes, int]] = {}
        for head, times in self.heads.items():
            by_context.setdefault(head[:8].decode("latin-1"), {})[head] = times
        for digest, heads in by_context.items():
            context = self.context(digest)
            if context is not None:
                count_requests(tally, heads, context)
                outcomes.add(now, target_outcomes(heads, context))
                for head in heads:
                    del self.heads[head]
        for key, times in list(self.errors.items()):
            context = self.context(key[0][:8].decode("latin-1"))
            if context is not None:
                count_errors(tally, {key: times}, context)
                del self.errors[key]
        if self.contexts:
            context = next(reversed(self.contexts.values()))
            for counters, newest in self.pending:
                self._count(tally, counters, context, now, newest=newest)
            self.pending.clear()
            count_logins(tally, self.logins, context)
            self.logins.clear()
        if len(self.heads) > HEADS_MAX:
            self.heads.clear()  # nobody has said for a long time what they mean

    def _count(
        self, tally: Tally, counters: Counters, context: LogContext, now: float, *, newest: bool
    ) -> None:
        old = self.workers.get(counters.pid)
        if old is None:
            # A worker that is older than we are was counted by who was here before, or by nobody.
            mine = now - counters.uptime_s >= self.since - 2
            old = Counters(counters.pid, 0, 0, 0, 0, 0, 0) if mine else counters
        new = counters.clients - old.clients + counters.targets - old.targets
        count_connections(
            tally,
            context,
            new=max(new, 0),
            refused=max(counters.refused - old.refused, 0),
            active=counters.active if newest else None,
        )
        if (lost := counters.dropped - old.dropped) > 0:
            self.dropped += lost
            print(f"{self.name}: {lost} lines were dropped", flush=True)
        self.workers[counters.pid] = counters
        for gone in list(self.workers)[:-4]:
            del self.workers[gone]

    def close(self) -> None:
        """Let go of the pipe."""
        os.close(self.pipe)


def _ask(directory: Path, command: str) -> str:
    """One question to HAProxy, through a descriptor of the directory: paths may be long."""
    place = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(ASK_S)
            asked.connect(f"/proc/self/fd/{place}/{STATS_SOCKET}")
            asked.sendall(f"{command}\n".encode())
            parts = []
            while part := asked.recv(65536):
                parts.append(part)
        return b"".join(parts).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(place)
