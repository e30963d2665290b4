"""SECURITY.md: every promise names how it is kept and tests that exist."""

from __future__ import annotations

from tests.tidy.test_fidelity import ROOT, TEST, functions


def test_each_promise_names_tests_that_exist() -> None:
    lines = (ROOT / "SECURITY.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith("| ---")]
    assert len(rows) > 10
    for row in rows[1:]:
        named = TEST.findall(row)
        assert named, row
        missing = [(path, name) for path, name in named if name not in functions(path)]
        assert missing == []
