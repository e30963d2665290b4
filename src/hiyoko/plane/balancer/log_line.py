"""The line that HAProxy writes of each request, and how it is read.

It goes to a pipe (``collector`` is at its other end), one write a line. HAProxy neither waits nor
stops when nobody reads, nor when its threads write at once: it counts the line as dropped. The
write is most of what a line costs, so everything that AWS's logs tell is in one line, and metrics
are counted from the same. Rule 1: what is counted stands first (``HEAD``). Rule 2: what a client
chooses is quoted, or stands last.
https://docs.haproxy.org/2.6/configuration.html#8.2.4
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LOG_FD = 9
"""The descriptor of the pipe that HAProxy inherits, over all its reloads."""
URI_BYTES_MAX = 16384
HOST_BYTES_MAX = 320
USER_AGENT_BYTES_MAX = 8192
"""AWS cuts what is longer."""
TRACE_BYTES_MAX = 7168
LINE_BYTES_MAX = 48 * 1024

_SESSION = "tcp-request session set-var(sess.conn) uuid"
_CERTIFICATE = "tcp-request session set-var(sess.cert) ssl_f_sha1,hex"
# Context, port, status, how it ended, backend, server, rule, time of the answer's headers (ms),
# bytes received, bytes sent.
_HEAD = "A {context} {port} %ST %ts %b %s %[var(txn.rule)] %Tr %U %B"
# To which target the client was to come back, and what failed on the way to a target: ``SSL``.
_CONNECTION = " %[var(txn.target)] %[bc_err_str,bytes(0,3)]"
_TIMES = "%Ts.%ms %Th %Ti %TR %Tw %Tc %Ta"
_TLS = "%sslc %sslv %[ssl_fc_is_resumed] %[var(sess.cert)] %{+Q,+E}[ssl_fc_sni]"
_CLIENT = (
    "%{+Q,+E}[ssl_c_s_dn(,0,rfc2253)] %[ssl_c_notbefore] %[ssl_c_notafter] %[ssl_c_serial,hex]"
)
_NO_CLIENT = '\\"\\" - - -'
_NO_TLS = '- - - - \\"-\\"'
_TRANSFORMED = "%{+Q,+E}[var(txn.transformed_host)] %{+Q,+E}[var(txn.transformed_uri)]"
_NOT_TRANSFORMED = '\\"\\" \\"\\"'
_REASON = "R=%[var(txn.error_reason)] "
_CLASS = "K=%[var(txn.class)] "
_CAPTURED = " ".join(f"%{{+Q,+E}}[capture.req.hdr({number})]" for number in range(3))
_ERROR = (
    "E {context} {port} %ST %ts %U %B %Ts.%ms %ci:%cp %[fc_err] %[ssl_fc_err,hex] %[ssl_c_err] "
    "%[ssl_c_ca_err] %sslc %sslv"
)


def log_lines(
    context: str,
    port: int,
    *,
    tls: bool,
    client: bool = False,
    transforms: bool = False,
    guards: bool = False,
    connections: bool = False,
    classified: bool = False,
) -> Iterator[str]:
    """A frontend's lines; they come before whatever answers a request.

    ``context`` names what the numbers in the line meant when it was written: see ``log_context``.
    ``client`` is true where clients may show certificates, ``guards`` where users log in,
    ``connections`` where it matters how a target was chosen and reached, ``classified`` where
    requests are looked at for what is wrong with them.
    """
    yield f"log fd@{LOG_FD} len {LINE_BYTES_MAX} format raw local0"
    yield "option dontlognull"
    head = _HEAD.format(context=context, port=port) + (_CONNECTION if connections else "")
    yield (
        f'log-format "{head}|{_TIMES} %ci:%cp %si:%sp %HM %HV {_TLS if tls else _NO_TLS} %ID '
        f"%[var(sess.conn)] {_CLIENT if client else _NO_CLIENT} "
        f"{_TRANSFORMED if transforms else _NOT_TRANSFORMED} "
        f"{_REASON if guards else ''}{_CLASS if classified else ''}{_CAPTURED} "
        '%HPO%HQ"'
    )
    yield f'error-log-format "{_ERROR.format(context=context, port=port)}"'
    yield _SESSION
    if tls:
        yield _CERTIFICATE
    # The log is written when the request's own headers are gone.
    yield f"http-request capture req.hdr(host) len {HOST_BYTES_MAX}"
    yield f"http-request capture req.fhdr(user-agent) len {USER_AGENT_BYTES_MAX}"
    yield f"http-request capture req.fhdr(x-amzn-trace-id) len {TRACE_BYTES_MAX}"


HEAD = re.compile(rb"^A ([^|\n]+)\|.*\n", re.MULTILINE)
"""What is counted of a line; equal heads are counted together. It takes the whole line, so that
the rest of it is not looked through for the next one's beginning: six times as fast."""
ERROR_HEAD = re.compile(rb"^E (\S+ \S+ \S+ \S+ \S+ \S+) \S+ \S+ (\S+) ", re.MULTILINE)
"""The same of a connection that never came to a request: its status, and HAProxy's error."""

