"""Options, commands, and the one place that turns errors into messages and exit status."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import hiyoko
from hiyoko.cli.errors import CommandError
from hiyoko.settings import API_PORT, PROXY_PORT, Settings, default_state_dir

Command = Callable[[argparse.Namespace, Settings], int]


def run(argv: Sequence[str]) -> int:
    """Run one command; its exit status. No traceback for what a user can cause."""
    options = parse(argv)
    settings = Settings(
        state_dir=Path(options.state_dir).absolute(),
        api_port=options.api_port,
        proxy_port=options.proxy_port,
    )
    module, _, name = options.command.partition(":")
    try:
        command: Command = getattr(importlib.import_module(f"hiyoko.cli.{module}"), name)
        return command(options, settings)
    except CommandError as error:
        print(f"hiyoko: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print("\nhiyoko: interrupted; what was begun goes on in the cloud", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _unexpected(error)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The options. What follows ``--`` is a command: its words are nobody else's."""
    given = list(argv)
    if "--" in given:
        cut = given.index("--")
        options = parser(command="*").parse_args(given[:cut])
        if "argv" in options:
            options.argv = given[cut + 1 :]
            return options
    return parser().parse_args(given)


def _unexpected(error: Exception) -> int:
    """Known families of errors as one line; anything else is our bug and says so."""
    from botocore.exceptions import BotoCoreError, ClientError

    from hiyoko.launch import LaunchError
    from hiyoko.plane.error import PlaneError
    from hiyoko.site.load import SiteError
    from hiyoko.trust import TrustError

    if isinstance(error, SiteError):
        print(error, file=sys.stderr)
        return 2
    if isinstance(
        error, LaunchError | PlaneError | TrustError | BotoCoreError | ClientError | OSError
    ):
        print(f"hiyoko: {error}", file=sys.stderr)
        return 1
    if os.environ.get("HIYOKO_TRACEBACK"):
        raise error
    print(
        f"hiyoko: this is a bug: {type(error).__name__}: {error}\n"
        "Run it again with HIYOKO_TRACEBACK=1 to see where, and please report it.",
        file=sys.stderr,
    )
    return 70


def parser(command: str = argparse.REMAINDER) -> argparse.ArgumentParser:
    """The whole command line, on one screen. ``command``: how many words ``exec`` and ``run`` take.

    All the rest, unless that was cut off at ``--``: then options may stand anywhere.
    """
    top = argparse.ArgumentParser(
        prog="hiyoko",
        description="Publish a web site the way AWS does: here with real packets, then on AWS.",
    )
    top.add_argument("--version", action="version", version=f"hiyoko {hiyoko.VERSION}")
    _common(top)
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    up = _site(commands, "up", "up:up", "plan, ask, deploy, prove, print the URL")
    up.add_argument("--yes", "-y", action="store_true", help="do not ask")
    up.add_argument("--no-prove", action="store_true", help="deploy only; `check` proves later")
    _json(_site(commands, "plan", "up:plan", "what up would change"))
    _json(_site(commands, "status", "status:status", "what is there, and how it is"))
    logs = _site(commands, "logs", "logs:logs", "what the tasks printed", positional=False)
    logs.add_argument("service", nargs="?", help="one service only")
    logs.add_argument("--alb", action="store_true", help="the load balancer's requests instead")
    logs.add_argument("--raw", action="store_true", help="with --alb: entries as AWS writes them")
    logs.add_argument("--follow", "-f", action="store_true", help="go on as lines come")
    logs.add_argument("--since", default="1h", help="how far back: 30s, 10m, 2h, 1d (default 1h)")
    _json(logs)
    _json(_site(commands, "check", "check:check", "walk a request's way and prove the negatives"))
    chart = _site(commands, "map", "map:show", "listeners, rules, target groups, targets")
    chart.add_argument("--svg", metavar="OUT", help="draw it into this file")
    _json(chart)
    opened = _site(commands, "open", "client:open_browser", "a browser on the simulated internet")
    opened.add_argument("--browser", help="program to start (default: Chromium or Firefox)")
    down = _site(commands, "down", "up:down", "remove the site; say what is left")
    down.add_argument("--yes", "-y", action="store_true", help="do not ask")
    _site(commands, "template", "site:template", "print the CloudFormation template")

    ran = _command(commands, "run", "client:run", "run CMD as a client on the simulated internet")
    ran.add_argument(
        "--from",
        dest="place",
        metavar="PLACE",
        help="connect from there: tokyo (default), virginia, frankfurt, sydney...",
    )
    ran.add_argument("argv", nargs=command, metavar="-- CMD", help="command and arguments")
    within = _command(commands, "exec", "exec:run", "run CMD in a running task of a service")
    within.add_argument("--file", default="site.yaml", help="default: site.yaml")
    within.add_argument("--task", metavar="ID", help="the task whose id starts with this")
    within.add_argument("--container", metavar="NAME", help="default: named like the service")
    within.add_argument("service", help="a service of the site")
    within.add_argument("argv", nargs=command, metavar="-- CMD", help="default: sh")
    init = _command(commands, "init", "site:init", "write a commented site.yaml")
    init.add_argument("file", nargs="?", default="site.yaml", help="default: site.yaml")
    init.add_argument("--schema", action="store_true", help="print the JSON Schema instead")
    env = _command(commands, "env", "client:env", "print exports that point AWS tools here")
    env.add_argument("--region", default="ap-northeast-1", help="AWS region (default %(default)s)")
    _break(commands)
    _trust(commands)
    _cloud(commands)
    _image(commands)
    return top


