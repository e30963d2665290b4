"""Adds up several test runs into one closing line: ``N passed, N failed, N skipped``."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree


def main() -> None:
    """Read JUnit reports and print their sum."""
    total = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for path in sys.argv[1:]:
        for suite in ElementTree.parse(path).getroot().iter("testsuite"):
            for name in total:
                total[name] += int(suite.get(name, 0))
    failed = total["failures"] + total["errors"]
    passed = total["tests"] - failed - total["skipped"]
    skipped = f", {total['skipped']} skipped" if total["skipped"] else ""
    print(f"{passed} passed, {failed} failed{skipped}")


if __name__ == "__main__":
    main()
