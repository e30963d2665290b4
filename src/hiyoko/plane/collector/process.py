"""The collector's loop: pipes, one question at a time, and the clock."""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hiyoko.plane.balancer.access_log import access_entry
from hiyoko.plane.balancer.log_line import RequestLine, parse_line
from hiyoko.plane.balancer.outcomes import Outcomes
from hiyoko.plane.balancer.pipe import PIPE
from hiyoko.plane.collector.counts import MINUTE_S, Counts
from hiyoko.plane.collector.files import NAMES
from hiyoko.plane.collector.nodes import HEADS_MAX, Node
from hiyoko.plane.collector.recent import Recent
from hiyoko.plane.collector.spool import Spool

PERIOD_S = 300
"""AWS delivers a file of each node every five minutes."""
GATHER_S = 0.02
"""So long lines gather in the pipe before they are read together: reading each alone would cost
more than all else."""
FOLD_S = 1.0
"""How targets fare is known by the second."""
HURRY_BYTES = 512 << 10
"""After so much at once the next reading does not wait."""
PRIORITY = -10
"""Little work, but in time: a pipe that is full loses lines. Only root may ask for it."""
LOOK_BEFORE_S = 2.0
"""Connections are counted just before a minute ends."""
TAIL_LINES_MAX = 2000
QUESTION_BYTES_MAX = 65536
QUESTION_S = 2.0


@dataclass(slots=True)
class Collector:
    """Everything that the process knows. ``balancers`` holds a directory for each node."""

    balancers: Path
    directory: Path
    now: Callable[[], float] = time.time
    nodes: dict[str, Node] = field(default_factory=dict)
    spools: dict[str, Spool] = field(default_factory=dict)
    recent: Recent = field(default_factory=Recent)
    counts: Counts = field(default_factory=lambda: Counts(secrets.token_hex(8)))
    outcomes: Outcomes = field(default_factory=Outcomes)
    ended: bool = False

    def watch(self) -> None:
        """Open the pipes of new nodes; close those of nodes that are gone, after a last look."""
        there = {path.parent.name for path in self.balancers.glob(f"*/{PIPE}")}
        for name in there - self.nodes.keys():
            try:
                self.nodes[name] = Node.opened(self.balancers / name, self.now())
            except OSError:
                continue  # it has gone again
            self.spools.setdefault(name, Spool(self.directory, name))
        for name in self.nodes.keys() - there:
            self.drain(self.nodes[name])
            self.fold(self.nodes[name])
            self.nodes.pop(name).close()
        for node in self.nodes.values():
            node.refresh()

    def drain(self, node: Node) -> int:
        """Read what has come of one node; how many bytes that were."""
        size = 0
        while block := node.read():
            size += len(block)
            self.recent.add(node.name, block)
            if node.spooled:
                spool = self.spools[node.name]
                spool.add(block)
                if spool.large:
                    spool.turn(self._period_end(), node.context)
        if len(node.heads) > HEADS_MAX or self.now() - node.folded_at >= FOLD_S:
            self.fold(node)
        return size

    def fold(self, node: Node) -> None:
        """Count what a node's lines have told."""
        now = self.now()
        node.fold(self.counts.tally(now), self.outcomes, now)

    def gather(self) -> None:
        """Read and count everything of all nodes."""
        for node in self.nodes.values():
            self.drain(node)
            self.fold(node)

    def look(self) -> None:
        """Ask all nodes for their counters."""
        for node in self.nodes.values():
            node.look()

    def turn(self) -> None:
        """Make files of what was spooled."""
        for name, spool in self.spools.items():
            spool.reap()
            if name in self.nodes:
                spool.turn(self._period_end(), self.nodes[name].context)

    def await_files(self) -> None:
        """Return when the files that are being made are there."""
        for spool in self.spools.values():
            spool.reap(wait=True)

    def _period_end(self) -> float:
        return math.ceil(self.now() / PERIOD_S) * PERIOD_S

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What somebody wants: ``status``, ``watch``, ``take``, ``done``, ``outcomes``, ``tail``,
        ``turn``, ``end``."""
        match asked.get("do"):
            case "status":
                return self.status()
            case "watch":
                self.watch()
                return self.status()
            case "take":
                return self.take(unfinished=bool(asked.get("unfinished")))
            case "done":
                self.counts.done(int(asked["sequence"]))
                return {}
            case "outcomes":
                self.gather()
                return {"outcomes": self.outcomes.since(self.now() - float(asked["seconds"]))}
            case "tail":
                self.gather()
                return self.tail(asked)
            case "turn":
                self.gather()
                self.await_files()
                self.turn()
                self.await_files()
                return {}
            case "end":
                self.ended = True
                return {}
            case other:
                return {"error": f"{other} is no question"}

    def take(self, *, unfinished: bool) -> dict[str, Any]:
        """The next batch of counts."""
        if unfinished:
            self.watch()
            self.look()
        self.gather()
        return self.counts.take(self.now(), unfinished=unfinished)

    def status(self) -> dict[str, Any]:
        """Who we are, what we read, and what was lost."""
        return {
            "pid": os.getpid(),
            "instance": self.counts.instance,
            "nodes": sorted(self.nodes),
            "lines": self.recent.next,
            "dropped": sum(node.dropped for node in self.nodes.values()),
            "undelivered": sum(spool.dropped for spool in self.spools.values()),
        }

    def tail(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Entries of a load balancer's access log from a line on, and since a time.

        ``next`` is where to go on; ``instance`` changes when the numbers begin anew.
        """
        after = int(asked.get("after") or 0)
        if asked.get("instance") not in (None, self.counts.instance):
            after = 0
        found: list[str] = []
        for number, name, raw in self.recent.lines(after):
            after = number + 1
            line, node = parse_line(raw), self.nodes.get(name)
            context = node.context(line.context) if line is not None and node is not None else None
            if line is None or context is None or context.balancer != asked["balancer"]:
                continue
            ended = line.began
            if isinstance(line, RequestLine):
                phases = (line.handshake_ms, line.idle_ms, line.active_ms)
                ended += sum(max(phase, 0) for phase in phases) / 1000
            entry = access_entry(line, context)
            if entry is not None and ended >= float(asked.get("since") or 0):
                found.append(entry)
                if len(found) >= TAIL_LINES_MAX:
                    break
        else:
            after = self.recent.next
        return {"instance": self.counts.instance, "next": after, "entries": found}


