"""One node's HAProxy configuration, from its blueprint.

Rule 1: names are readable and stable (``names``). Rule 2: whatever HAProxy would answer by itself
is answered as AWS answers it (``answers``).
https://docs.haproxy.org/2.6/configuration.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hiyoko.blueprint.balancers import BalancerNode, Forward, Listener, TargetGroup
from hiyoko.plane.balancer.answers import (
    CONNECT_TIMEOUT_S,
    error_answers,
    long_answers,
    own_statuses,
    refusals,
    refused_answer,
)
from hiyoko.plane.balancer.backend import backend_lines, open_lines
from hiyoko.plane.balancer.connections import client_keep_alive, expect_continue
from hiyoko.plane.balancer.desync import MODE, classifies, desync_lines
from hiyoko.plane.balancer.failover import opened, threshold_lines
from hiyoko.plane.balancer.forwarding import (
    client_address,
    forwarded_for,
    renamed_spellings,
    request_headers,
    response_headers,
)
from hiyoko.plane.balancer.guards import callback_lines, guard_answers, guard_globals, guarded
from hiyoko.plane.balancer.log_context import log_context
from hiyoko.plane.balancer.log_line import URI_BYTES_MAX, log_lines
from hiyoko.plane.balancer.mutual_tls import mutual_tls_globals, mutual_tls_headers
from hiyoko.plane.balancer.names import backend_name, open_backend
from hiyoko.plane.balancer.paths import Paths
from hiyoko.plane.balancer.protocols import (
    grpc_statuses,
    has_http2_clients,
    mark_grpc_calls,
)
from hiyoko.plane.balancer.rules import render_forwards, render_rules
from hiyoko.plane.balancer.servers import KnownServers
from hiyoko.plane.balancer.sni import certificate_globals
from hiyoko.plane.balancer.stickiness import group_answers, group_key, group_requests
from hiyoko.plane.balancer.tls import target_tls_globals, tls_files, tls_options
from hiyoko.plane.balancer.transforms import render_transforms

STATS_SOCKET = "stats.sock"
STATE_FILE = "servers.state"
# 64 K of headers, the kilobyte that HAProxy keeps free for what rules add, and its own notes.
BUFFER_BYTES = 72 * 1024
HEADERS_MAX = 1000
_SPELT = (
    *("Accept-Ranges", "Cache-Control", "Connection", "Content-Encoding", "Content-Length"),
    *("Content-Type", "Date", "ETag", "Last-Modified", "Location", "Server", "Set-Cookie"),
    *("Transfer-Encoding", "Vary"),
    # What targets get.
    *("Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cookie", "Expect", "Host"),
    *("If-Match", "If-Modified-Since", "If-None-Match", "Origin", "Range", "Referer", "Upgrade"),
    *("Sec-WebSocket-Accept", "Sec-WebSocket-Key", "Sec-WebSocket-Protocol"),
    *("Sec-WebSocket-Version", "User-Agent", "X-Amzn-Tls-Cipher-Suite", "X-Amzn-Tls-Version"),
    *("X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"),
    "X-Requested-With",
    # Those that a listener's attributes may add.
    *("Access-Control-Allow-Credentials", "Access-Control-Allow-Headers"),
    *("Access-Control-Allow-Methods", "Access-Control-Allow-Origin"),
    *("Access-Control-Expose-Headers", "Access-Control-Max-Age", "Content-Security-Policy"),
    *("Strict-Transport-Security", "X-Content-Type-Options", "X-Frame-Options"),
)
"""Names as AWS and most clients spell them over HTTP/1.1; any other comes in small letters."""


@dataclass(frozen=True, slots=True)
class Structure:
    """A configuration without its servers: all that a node's targets have no part in.

    ``head`` is what stands before the backends, ``backends`` the sections by name.
    """

    head: str
    backends: tuple[tuple[str, str], ...]

    def text(self, servers: Mapping[str, str]) -> str:
        """The whole configuration, with the lines of each backend's servers."""
        sections = (section + servers.get(name, "") for name, section in self.backends)
        return "".join((self.head, *sections))


def render_haproxy(node: BalancerNode, paths: Paths) -> str:
    """The whole configuration; its ``description`` is the digest of all but the servers."""
    return render_structure(node, paths).text(KnownServers().lines(node))


def render_structure(node: BalancerNode, paths: Paths) -> Structure:
    """What of a node's configuration is the same whatever targets it has."""
    lines = [*_defaults(node)]
    context = log_context(node).digest
    for listener in node.listeners:
        lines += ["", f"frontend port-{listener.port}"]
        lines += (f"  {line}" for line in _frontend(node, listener, paths, context))
    backends = tuple(_backends(node, paths.secret))
    top = (
        *_global(paths),
        *certificate_globals(node.listeners, paths),
        *mutual_tls_globals(node.listeners, paths),
        *target_tls_globals(node),
        *renamed_spellings(node.listeners),
        *(f"  {line}" for line in guard_globals(node)),
    )
    body = "".join(f"{line}\n" for line in lines)
    sections = "".join(section for _, section in backends)
    digest = _digest("\n".join((*top, body + sections)).rstrip("\n"))
    head = (f"# {node.name} in {node.zone}", *top, f"  description {digest}", body)
    return Structure("\n".join(head), backends)