LOGIN = re.compile(rb"^G (ELBAuth[A-Za-z]+) (\d+)$", re.MULTILINE)
"""What the node's agent tells of logins: a metric and its value."""

_TEXT = r'"((?:[^"\\]|\\.)*)"'
_LINE = re.compile(
    r"A (\S+) (\d+) (-?\d+) (\S+) (\S+) (\S+) (\S+) (-?\d+) (\d+) (\d+)(?: \S+ \S+)?\|"
    r"(\d+\.\d+) (-?\d+) (-?\d+) (-?\d+) (-?\d+) (-?\d+) (-?\d+) "
    r"(\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) "
    rf"{_TEXT} (\S+) (\S+) {_TEXT} (\S+) (\S+) (\S+) {_TEXT} {_TEXT} (?:R=(\S+) )?(?:K=(\S+) )?"
    rf"{_TEXT} {_TEXT} {_TEXT} (.*)",
    re.DOTALL,
)
_ERROR_LINE = re.compile(
    r"E (\S+) (\d+) (-?\d+) (\S+) (\d+) (\d+) (\d+\.\d+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+)"
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ENCODED = re.compile(r"#([0-9A-F]{2})")


@dataclass(frozen=True, slots=True)
class RequestLine:
    """A request as HAProxy tells it. Times of phases in ms, -1 for one that was not reached.

    ``began`` is when the connection, or the last request on it, was over: the request's own
    first byte came ``handshake + idle`` later. ``ended`` are HAProxy's two letters of how.
    """

    context: str
    port: int
    status: int
    ended: str
    backend: str
    server: str
    rule: int | None
    answer_ms: int
    received: int
    sent: int
    began: float
    handshake_ms: int
    idle_ms: int
    read_ms: int
    queue_ms: int
    connect_ms: int
    active_ms: int
    client: str
    target: str | None
    method: str
    version: str
    cipher: str
    protocol: str
    resumed: bool
    certificate: str
    sni: str
    unique_id: str
    connection: str
    client_subject: str
    client_validity: tuple[str, str]
    client_serial: str
    new_host: str
    new_uri: str
    error_reason: str
    classification: str
    host: str
    user_agent: str
    trace: str
    uri: str


@dataclass(frozen=True, slots=True)
class ErrorLine:
    """A connection that ended before there was a request: a bad handshake, or a bad first line."""

    context: str
    port: int
    status: int
    ended: str
    began: float
    client: str
    handshake_failed: bool
    client_certificate_error: int
    client_ca_error: int
    cipher: str
    protocol: str


def parse_line(line: bytes) -> RequestLine | ErrorLine | None:
    """A line as data; None for what is none of ours, or was cut off."""
    text = line.decode("latin-1")
    if text.startswith("E "):
        return _error(text)
    found = _LINE.fullmatch(text)
    if found is None:
        return None
    g = found.groups()
    return RequestLine(
        context=g[0],
        port=int(g[1]),
        status=int(g[2]),
        ended=g[3],
        backend=g[4],
        server=g[5],
        rule=None if g[6] == "-" else int(g[6]),
        answer_ms=int(g[7]),
        received=int(g[8]),
        sent=int(g[9]),
        began=float(g[10]),
        handshake_ms=int(g[11]),
        idle_ms=int(g[12]),
        read_ms=int(g[13]),
        queue_ms=int(g[14]),
        connect_ms=int(g[15]),
        active_ms=int(g[16]),
        client=g[17],
        target=None if g[5] == "<NOSRV>" else g[18],
        method=g[19],
        version=g[20],
        cipher=g[21],
        protocol=g[22],
        resumed=g[23] == "1",
        certificate=g[24],
        sni=_unescaped(g[25]),
        unique_id=g[26],
        connection=g[27],
        client_subject=_unescaped(g[28]),
        client_validity=(g[29], g[30]),
        client_serial=g[31],
        new_host=_unescaped(g[32]),
        new_uri=_unescaped(g[33]),
        error_reason="" if g[34] in (None, "-") else g[34],
        classification="" if g[35] in (None, "-") else g[35],
        host=_unescaped(g[36]),
        user_agent=_unescaped(g[37]),
        trace=_unescaped(g[38]),
        uri=_ENCODED.sub(lambda m: chr(int(m[1], 16)), g[39]),
    )


def _error(text: str) -> ErrorLine | None:
    found = _ERROR_LINE.fullmatch(text)
    if found is None:
        return None
    g = found.groups()
    return ErrorLine(
        context=g[0],
        port=int(g[1]),
        status=int(g[2]),
        ended=g[3],
        began=float(g[6]),
        client=g[7],
        handshake_failed=g[8] not in ("0", "-"),
        client_certificate_error=int(g[10]) if g[10].isdigit() else 0,
        client_ca_error=int(g[11]) if g[11].isdigit() else 0,
        cipher=g[12],
        protocol=g[13],
    )


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)
