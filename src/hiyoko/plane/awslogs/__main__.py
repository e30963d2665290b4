"""Starts the driver: ``python -m hiyoko.plane.awslogs --tasks DIR --directory DIR``.

It goes into the background by itself once it can be told, so whoever starts it waits for its end.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import socket
from pathlib import Path

from hiyoko.plane.awslogs.control import LOCK, LOG, SOCKET
from hiyoko.plane.awslogs.driver import Driver


def main() -> None:
    """Bind, go into the background, serve. One that runs already is left alone."""
    parser = argparse.ArgumentParser(prog="hiyoko.plane.awslogs")
    parser.add_argument("--tasks", type=Path, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    given = parser.parse_args()
    tasks = given.tasks.resolve()
    given.directory.mkdir(parents=True, mode=0o700, exist_ok=True)
    lock = os.open(given.directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    os.chdir(given.directory)  # a socket's own path may have no more than 107 characters
    Path(SOCKET).unlink(missing_ok=True)
    control = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    control.bind(SOCKET)
    if os.fork():
        os._exit(0)
    os.setsid()
    os.pwrite(lock, f"{os.getpid():<12}".encode(), 0)
    output = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(output, number)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    asyncio.run(Driver(tasks, control).serve())


if __name__ == "__main__":
    main()
