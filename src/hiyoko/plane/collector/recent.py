"""The last lines of all nodes, as many as fit, numbered from the collector's start."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

BYTES_MAX = 4 << 20


@dataclass(slots=True)
class Recent:
    """Blocks of whole lines as they came: nothing is done to a line before it is asked for."""

    bytes_max: int = BYTES_MAX
    next: int = 0
    _blocks: deque[tuple[int, int, str, bytes]] = field(default_factory=deque)
    _bytes: int = 0

    def add(self, node: str, block: bytes) -> None:
        """Keep a block of a node's lines."""
        lines = block.count(b"\n")
        self._blocks.append((self.next, lines, node, block))
        self.next += lines
        self._bytes += len(block)
        while self._bytes > self.bytes_max and len(self._blocks) > 1:
            self._bytes -= len(self._blocks.popleft()[3])

    def lines(self, after: int) -> Iterator[tuple[int, str, bytes]]:
        """Number, node and text of each line from a number on."""
        for first, count, node, block in list(self._blocks):
            if first + count <= after:
                continue
            for number, line in enumerate(block.splitlines(), first):
                if number >= after:
                    yield number, node, line
