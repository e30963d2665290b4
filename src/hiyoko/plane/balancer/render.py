"""One node's HAProxy configuration, from its blueprint.

Rule 1: names are readable and stable: frontend ``port-443``, backend ``tg.NAME.ID``, server
``10.0.1.5:80``. Rule 2: whatever HAProxy would answer by itself is answered as AWS answers it.

HAProxy says 503 of a target that refuses or does not answer; AWS says 502 and 504. The body is
chosen by the time that has passed (``timeout connect`` is AWS's 10 seconds), the status after it.
https://docs.haproxy.org/2.6/configuration.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hiyoko.blueprint.balancers import BalancerNode, HealthCheck, Listener, Target, TargetGroup
from hiyoko.plane.balancer.rules import (
    OWN_HEADERS,
    backend_name,
    own_answer,
    render_forwards,
    render_rules,
)
from hiyoko.plane.balancer.text import page, quoted

STATS_SOCKET = "stats.sock"
STATE_FILE = "servers.state"
CONNECT_TIMEOUT_S = 10
UNAVAILABLE = "503 Service Temporarily Unavailable"


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """Where a certificate's chain and key are, and a digest that changes when it is renewed."""

    path: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Paths:
    """What the configuration refers to outside itself."""

    certificates: Mapping[str, CertificateFile] = field(default_factory=dict)
    threads: int = 2


_ALGORITHMS = {
    "round_robin": "roundrobin",
    "least_outstanding_requests": "leastconn",
    "weighted_random": "random",
}
_ERRORS = {
    400: "400 Bad Request",
    408: "408 Request Timeout",
    500: "500 Internal Server Error",
    502: "502 Bad Gateway",
    504: "504 Gateway Time-out",
}
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
    for listener in node.listeners:
        lines += ["", f"frontend port-{listener.port}"]
        lines += (f"  {line}" for line in _frontend(node, listener, paths))
    for group in node.groups:
        lines += ["", f"backend {backend_name(group.arn)}"]
        lines += (f"  {line}" for line in _backend(group))
    body = "\n".join(lines) + "\n"
    top = _global(paths)
    digest = hashlib.sha256("\n".join((*top, body)).encode()).hexdigest()[:16]
    return "\n".join((f"# {node.name} in {node.zone}", *top, f"  description {digest}", body))


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
    yield "  option h1-case-adjust-bogus-client"
    yield "  load-server-state-from-file global"
    # 24 random digits: the last group of two UUIDs, twelve each.
    yield "  unique-id-format 1-%{+X}Ts-%[uuid,bytes(24,12)]%[uuid,bytes(24,12)]"
    for status, title in _ERRORS.items():
        yield (
            f'  http-error status {status} content-type "text/html" '
            f"string {quoted(page(title))} {OWN_HEADERS}"
        )
    late = (
        f"%[date,sub(txn.started),div({CONNECT_TIMEOUT_S}),bool,"
        "iif(504 Gateway Time-out,502 Bad Gateway)]"
    )
    yield (
        f'  http-error status 503 content-type "text/html" lf-string {_lf(page(late))} '
        f"{OWN_HEADERS}"
    )


def _lf(text: str) -> str:
    return quoted(text).replace("\\x25[", "%[")


def _frontend(node: BalancerNode, listener: Listener, paths: Paths) -> Iterator[str]:
    attributes = dict(node.attributes)
    yield f"bind {node.address}:{listener.port}{_tls(listener, attributes, paths)}"
    yield "http-request set-var(txn.started) date"
    yield own_answer("400 Bad Request", " if HTTP_1.1 !{ req.hdr_cnt(host) gt 0 }")
    yield own_answer("405 Not Allowed", " if METH_TRACE")
    yield "http-request set-var(txn.host) req.hdr(host),host_only,lower"
    yield from render_rules(listener)
    yield from _request_headers(listener, attributes)
    yield "http-response set-var(txn.answered) bool(true)"
    yield from _response_headers(listener)
    mine = "!{ var(txn.answered) -m found } { var(txn.to_target) -m found }"
    yield (
        'http-after-response set-status 504 reason "Gateway Time-out" '
        f"if {{ status 503 }} {mine} {{ date,sub(txn.started) -m int ge {CONNECT_TIMEOUT_S} }}"
    )
    yield (f'http-after-response set-status 502 reason "Bad Gateway" if {{ status 503 }} {mine}')
    yield (
        'http-after-response set-status 503 reason "Service Temporarily Unavailable" '
        "if { status 503 } !{ var(txn.answered) -m found }"
    )
    yield from render_forwards(listener)


