"""``hiyoko``: the command."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the console script."""
    try:
        # In here, so that an interrupt in the midst of imports is no traceback either.
        from hiyoko.cli.main import run

        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
