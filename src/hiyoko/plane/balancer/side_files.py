"""Files beside a configuration: certificate lists, trust stores, revocation lists, Lua.

Each is named by a digest of its content. So a configuration says all that it depends on, a file
that is there is right, and a process that still runs with an older configuration is not disturbed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hiyoko.blueprint.step import Step
from hiyoko.plane.balancer.paths import Paths
from hiyoko.plane.error import PlaneError
from hiyoko.plane.files import write_private


def side_file(paths: Paths, text: str, suffix: str) -> tuple[str, str]:
    """A file's path, from its content, and that content."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:24]
    return f"{paths.directory}/{digest}.{suffix}", text


@dataclass(frozen=True, slots=True)
class PutFile(Step):
    """Write a file that a wished configuration names."""

    path: str
    text: str

    def __str__(self) -> str:
        """The step in words."""
        return f"write {Path(self.path).name}"


@dataclass(frozen=True, slots=True)
class DropFile(Step):
    """Remove a file that no configuration names any more."""

    path: str

    def __str__(self) -> str:
        """The step in words."""
        return f"remove {Path(self.path).name}"


def puts(wished: Mapping[str, str], present: frozenset[str]) -> list[PutFile]:
    """What is missing: to be taken before any node reads it."""
    return [PutFile(path, wished[path]) for path in sorted(wished.keys() - present)]


def drops(wished: Mapping[str, str], present: frozenset[str]) -> list[DropFile]:
    """What is left over: to be taken after every node has let go of it."""
    return [DropFile(path) for path in sorted(present - wished.keys())]


@dataclass(frozen=True, slots=True)
class SideFiles:
    """The files in ``directory``: all of them are ours."""

    directory: Path

    def observe(self) -> frozenset[str]:
        """The paths that are there; a half-written one is not."""
        if not self.directory.is_dir():
            return frozenset()
        return frozenset(str(path) for path in self.directory.glob("[!.]*"))

    def apply(self, step: PutFile | DropFile) -> None:
        """Take one step; taking it again does nothing more. Raises PlaneError."""
        try:
            match step:
                case PutFile(path, text):
                    self.directory.mkdir(parents=True, mode=0o700, exist_ok=True)
                    write_private(Path(path), text)
                case DropFile(path):
                    Path(path).unlink(missing_ok=True)
        except OSError as error:
            raise PlaneError(f"{step}: {error}") from error
