"""Starts an agent: ``python -m hiyoko.plane.balancer.agent DIR [--node DIR] [--ready SOCKET]``."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from hiyoko.plane.balancer.agent.server import serve


def main() -> None:
    """Parse the arguments and serve."""
    parser = argparse.ArgumentParser(prog="hiyoko.plane.balancer.agent")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--node", type=Path)
    parser.add_argument("--ready", type=Path)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.directory, arguments.node, arguments.ready))


if __name__ == "__main__":
    main()
