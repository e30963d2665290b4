"""A node's blueprint and the configuration that HAProxy gets."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from tests.golden.golden import check_golden

from hiyoko.blueprint.balancers import (
    BalancerNode,
    Condition,
    FixedResponse,
    Forward,
    HealthCheck,
    Listener,
    Redirect,
    Rule,
    Stickiness,
    Target,
    TargetGroup,
    Transform,
)
from hiyoko.plane.balancer.paths import CertificateFile, Paths
from hiyoko.plane.balancer.render import render_haproxy
from hiyoko.services.elbv2.ssl_policies import SSL_POLICIES

_ARN = "arn:aws:elasticloadbalancing:ap-northeast-1:123456789012:targetgroup/"
WEB, API, IDLE = f"{_ARN}web/{1:016x}", f"{_ARN}api/{2:016x}", f"{_ARN}idle/{3:016x}"
CHECK = HealthCheck("HTTP", None, "/health?deep=1", 30, 5, 5, 2, "200,202-299")
PATHS = Paths(
    {
        "default": CertificateFile("/ca/certs/default.pem", "aaaaaaaaaaaa"),
        "other": CertificateFile("/ca/certs/other.pem", "bbbbbbbbbbbb"),
    }
)
POLICY = SSL_POLICIES["ELBSecurityPolicy-TLS13-1-2-2021-06"]
REDIRECT = Redirect("HTTPS", "#{host}", "443", "/#{path}", "#{query}", 301)

NODE = BalancerNode(
    balancer_arn="lb",
    name="web",
    eni_id="eni-0123456789abcdef0",
    subnet_id="subnet-1",
    zone="ap-northeast-1a",
    address=IPv4Address("10.0.0.10"),
    listeners=(
        Listener("l80", 80, "HTTP", None, (), (Rule("d", 0, (), REDIRECT),)),
        Listener(
            "l443",
            443,
            "HTTPS",
            POLICY.name,
            ("default", "other"),
            (
                Rule(
                    "r1",
                    1,
                    (
                        Condition("path-pattern", ("/api/*", "/v?/$x")),
                        Condition("host-header", ("*.Example.com",)),
                    ),
                    Forward(((API, 1), (WEB, 3), (IDLE, 0))),
                ),
                Rule(
                    "r2",
                    2,
                    (Condition("query-string", pairs=(("version", "v*"), ("", "a\\*b"))),),
                    FixedResponse(503, "application/json", '{"busy": "100%"}\n'),
                ),
                Rule(
                    "r3",
                    3,
                    (
                        Condition("http-header", ("*Bot*",), "User-Agent"),
                        Condition("http-request-method", ("GET", "HEAD")),
                        Condition("source-ip", ("192.0.2.0/24",)),
                    ),
                    Redirect("#{protocol}", "b.#{host}", "#{port}", "/x/#{path}", "q=%20", 302),
                ),
                Rule("d", 0, (), Forward(((WEB, 1),))),
            ),
            tls_versions=POLICY.versions,
            ciphers=POLICY.ciphers,
            attributes=(
                ("routing.http.response.strict_transport_security.header_value", "max-age=9"),
            ),
        ),
    ),
    groups=(
        TargetGroup(
            API,
            "api",
            "HTTPS",
            "HTTP1",
            replace(CHECK, protocol="HTTPS", port=8443),
            (
                Target("10.0.1.6", IPv4Address("10.0.1.6"), 443, "a", settled=True),
                Target("10.0.1.7", IPv4Address("10.0.1.7"), 443, "a", draining=True),
            ),
            algorithm="least_outstanding_requests",
        ),
        TargetGroup(IDLE, "idle", "HTTP", "HTTP1", CHECK, ()),
        TargetGroup(
            WEB,
            "web",
            "HTTP",
            "HTTP1",
            CHECK,
            (Target("10.0.1.5", IPv4Address("10.0.1.5"), 80, "a"),),
            stickiness=Stickiness(60),
            slow_start_s=30,
        ),
    ),
)


def test_the_configuration_of_a_node_with_every_kind_of_rule() -> None:
    check_golden("balancer/haproxy.cfg", render_haproxy(NODE, PATHS))


@pytest.mark.parametrize("name", sorted(SSL_POLICIES))
def test_each_policy_gives_one_bind_line(name: str) -> None:
    policy = SSL_POLICIES[name]
    listener = replace(
        NODE.listeners[1], tls_versions=policy.versions, ciphers=policy.ciphers, rules=()
    )
    text = render_haproxy(replace(NODE, listeners=(listener,)), PATHS)
    bind = next(line for line in text.splitlines() if line.startswith("  bind"))
    check_golden(f"balancer/bind-{name}.txt", bind + "\n")


def test_the_lines_of_what_only_some_rules_have() -> None:
    """Transforms, regular expressions, stickiness: no line of them where they are not used."""
    conditions = (
        Condition("host-header", regexes=(r"^(.+)\.example\.com$",)),
        Condition("http-header", key="X'Odd", regexes=("a|b",)),
    )
    transforms = (
        Transform("url-rewrite", "^/dp/([A-Za-z0-9]+)/?$", "/product.php?id=$1"),
        Transform("host-header-rewrite", "^mywebsite-(.+).com$", "internal.dev.$1.myweb.com"),
    )
    listener = replace(
        NODE.listeners[0],
        rules=(
            Rule("r1", 1, conditions, Forward(((API, 1), (WEB, 1)), 3600), transforms),
            Rule("d", 0, (), Forward(((WEB, 1),))),
        ),
    )
    sticky = (
        replace(NODE.groups[0], stickiness=Stickiness(86400)),
        replace(NODE.groups[2], stickiness=Stickiness(60, "SID")),
    )
    text = render_haproxy(replace(NODE, listeners=(listener,), groups=sticky), PATHS)
    check_golden("balancer/haproxy-rules.cfg", text.partition("\nfrontend ")[2])


def test_a_plain_rule_costs_two_lines() -> None:
    """One default rule that forwards: its mark and its backend, and nothing of any cookie."""
    plain = Rule("d", 0, (), Forward(((WEB, 1),)))
    listener = replace(NODE.listeners[0], rules=(plain,))
    group = replace(NODE.groups[2], stickiness=None)
    text = render_haproxy(replace(NODE, listeners=(listener,), groups=(group,)), PATHS)
    marks = [line.strip() for line in text.splitlines() if "txn.rule" in line]
    assert [line for line in marks if not line.startswith("log-format")] == [
        "http-request set-var(txn.rule) int(1) if !{ var(txn.rule) -m found }",
        "use_backend tg.web.0000000000000001 if { var(txn.rule) -m int 1 }",
    ]
    for unused in (
        "req.cook",
        "add-header Set-Cookie",
        "txn.seal",
        "txn.transformed",
        "txn.location",
    ):
        assert unused not in text
