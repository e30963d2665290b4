"""Each example's template, as text; cfn-lint finds nothing in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hiyoko.site.load import load_site, parse_site
from hiyoko.site.render import render_template

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.name for path in (ROOT / "examples").iterdir())


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_template_of_an_example_is_as_reviewed(example: str) -> None:
    _check(example, render_template(load_site(ROOT / "examples" / example / "site.yaml")))


BY_ENDPOINTS = """
name: inner
domain: inner.example.com
egress: endpoints
services:
  web:
    image: 123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/app:1
"""


def test_the_template_without_a_way_out_is_as_reviewed() -> None:
    _check("by-endpoints", render_template(parse_site(BY_ENDPOINTS, "site.yaml")))


SCALED = """
name: scaled
domain: scaled.example.com
services:
  web:
    image: nginx
    deploy:
      scale: {min: 2, max: 10, cpu: 60, requests: 1000}
"""


def test_the_template_of_a_site_that_scales_is_as_reviewed() -> None:
    _check("scaled", render_template(parse_site(SCALED, "site.yaml")))


def _check(name: str, text: str) -> None:
    golden = Path(__file__).parent / "site" / f"{name}.yaml"
    if os.environ.get("HIYOKO_GOLDEN") == "rewrite":
        golden.write_text(text)
    assert text == golden.read_text()


def test_the_template_of_a_site_whose_services_find_each_other(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "1-public-task" / "site.yaml").read_text()
    path = tmp_path / "site.yaml"
    path.write_text(f"{text}discovery: true\n")
    rendered = render_template(load_site(path))
    golden = Path(__file__).parent / "site" / "discovery.yaml"
    if os.environ.get("HIYOKO_GOLDEN") == "rewrite":
        golden.write_text(rendered)
    assert rendered == golden.read_text()


def test_cfn_lint_finds_nothing() -> None:
    goldens = sorted((Path(__file__).parent / "site").glob("*.yaml"))
    lint = Path(sys.executable).parent / "cfn-lint"
    done = subprocess.run(
        [lint, "--include-checks", "I", "--", *goldens],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
