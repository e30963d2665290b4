"""Rules of taste that a linter does not know."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "hiyoko"
FILE_LINES_MAX, FUNCTION_LINES_MAX, DAEMON_LINES_MAX = 700, 80, 150
MAY_CATCH_ALL = {"cli/main.py", "gateway/server.py", "reconcile/loop.py"}
BROAD = {"Exception", "BaseException"}


def sources() -> Iterator[Path]:
    yield from sorted(SOURCE.rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def test_no_file_is_longer_than_one_idea() -> None:
    long = [str(p) for p in sources() if len(p.read_text().splitlines()) > FILE_LINES_MAX]
    assert not long


def test_no_function_is_longer_than_a_screen_or_two() -> None:
    long = []
    for path in sources():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long.append(f"{path.relative_to(ROOT)}:{node.name} {lines}")
    assert not long


def test_only_three_files_catch_everything() -> None:
    found = set()
    for path in sources():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ExceptHandler) and _broad(node) and not _raises(node):
                found.add(str(path.relative_to(SOURCE)))
    assert found <= MAY_CATCH_ALL


def _broad(node: ast.ExceptHandler) -> bool:
    return node.type is None or (isinstance(node.type, ast.Name) and node.type.id in BROAD)


def _raises(node: ast.ExceptHandler) -> bool:
    return any(isinstance(part, ast.Raise) and part.exc is None for part in ast.walk(node))


def test_every_module_and_package_says_what_it_is() -> None:
    silent = [str(p) for p in sources() if not ast.get_docstring(tree(p))]
    assert not silent


def test_architecture_names_only_what_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`((?:src|tests|bench|examples|docs|tools)/[\w./-]+)`", text))
    assert named
    missing = sorted(name for name in named if not (ROOT / name).exists())
    assert not missing
    assert len(text.splitlines()) < 250


def test_readme_commands_exist() -> None:
    """Each ``make`` target and ``hiyoko`` command that a README shows is there."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z0-9]+):", makefile, re.MULTILINE))
    help_text = (SOURCE / "cli" / "main.py").read_text()
    for name in ("README.md", "README.ja.md"):
        text = (ROOT / name).read_text()
        shown = set(re.findall(r"^(?:\$ )?make ([a-z0-9]+)", text, re.MULTILINE))
        assert shown
        assert shown <= targets
        for command in set(re.findall(r"^(?:\$ )?hiyoko ([a-z]+)", text, re.MULTILINE)):
            assert f'"{command}"' in help_text, command


def test_the_composition_root_only_composes() -> None:
    assert len((SOURCE / "daemon.py").read_text().splitlines()) <= DAEMON_LINES_MAX