def _tls(listener: Listener, attributes: Mapping[str, str], paths: Paths) -> str:
    if listener.protocol != "HTTPS":
        return ""
    # The first one is the default, for a client that names none or one that is not here.
    files = "".join(
        f" crt {quoted(paths.certificates[arn].path)}" for arn in listener.certificate_arns
    )
    newest, oldest = listener.tls_versions[0], listener.tls_versions[-1]
    http2 = attributes.get("routing.http2.enabled", "true") == "true"
    parts = [
        f" ssl{files} alpn {'h2,' if http2 else ''}http/1.1",
        f" ssl-min-ver {_version(oldest)} ssl-max-ver {_version(newest)}",
    ]
    old = [name for name in listener.ciphers if not name.startswith("TLS_")]
    new = [name for name in listener.ciphers if name.startswith("TLS_")]
    if old:
        # OpenSSL 3 offers TLS 1.0 and 1.1 at security level 0 only.
        level = ":@SECLEVEL=0" if _version(oldest) in ("TLSv1.0", "TLSv1.1") else ""
        parts.append(f" ciphers {':'.join(old)}{level}")
    if new:
        parts.append(f" ciphersuites {':'.join(new)}")
    prints = ",".join(paths.certificates[arn].fingerprint for arn in listener.certificate_arns)
    return "".join(parts) + f"  # {prints}"


def _version(name: str) -> str:
    return "TLSv1.0" if name == "TLSv1" else name


def _request_headers(listener: Listener, attributes: Mapping[str, str]) -> Iterator[str]:
    if attributes.get("routing.http.drop_invalid_header_fields.enabled") == "true":
        yield 'http-request del-header "[^-A-Za-z0-9]" -m reg'
    yield from _forwarded_for(attributes)
    yield f"http-request set-header X-Forwarded-Proto {listener.protocol.lower()}"
    yield f"http-request set-header X-Forwarded-Port {listener.port}"
    trace = "{ req.fhdr(x-amzn-trace-id) -m sub Root= }"
    yield (
        'http-request set-header X-Amzn-Trace-Id "Self=%[unique-id,lower];'
        f'%[req.fhdr(x-amzn-trace-id),regsub(Self=[^;]*;?,,g)]" if {trace}'
    )
    yield f'http-request set-header X-Amzn-Trace-Id "Root=%[unique-id,lower]" if !{trace}'
    if attributes.get("routing.http.x_amzn_tls_version_and_cipher_suite.enabled") == "true":
        for name, fetch in (("Version", "ssl_fc_protocol"), ("Cipher-Suite", "ssl_fc_cipher")):
            yield f"http-request del-header X-Amzn-Tls-{name}"
            if listener.protocol == "HTTPS":
                yield f"http-request set-header X-Amzn-Tls-{name} %[{fetch}]"
    if attributes.get("routing.http.preserve_host_header.enabled") != "true":
        port = "{ req.hdr(host),port_only -m int gt 0 }"
        if listener.port in (80, 443):
            yield f"http-request set-header Host %[req.hdr(host),host_only] if {port}"
        else:
            yield f"http-request set-header Host %[req.hdr(host)]:{listener.port} if !{port}"


def _forwarded_for(attributes: Mapping[str, str]) -> Iterator[str]:
    port = attributes.get("routing.http.xff_client_port.enabled") == "true"
    peer = "%[src]:%[src_port]" if port else "%[src]"
    match attributes.get("routing.http.xff_header_processing.mode", "append"):
        case "append":
            present = "{ req.hdr_cnt(x-forwarded-for) gt 0 }"
            yield (
                'http-request set-header X-Forwarded-For "%[req.fhdr(x-forwarded-for)], '
                f'{peer}" if {present}'
            )
            yield f"http-request set-header X-Forwarded-For {peer} if !{present}"
        case "remove":
            yield "http-request del-header X-Forwarded-For"
        case _:
            pass