def _break(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    breaking = commands.add_parser("break", help="do what AWS does to a site some day")
    actions = breaking.add_subparsers(metavar="WHAT", required=True)
    text = "interrupt a task on Fargate Spot"
    spot = _json(_command(actions, "spot", "breaking:spot", text))
    spot.add_argument("which", nargs="?", help="a service, or the start of a task's id")


def _trust(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    trust = _command(commands, "trust", "trust:trust", "let this machine's programs trust the CA")
    trust.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="DOMAIN",
        help="for this domain and what is below it only; may be given more than once",
    )
    what = trust.add_mutually_exclusive_group()
    what.add_argument("--remove", action="store_true", help="take it out of every store again")
    what.add_argument("--status", action="store_true", help="tell which stores have it")
    trust.add_argument("--yes", "-y", action="store_true", help="do not ask")
    trust.add_argument(
        "--root-dir", default="/", help="the system whose store is meant (default %(default)s)"
    )


def _cloud(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    cloud = commands.add_parser("cloud", help="the local AWS by itself")
    actions = cloud.add_subparsers(metavar="ACTION", required=True)
    _command(actions, "start", "cloud:start", "start it, or find it running")
    _command(actions, "stop", "cloud:stop", "end it; what was made is kept for the next start")
    _json(_command(actions, "status", "cloud:status", "is it there, and what does it say"))
    _command(actions, "reset", "cloud:reset", "empty it: a new account")


def _image(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    image = commands.add_parser("image", help="images on the simulated internet")
    actions = image.add_subparsers(metavar="ACTION", required=True)
    add = _command(actions, "import", "image:add", "add an image under a name")
    add.add_argument("name", help="as in docker.io/library/app:1")
    add.add_argument("source", help="oci-archive:FILE, docker-archive:FILE or directory:FOLDER")
    _json(_command(actions, "list", "image:show", "what is there"))


def _common(command: argparse.ArgumentParser) -> None:
    env = os.environ
    command.add_argument(
        "--state-dir",
        default=env.get("HIYOKO_STATE_DIR") or str(default_state_dir()),
        help="where the local cloud keeps its state (default %(default)s)",
    )
    command.add_argument(
        "--api-port",
        type=int,
        default=int(env.get("HIYOKO_API_PORT") or API_PORT),
        help="port of AWS's API on 127.0.0.1 (default %(default)s)",
    )
    command.add_argument(
        "--proxy-port",
        type=int,
        default=int(env.get("HIYOKO_PROXY_PORT") or PROXY_PORT),
        help="port of the browser proxy on 127.0.0.1 (default %(default)s)",
    )


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, code: str, text: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(command=code, json=False)
    return command


def _site(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    code: str,
    text: str,
    positional: bool = True,
) -> argparse.ArgumentParser:
    command = _command(commands, name, code, text)
    if positional:
        command.add_argument("file", nargs="?", default="site.yaml", help="default: site.yaml")
    else:
        command.add_argument("--file", default="site.yaml", help="default: site.yaml")
    command.add_argument(
        "--target",
        choices=("local", "aws"),
        default="local",
        help="the cloud on this machine, or AWS (default %(default)s)",
    )
    return command


def _json(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("--json", action="store_true", help="print JSON")
    return command
