"""A helper process of the plane: one for a directory, in the background once it can be asked.

Whoever starts it waits for the program to end; by then its socket is there. It outlives the daemon.
"""

from __future__ import annotations

import fcntl
import os
import socket
from dataclasses import dataclass
from pathlib import Path

OWN_NAMES = 0o600


@dataclass(frozen=True, slots=True)
class Names:
    """Files of the directory: the lock that the living one holds, its socket, what it prints."""

    lock: str
    socket: str
    log: str


def bind(directory: Path, names: Names, kind: socket.SocketKind) -> socket.socket | None:
    """Become the one of this directory, which becomes the working one; None when there is one."""
    directory.mkdir(parents=True, mode=0o700, exist_ok=True)
    lock = os.open(directory / names.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWN_NAMES)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    os.chdir(directory)  # a socket's own path may have no more than 107 characters
    Path(names.socket).unlink(missing_ok=True)
    control = socket.socket(socket.AF_UNIX, kind)
    control.bind(names.socket)
    return control


def detach(names: Names) -> None:
    """Go on as a child that belongs to nobody; the lock, whose owner's pid is told, stays held."""
    if os.fork():
        os._exit(0)
    os.setsid()
    Path(names.lock).write_text(f"{os.getpid():<12}")
    output = os.open(names.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, OWN_NAMES)
    for number in (1, 2):
        os.dup2(output, number)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
