"""A real HAProxy in a namespace of its own, real targets, curl.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/introduction.html
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from tests.plane.balancer_world import (
    ADDRESS,
    EMPTY,
    ENI,
    GOOD,
    GROUP,
    Place,
    curl,
    group,
    node,
    place,
    rule,
    target,
)

from hiyoko import api
from hiyoko.blueprint.balancers import (
    Condition,
    FixedResponse,
    Forward,
    Redirect,
    Stickiness,
    Target,
)
from hiyoko.plane.balancer import answers, render
from hiyoko.plane.balancer.nodes import BalancerPlane, ReloadNode, StartNode
from hiyoko.plane.balancer.observe import describe_failure
from hiyoko.plane.balancer.render import digest_of, render_haproxy
from hiyoko.plane.process import run
from hiyoko.reconcile.balancers import BalancerReconciler
from hiyoko.reconcile.report import Report
from hiyoko.services import elbv2
from hiyoko.services.elbv2 import model, rows
from hiyoko.services.elbv2.load_balancers import state
from hiyoko.settings import Settings
from hiyoko.store.database import Store

__all__ = ["place"]


async def test_http_is_redirected_with_the_port_in_the_location(place: Place) -> None:
    await place.become(node(group()))
    answer = await curl("-H", "Host: Example.com:80", f"http://{ADDRESS}/a%20b?x=1&y=%41")
    assert answer.status == 301
    assert answer.headers["location"] == "https://example.com:443/a%20b?x=1&y=%41"
    assert answer.headers["server"] == "awselb/2.0"
    assert len(answer.body) == int(answer.headers["content-length"]) == 134
    bare = await curl("-H", "Host: example.com", f"http://{ADDRESS}/")
    assert bare.headers["location"] == "https://example.com:443/"


async def test_header_names_are_spelt_as_aws_spells_them(place: Place) -> None:
    await place.become(node(group()))
    head, _, _ = (await run("curl", "-si", f"http://{ADDRESS}/", netns=ENI)).partition("\r\n\r\n")
    names = {line.partition(":")[0] for line in head.splitlines()[1:]}
    assert names == {"Server", "Date", "Location", "Content-Type", "Content-Length"}


async def test_a_target_is_initial_until_one_success_and_then_serves_over_tls(
    place: Place,
) -> None:
    await place.become(node(group(GOOD)))
    assert not (await place.server()).up
    waiting = await curl(f"http://{ADDRESS}:8080/")
    assert (waiting.status, len(waiting.body)) == (503, 162)
    async with target(9001, "hello"):
        await place.until(up=True)
        tls = ("--cacert", str(place.tmp / "default.pem"))
        to = ("--connect-to", f"::{ADDRESS}:443")
        answer = await curl(*tls, *to, "https://default.test/x")
        assert (answer.status, answer.body) == (200, "hello")
        assert answer.headers["server"] == "mine"
        other = ("--cacert", str(place.tmp / "other.pem"))
        assert (await curl(*other, *to, "https://other.test/")).status == 200
        version = await run(
            *("curl", "-s", "-o", "/dev/null", "-w", "%{http_version}"), *tls, *to,
            "https://default.test/", netns=ENI,
        )  # fmt: skip
        assert version == "2"


async def test_a_target_gets_the_forwarding_headers_of_aws(place: Place) -> None:
    await place.become(node(group(GOOD)))
    async with target(9001, "hello"):
        await place.until(up=True)
        sent = ("-H", "X-Forwarded-For: 1.2.3.4", "-H", "X-Amzn-Trace-Id: Self=1-a;Root=1-b")
        head = (await curl(*sent, f"http://{ADDRESS}:8080/echo")).body.lower()
        assert "x-forwarded-for: 1.2.3.4, 10.0.0.10" in head
        assert "x-forwarded-proto: http\r" in head
        assert "x-forwarded-port: 8080\r" in head
        assert "host: 10.0.0.10:8080\r" in head
        trace = head.split("x-amzn-trace-id: ")[1].split("\r")[0]
        assert trace.startswith("self=1-")
        assert trace.endswith(";root=1-b")


async def test_the_first_matching_rule_acts(place: Place) -> None:
    rules = (
        rule(
            1,
            FixedResponse(418, "text/plain", 'it\'s "100%" $HOME\\ あ\r\n'),
            Condition("path-pattern", ("/fixed/*", "/tea")),
        ),
        rule(
            2,
            FixedResponse(299, "", ""),
            Condition("host-header", ("*.Example.com",)),
            Condition("http-request-method", ("GET",)),
        ),
        rule(
            3,
            Redirect("#{protocol}", "new.test", "#{port}", "/x/#{path}", "a=%20", 302),
            Condition("query-string", pairs=(("v", "1?3"),)),
        ),
        rule(4, FixedResponse(403, "", ""), Condition("http-header", ("*bot*",), "User-Agent")),
        rule(5, FixedResponse(404, "", ""), Condition("source-ip", ("10.0.0.0/8",))),
    )
    await place.become(node(group(), rules=rules))
    url = f"http://{ADDRESS}:8080"
    tea = await curl(f"{url}/tea?x")
    assert (tea.status, tea.body) == (418, 'it\'s "100%" $HOME\\ あ\r\n')
    assert tea.headers["content-type"] == "text/plain; charset=utf-8"
    assert (await curl("-H", "Host: A.example.COM:99", url)).status == 299
    moved = await curl("-H", "Host: example.com", f"{url}/p?u=1&V=123")
    assert moved.headers["location"] == "http://new.test:8080/x/p?a=%20"
    assert (await curl("-A", "GoogleBOT", f"{url}/TEA")).status == 403
    assert (await curl(url)).status == 404


async def test_a_fixed_204_has_no_body_whatever_was_wished(place: Place) -> None:
    rules = (
        rule(
            1, FixedResponse(204, "text/plain", "nothing"), Condition("source-ip", ("0.0.0.0/0",))
        ),
    )
    await place.become(node(group(), rules=rules))
    answer = await curl(f"http://{ADDRESS}:8080/")
    assert (answer.status, answer.body) == (204, "")


async def test_an_unhealthy_target_says_why_and_the_node_fails_open(place: Place) -> None:
    wish = node(group(replace(GOOD, settled=True)))
    async with target(9001, "still here", "404 Not Found"):
        await place.become(wish)
        seen = await place.until(up=False)
        assert describe_failure(seen) == (
            "Target.ResponseCodeMismatch",
            "Health checks failed with these codes: [404]",
        )
        answer = await curl(f"http://{ADDRESS}:8080/")
        assert (answer.status, answer.body) == (200, "still here")


async def test_a_reload_keeps_the_health_of_targets(place: Place) -> None:
    async with target(9001, "hello"):
        await place.become(node(group(GOOD)))
        await place.until(up=True)
        new = replace(GOOD, port=9002)
        await place.become(node(group(replace(GOOD, settled=True), new)))
        assert (await place.server()).up
        assert not (await place.server(9002)).up
        assert (await curl(f"http://{ADDRESS}:8080/")).status == 200


async def test_a_refusing_target_is_502_a_dropping_one_too(place: Place) -> None:
    async with target(9001, "hello"):
        await place.become(node(group(GOOD)))
        await place.until(up=True)
        dropped = await curl(f"http://{ADDRESS}:8080/drop")
        assert (dropped.status, len(dropped.body)) == (502, 122)
        assert dropped.headers["server"] == "awselb/2.0"
    refused = await curl(f"http://{ADDRESS}:8080/")
    assert (refused.status, len(refused.body)) == (502, 122)


async def test_a_silent_target_is_504_when_the_time_to_connect_is_over(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    # AWS's ten seconds are in the golden text; waiting for two shows the same.
    for module in (render, answers):
        monkeypatch.setattr(module, "CONNECT_TIMEOUT_S", 2)
    # A route to a wire that nobody listens to: neither refusal nor answer.
    await run("ip", "-n", ENI, "link", "add", "void", "type", "veth", "peer", "name", "hole")
    await run("ip", "-n", ENI, "link", "set", "hole", "up")
    await run("ip", "-n", ENI, "link", "set", "void", "up", "arp", "off")
    await run("ip", "-n", ENI, "route", "add", "10.9.0.0/16", "dev", "void")
    silent = Target("10.9.0.1", IPv4Address("10.9.0.1"), 80, "a", settled=True)
    await place.become(node(group(silent)))
    answer = await curl(f"http://{ADDRESS}:8080/")
    assert (answer.status, len(answer.body)) == (504, 132)


async def test_a_sticky_group_keeps_a_client_at_its_target(place: Place) -> None:
    second = replace(GOOD, port=9002)
    async with target(9001, "one"), target(9002, "two"):
        await place.become(node(group(GOOD, second, stickiness=Stickiness(60))))
        await place.until(up=True)
        await place.until(up=True, port=9002)
        url = f"http://{ADDRESS}:8080/"
        first = await curl(url)
        cookie = first.headers["set-cookie"].split(";")[0]
        assert cookie.startswith("AWSALB=")
        bodies = {(await curl("-H", f"Cookie: {cookie}", url)).body for _ in range(6)}
        assert bodies == {first.body}
        name, _, _ = cookie.rpartition(".")
        # The time inside is over: the balance decides again.
        stale = {(await curl("-H", f"Cookie: {name}.1000", url)).body for _ in range(4)}
        assert stale == {"one", "two"}


async def test_weights_divide_requests_and_a_group_without_targets_keeps_its_share(
    place: Place,
) -> None:
    rules = (
        rule(1, Forward(((GROUP, 0), (EMPTY, 1))), Condition("path-pattern", ("/none",))),
        rule(2, Forward(((GROUP, 1), (EMPTY, 1))), Condition("path-pattern", ("/half",))),
    )
    async with target(9001, "hello"):
        await place.become(node(group(GOOD), group(arn=EMPTY), rules=rules))
        await place.until(up=True)
        url = f"http://{ADDRESS}:8080"
        assert (await curl(f"{url}/none")).status == 503
        assert {(await curl(f"{url}/half")).status for _ in range(30)} == {200, 503}


async def test_no_target_is_503(place: Place) -> None:
    await place.become(node(group()))
    answer = await curl(f"http://{ADDRESS}:8080/")
    assert (answer.status, len(answer.body)) == (503, 162)
    assert "<h1>503 Service Temporarily Unavailable</h1>" in answer.body


async def test_reloads_under_load_lose_no_request(place: Place) -> None:
    async with target(9001, "hello"):
        await place.become(node(group(GOOD)))
        await place.until(up=True)
        load = asyncio.create_task(
            run("wrk", "-t1", "-c8", "-d4", f"http://{ADDRESS}:8080/", netns=ENI)
        )
        for count in range(4):
            changed = replace(node(group(GOOD)), idle_timeout_s=30 + count)
            await place.become(changed)
        out = await load
        assert "requests in" in out
        assert "Socket errors" not in out
        assert "Non-2xx" not in out


async def test_a_running_node_is_adopted_and_a_broken_configuration_changes_nothing(
    place: Place,
) -> None:
    wish = node(group())
    await place.become(wish)
    again = BalancerPlane(place.plane.directory)
    observed = await again.observe()
    text = render_haproxy(wish, place.paths)
    assert observed[ENI].digest == digest_of(text)
    assert observed[ENI].ports == (80, 443, 8080)
    with pytest.raises(Exception, match="unknown keyword 'nonsense'"):
        await again.apply(ReloadNode(wish, text + "nonsense\n"))
    assert await again.observe() == observed


async def test_a_node_without_its_namespace_is_refused(place: Place) -> None:
    wish = replace(node(group()), eni_id="eni-missing")
    with pytest.raises(Exception, match="no namespace yet"):
        await place.plane.apply(StartNode(wish, render_haproxy(wish, place.paths)))


BALANCER = "arn:aws:elasticloadbalancing:r:1:loadbalancer/app/web/0123456789abcdef"


def wishes(interval_s: int = 1) -> Store:
    """A balancer with one node, one HTTP listener, one group with one target."""
    assert elbv2.__doc__
    store = Store.open(":memory:")
    place = ("1", "r")
    lb_node = model.Node("subnet-1", "a", ENI, str(ADDRESS))
    check = model.HealthCheck(path="/health", interval_s=interval_s, timeout_s=1)
    action = model.Action("forward", groups=(model.WeightedGroup(GROUP),))
    with store.transaction() as tx:
        rows.LOAD_BALANCERS.insert(
            tx,
            model.LoadBalancer(
                BALANCER, *place, "web", "web.r", "internal", "vpc-1", ("sg-1",), (lb_node,), 0.0
            ),
        )
        rows.TARGET_GROUPS.insert(
            tx,
            model.TargetGroup(
                GROUP,
                *place,
                "web",
                "HTTP",
                9001,
                # One address is both here. In another VPC it is not the load balancer's own.
                "vpc-2",
                0.0,
                health_check=check,
                attributes={"deregistration_delay.timeout_seconds": "1"},
            ),
        )
        rows.LISTENERS.insert(
            tx, model.Listener("l", *place, BALANCER, 8080, "HTTP", "rule", (action,))
        )
        rows.REGISTRATIONS.insert(
            tx, model.Registration(GROUP, *place, "10.0.0.10", 9001, "a", 0.0)
        )
    return store


def health(store: Store) -> str:
    request = {"TargetGroupArn": GROUP, "Targets": [{"Id": "10.0.0.10", "Port": 9001}]}
    (answer,) = api.invoke(store, "elbv2", "_TargetHealth", request)["Healths"]
    return f"{answer['State']} {answer['Reason']}".strip()


async def activate_until(reconciler: BalancerReconciler, wanted: str) -> None:
    async with asyncio.timeout(60):
        while health(reconciler.store) != wanted:
            report = await reconciler.activate()
            assert report.refusals == {}
            await asyncio.sleep(min(report.again_s or 0.1, 0.1))


async def settle(reconciler: BalancerReconciler) -> Report:
    report = await reconciler.activate()
    for _ in range(3):
        if report.quiet:
            break
        report = await reconciler.activate()
    assert report.quiet, report
    return report


async def test_a_new_target_that_listens_a_moment_later_waits_for_no_interval(
    place: Place,
) -> None:
    reconciler = BalancerReconciler(wishes(interval_s=60), place.plane, Settings(place.tmp))
    await activate_until(reconciler, "initial Elb.InitialHealthChecking")
    async with asyncio.timeout(10):
        while (await place.server()).check != "L4CON":
            await reconciler.activate()
    async with target(9001, "hello"), asyncio.timeout(30):
        await activate_until(reconciler, "healthy")
        assert (await settle(reconciler)).steps == []
        assert (await curl(f"http://{ADDRESS}:8080/")).body == "hello"


async def test_a_wish_becomes_a_healthy_target_and_a_second_run_does_nothing(
    place: Place,
) -> None:
    store = wishes()
    reconciler = BalancerReconciler(store, place.plane, Settings(place.tmp))
    assert health(store) == "initial Elb.RegistrationInProgress"
    await activate_until(reconciler, "initial Elb.InitialHealthChecking")
    with store.reading() as tx:
        assert state(tx, rows.get_load_balancer(tx, BALANCER)) == "active"
    async with target(9001, "hello"):
        await activate_until(reconciler, "healthy")
        assert (await settle(reconciler)).again_s == 10.0
        assert (await curl(f"http://{ADDRESS}:8080/")).body == "hello"
        # A new daemon: the same store, nothing remembered, nothing to do.
        again = BalancerReconciler(store, BalancerPlane(place.plane.directory), Settings(place.tmp))
        assert (await again.activate()).quiet
    await activate_until(reconciler, "unhealthy Target.FailedHealthChecks")
    api.invoke(
        store,
        "elbv2",
        "DeregisterTargets",
        {"TargetGroupArn": GROUP, "Targets": [{"Id": "10.0.0.10"}]},
    )
    assert health(store) == "draining Target.DeregistrationInProgress"
    await activate_until(reconciler, "unused Target.NotRegistered")
    with store.transaction() as tx:
        rows.LISTENERS.delete(tx)
        rows.LOAD_BALANCERS.delete(tx)
    await settle(reconciler)
    assert await place.plane.observe() == {}
    assert not list(place.plane.directory.iterdir())
