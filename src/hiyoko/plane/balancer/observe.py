"""What HAProxy says of itself, from the text of its answers."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from hiyoko.blueprint.balancers import BalancerNode, Target, TargetGroup
from hiyoko.plane.balancer.names import backend_name, server_name

STATE_HEADER = (
    "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight "
    "srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health "
    "srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord "
    "srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port"
)
_OP_STATE, _HEALTH = 5, 12
_RUNNING = "2"


@dataclass(frozen=True, slots=True)
class ServerSeen:
    """A server of a running HAProxy: is it in use, and how did its last check end.

    ``check`` is HAProxy's word (``L7OK``, ``L4CON``, ``L7TOUT``, ...), empty before the first
    check has ended and while it cannot be told; ``code`` is the HTTP status that a check saw.
    Without ``weight`` it is only half taken into service. ``for_s``: how long it is up, or down.
    """

    up: bool
    check: str
    code: str
    maintenance: bool = False
    weight: int = 1
    for_s: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class NodeObserved:
    """A running HAProxy: what it was configured with, where it listens, how its targets are.

    ``digest`` is of the structure that it runs, ``written`` of the whole file that a restart reads.
    ``silent``: it lives, and has not answered for a long while.
    """

    pid: int
    digest: str
    ports: tuple[int, ...]
    servers: Mapping[tuple[str, str], ServerSeen]
    written: str = ""
    silent: bool = False


def parse_info(text: str) -> dict[str, str]:
    """``show info`` as a mapping."""
    lines = (line.partition(": ") for line in text.splitlines())
    return {key: value for key, separator, value in lines if separator}


def parse_stat(text: str) -> tuple[tuple[int, ...], dict[tuple[str, str], ServerSeen]]:
    """``show stat`` (CSV): the ports that are open, and the servers by backend and name."""
    ports: list[int] = []
    servers: dict[tuple[str, str], ServerSeen] = {}
    rows = csv.reader(text.lstrip("# ").splitlines())
    columns = next(rows, None)
    if columns is None:
        return (), {}
    proxy_at, name_at, status_at, weight_at, check_at, code_at, since_at = map(
        columns.index,
        ("pxname", "svname", "status", "uweight", "check_status", "check_code", "lastchg"),
    )
    for row in rows:
        if not row:
            continue
        proxy, name, status = row[proxy_at], row[name_at], row[status_at]
        if name == "FRONTEND":
            if proxy.startswith("port-") and status == "OPEN":
                ports.append(int(proxy.removeprefix("port-")))
        elif name != "BACKEND":
            outcome, code = _last_check(row[check_at], row[code_at])
            servers[proxy, name] = ServerSeen(
                up=status.startswith(("UP", "no check")) and row[weight_at] != "0",
                check=outcome,
                code=code,
                maintenance=status.startswith("MAINT"),
                weight=int(row[weight_at]),
                for_s=int(row[since_at] or 0),
            )
    return tuple(sorted(ports)), servers


def _last_check(outcome: str, code: str) -> tuple[str, str]:
    # While the next check is under way HAProxy marks the last outcome with a star; the status that
    # the last one saw is gone by then, and a zero stands in its place.
    word = outcome.removeprefix("* ")
    lost = outcome == "* L7STS" and code == "0"
    return ("", "") if word == "INI" or lost else (word, code)


def parse_sessions(text: str) -> dict[str, tuple[str, str]]:
    """``show sess``: each session's id with the backend and server that it is at."""
    found: dict[str, tuple[str, str]] = {}
    for line in text.splitlines():
        session, separator, rest = line.partition(": ")
        words = dict(word.split("=", 1) for word in rest.split() if "=" in word)
        if separator and "be" in words and "srv" in words:
            found[session] = words["be"], words["srv"]
    return found


def describe_failure(seen: ServerSeen) -> tuple[str, str]:
    """AWS's reason code and text of a failed check."""
    if seen.check == "L7STS" and seen.code:
        return (
            "Target.ResponseCodeMismatch",
            f"Health checks failed with these codes: [{seen.code}]",
        )
    if seen.check in ("L4TOUT", "L6TOUT", "L7TOUT"):
        return "Target.Timeout", "Request timed out"
    return "Target.FailedHealthChecks", "Health checks failed"


def state_file(node: BalancerNode, running: str = "") -> str:
    """The state that a new process starts from, so that a reload forgets no target's health.

    ``running`` is the old process's ``show servers state``. A target that it does not know starts
    down, and its first success takes it up: AWS's ``initial``. One that is known takes over its
    state; its count is filled up where the thresholds have changed since.
    """
    known: dict[tuple[str, str], list[str]] = {}
    for line in running.splitlines():
        parts = line.split()
        if len(parts) > _HEALTH and parts[0] != "#":
            known[parts[1], parts[3]] = parts
    lines = ["1", STATE_HEADER]
    for group in node.groups:
        check = group.health_check
        backend = backend_name(group.arn)
        for target in group.targets:
            if target.draining:
                continue
            rise = check.healthy_threshold
            full = rise + check.unhealthy_threshold - 1
            parts = known.get((backend, server_name(target))) or _unknown(group, target)
            lines.append(" ".join(_carried(parts, rise, full)))
    return "\n".join(lines) + "\n"


def _carried(parts: Sequence[str], rise: int, full: int) -> Sequence[str]:
    # HAProxy 2.6 counts anew for a server that is down, whatever the file says.
    health = int(parts[_HEALTH]) if parts[_OP_STATE] == _RUNNING else 0
    if health:
        health = min(health, full) if health >= rise else full
    return (*parts[:_HEALTH], str(health), *parts[_HEALTH + 1 :])


def _unknown(group: TargetGroup, target: Target) -> list[str]:
    # What the state says of TLS overrules the configuration.
    tls = 1 if group.protocol == "HTTPS" else 0
    return (
        f"0 {backend_name(group.arn)} 0 {server_name(target)} {target.address} "
        f"0 0 1 1 0 1 0 0 6 0 0 0 - {target.port} - {tls} 0 - - 0"
    ).split()


@lru_cache(maxsize=4096)
def server_key(group_arn: str, address: str, port: int) -> tuple[str, str]:
    """Where a target is found among an observed node's servers."""
    return backend_name(group_arn), f"{address}:{port}"


def all_certificates(nodes: Iterable[BalancerNode]) -> frozenset[str]:
    """Every certificate that some listener offers."""
    return frozenset(
        arn for node in nodes for listener in node.listeners for arn in listener.certificate_arns
    )
