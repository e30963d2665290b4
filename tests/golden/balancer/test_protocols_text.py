"""The lines that attributes and protocol versions add to a node's configuration."""

from __future__ import annotations

from dataclasses import replace

from tests.golden.balancer.test_haproxy_text import NODE, PATHS, WEB
from tests.golden.golden import check_golden

from hiyoko.blueprint.balancers import Forward, Listener, Rule
from hiyoko.plane.balancer.render import render_haproxy


def test_the_configuration_of_a_node_with_every_protocol_and_attribute() -> None:
    api, idle, web = NODE.groups
    grpc = replace(
        web,
        protocol_version="GRPC",
        health_check=replace(web.health_check, path="/AWS.ALB/healthcheck", matcher="0,12-14"),
        stickiness=None,
    )
    https = replace(api, protocol_version="HTTP2")
    forward = (Rule("d", 0, (), Forward(((WEB, 1),))),)
    renamed = (("routing.http.request.x_amzn_tls_version.header_name", "X-Version"),)
    node = replace(
        NODE,
        listeners=(
            Listener("l81", 81, "HTTP", None, (), forward),
            replace(NODE.listeners[1], rules=forward, attributes=renamed),
        ),
        groups=(https, idle, grpc),
        attributes=(
            ("client_keep_alive.seconds", "600"),
            ("routing.http.desync_mitigation_mode", "strictest"),
            ("routing.http.drop_invalid_header_fields.enabled", "true"),
            ("routing.http.preserve_host_header.enabled", "true"),
            ("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "true"),
            ("routing.http.xff_client_port.enabled", "true"),
        ),
    )
    check_golden("balancer/protocols.cfg", render_haproxy(node, PATHS))
