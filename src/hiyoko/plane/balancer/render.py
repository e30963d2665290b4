"""One node's HAProxy configuration, from its blueprint.

Rule 1: names are readable and stable (``names``). Rule 2: whatever HAProxy would answer by itself
is answered as AWS answers it (``answers``).
https://docs.haproxy.org/2.6/configuration.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from hiyoko.blueprint.balancers import BalancerNode, Listener
from hiyoko.plane.balancer.answers import (
    CONNECT_TIMEOUT_S,
    error_answers,
    own_answer,
    own_statuses,
)
from hiyoko.plane.balancer.backend import backend_lines
from hiyoko.plane.balancer.forwarding import request_headers, response_headers
from hiyoko.plane.balancer.log_context import log_context
from hiyoko.plane.balancer.log_line import URI_BYTES_MAX, log_lines
from hiyoko.plane.balancer.mutual_tls import mutual_tls_globals, mutual_tls_headers
from hiyoko.plane.balancer.names import backend_name
from hiyoko.plane.balancer.paths import Paths
from hiyoko.plane.balancer.rules import render_forwards, render_rules
from hiyoko.plane.balancer.sni import certificate_globals
from hiyoko.plane.balancer.stickiness import group_answers, group_key, group_requests
from hiyoko.plane.balancer.tls import target_tls_globals, tls_files, tls_options
from hiyoko.plane.balancer.transforms import render_transforms

STATS_SOCKET = "stats.sock"
STATE_FILE = "servers.state"
_SPELT = (
    *("Accept-Ranges", "Cache-Control", "Connection", "Content-Encoding", "Content-Length"),
    *("Content-Type", "Date", "ETag", "Last-Modified", "Location", "Server", "Set-Cookie"),
    *("Transfer-Encoding", "Vary"),
    # Those that a listener's attributes may add.
    *("Access-Control-Allow-Credentials", "Access-Control-Allow-Headers"),
    *("Access-Control-Allow-Methods", "Access-Control-Allow-Origin"),
    *("Access-Control-Expose-Headers", "Access-Control-Max-Age", "Content-Security-Policy"),
    *("Strict-Transport-Security", "X-Content-Type-Options", "X-Frame-Options"),
)
"""Names as AWS spells them over HTTP/1.1; HAProxy writes all names in small letters otherwise."""


def render_haproxy(node: BalancerNode, paths: Paths) -> str:
    """The whole configuration; its ``description`` is the digest of the rest."""
    lines = [*_defaults(node)]
    context = log_context(node).digest
    for listener in node.listeners:
        lines += ["", f"frontend port-{listener.port}"]
        lines += (f"  {line}" for line in _frontend(node, listener, paths, context))
    for group in node.groups:
        lines += ["", f"backend {backend_name(group.arn)}"]
        lines += (f"  {line}" for line in backend_lines(group, paths.secret))
    body = "\n".join(lines) + "\n"
    top = (
        *_global(paths),
        *certificate_globals(node.listeners, paths),
        *mutual_tls_globals(node.listeners, paths),
        *target_tls_globals(node),
    )
    digest = hashlib.sha256("\n".join((*top, body)).encode()).hexdigest()[:16]
    return "\n".join((f"# {node.name} in {node.zone}", *top, f"  description {digest}", body))


def side_files(node: BalancerNode, paths: Paths) -> dict[str, str]:
    """The files that the node's configuration names, by path, with their content."""
    return {
        path: text
        for listener in node.listeners
        for path, text in tls_files(listener, paths).items()
    }


def digest_of(text: str) -> str:
    """The digest that a rendered configuration carries."""
    return text.split("\n  description ", 1)[1].split("\n", 1)[0]


def _global(paths: Paths) -> tuple[str, ...]:
    return (
        "global",
        f"  stats socket unix@{STATS_SOCKET} mode 600 level admin expose-fd listeners",
        f"  server-state-file {STATE_FILE}",
        f"  nbthread {paths.threads}",
        # The first check of a new target comes at once, not somewhere in its first interval.
        "  max-spread-checks 1s",
        # A connection that outlives a reload may take as long as the longest draining.
        "  hard-stop-after 3600s",
        "  tune.ssl.default-dh-param 2048",
        f"  tune.http.logurilen {URI_BYTES_MAX}",
        *(f"  h1-case-adjust {name.lower()} {name}" for name in _SPELT),
    )


def _defaults(node: BalancerNode) -> Iterator[str]:
    idle = f"{node.idle_timeout_s}s"
    yield "defaults"
    yield "  mode http"
    yield f"  timeout client {idle}"
    yield f"  timeout server {idle}"
    yield f"  timeout tunnel {idle}"
    yield f"  timeout http-request {idle}"
    yield f"  timeout http-keep-alive {idle}"
    yield f"  timeout connect {CONNECT_TIMEOUT_S}s"
    yield "  retries 0"
    yield "  option idle-close-on-response"
    # A client that has gone is told apart (460 in the log), and its target let off.
    yield "  option abortonclose"
    yield "  option h1-case-adjust-bogus-client"
    yield "  load-server-state-from-file global"
    # 24 random digits: the last group of two UUIDs, twelve each.
    yield "  unique-id-format 1-%{+X}Ts-%[uuid,bytes(24,12)]%[uuid,bytes(24,12)]"
    yield from (f"  {line}" for line in error_answers())


def _frontend(node: BalancerNode, listener: Listener, paths: Paths, context: str) -> Iterator[str]:
    attributes = dict(node.attributes)
    yield f"bind {node.address}:{listener.port}{tls_options(listener, attributes, paths)}"
    yield from log_lines(
        context,
        listener.port,
        tls=listener.protocol == "HTTPS",
        client=listener.mutual is not None,
        transforms=any(rule.transforms for rule in listener.rules),
    )
    yield "http-request set-var(txn.started) date"
    yield own_answer("400 Bad Request", " if HTTP_1.1 !{ req.hdr_cnt(host) gt 0 }")
    yield own_answer("405 Not Allowed", " if METH_TRACE")
    yield "http-request set-var(txn.host) req.hdr(host),host_only,lower"
    yield from render_rules(listener)
    yield from request_headers(listener, attributes)
    yield from mutual_tls_headers(listener)
    yield from render_transforms(listener)
    key = group_key(paths.secret, node.balancer_arn)
    yield from group_requests(listener, key)
    yield "http-response set-var(txn.answered) bool(true)"
    yield from group_answers(listener, key)
    yield from response_headers(listener)
    yield from own_statuses()
    yield from render_forwards(listener, key)
