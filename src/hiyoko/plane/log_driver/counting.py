"""How many lines lie in a part of conmon's file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

_BLOCK_BYTES = 1 << 16


def count_lines(file: int, begin: int, end: int) -> int:
    """Lines that end in this part of the file."""
    return sum(block.count(b"\n") for block in _blocks(file, begin, end))


@dataclass(slots=True)
class LineCount:
    """A count that goes on where it was, as long as it begins at the same place."""

    begin: int = 0
    end: int = 0
    lines: int = 0

    def place_behind(self, file: int, begin: int, end: int, lines: int) -> int | None:
        """Where so many lines from ``begin`` on end; None when there are no more than that."""
        if self.begin != begin:
            self.begin, self.end, self.lines = begin, begin, 0
        for block in _blocks(file, self.end, end):
            found = block.count(b"\n")
            if self.lines + found > lines:
                return self.end + _place(block, lines - self.lines)
            self.lines += found
            self.end += len(block)
        return None


def _place(block: bytes, lines: int) -> int:
    """Where so many lines of the block end."""
    return len(block) - len(block.split(b"\n", lines)[-1])


def _blocks(file: int, begin: int, end: int) -> Iterator[bytes]:
    at = begin
    while at < end:
        block = os.pread(file, min(_BLOCK_BYTES, end - at), at)
        if not block:
            return
        yield block
        at += len(block)
