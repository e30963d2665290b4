"""What each part may import. A layer list is not enough: some parts must be strangers."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "hiyoko"
FREE = {"settings", "clock", ""}
"""Modules without a side: anyone may import them."""
FACE = {"services.*.model", "services.*.rows", "services.*.seen"}
"""All that a neighbour, or a reconciler, may see of a service."""
MAY_IMPORT: dict[str, set[str]] = {
    "spec": set(),
    "store": set(),
    "template": {"spec"},
    "api": {"store", "spec"},
    "site": set(),
    "services": {"api", "store", "spec", *FACE},
    "services.*.cfn": {"api", "template"},
    "services.cloudformation": {"api", "store", "spec", "template"},
    "gateway": {
        *("api", "spec", "store", "services", "neighbours"),
        *("plane.containers", "plane.error"),
    },
    "neighbours": {"api", "spec", "store"},
    "blueprint": {"services.*.model"},
    "reach": {"blueprint"},
    "plane": {"blueprint"},
    "reconcile": {"api", "blueprint", "plane", "store", "template", *FACE},
    "probe": set(),
    "upkeep": set(),
    "porter": {"plane.containers"},
    "launch": {"plane"},
    "trust": {"plane.ca"},
    "cli": {"launch", "probe", "site", "trust", "plane.addresses", "plane.error"},
}
COMPOSITION = {"compose", "daemon", "__main__"}
"""The only files that may know every part."""


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


def imports(path: Path, module: str, known: set[str]) -> Iterator[str]:
    """Modules that a file imports; ``from package import module`` counts as the module."""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                kept = package[: len(package) - node.level + 1]
                base = ".".join(["hiyoko", *kept, *([node.module] if node.module else [])])
            names = [f"{base}.{a.name}" for a in node.names]
            yield from (name if name in known else base for name in names)


def hiyoko_imports(path: Path, module: str) -> set[str]:
    known = {f"hiyoko.{name}" for name, _ in modules() if name}
    found = {name for name in imports(path, module, known) if name.startswith("hiyoko.")}
    return {name.removeprefix("hiyoko.") for name in found}


def home(module: str) -> str:
    """The most specific row of the table that a module falls under."""
    parts = module.split(".")
    if len(parts) == 3 and parts[0] == "services" and parts[2].startswith("cfn"):
        return "services.*.cfn"
    if module.startswith("services.cloudformation"):
        return "services.cloudformation"
    return parts[0]


def covered(name: str, pattern: str) -> bool:
    wanted, parts = pattern.split("."), name.split(".")
    if len(parts) < len(wanted):
        return False
    return all(w in ("*", p) for w, p in zip(wanted, parts, strict=False))


def allowed(module: str, name: str) -> bool:
    own = ".".join(module.split(".")[:2]) if module.startswith("services.") else home(module)
    if name in FREE or name == own or name.startswith(f"{own}."):
        return True
    if name == "services" or name in ("plane", "blueprint", "reconcile"):
        return True  # the package's own docstring module, on the way to a part of it
    if module.split(".")[-1].startswith("cfn") and name.startswith("services.cloudformation"):
        return True
    patterns = MAY_IMPORT[home(module)]
    return any(covered(name, p) or p.startswith(f"{name}.") for p in patterns)


@pytest.mark.parametrize(("module", "path"), list(modules()))
def test_a_part_imports_only_what_the_table_allows(module: str, path: Path) -> None:
    if module.split(".")[0] in COMPOSITION | FREE:
        return
    foreign = sorted(n for n in hiyoko_imports(path, module) if not allowed(module, n))
    assert not foreign, f"hiyoko.{module} imports {', '.join(foreign)}"


def test_every_part_has_a_row() -> None:
    tops = {module.split(".")[0] for module, _ in modules()} - COMPOSITION - FREE
    assert tops <= {row.split(".")[0] for row in MAY_IMPORT}
