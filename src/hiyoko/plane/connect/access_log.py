"""Entries of requests in a proxy's log, in the fields that Amazon ECS's proxies write. Pure.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-connect-envoy-access-logs.html

HAProxy appends each as a line of the file format of containers' output, so that the log driver
sends it like any. It knows no sizes of bodies alone: those here count the headers, too.
"""

from __future__ import annotations

from collections.abc import Iterator

from hiyoko.blueprint.proxies import Proxy, ProxyListener

FILE = "access.log"
DESCRIPTOR = 9
"""The file is open in the process from its start on: it never opens it itself."""
LINE_BYTES_MAX = 16384
_HEADERS = (
    ("forwarded_for", "x-forwarded-for"),
    ("user_agent", "user-agent"),
    ("request_id", "x-request-id"),
    ("authority", "host"),
)
_WRITTEN = "%[date,utime(%Y-%m-%dT%H:%M:%S)].%[date(0,ms),{thousandth}]000000Z stdout F "
_THOUSANDTH = "mod(1000),add(1000),concat(),bytes(1,3)"
_START = f"%[var(txn.start),div(1000),utime(%Y-%m-%dT%H:%M:%S)].%[var(txn.start),{_THOUSANDTH}]Z"


def access_lines(proxy: Proxy, listener: ProxyListener) -> Iterator[str]:
    """What a listener's frontend has for it."""
    if not proxy.access_log:
        return
    yield f"log fd@{DESCRIPTOR} len {LINE_BYTES_MAX} format raw local0 info"
    if listener.protocol == "tcp":
        yield "tcp-request content set-var(txn.start) date(0,ms)"
    else:
        yield "http-request set-var(txn.start) date(0,ms)"
        yield f"http-request set-var(txn.path) {'pathq' if proxy.log_query else 'path'}"
        for name, header in _HEADERS:
            yield f"http-request set-var(txn.{name}) req.hdr({header})"
    fields = _fields(listener.protocol)
    entry = _json(fields) if proxy.access_log == "JSON" else _text(fields, listener.protocol)
    yield f"log-format '{_WRITTEN.format(thousandth=_THOUSANDTH)}{entry}'"


def _fields(protocol: str) -> dict[str, str]:
    """HAProxy's words for each field, in the order of AWS's JSON."""
    if protocol == "tcp":
        return {
            "start_time": _START,
            "downstream_remote_address": "%ci",
            "downstream_remote_port": "%cp",
            "bytes_received": "%U",
            "bytes_sent": "%B",
            "duration": "%Tt",
            "connection_termination_details": "%ts",
            "connection_id": "%rt",
        }
    found = {
        "start_time": _START,
        "method": "%HM",
        "path": "%[var(txn.path)]",
        "protocol": "%HV",
        "response_code": "%ST",
        **({"grpc_status": "-"} if protocol == "grpc" else {}),
        "bytes_received": "%U",
        "bytes_sent": "%B",
        "duration_ms" if protocol == "http" else "duration": "%Ta",
        "upstream_service_time": "%Tr",
        **{name: f"%[var(txn.{name})]" for name, _ in _HEADERS},
        "upstream_host": "%si:%sp",
    }
    return found if protocol == "http" else found | {"stream_id": "-"}


def _json(fields: dict[str, str]) -> str:
    escaped = {
        name: word.replace(")]", "),json(utf8s)]") if word.startswith("%[var(txn.") else word
        for name, word in fields.items()
        if name != "start_time"
    }
    words = {"start_time": fields["start_time"], **escaped}
    return "{" + ",".join(f'"{name}":"{word}"' for name, word in words.items()) + "}"


def _text(fields: dict[str, str], protocol: str) -> str:
    start, *rest = fields.values()
    if protocol == "tcp":
        return f"[{start}] {' '.join(rest)}"
    cut = list(fields).index(_HEADERS[0][0]) - 1
    method, path, version, *numbers = rest[:cut]
    named = " ".join(f'"{word}"' for word in rest[cut:])
    return f'[{start}] "{method} {path} {version}" {" ".join(numbers)} {named}'
