"""Entries of AWS's access and connection logs, from HAProxy's lines.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-connection-logs.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from hiyoko.plane.balancer.log_context import LogContext, RuleMeant
from hiyoko.plane.balancer.log_line import ErrorLine, RequestLine

CLIENT_CLOSED = 460
_PORTS = {"HTTP": "80", "HTTPS": "443"}
_UNSAFE = re.compile(r'["\\]|[^ -~]')
# What the client's certificate was refused for (OpenSSL's X509_V_ERR numbers) in AWS's words.
_VERIFY = {
    9: "ClientCertNotYetValid",
    10: "ClientCertExpired",
    18: "ClientCertUntrusted",
    19: "ClientCertUntrusted",
    20: "ClientCertUntrusted",
    21: "ClientCertUntrusted",
    22: "ClientCertMaxChainDepthExceeded",
    23: "ClientCertCrlHit",
}


def elb_status(line: RequestLine) -> int:
    """The status that the balancer gave: 460 when the client had gone before there was one."""
    gone = line.ended[0] == "C" and line.answer_ms < 0
    return CLIENT_CLOSED if gone else line.status


def rule_of(line: RequestLine, context: LogContext) -> RuleMeant | None:
    """The rule that the request matched; None when it came to none."""
    listener = context.listeners.get(str(line.port))
    if line.rule is None or listener is None or not 0 < line.rule <= len(listener.rules):
        return None
    return listener.rules[line.rule - 1]


def request_type(line: RequestLine, context: LogContext) -> str:
    """``http``, ``https``, ``h2``, ``grpcs``, ``ws`` or ``wss``."""
    listener = context.listeners.get(str(line.port))
    tls = listener is not None and listener.protocol == "HTTPS"
    if line.status == 101:
        return "wss" if tls else "ws"
    group = context.groups.get(line.backend)
    if tls and group is not None and group.protocol_version == "GRPC":
        return "grpcs"
    if tls:
        return "h2" if line.version.startswith("HTTP/2") else "https"
    return "http"


def access_entry(line: RequestLine | ErrorLine, context: LogContext) -> str | None:
    """The entry of a request; None of a connection that failed before it had one."""
    if isinstance(line, ErrorLine):
        return _bad_request(line, context) if line.status > 0 else None
    created = line.began + (max(line.handshake_ms, 0) + max(line.idle_ms, 0)) / 1000
    rule, target = rule_of(line, context), line.target or "-"
    answered = line.answer_ms >= 0
    group = context.groups.get(line.backend)
    status = str(line.status) if answered else "-"
    # A target that gave no answer in time, or hung up, counts as one that was not reached.
    dispatched = answered or (line.ended[0] == "C" and line.connect_ms >= 0)
    classification, _, why = line.classification.partition("/")
    before = max(line.read_ms, 0) + max(line.queue_ms, 0) + max(line.connect_ms, 0)
    return " ".join(
        (
            request_type(line, context),
            stamp(created + max(line.active_ms, 0) / 1000),
            context.balancer,
            line.client,
            target,
            f"{before / 1000:.3f}" if dispatched else "-1",
            f"{line.answer_ms / 1000:.3f}" if answered else "-1",
            "0.000" if answered else "-1",
            str(elb_status(line)),
            status,
            str(line.received),
            str(line.sent),
            _quoted(_request(line, context)),
            _quoted(line.user_agent),
            line.cipher,
            line.protocol,
            group.arn if group is not None else "-",
            _quoted(_trace(line)),
            _quoted(line.sni),
            _quoted(_certificate(line, context)),
            "-" if rule is None else str(rule.priority),
            stamp(created),
            _quoted(",".join(rule.actions) if rule is not None else ""),
            _quoted(_redirect_url(line, rule, context)),
            _quoted(line.error_reason),
            _quoted(line.target or ""),
            _quoted("" if status == "-" else status),
            _quoted(classification),
            _quoted(why),
            connection_id(line.connection),
            _quoted(line.new_host),
            _quoted(line.new_uri),
            _quoted(_transform_status(line)),
        )
    )


def _bad_request(line: ErrorLine, context: LogContext) -> str:
    """What could not be read as a request: the answer is all that there is to tell."""
    scheme = _scheme(line.port, context)
    request = f"- {scheme}://{context.address}:{line.port}- -"
    at = stamp(line.began)
    return (
        f'{scheme} {at} {context.balancer} {line.client} - -1 -1 -1 {line.status} - 0 0 "{request}"'
        f' "-" {line.cipher} {line.protocol} - "-" "-" "-" - {at} "-" "-" "-" "-" "-" "-" "-" -'
        ' "-" "-" "-"'
    )


def connection_entry(line: RequestLine | ErrorLine, context: LogContext) -> str:
    """The entry of a connection, from its first request or from how it failed."""
    address, _, port = line.client.rpartition(":")
    if isinstance(line, RequestLine):
        latency = f"{line.handshake_ms:.3f}" if line.protocol != "-" else "-"
        status = "Success" if line.protocol != "-" else "-"
        cipher, trace = line.cipher, connection_id(line.connection)
        shown = _client_certificate(line)
    else:
        code = line.client_certificate_error or line.client_ca_error
        why = _VERIFY.get(code, "UnmappedConnectionError")
        latency, status = "-", f"Failed:{why}" if line.handshake_failed else "-"
        cipher, trace = line.cipher if line.cipher != "(NONE)" else "-", "-"
        shown = '"-" - -'
    return (
        f"{stamp(line.began)} {address} {port} {line.port} {line.protocol} {cipher} {latency}"
        f" {shown} {status} {trace}"
    )


def _client_certificate(line: RequestLine) -> str:
    """Subject, validity and serial number of the certificate that a client has shown."""
    if not line.client_subject:
        return '"-" - -'
    begins, ends = (_moment(text) for text in line.client_validity)
    return f"{_quoted(line.client_subject)} NotBefore={begins};NotAfter={ends} {line.client_serial}"


def _moment(text: str) -> str:
    """OpenSSL's ``YYMMDDhhmmssZ`` as AWS writes a time; the years are this century's."""
    try:
        return f"{datetime.strptime(text.rstrip('Z'), '%y%m%d%H%M%S'):%Y-%m-%dT%H:%M:%S}Z"
    except ValueError:
        return text


def connection_id(connection: str) -> str:
    """The connection's trace id, the same in both kinds of logs."""
    return "-" if connection == "-" else f"TID_{connection.replace('-', '')}"


