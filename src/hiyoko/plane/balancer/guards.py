"""Rules that want to know whose a request is: HAProxy asks the node's agent.  (pure)

It does so by a little Lua. The agent (``hiyoko.plane.balancer.agent``) is a process of its own
beside each such node. It speaks to the identity provider with the node's own packets, and keeps
nothing: a session is a sealed cookie.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hiyoko.blueprint.balancers import BalancerNode, Jwt, Listener, Oidc, Rule
from hiyoko.plane.balancer.answers import MARK
from hiyoko.plane.balancer.seals import SealKey
from hiyoko.plane.balancer.signing import SigningKey
from hiyoko.plane.balancer.text import quoted

SCRIPT = Path(__file__).with_name("guards.lua")
AGENTS = "agents"
"""Beside the nodes' directory, so that a node finds its agent from its own working directory."""
SOCKET = "agent.sock"
CALLBACK = "/oauth2/idpresponse"
COOKIES_MAX = 4


def guarded(listener: Listener) -> bool:
    """Whether some rule of the listener has a guard."""
    return any(rule.guards for rule in listener.rules)


def guard_globals(node: BalancerNode) -> Iterator[str]:
    """Lines of the global section."""
    if any(guarded(listener) for listener in node.listeners):
        yield f"setenv AGENT unix@../../{AGENTS}/{node.eni_id}/{SOCKET}"
        yield f"lua-load-per-thread {quoted(str(SCRIPT))}"


def callback_lines(listener: Listener) -> Iterator[str]:
    """Where identity providers send users back to, whatever the rules, if some sends them there."""
    if any(isinstance(guard, Oidc) for rule in listener.rules for guard in rule.guards):
        yield f"http-request lua.guard callback if {{ path {CALLBACK} }}"


def guard_lines(number: int, rule: Rule) -> Iterator[str]:
    """What a rule asks before its action."""
    mark = f"if {{ var(txn.rule) -m int {number} }}"
    if any(isinstance(guard, Oidc) for guard in rule.guards):
        # What a client says of itself, a target would take for what the balancer says.
        yield f"http-request del-header x-amzn-oidc- -m beg {mark}"
    if rule.guards:
        yield f"http-request lua.guard {quoted(rule.arn)} {mark}"


def guard_answers(listener: Listener) -> Iterator[str]:
    """Cookies of a session that was renewed meanwhile, whoever answers; headers of refusals."""
    if guarded(listener):
        for number in range(COOKIES_MAX):
            name = f"var(txn.session_cookie{number})"
            yield f"http-after-response add-header Set-Cookie %[{name}] if {{ {name} -m found }}"
        # Lua's table of headers has no order of its own.
        mine = f"{{ res.fhdr({MARK}) -m str guard }}"
        yield f'http-after-response set-header Server "awselb/2.0" if {mine}'
        yield f"http-after-response set-header Date %[date,http_date] if {mine}"


def guards_of(node: BalancerNode) -> dict[str, Oidc | Jwt]:
    """Each rule's guard, by the rule's ARN."""
    return {
        rule.arn: guard
        for listener in node.listeners
        for rule in listener.rules
        for guard in rule.guards
    }


@dataclass(frozen=True, slots=True)
class Trust:
    """What an agent seals and signs with, and whose certificates it believes.

    ``secret`` is the cloud's; an agent gets a key that is derived from it.
    """

    secret: bytes = field(repr=False)
    signing: SigningKey
    bundle: Path


def render_agent(node: BalancerNode, trust: Trust) -> str:
    """The agent's configuration; empty when the node needs none.

    All nodes of a balancer have the same keys: one opens the session that another has begun.
    """
    guards = guards_of(node)
    if not guards:
        return ""
    shown = {
        "eni_id": node.eni_id,
        "balancer_arn": node.balancer_arn,
        "key": SealKey.of(trust.secret, f"session {node.balancer_arn}").key.hex(),
        "signing_key": str(trust.signing.path),
        "kid": trust.signing.kid,
        "trust": str(trust.bundle),
        "guards": {
            arn: {"kind": type(guard).__name__.lower(), **asdict(guard)}
            for arn, guard in sorted(guards.items())
        },
    }
    return json.dumps(shown, indent=1) + "\n"
