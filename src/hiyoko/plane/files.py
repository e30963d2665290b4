"""Small files that are replaced whole."""

from __future__ import annotations

from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Put a file in its place: a reader sees the old one or the new one, and nobody else any.

    Nothing is synced; what must outlive a power cut is written by its own means.
    """
    fresh = path.with_name(f".{path.name}")
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(path)