def stamp(at: float) -> str:
    """``2018-07-02T22:23:00.186000Z``: six digits, of which HAProxy knows three."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def object_key(context: LogContext, kind: str, end: float, token: str) -> str:
    """Where a file is delivered; ``kind`` is ``access`` or ``connection``, ``end`` its last time.

    ``token`` makes the name unique: AWS delivers several files of one time under high traffic.
    """
    place = context.access if kind == "access" else context.connection
    prefix = f"{place[1]}/" if place is not None and place[1] else ""
    day = datetime.fromtimestamp(end, UTC)
    name = (
        f"{'conn_log.' if kind == 'connection' else ''}{context.account}_elasticloadbalancing_"
        f"{context.region}_{context.balancer.replace('/', '.')}_{day:%Y%m%dT%H%MZ}_"
        f"{context.address}_{token}.log.gz"
    )
    return (
        f"{prefix}AWSLogs/{context.account}/elasticloadbalancing/{context.region}/"
        f"{day:%Y/%m/%d}/{name}"
    )


def _scheme(port: int, context: LogContext) -> str:
    listener = context.listeners.get(str(port))
    return "https" if listener is not None and listener.protocol == "HTTPS" else "http"


def _request(line: RequestLine, context: LogContext) -> str:
    host = _host(line) or context.address
    scheme = _scheme(line.port, context)
    if line.status == 101:
        scheme = "wss" if scheme == "https" else "ws"
    return f"{line.method} {scheme}://{host}:{line.port}{line.uri} {line.version}"


def _trace(line: RequestLine) -> str:
    own = line.unique_id.lower()
    if "Root=" not in line.trace:
        return f"Root={own}"
    rest = ";".join(part for part in line.trace.split(";") if not part.startswith("Self="))
    return f"Self={own};{rest}"


def _certificate(line: RequestLine, context: LogContext) -> str:
    if line.protocol == "-":
        return ""
    return "session-reused" if line.resumed else context.certificates.get(line.certificate, "")


def _transform_status(line: RequestLine) -> str:
    """What came of a rule's transforms; nothing is told where none has matched."""
    if not line.new_host and not line.new_uri:
        return ""
    if line.status != 500 or line.target is not None:
        return "TransformSuccess"
    # The host is changed after the URI: without a new host it was the URI that cannot be.
    return "TransformInvalidHost" if line.new_host else "TransformInvalidPath"


def _host(line: RequestLine) -> str:
    """The name that was asked for, without a port."""
    name, colon, port = line.host.rpartition(":")
    return (name if colon and port.isdigit() else line.host).lower()


def _redirect_url(line: RequestLine, rule: RuleMeant | None, context: LogContext) -> str:
    if rule is None or rule.redirect is None:
        return ""
    protocol, host, port, path, query = rule.redirect
    own_path, _, own_query = line.uri.partition("?")
    values: Mapping[str, str] = {
        "#{protocol}": _scheme(line.port, context),
        "#{host}": _host(line),
        "#{port}": str(line.port),
        "#{path}": own_path.removeprefix("/"),
        "#{query}": own_query,
    }

    def filled(template: str) -> str:
        return re.sub(r"#\{[a-z]+\}", lambda m: values.get(m[0], m[0]), template)

    url = f"{filled(protocol).lower()}://{filled(host)}:{filled(port)}{filled(path)}"
    return f"{url}?{filled(query)}" if filled(query) else url


def _quoted(text: str) -> str:
    """A field in double quotes, ``-`` for none; what would end it is written as ``\\xHH``."""
    safe = _UNSAFE.sub(lambda m: "".join(f"\\x{ord(c):02X}" for c in m[0]), text)
    return f'"{safe or "-"}"'
