"""The documents say what the code says: the reference is generated, links lead somewhere."""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from hiyoko import api
from hiyoko.cli.main import parser

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WRITTEN = sorted(path for path in DOCS.rglob("*.md") if path.parent.name != "reference")


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gen_reference", ROOT / "tools/gen_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


GENERATOR = _generator()
PAGES: dict[str, str] = GENERATOR.pages()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_reference_is_what_the_code_says(name: str) -> None:
    path = DOCS / "reference" / name
    assert path.read_text() == PAGES[name], f"run python tools/gen_reference.py: {name} is old"


def test_the_reference_has_no_page_that_nothing_writes() -> None:
    by_hand = {"fidelity.md"}  # kept true by test_fidelity.py
    assert {path.name for path in (DOCS / "reference").iterdir()} == set(PAGES) | by_hand


def test_the_reference_does_not_depend_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIYOKO_STATE_DIR", "/somewhere")
    monkeypatch.setenv("HIYOKO_API_PORT", "1")
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    monkeypatch.setenv("COLUMNS", "40")
    assert GENERATOR.pages() == PAGES


def test_every_operation_says_what_it_does() -> None:
    silent = [
        f"{service}:{name}"
        for service in GENERATOR.services()
        for name in sorted(api.operations(service))
        if not GENERATOR.summary(service, name)
    ]
    assert not silent


def test_every_option_of_the_command_line_has_a_help_text() -> None:
    def silent(command: argparse.ArgumentParser) -> list[str]:
        return [f"{command.prog} {a.dest}" for a in GENERATOR.options(command) if not a.help]

    assert not [each for command in GENERATOR.commands(parser()) for each in silent(command)]


def test_every_key_of_a_site_has_a_description() -> None:
    silent = [
        f"{title}: {key}"
        for title, model in GENERATOR.PARTS
        for key, field in model.model_fields.items()
        if not field.description
    ]
    assert not silent


def test_every_environment_variable_is_in_the_reference() -> None:
    assert GENERATOR.used_variables() == set(GENERATOR.VARIABLES)


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(DOCS)))
def test_a_document_names_only_what_exists(path: Path) -> None:
    text = path.read_text()
    places = r"`((?:src|tests|bench|examples|docs|tools)/[\w./-]+)`"
    named = [ROOT / name for name in re.findall(places, text)]
    linked = [path.parent / name for name in re.findall(r"\]\(([\w./-]+)\)", text)]
    missing = [str(place) for place in (*named, *linked) if not place.exists()]
    assert not missing


@pytest.mark.parametrize("name", sorted(p.name for p in (DOCS / "how-to").glob("*.md")))
def test_a_how_to_fits_on_a_screen(name: str) -> None:
    assert len((DOCS / "how-to" / name).read_text().splitlines()) < 40


def test_every_package_has_its_reason() -> None:
    """Each Python and Debian package that the set-up installs has a line in dependencies.md."""
    project = (ROOT / "pyproject.toml").read_text()
    python = re.findall(r'^    "([A-Za-z0-9_.-]+)>=', project, re.MULTILINE)
    setup = (ROOT / "tools" / "setup").read_text()
    debian = " ".join(re.findall(r"^(?:base|tests)=\(([^)]*)\)", setup, re.MULTILINE)).split()
    told = set(
        re.findall(
            r"`([^`]+)`", (DOCS / "explanation" / "dependencies.md").read_text(), re.MULTILINE
        )
    )
    assert python
    assert debian
    assert not sorted({*python, *debian} - told)