def serve(collector: Collector, control: socket.socket) -> None:
    """Until told to end."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    gathering = select.poll()
    hurried = False
    looked_at = 0.0
    turned_at = math.floor(collector.now() / PERIOD_S)
    while True:
        poll = select.poll()
        poll.register(control, select.POLLIN)
        for node in collector.nodes.values():
            poll.register(node.pipe, select.POLLIN)
        now = collector.now()
        wait_s = _until_look(now) if collector.nodes else None
        ready = {number for number, _ in poll.poll(None if wait_s is None else wait_s * 1000)}
        if control.fileno() in ready:
            _converse(collector, control)
        if collector.ended:
            return
        busy = [node for node in collector.nodes.values() if node.pipe in ready]
        if busy:
            # Nothing is awaited but time: a question that comes meanwhile is answered after.
            if not hurried:
                gathering.poll(GATHER_S * 1000)
            hurried = max(collector.drain(node) for node in busy) > HURRY_BYTES
        now = collector.now()
        # Once a minute, near its end; after a long sleep of the machine at once.
        if (
            collector.nodes
            and now - looked_at >= MINUTE_S - LOOK_BEFORE_S
            and (_until_look(now) > MINUTE_S - 2 * LOOK_BEFORE_S or now - looked_at > 2 * MINUTE_S)
        ):
            looked_at = now
            collector.look()
            collector.gather()
        if math.floor(now / PERIOD_S) != turned_at:
            turned_at = math.floor(now / PERIOD_S)
            collector.turn()


def _until_look(now: float) -> float:
    """Seconds until the next time to ask for counters."""
    return MINUTE_S - (now + LOOK_BEFORE_S) % MINUTE_S


def _converse(collector: Collector, control: socket.socket) -> None:
    """Answer one question: a line of JSON each way."""
    client, _ = control.accept()
    with client:
        client.settimeout(QUESTION_S)
        try:
            text = b""
            while not text.endswith(b"\n") and len(text) < QUESTION_BYTES_MAX:
                part = client.recv(QUESTION_BYTES_MAX)
                if not part:
                    return
                text += part
            try:
                answer = collector.answer(json.loads(text))
            except (ValueError, KeyError, TypeError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            if collector.ended:  # whoever hears of the end finds nobody any more
                control.close()
                Path(NAMES.socket).unlink(missing_ok=True)
            client.sendall(json.dumps(answer).encode() + b"\n")
        except OSError:
            return  # whoever asked has gone
