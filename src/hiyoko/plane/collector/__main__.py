"""Starts the collector: ``python -m hiyoko.plane.collector --balancers DIR --directory DIR``."""

from __future__ import annotations

import argparse
import socket
from pathlib import Path

from hiyoko.plane.background import bind, detach
from hiyoko.plane.collector.files import NAMES
from hiyoko.plane.collector.process import Collector, serve


def main() -> None:
    """Bind, go into the background, serve. One that runs already is left alone."""
    parser = argparse.ArgumentParser(prog="hiyoko.plane.collector")
    parser.add_argument("--balancers", type=Path, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    given = parser.parse_args()
    balancers = given.balancers.resolve()
    control = bind(given.directory, NAMES, socket.SOCK_STREAM)
    if control is None:
        return
    control.listen(16)
    collector = Collector(balancers, Path.cwd())
    collector.watch()
    detach(NAMES)
    try:
        serve(collector, control)
    finally:
        Path(NAMES.socket).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
