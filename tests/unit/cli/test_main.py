"""The command line: what it takes, and how each kind of failure ends."""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hiyoko.cli import cloud, main
from hiyoko.cli.errors import CommandError
from hiyoko.cli.target import aws_target
from hiyoko.site.load import load_site

LINES = (
    "exec --task 1 web -- sh -c true",
    "up",
    "up --yes site.yaml --target aws",
    "up -y --no-prove",
    "plan --json",
    "status other.yaml --json",
    "logs",
    "logs web --follow --since 10m --file other.yaml --json",
    "check --json",
    "map --svg out.svg",
    "open --browser firefox",
    "down --yes",
    "template",
    "run -- curl -v https://example.com/",
    "run curl --max-time 3 http://a/",
    "init",
    "init --schema",
    "env --region us-east-1",
    "break spot",
    "break spot web --json",
    "trust --only my-project.jp --only example.com --yes",
    "trust --status",
    "trust --remove",
    "cloud start",
    "cloud stop",
    "cloud status --json",
    "cloud reset",
    "image import app:1 oci-archive:app.tar",
    "image list --json",
)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("STATE_DIR", "API_PORT", "PROXY_PORT", "TRACEBACK"):
        monkeypatch.delenv(f"HIYOKO_{name}", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.mark.parametrize("line", LINES)
def test_a_command_is_parsed_and_its_code_is_there(line: str) -> None:
    options = main.parser().parse_args(line.split())
    module, _, name = options.command.partition(":")
    assert callable(getattr(importlib.import_module(f"hiyoko.cli.{module}"), name))


def _codes(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _codes(command)
    if code := parser.get_default("command"):
        yield code


def test_every_command_is_among_these() -> None:
    parsed = {main.parser().parse_args(line.split()).command for line in LINES}
    assert parsed == set(_codes(main.parser()))


@pytest.mark.parametrize(
    "line",
    ["", "launch", "up --target elsewhere", "up --no-such", "cloud", "cloud sleep", "image import"],
)
def test_what_is_not_known_ends_with_2_and_the_usage(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.run(line.split())
    assert ended.value.code == 2
    assert "usage: hiyoko" in capsys.readouterr().err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.run(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("hiyoko ")


def test_settings_come_from_the_environment_and_options_win(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HIYOKO_API_PORT", "5001")
    monkeypatch.setenv("HIYOKO_STATE_DIR", "/elsewhere")
    options = main.parser().parse_args(["env"])
    assert (options.api_port, options.state_dir) == (5001, "/elsewhere")
    options = main.parser().parse_args(["--api-port", "5002", "env"])
    assert options.api_port == 5002


def test_what_follows_run_is_left_alone() -> None:
    options = main.parse(["run", "--", "curl", "--json", "{}", "--", "x"])
    assert options.argv == ["curl", "--json", "{}", "--", "x"]
    assert options.json is False
    assert main.parse(["run", "curl", "--json"]).argv == ["curl", "--json"]


def test_options_of_exec_stand_on_either_side_of_the_service() -> None:
    for line in ("exec --task 7c web -- ls --task x", "exec web --task 7c -- ls --task x"):
        options = main.parse(line.split())
        assert (options.service, options.task) == ("web", "7c")
        assert options.argv == ["ls", "--task", "x"]
    assert main.parse(["exec", "web", "ls", "-l"]).argv == ["ls", "-l"]
    assert main.parse(["exec", "web"]).argv == []


def test_run_may_be_told_where_from() -> None:
    options = main.parse(["run", "--from", "virginia", "--", "curl", "--from", "x"])
    assert options.place == "virginia"
    assert options.argv == ["curl", "--from", "x"]


def test_a_missing_site_file_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["plan", "missing.yaml"]) == 2
    assert "hiyoko init" in capsys.readouterr().err


def test_init_writes_a_site_that_is_valid_and_never_writes_over_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "site.yaml"
    assert main.run(["init", str(path)]) == 0
    assert load_site(path).name == "my-site"
    path.write_text("mine")
    assert main.run(["init", str(path)]) == 1
    assert path.read_text() == "mine"
    assert "already there" in capsys.readouterr().err


def test_the_schema_knows_the_short_forms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["init", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["required"] == ["services"]
    command = schema["$defs"]["Service"]["properties"]["command"]
    assert {each["type"] for each in command["anyOf"]} == {"array", "string"}


def test_a_template_needs_no_cloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "site.yaml"
    main.run(["init", str(path)])
    capsys.readouterr()
    assert main.run(["template", str(path)]) == 0
    assert "AWS::ECS::Service" in capsys.readouterr().out


def test_a_cloud_that_does_not_run_says_how_to_start_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.run(["cloud", "status"]) == 1
    assert "hiyoko cloud start" in capsys.readouterr().out
    assert main.run(["cloud", "status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["running"] is False
    assert main.run(["env"]) == 1
    assert "hiyoko cloud start" in capsys.readouterr().err


def test_run_without_a_command_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["run"]) == 2
    assert "hiyoko run -- curl" in capsys.readouterr().err


def test_an_image_source_of_an_unknown_kind_ends_with_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.run(["image", "import", "app:1", "tarball:app.tar"]) == 2
    assert "oci-archive:FILE" in capsys.readouterr().err


def test_a_bug_is_called_a_bug_and_shows_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> int:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(cloud, "start", broken)
    assert main.run(["cloud", "start"]) == 70
    printed = capsys.readouterr()
    assert "this is a bug: ZeroDivisionError" in printed.err
    assert "Traceback" not in printed.err
    monkeypatch.setenv("HIYOKO_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        main.run(["cloud", "start"])


def test_an_interrupt_ends_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cloud, "start", interrupted)
    assert main.run(["cloud", "start"]) == 130
    assert "goes on in the cloud" in capsys.readouterr().err


def test_without_credentials_aws_is_refused_and_nothing_else_is_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "PROFILE", "CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(CommandError, match="no AWS credentials"):
        aws_target("ap-northeast-1")


def test_a_profile_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(CommandError, match="nobody"):
        aws_target("ap-northeast-1")
