"""What the balancer changes in a request on its way to a target, and in the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hiyoko.blueprint.balancers import Listener
from hiyoko.plane.balancer.text import quoted


def request_headers(listener: Listener, attributes: Mapping[str, str]) -> Iterator[str]:
    """What a target is told of the client; ``attributes`` are the load balancer's."""
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


def response_headers(listener: Listener) -> Iterator[str]:
    """Headers that a listener's attributes set or take away in every answer."""
    attributes = dict(listener.attributes)
    for key, value in attributes.items():
        if key.endswith(".header_value"):
            name = key.removeprefix("routing.http.response.").removesuffix(".header_value")
            shown = quoted(value.replace("%", "%%"))
            yield f"http-after-response set-header {name.replace('_', '-')} {shown}"
    if attributes.get("routing.http.response.server.enabled") == "false":
        yield "http-after-response del-header Server"
