"""A task's log router: its configuration, and the places at which it finds that and its socket.

The configuration is what Amazon ECS generates for Fargate, section by section: inputs, filters, the
user's own file, outputs (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/firelens-taskdef.html,
https://github.com/aws-samples/amazon-ecs-firelens-under-the-hood).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from hiyoko.blueprint.tasks import LogOutput, LogRouter
from hiyoko.plane.containers.bundle import Identity, Place
from hiyoko.plane.log_driver.router import SOCKET
from hiyoko.plane.user_namespaces import UserNamespace

PLACES = {
    "fluentbit": "/fluent-bit/etc/fluent-bit.conf",
    "fluentd": "/fluentd/etc/fluent.conf",
}
"""Where a router looks for its configuration."""
SOCKET_PLACE = "/var/run"
OUTPUT_KEY = {"fluentbit": "Name", "fluentd": "@type"}
"""The option that says which plugin an output is."""
_FILTERS = ("include-pattern", "exclude-pattern")
_LISTEN = "127.0.0.1"
_PORT = "24224"
_HEALTH_TAG, _HEALTH_PORT = "firelens-healthcheck", "8877"

Options = Mapping[str, str]


class NoOutput(Exception):
    """A container's log options do not say which plugin they are for."""


def configuration(router: LogRouter) -> str:
    """The router's configuration file. Raises NoOutput with the agent's words."""
    for output in router.outputs:
        _check(output, router.kind)
    sections = _fluentbit(router) if router.kind == "fluentbit" else _fluentd(router)
    return "\n\n".join(sections) + "\n"


def _check(output: LogOutput, kind: str) -> None:
    key = OUTPUT_KEY[kind]
    names = {name for name, _ in output.options}
    if names.difference(_FILTERS) and key not in names:
        raise NoOutput(
            "unable to generate firelens config file: unable to apply log options of container"
            f" {output.container} to firelens config: missing output key {key} which is required"
            f" for firelens configuration of type {kind}"
        )


def _plugin(output: LogOutput, kind: str) -> tuple[str, Options]:
    """The plugin of an output, or nothing, and the options that are its own."""
    key = OUTPUT_KEY[kind]
    options = dict(output.options)
    own = {name: value for name, value in options.items() if name not in (key, *_FILTERS)}
    return options.get(key, ""), own


def _fluentbit(router: LogRouter) -> Iterator[str]:
    health = {"Listen": _LISTEN, "Port": _HEALTH_PORT, "Tag": _HEALTH_TAG}
    yield _section("INPUT", {"Name": "tcp", **health})
    # Half of what the container reserves, so that a full buffer is not the end of it.
    limit = {"Mem_Buf_Limit": f"{router.memory_mib // 2}MB"} if router.memory_mib else {}
    yield _section("INPUT", {"Name": "forward", **limit, "unix_path": f"{SOCKET_PLACE}/{SOCKET}"})
    yield _section("INPUT", {"Name": "forward", "Listen": _LISTEN, "Port": _PORT})
    for word, option in (("Regex", "include-pattern"), ("Exclude", "exclude-pattern")):
        for match, pattern in _patterns(router, option, "*"):
            yield _section("FILTER", {"Name": "grep", "Match": match, word: f"log {pattern}"})
    if router.fields:
        records = "\n".join(f"    Record {name} {value}" for name, value in router.fields)
        yield f"{_section('FILTER', {'Name': 'record_modifier', 'Match': '*'})}\n{records}"
    if router.include:
        yield f"@INCLUDE {router.include}"
    yield _section("OUTPUT", {"Name": "null", "Match": _HEALTH_TAG})
    for output in router.outputs:
        plugin, options = _plugin(output, router.kind)
        if plugin:
            match = f"{output.container}-firelens*"
            yield _section("OUTPUT", {"Name": plugin, "Match": match, **options})


def _section(name: str, members: Options) -> str:
    lines = "".join(f"\n    {key} {value}" for key, value in members.items())
    return f"[{name}]{lines}"


def _fluentd(router: LogRouter) -> Iterator[str]:
    yield _element("source", {"@type": "unix", "path": f"{SOCKET_PLACE}/{SOCKET}"})
    yield _element("source", {"@type": "forward", "bind": _LISTEN, "port": _PORT})
    for word, option in (("regexp", "include-pattern"), ("exclude", "exclude-pattern")):
        for match, pattern in _patterns(router, option, "**"):
            inner = _element(word, {"key": "log", "pattern": pattern})
            yield _element(f"filter {match}", {"@type": "grep"}, inner)
    if router.fields:
        record = _element("record", dict(router.fields))
        yield _element("filter **", {"@type": "record_transformer"}, record)
    if router.include:
        yield f"@include {router.include}"
    for output in router.outputs:
        plugin, options = _plugin(output, router.kind)
        if plugin:
            match = f"match {output.container}-firelens**"
            yield _element(match, {"@type": plugin, **options})


def _element(name: str, members: Options, inner: str = "") -> str:
    lines = [f"{key} {value}" for key, value in members.items()] + inner.splitlines()
    body = "".join(f"\n    {line}" for line in lines)
    return f"<{name}>{body}\n</{name.partition(' ')[0]}>"


def _patterns(router: LogRouter, option: str, wildcard: str) -> Iterator[tuple[str, str]]:
    """Which records a container's pattern is for, and the pattern."""
    for output in router.outputs:
        pattern = dict(output.options).get(option)
        if pattern is not None:
            yield f"{output.container}-firelens{wildcard}", pattern


def socket_directory(writable: Path) -> Path:
    """What the router has at /var/run. The name is no container's: it has a dot."""
    return writable / "firelens.d"


def router_paths(router: LogRouter | None) -> tuple[str, ...]:
    """Where a router finds what it needs; nowhere in another container."""
    return () if router is None else (PLACES[router.kind], SOCKET_PLACE)


def make_places(
    router: LogRouter, etc: Path, writable: Path, identity: Identity, users: UserNamespace | None
) -> tuple[Place, ...]:
    """Write what the router needs, and tell where it is to find that."""
    file = etc / "fluent.conf"
    file.write_text(configuration(router))
    directory = socket_directory(writable)
    directory.mkdir(exist_ok=True)
    first = 0 if users is None else users.first
    os.chown(file, first, first)
    # The router makes its socket itself, as whoever it runs as.
    os.chown(directory, first + identity.uid, first + identity.gid)
    return Place(PLACES[router.kind], file, True), Place(SOCKET_PLACE, directory, False)