def _backends(node: BalancerNode, secret: bytes) -> Iterator[tuple[str, str]]:
    http2_clients = has_http2_clients(node.listeners, node.attributes)

    def section(name: str, lines: Iterator[str]) -> tuple[str, str]:
        return name, "".join((f"\nbackend {name}\n", *(f"  {line}\n" for line in lines)))

    for group in node.groups:
        shown = backend_lines(group, secret, http2_clients=http2_clients)
        yield section(backend_name(group.arn), shown)
        if group.opens_apart:
            shown = open_lines(group, secret, http2_clients=http2_clients)
            yield section(open_backend(group.arn), shown)


def side_files(node: BalancerNode, paths: Paths) -> dict[str, str]:
    """The files that the node's configuration names, by path, with their content."""
    return {
        path: text
        for listener in node.listeners
        for path, text in tls_files(listener, paths).items()
    }


def digest_of(text: str) -> str:
    """The digest that a rendered configuration carries, of its structure."""
    return text.split("\n  description ", 1)[1].split("\n", 1)[0]


def written_digest(text: str) -> str:
    """The digest of a whole file, servers included."""
    return _digest(text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _global(paths: Paths) -> tuple[str, ...]:
    return (
        "global",
        f"  stats socket unix@{STATS_SOCKET} mode 600 level admin expose-fd listeners",
        f"  server-state-file {STATE_FILE}",
        f"  nbthread {paths.threads}",
        # The first check of a new target comes at once, not somewhere in its first interval.
        "  max-spread-checks 100ms",
        # A connection that outlives a reload may take as long as the longest draining.
        "  hard-stop-after 3600s",
        "  tune.ssl.default-dh-param 2048",
        f"  tune.http.logurilen {URI_BYTES_MAX}",
        # Only what is used of a buffer costs memory.
        f"  tune.bufsize {BUFFER_BYTES}",
        f"  tune.http.maxhdr {HEADERS_MAX}",
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
    # Connections to targets are pooled over all clients, as AWS's are; a target that closes one
    # at the wrong moment is a 502 there too. A client's first request then opens none to it.
    yield "  http-reuse always"
    yield "  option idle-close-on-response"
    # A client that has gone is told apart (460 in the log), and its target let off.
    yield "  option abortonclose"
    # A connection that never said a word is closed without one.
    yield "  option http-ignore-probes"
    yield "  option h1-case-adjust-bogus-client"
    yield "  option h1-case-adjust-bogus-server"
    yield "  load-server-state-from-file global"
    # The time and 96 random bits, eight digits at a time: a quarter of what two UUIDs cost.
    digits = "%[rand,hex,bytes(8)]"
    yield f"  unique-id-format 1-%[date,hex,bytes(8)]-{digits * 3}"
    yield from (f"  {line}" for line in error_answers())


def _frontend(node: BalancerNode, listener: Listener, paths: Paths, context: str) -> Iterator[str]:
    attributes = dict(node.attributes)
    mode = attributes.get(MODE, "defensive")
    # Without this HAProxy takes HTTP/2's preface on any port.
    alone = "" if has_http2_clients([listener], node.attributes) else " proto h1"
    yield f"bind {node.address}:{listener.port}{alone}{tls_options(listener, attributes, paths)}"
    yield from log_lines(
        context,
        listener.port,
        tls=listener.protocol == "HTTPS",
        client=listener.mutual is not None,
        transforms=any(rule.transforms for rule in listener.rules),
        guards=guarded(listener),
        connections=any(
            group.stickiness is not None or group.protocol == "HTTPS"
            for group in _forwards(node, listener)
        ),
        classified=classifies(mode),
    )
    yield from client_keep_alive(attributes)
    yield from client_address(attributes)
    grpc = any(group.protocol_version == "GRPC" for group in _forwards(node, listener))
    if grpc:
        yield mark_grpc_calls()
    yield from desync_lines(mode)
    yield refused_answer()
    yield from refusals()
    yield from callback_lines(listener)
    rules = list(render_rules(listener))
    if any("txn.host" in line for line in rules):
        yield "http-request set-var(txn.host) req.hdr(host),host_only,lower"
    yield from rules
    yield expect_continue(node.idle_timeout_s)
    yield from request_headers(listener, attributes)
    yield from mutual_tls_headers(listener)
    yield from render_transforms(listener)
    key = group_key(paths.secret, node.balancer_arn)
    yield from group_requests(listener, key)
    yield from threshold_lines(node.groups)
    # Nothing about a request may come behind this.
    yield from forwarded_for(attributes)
    yield from long_answers()
    yield from group_answers(listener, key)
    yield from guard_answers(listener)
    yield from response_headers(listener)
    # Nothing about an answer may come behind this.
    yield from own_statuses()
    if grpc:
        yield from grpc_statuses()
    yield from opened(render_forwards(listener, key), node.groups)


def _forwards(node: BalancerNode, listener: Listener) -> list[TargetGroup]:
    """The target groups that the listener's rules lead to."""
    actions = [rule.action for rule in listener.rules]
    used = {arn for one in actions if isinstance(one, Forward) for arn, _ in one.groups}
    return [group for group in node.groups if group.arn in used]
