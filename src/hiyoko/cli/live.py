"""Live progress of a stack: a line for what is done, one moving line for what goes on."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType

from hiyoko.cli.stack import TASK, Progress

CLEAR = "\r\x1b[K"
SHOWN_MAX = 3


@dataclass(slots=True)
class Live:
    """Prints events as they come; on a terminal the last line says what is under way."""

    name: str
    failures: list[tuple[str, str]] = field(default_factory=list)
    skipped: set[str] = field(default_factory=set)
    _begun: dict[str, datetime] = field(default_factory=dict)
    _done: int = 0
    _tty: bool = field(default_factory=sys.stdout.isatty)

    def __enter__(self) -> Live:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._tty:
            sys.stdout.write(CLEAR)
            sys.stdout.flush()

    def show(self, event: Progress) -> None:
        """Show one event."""
        if event.kind == "AWS::CloudFormation::Stack" and event.logical_id == self.name:
            self._stack(event)
        elif event.kind == TASK:
            self.failures.append((f"task of {event.logical_id}", event.reason))
            self._line(f"  !          task of {event.logical_id} stopped: {event.reason}")
        elif event.status.endswith("_IN_PROGRESS"):
            self._begun.setdefault(event.logical_id, event.at)
        else:
            self._finished(event)
        self._footer()

    def _stack(self, event: Progress) -> None:
        if "ROLLBACK_IN_PROGRESS" in event.status:
            self._line(f"  ! {event.status}  {event.reason}")

    def _finished(self, event: Progress) -> None:
        begun = self._begun.pop(event.logical_id, None)
        self._done += 1
        # By the cloud's clock: several events may come with one look.
        took = f"{(event.at - begun).total_seconds():5.1f} s" if begun else "       "
        kind = event.kind.removeprefix("AWS::")
        if event.status.endswith("_FAILED"):
            if "cancelled" not in event.reason:
                self.failures.append((event.logical_id, event.reason))
            self._line(f"  ! {took}  {event.logical_id}  {event.status}  {event.reason}")
            return
        if event.status == "DELETE_SKIPPED":
            self.skipped.add(event.logical_id)
        sign = "-" if event.status.startswith("DELETE") else "+"
        self._line(f"  {sign} {took}  {event.logical_id}  {kind}")

    def _line(self, text: str) -> None:
        sys.stdout.write(f"{CLEAR if self._tty else ''}{text}\n")
        sys.stdout.flush()

    def _footer(self) -> None:
        if not self._tty:
            return
        names = list(self._begun)
        more = f" and {len(names) - SHOWN_MAX} more" if len(names) > SHOWN_MAX else ""
        going = ", ".join(names[:SHOWN_MAX]) + more
        sys.stdout.write(f"{CLEAR}  {self._done} done; under way: {going or '-'}")
        sys.stdout.flush()
