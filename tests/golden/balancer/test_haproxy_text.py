"""A node's blueprint and the configuration that HAProxy gets."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

from tests.golden.golden import check_golden

from hiyoko.blueprint.balancers import (
    BalancerNode,
    Claim,
    Condition,
    FixedResponse,
    Forward,
    HealthCheck,
    Jwt,
    Listener,
    MutualTls,
    Oidc,
    Redirect,
    Rule,
    Stickiness,
    Target,
    TargetGroup,
    TargetTls,
    Transform,
)
from hiyoko.plane.balancer.agent.config import parse
from hiyoko.plane.balancer.guards import SCRIPT, Trust, render_agent
from hiyoko.plane.balancer.paths import CertificateFile, Paths
from hiyoko.plane.balancer.render import render_haproxy, side_files
from hiyoko.plane.balancer.signing import SigningKey
from hiyoko.plane.balancer.tls import tls_options
from hiyoko.services.elbv2.ssl_policies import SSL_POLICIES, target_ssl_policy

_ARN = "arn:aws:elasticloadbalancing:ap-northeast-1:123456789012:targetgroup/"
WEB, API, IDLE = f"{_ARN}web/{1:016x}", f"{_ARN}api/{2:016x}", f"{_ARN}idle/{3:016x}"
CHECK = HealthCheck("HTTP", None, "/health?deep=1", 30, 5, 5, 2, "200,202-299")
PATHS = Paths(
    {
        "default": CertificateFile("/ca/certs/default.pem", "AA", ("example.com",)),
        "other": CertificateFile("/ca/certs/other.pem", "BB", ("*.example.com",), "EC", 256),
    }
)
POLICY = SSL_POLICIES["ELBSecurityPolicy-TLS13-1-2-2021-06"]
TO_TARGETS = target_ssl_policy([POLICY.name])
REDIRECT = Redirect("HTTPS", "#{host}", "443", "/#{path}", "#{query}", 301)

NODE = BalancerNode(
    balancer_arn="lb",
    name="web",
    eni_id="eni-0123456789abcdef0",
    subnet_id="subnet-1",
    zone="ap-northeast-1a",
    address=IPv4Address("10.0.0.10"),
    target_tls=TargetTls(TO_TARGETS.versions, TO_TARGETS.ciphers),
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


def test_each_policy_gives_one_bind_line() -> None:
    lines = []
    for name, policy in SSL_POLICIES.items():
        listener = replace(
            NODE.listeners[1],
            tls_versions=policy.versions,
            ciphers=policy.ciphers,
            groups=policy.groups,
            rules=(),
        )
        options = tls_options(listener, {}, PATHS)
        lines += [name, f"  {options.partition('http/1.1 ')[2]}"]
    check_golden("balancer/policies.txt", "\n".join(lines) + "\n")


def test_a_library_with_post_quantum_groups_offers_them() -> None:
    policy = SSL_POLICIES["ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"]
    listener = replace(NODE.listeners[1], groups=policy.groups)
    new = replace(PATHS, hybrid_groups=True)
    assert "curves X25519MLKEM768:SecP256r1MLKEM768:" in tls_options(listener, {}, new)
    assert "MLKEM" not in tls_options(listener, {}, PATHS)


def test_clients_that_show_certificates() -> None:
    plain = replace(NODE.listeners[1], rules=(Rule("d", 0, (), REDIRECT),), attributes=())
    verify = MutualTls("verify", "CA\n", "CRL\n", ignore_expiry=True, advertise=True)
    listeners = (
        replace(plain, port=443, mutual=verify),
        replace(plain, port=444, mutual=MutualTls("passthrough")),
    )
    node = replace(NODE, listeners=listeners, groups=())
    text = render_haproxy(node, PATHS)
    for path, content in sorted(side_files(node, PATHS).items()):
        text += f"\n# {path}\n{content}"
    check_golden("balancer/mutual-tls.cfg", text)


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


OIDC = Oidc(
    issuer="https://idp.test",
    authorization_endpoint="https://idp.test/authorize",
    token_endpoint="https://idp.test/token",
    user_info_endpoint="https://idp.test/userinfo",
    client_id="client",
    client_secret="secret",
    extra=(("prompt", "login"),),
)
JWT = Jwt("https://idp.test/jwks", "https://idp.test", (Claim("scope", "string-array", ("a",)),))
GUARDED = replace(
    NODE,
    listeners=(
        replace(
            NODE.listeners[1],
            rules=(
                Rule("r1", 1, (Condition("path-pattern", ("/in",)),), REDIRECT, guards=(OIDC,)),
                Rule("r2", 2, (Condition("path-pattern", ("/api",)),), REDIRECT, guards=(JWT,)),
                Rule("d", 0, (), Forward(((WEB, 1),))),
            ),
        ),
    ),
    groups=(),
)


def test_rules_with_guards_ask_the_agent_before_they_act() -> None:
    text = render_haproxy(GUARDED, PATHS).replace(str(SCRIPT.parent), "PACKAGE")
    kept = ("setenv", "lua", "txn.rule", "idpresponse", "session_cookie", "str guard")
    lines = [line.strip() for line in text.splitlines() if any(word in line for word in kept)]
    check_golden("balancer/haproxy-guards.txt", "\n".join(lines) + "\n")


def test_a_node_without_guards_has_no_line_of_them() -> None:
    text = render_haproxy(NODE, PATHS)
    assert not [word for word in ("lua", "setenv", "session_cookie") if word in text]


def test_the_configuration_of_an_agent() -> None:
    key = SigningKey("kid", Path("/ca/balancer-signing.pem"), "public")
    trust = Trust(b"cloud", key, Path("/ca/root.pem"))
    text = render_agent(GUARDED, trust)
    check_golden("balancer/agent.json", text)
    assert render_agent(NODE, trust) == ""
    # Another node of the balancer has the same keys, so that it opens the same cookies.
    other = render_agent(replace(GUARDED, eni_id="eni-2"), trust)
    assert other == text.replace(NODE.eni_id, "eni-2")
    # The cloud's secret itself is not there, and no other balancer has this key.
    assert b"cloud".hex() not in text
    foreign = parse(render_agent(replace(GUARDED, balancer_arn="lb2"), trust))
    assert foreign.key != parse(text).key
    assert parse(text).guards == {"r1": OIDC, "r2": JWT}
