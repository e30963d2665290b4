"""Names of built images: the same content, the same name."""

from __future__ import annotations

from pathlib import Path

import pytest

from hiyoko.site.building import BuildFault, image_builds, with_images
from hiyoko.site.load import parse_site
from hiyoko.site.render import render_template

SITE = "name: Chicks\nservices:\n  web:\n    build: {build}\n"


def tag(folder: Path, build: str = ".") -> str:
    site = parse_site(SITE.replace("{build}", build), "site.yaml")
    (one,) = image_builds(site, folder)
    return one.tag


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM base\nCOPY . /\n")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "page").write_text("hello")
    return tmp_path


def test_what_is_built_from_changes_the_name_and_nothing_else_does(folder: Path) -> None:
    page = folder / "app" / "page"
    seen = [tag(folder)]
    page.touch()
    assert tag(folder) == seen[0]
    (folder / ".git").mkdir()
    (folder / ".git" / "index").write_text("x")
    assert tag(folder) == seen[0]
    for change in (
        lambda: page.write_text("hello!"),
        lambda: page.chmod(0o755),
        lambda: page.rename(folder / "app" / "other"),
        lambda: (folder / "link").symlink_to("app"),
        lambda: (folder / "empty").mkdir(),
        lambda: (folder / "Dockerfile").write_text("FROM base\n"),
    ):
        change()
        seen.append(tag(folder))
    seen.append(tag(folder, "{context: ., args: {A: 1}}"))
    seen.append(tag(folder, "{context: ., args: {A: 2}}"))
    seen.append(tag(folder, "{context: ., target: run}"))
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize(
    ("ignored", "path", "matters"),
    [
        ("*.log", "a.log", False),
        ("*.log", "app/a.log", True),
        ("**/*.log", "app/a.log", False),
        ("app", "app/deep/file", False),
        ("/app/", "app/file", False),
        ("a?p/x", "app/x", False),
        ("# app", "app/x", True),
        ("app\n!app/x", "app/x", True),
    ],
)
def test_what_is_ignored_does_not_matter(
    folder: Path, ignored: str, path: str, matters: bool
) -> None:
    (folder / ".dockerignore").write_text(f"{ignored}\n")
    before = tag(folder)
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text("new")
    assert (tag(folder) != before) is matters


def test_the_template_runs_the_image_from_the_accounts_own_registry(folder: Path) -> None:
    site = parse_site(SITE.replace("{build}", "."), "site.yaml")
    text = render_template(with_images(site, image_builds(site, folder)))
    name = "${AWS::AccountId}.dkr.ecr.${AWS::Region}.amazonaws.com/chicks/web"
    assert f"Image: !Sub {name}:{tag(folder)}" in text.replace("'", "")


@pytest.mark.parametrize(
    ("build", "words"),
    [
        ("none", "services.web.build: there is no folder"),
        ("{context: ., dockerfile: Other}", "services.web.build: there is no file"),
    ],
)
def test_a_build_that_cannot_be_says_what_is_missing(folder: Path, build: str, words: str) -> None:
    with pytest.raises(BuildFault, match=words):
        tag(folder, build)
