"""Starts the collector: ``python -m hiyoko.plane.collector --balancers DIR --directory DIR``.

It goes into the background by itself once it can be asked, so whoever starts it waits for its end.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import socket
import sys
from pathlib import Path

from hiyoko.plane.collector.files import LOCK, LOG, SOCKET
from hiyoko.plane.collector.process import Collector, serve


def main() -> None:
    """Bind, go into the background, serve. One that runs already is left alone."""
    parser = argparse.ArgumentParser(prog="hiyoko.plane.collector")
    parser.add_argument("--balancers", type=Path, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    given = parser.parse_args()
    given.directory.mkdir(parents=True, mode=0o700, exist_ok=True)
    lock = os.open(given.directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    os.chdir(given.directory)  # a socket's own path may have no more than 107 characters
    Path(SOCKET).unlink(missing_ok=True)
    control = socket.socket(socket.AF_UNIX)
    control.bind(SOCKET)
    control.listen(16)
    collector = Collector(given.balancers.resolve(), Path.cwd())
    collector.watch()
    if os.fork():
        sys.stdout.flush()
        os._exit(0)
    os.setsid()
    output = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(output, number)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    try:
        serve(collector, control)
    finally:
        Path(SOCKET).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
