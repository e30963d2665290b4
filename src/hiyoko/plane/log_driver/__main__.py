"""Starts the driver: ``python -m hiyoko.plane.log_driver --tasks DIR --directory DIR``."""

from __future__ import annotations

import argparse
import asyncio
import socket
from pathlib import Path

from hiyoko.plane.background import bind, detach
from hiyoko.plane.log_driver.control import NAMES
from hiyoko.plane.log_driver.driver import Driver


def main() -> None:
    """Bind, go into the background, serve. One that runs already is left alone."""
    parser = argparse.ArgumentParser(prog="hiyoko.plane.log_driver")
    parser.add_argument("--tasks", type=Path, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    given = parser.parse_args()
    tasks = given.tasks.resolve()
    control = bind(given.directory, NAMES, socket.SOCK_DGRAM)
    if control is None:
        return
    detach(NAMES)
    asyncio.run(Driver(tasks, control).serve())


if __name__ == "__main__":
    main()
