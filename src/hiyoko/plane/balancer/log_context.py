"""What the numbers in a node's log lines meant when they were written.

A line tells the number of its rule and the name of its backend; priorities, ARNs and the load
balancer itself stand in a file beside the configuration, whose name every line carries. So a line
that was written before a change is read as it was meant.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property

from hiyoko.blueprint.balancers import (
    Action,
    BalancerNode,
    FixedResponse,
    Forward,
    Jwt,
    Listener,
    Oidc,
    Redirect,
    Rule,
)
from hiyoko.plane.balancer.names import backend_name, open_backend
from hiyoko.plane.balancer.paths import CertificateFile

_ACTIONS = {Forward: "forward", Redirect: "redirect", FixedResponse: "fixed-response"}
_GUARDS = {Oidc: "authenticate", Jwt: "jwt-validation"}
FILE = "context-{}.json"


@dataclass(frozen=True, slots=True)
class RuleMeant:
    """A rule by its number in the configuration. ``redirect`` has its template's parts."""

    priority: int
    actions: tuple[str, ...]
    redirect: tuple[str, str, str, str, str] | None = None
    """Protocol, host, port, path and query."""


@dataclass(frozen=True, slots=True)
class ListenerMeant:
    """A listener by its port."""

    protocol: str
    rules: tuple[RuleMeant, ...]


@dataclass(frozen=True, slots=True)
class GroupMeant:
    """A target group by its backend."""

    arn: str
    protocol_version: str
    sticky: bool = False


@dataclass(frozen=True)
class LogContext:
    """One configuration of one node. ``address`` is the one that files in S3 are named by.

    ``access`` and ``connection`` are bucket and prefix where those logs are delivered.
    """

    balancer: str
    account: str
    region: str
    zone: str
    address: str
    private_address: str
    listeners: Mapping[str, ListenerMeant]
    groups: Mapping[str, GroupMeant]
    access: tuple[str, str] | None = None
    connection: tuple[str, str] | None = None
    certificates: Mapping[str, str] = field(default_factory=dict)
    """ARNs by the SHA-1 of the certificate, in hexadecimal."""

    @cached_property
    def digest(self) -> str:
        """The name that lines carry. A renewed certificate changes the file, not the name."""
        whole = {key: value for key, value in asdict(self).items() if key != "certificates"}
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:8]

    @cached_property
    def text(self) -> str:
        """The file's content."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def read(cls, text: str) -> LogContext:
        """From the file's content."""
        raw = json.loads(text)
        listeners = {
            port: ListenerMeant(
                item["protocol"],
                tuple(
                    RuleMeant(
                        rule["priority"],
                        tuple(rule["actions"]),
                        None if rule["redirect"] is None else _redirect(rule["redirect"]),
                    )
                    for rule in item["rules"]
                ),
            )
            for port, item in raw["listeners"].items()
        }
        groups = {name: GroupMeant(**item) for name, item in raw["groups"].items()}
        return cls(
            **{
                **raw,
                "listeners": listeners,
                "groups": groups,
                "access": _place(raw["access"]),
                "connection": _place(raw["connection"]),
            }
        )


def _place(raw: list[str] | None) -> tuple[str, str] | None:
    return None if raw is None else (raw[0], raw[1])


def _redirect(raw: list[str]) -> tuple[str, str, str, str, str]:
    protocol, host, port, path, query = raw
    return protocol, host, port, path, query


def log_context(
    node: BalancerNode, certificates: Mapping[str, CertificateFile] | None = None
) -> LogContext:
    """The context of a node's configuration, with the certificates that it offers by ARN."""
    parts = node.balancer_arn.split(":")
    region, account = (parts[3], parts[4]) if len(parts) > 5 else ("", "")
    attributes = dict(node.attributes)
    return LogContext(
        balancer=node.balancer_arn.rsplit(":loadbalancer/", 1)[-1],
        account=account,
        region=region,
        zone=node.zone,
        address=str(node.public_address or node.address),
        private_address=str(node.address),
        listeners={str(listener.port): _listener(listener) for listener in node.listeners},
        groups={
            name: GroupMeant(group.arn, group.protocol_version, group.stickiness is not None)
            for group in node.groups
            for name in (backend_name(group.arn), open_backend(group.arn))
        },
        access=_delivered(attributes, "access_logs"),
        connection=_delivered(attributes, "connection_logs"),
        certificates={
            # The leaf's SHA-1 stands first; what follows are its authorities.
            certificates[arn].fingerprint.partition("/")[0]: arn
            for listener in node.listeners
            for arn in listener.certificate_arns
            if certificates is not None and arn in certificates
        },
    )


def _delivered(attributes: Mapping[str, str], kind: str) -> tuple[str, str] | None:
    if attributes.get(f"{kind}.s3.enabled") != "true":
        return None
    return attributes.get(f"{kind}.s3.bucket", ""), attributes.get(f"{kind}.s3.prefix", "")


def _listener(listener: Listener) -> ListenerMeant:
    return ListenerMeant(
        listener.protocol,
        tuple(
            RuleMeant(rule.priority, _actions(rule), _template(rule.action))
            for rule in listener.rules
        ),
    )


def _actions(rule: Rule) -> tuple[str, ...]:
    guards = (_GUARDS[type(guard)] for guard in rule.guards)
    return (*guards, _ACTIONS[type(rule.action)])


def _template(action: Action) -> tuple[str, str, str, str, str] | None:
    if not isinstance(action, Redirect):
        return None
    return action.protocol, action.host, action.port, action.path, action.query