def _response_headers(listener: Listener) -> Iterator[str]:
    attributes = dict(listener.attributes)
    for key, value in attributes.items():
        if key.endswith(".header_value"):
            name = key.removeprefix("routing.http.response.").removesuffix(".header_value")
            shown = quoted(value.replace("%", "%%"))
            yield f"http-after-response set-header {name.replace('_', '-')} {shown}"
    if attributes.get("routing.http.response.server.enabled") == "false":
        yield "http-after-response del-header Server"


def _backend(group: TargetGroup) -> Iterator[str]:
    targets = [target for target in group.targets if not target.draining]
    if not targets:
        yield own_answer(UNAVAILABLE, "")
        return
    yield f"balance {_ALGORITHMS[group.algorithm]}"
    # All still initial. What fails open counts as usable. A worker that is being replaced says
    # that it has no servers, though it goes on to serve its connections.
    yield own_answer(UNAVAILABLE, " if { nbsrv lt 1 } !{ stopping }")
    yield "http-request set-var(txn.to_target) bool(true)"
    yield "option allbackups"
    yield from _check(group.health_check)
    if group.stickiness_s is not None:
        yield from _sticky(group.stickiness_s, targets)
    for target in targets:
        yield _server(group, target)
    for target in targets:
        # All unhealthy means traffic to all: without a check, always usable, used last.
        if target.settled:
            yield f"server open:{server_name(target)} {_endpoint(group, target)} backup"


def _check(check: HealthCheck) -> Iterator[str]:
    if check.port is None:
        # Server names are address:port, so the name is the Host that AWS sends.
        host = (
            "%[srv_name,regsub(:80$,)]"
            if check.protocol == "HTTP"
            else ("%[srv_name,regsub(:443$,)]")
        )
    else:
        usual = 80 if check.protocol == "HTTP" else 443
        suffix = "" if check.port == usual else f":{check.port}"
        host = f"%[srv_name,field(1,:)]{suffix}"
    yield "option httpchk"
    yield (
        f"http-check send meth GET uri {quoted(check.path)} ver HTTP/1.1 "
        f'hdr Host "{host.replace("$", chr(92) + "x24")}" hdr User-Agent ELB-HealthChecker/2.0 '
        'hdr Connection close hdr Accept-Encoding "gzip, compressed"'
    )
    yield f"http-check expect status {check.matcher}"
    yield f"timeout check {check.timeout_s}s"


def _sticky(duration_s: int, targets: list[Target]) -> Iterator[str]:
    """AWSALB names the target and the time; it is sent again with every answer."""
    yield "http-request set-var(txn.stuck_to) req.cook(AWSALB),field(1,.)"
    yield "http-request set-var(txn.stuck_at) req.cook(AWSALB),field(2,.)"
    fresh = f"{{ date,sub(txn.stuck_at) -m int lt {duration_s} }}"
    for target in targets:
        mark = f"{{ var(txn.stuck_to) -m str {_cookie(server_name(target))} }}"
        yield f"use-server {server_name(target)} if {mark} {fresh}"
    value = "%[srv_name,regsub(open:,),sha1,hex,lower,bytes(0,16)].%[date]"
    # Seven days whatever the duration is: AWS keeps that inside the value.
    expires = "Expires=%[date(604800),http_date]; Path=/"
    yield f'http-response add-header Set-Cookie "AWSALB={value}; {expires}"'
    yield f'http-response add-header Set-Cookie "AWSALBCORS={value}; {expires}; SameSite=None"'


def _cookie(name: str) -> str:
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:16]


def server_name(target: Target) -> str:
    """A target's server: its address and port."""
    return f"{target.address}:{target.port}"


def _endpoint(group: TargetGroup, target: Target) -> str:
    tls = " ssl verify none sni req.hdr(host)" if group.protocol == "HTTPS" else ""
    return f"{target.address}:{target.port}{tls}"


def _server(group: TargetGroup, target: Target) -> str:
    check = group.health_check
    rise = check.healthy_threshold if target.settled else 1
    port = f" port {check.port}" if check.port is not None else ""
    tls = ""
    if check.protocol == "HTTPS":
        tls = " check-ssl verify none" if group.protocol == "HTTP" else " check-ssl"
    elif group.protocol == "HTTPS":
        tls = " no-check-ssl"
    slow = f" slowstart {group.slow_start_s}s" if group.slow_start_s else ""
    return (
        f"server {server_name(target)} {_endpoint(group, target)} check{port}{tls} "
        f"inter {check.interval_s}s rise {rise} fall {check.unhealthy_threshold}{slow}"
    )
