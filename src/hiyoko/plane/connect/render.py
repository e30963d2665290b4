"""A proxy's HAProxy configuration, and the rules that lead aliases to it.

HAProxy stands for Envoy: round robin, two retries on another server, a server that fails five
times in a row is left alone for half a minute, and all are used when none is left.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-connect-concepts-deploy.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from hiyoko.blueprint.proxies import Proxy, ProxyListener
from hiyoko.plane.balancer.events import EVENTS
from hiyoko.plane.balancer.text import argument, quoted
from hiyoko.plane.connect.access_log import access_lines
from hiyoko.plane.connect.servers import listener_servers, server_arguments

TABLE = "service_connect"
RETRIES = 2
CONNECT_S = 5
NOBODY = "no healthy upstream"
"""Envoy's body of a 503 when an alias leads nowhere."""


def render_proxy(proxy: Proxy) -> str:
    """The whole configuration; its ``description`` is the digest of all but the servers."""
    lines = [*_defaults()]
    for listener in proxy.listeners:
        lines += ["", f"frontend {listener.backend}"]
        lines += (f"  {line}" for line in _frontend(proxy, listener))
        for backend, _ in listener.backends:
            lines += ["", f"backend {backend}"]
            lines += (f"  {line}" for line in _backend(listener, backend))
    for outside, inside in proxy.ingress:
        lines += ["", f"listen ingress.{outside}"]
        lines += (f"  {line}" for line in _ingress(outside, inside))
    structure = [line for line in lines if not line.startswith("  server ")]
    digest = hashlib.sha256("\n".join(structure).encode()).hexdigest()[:16]
    top = ("global", "  nbthread 1", "  max-spread-checks 100ms", f"  description {digest}")
    return "\n".join((f"# {proxy.name} of {proxy.task_arn}", *top, *lines)) + "\n"


def _defaults() -> Iterator[str]:
    yield "defaults"
    yield f"  timeout connect {CONNECT_S}s"
    yield "  timeout client 3600s"
    yield "  timeout server 3600s"
    yield f"  retries {RETRIES}"
    yield "  option redispatch 1"


def _seconds(limit: int) -> str:
    return f"{limit}s" if limit else "0"


def _frontend(proxy: Proxy, listener: ProxyListener) -> Iterator[str]:
    yield f"bind 127.0.0.1:{listener.local_port}{_version(listener)}"
    yield f"mode {_mode(listener)}"
    yield f"timeout client {_seconds(listener.idle_s)}"
    yield from access_lines(proxy, listener)
    if listener.test_header:
        yield f"use_backend {listener.test_backend} if {_test_traffic(listener)}"
    yield f"default_backend {listener.backend}"


def _test_traffic(listener: ProxyListener) -> str:
    """While a deployment is tested: there are servers for it, and the request asks for them."""
    value = f"-m str {quoted(listener.test_value)}" if listener.test_value else "-m found"
    header = quoted(f"req.hdr({argument(listener.test_header)})")
    asked = f"{{ {header} {value} }}"
    return f"{asked} {{ nbsrv({listener.test_backend}) gt 0 }}"


def _version(listener: ProxyListener) -> str:
    return " proto h2" if listener.protocol in ("http2", "grpc") else ""


def _mode(listener: ProxyListener) -> str:
    return "tcp" if listener.protocol == "tcp" else "http"


def _backend(listener: ProxyListener, backend: str) -> Iterator[str]:
    yield f"mode {_mode(listener)}"
    yield "balance roundrobin"
    if listener.protocol == "tcp":
        yield f"timeout server {_seconds(listener.idle_s)}"
    else:
        yield f"timeout server {_seconds(listener.request_s)}"
        yield f"timeout tunnel {_seconds(listener.idle_s)}"
        yield "retry-on conn-failure empty-response"
        # It may have been done, and the answer lost.
        yield "http-request disable-l7-retry if { method POST PATCH }"
        refusal = f'status 503 content-type text/plain string "{NOBODY}"'
        yield f"http-request return {refusal} if {{ nbsrv lt 1 }}"
    yield "option allbackups"
    yield f"log unix@{EVENTS} local0 notice"
    yield "option log-health-checks"
    for arguments in server_arguments(listener):
        yield f"# each server: {arguments}"
    for server in listener_servers(listener):
        if server.backend == backend:
            yield f"server {server.name} {server.told}"


def _ingress(outside: int, inside: int) -> Iterator[str]:
    yield "mode tcp"
    yield f"bind :{outside}"
    yield f"server container 127.0.0.1:{inside}"


def render_redirections(proxy: Proxy) -> str:
    """The namespace's rules: each alias's address and port lead to the proxy's own port."""
    rules = "".join(
        f"    ip daddr {one.address} tcp dport {one.port} redirect to :{one.local_port}\n"
        for one in proxy.listeners
    )
    chain = f"  chain output {{\n    type nat hook output priority -100;\n{rules}  }}\n"
    return f"table ip {TABLE}\ndelete table ip {TABLE}\ntable ip {TABLE} {{\n{chain}}}\n"
