"""Starts the DNS process.

``python -m hiyoko.plane.dns --run-dir DIR --key-dir DIR [--ready SOCKET]``
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from hiyoko.plane.dns.server import serve


def main() -> None:
    """Parse the arguments and serve."""
    parser = argparse.ArgumentParser(prog="hiyoko.plane.dns")
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--key-dir", type=Path, required=True)
    parser.add_argument("--ready", type=Path)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.run_dir, arguments.key_dir, arguments.ready))


if __name__ == "__main__":
    main()
