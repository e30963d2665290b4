"""What is seen of a load balancer: log entries and metrics of real requests.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from tests.plane.balancer_world import ENGINE, bundle, curl, target

from hiyoko import api, services
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
)
from hiyoko.neighbours import Neighbours
from hiyoko.plane import silent
from hiyoko.plane.balancer.log_context import log_context
from hiyoko.plane.balancer.nodes import BalancerPlane, ReplaceNode, StopNode, steps
from hiyoko.plane.balancer.observe import ServerSeen
from hiyoko.plane.balancer.paths import CertificateFile, Paths
from hiyoko.plane.balancer.render import render_haproxy, side_files
from hiyoko.plane.balancer.side_files import SideFiles, puts
from hiyoko.plane.collector.control import CollectorPlane
from hiyoko.plane.containers.watch import Watch
from hiyoko.plane.namespaces import in_namespace
from hiyoko.plane.process import NETNS_DIR, command_line, run
from hiyoko.reconcile.balancer_logs import BalancerLogsReconciler
from hiyoko.reconcile.report import Report
from hiyoko.services.elbv2.seen import NODES_SEEN, NodeSeen
from hiyoko.store.database import Store

ENI = "eni-0123456789abcdef0"
ADDRESS = IPv4Address("10.0.0.10")
ACCOUNT, REGION = "123456789012", "ap-northeast-1"
ARN = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}"
BALANCER = "app/shop/50dc6c495c0c9188"
WEB = f"{ARN}:targetgroup/web/73e2d6bc24d8a067"
DOWN = f"{ARN}:targetgroup/down/73e2d6bc24d8a067"
SLOW = f"{ARN}:targetgroup/slow/73e2d6bc24d8a067"
EMPTY = f"{ARN}:targetgroup/empty/73e2d6bc24d8a067"
CERTIFICATE = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/1"
FIELDS = (
    *("type", "time", "elb", "client", "target", "before", "target_time", "after", "elb_status"),
    *("target_status", "received", "sent", "request", "agent", "cipher", "protocol", "group"),
    *("trace", "domain", "certificate", "priority", "created", "actions", "redirect", "error"),
    *("targets", "statuses", "class", "class_reason", "connection"),
    *("host_change", "uri_change", "change_status"),
)
CHECK = HealthCheck("HTTP", None, "/health", 1, 1, 5, 2, "200")
"""Checks that only one target passes; the others are served when they fail open."""


def entry(text: str) -> dict[str, str]:
    """An entry of the access log by field."""
    [values] = csv.reader([text], delimiter=" ")
    return dict(zip(FIELDS, values, strict=True))


def group(arn: str, *ports: int) -> TargetGroup:
    """The shop's target is up with its first success; the others fail open at once."""
    settled = arn != WEB
    targets = tuple(Target(str(ADDRESS), ADDRESS, port, "a", settled=settled) for port in ports)
    return TargetGroup(arn, arn.split("/")[1], "HTTP", "HTTP1", CHECK, targets)


def rule(priority: int, action: Any, path: str = "") -> Rule:
    conditions = (Condition("path-pattern", (path,)),) if path else ()
    return Rule(f"rule-{priority}", priority, conditions, action)


def shop(**attributes: str) -> BalancerNode:
    rules = (
        rule(10, FixedResponse(404, "", ""), "/gone"),
        rule(20, Redirect("HTTPS", "#{host}", "443", "/new/#{path}", "#{query}", 301), "/old*"),
        rule(30, Forward(((DOWN, 1),)), "/down"),
        rule(40, Forward(((EMPTY, 1),)), "/empty"),
        rule(50, Forward(((SLOW, 1),)), "/slow*"),
        rule(0, Forward(((WEB, 1),))),
    )
    listeners = (
        Listener("l80", 80, "HTTP", None, (), rules),
        Listener(
            "l443", 443, "HTTPS", "p", (CERTIFICATE,), rules, tls_versions=("TLSv1.3", "TLSv1.2"),
            ciphers=("TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"),
        ),
    )  # fmt: skip
    return BalancerNode(
        f"{ARN}:loadbalancer/{BALANCER}", "shop", ENI, "s", "ap-northeast-1a", ADDRESS, listeners,
        (group(WEB, 9001), group(DOWN, 9), group(SLOW, 9003), group(EMPTY)),
        idle_timeout_s=2, attributes=tuple(attributes.items()),
        public_address=IPv4Address("198.18.7.7"),
    )  # fmt: skip


@dataclass
class Place:
    """A node with its collector, and a store where counts arrive."""

    tmp: Path
    certificate: CertificateFile
    store: Store = field(default_factory=lambda: Store.open(":memory:"))
    next: int = 0
    wished: dict[str, tuple[BalancerNode, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        run_dir = self.tmp / "a-state-directory-with-quite-a-long-name" / ("run" * 20)
        self.plane = BalancerPlane(run_dir / "balancer")
        self.collector = CollectorPlane(run_dir / "balancer", run_dir / "collector")
        self.reconciler = BalancerLogsReconciler(self.store, self.collector)

    async def become(self, wish: BalancerNode) -> None:
        paths = Paths({CERTIFICATE: self.certificate}, directory=str(self.tmp / "files"))
        files = SideFiles(self.tmp / "files")
        for put in puts(side_files(wish, paths), files.observe()):
            files.apply(put)
        text = render_haproxy(wish, paths)
        context = log_context(wish, {CERTIFICATE: self.certificate})
        self.plane.write_context(ENI, context)
        self.wished = {ENI: (wish, text)}
        await self.step()
        self.plane.write_context(ENI, context)
        with self.store.transaction() as tx:
            NODES_SEEN.put(tx, NodeSeen(ENI, wish.balancer_arn, (80, 443), "d", "d", 0.0))
        await self.activate()

    async def step(self) -> None:
        for step in steps(self.wished, await self.plane.observe()):
            await self.plane.apply(step)

    async def activate(self) -> Report:
        return await self.reconciler.activate()

    async def ask(self, do: str, **more: Any) -> Any:
        answer = await self.collector.ask(do, **more)
        assert answer is not None
        return answer

    async def entries(self, count: int) -> list[dict[str, str]]:
        """The next entries, in the order of their requests.

        A line is written when its request is over: just after the answer, and by whichever thread.
        """
        found: list[str] = []
        async with asyncio.timeout(30):
            while len(found) < count:
                told = await self.ask("tail", balancer=BALANCER, after=self.next)
                self.next = told["next"]
                found += told["entries"]
                await asyncio.sleep(0.02)
        assert len(found) == count
        return sorted(map(entry, found), key=lambda one: one["created"])

    async def sums(self) -> dict[str, float]:
        """Every metric's sum so far, by its name and dimensions but the load balancer."""
        await self.reconciler.take(Report(), unfinished=True)
        found = {}
        for metric in self.call("ListMetrics", Namespace="AWS/ApplicationELB")["Metrics"]:
            points = self.call(
                "GetMetricStatistics",
                **metric,
                StartTime=self.reconciler.clock.now() - 600,
                EndTime=self.reconciler.clock.now() + 60,
                Period=60,
                Statistics=["Sum"],
            )["Datapoints"]
            parts = [d["Value"] for d in metric["Dimensions"] if d["Name"] != "LoadBalancer"]
            key = " ".join([metric["MetricName"], *parts])
            if all(d["Name"] == "TargetGroup" for d in metric["Dimensions"]):
                key = f"({key})"
            found[key] = sum(point["Sum"] for point in points)
        return found

    async def counted(self, name: str, at_least: int) -> None:
        """Wait for a metric's lines: the answer, or its end, comes before its line."""
        async with asyncio.timeout(30):
            while (await self.sums()).get(name, 0) < at_least:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    def call(self, operation: str, **request: Any) -> Any:
        return api.invoke(self.store, "cloudwatch", operation, request)

    async def until_up(self) -> None:
        async with asyncio.timeout(60):
            while True:
                await self.step()
                seen: dict[Any, ServerSeen] = dict((await self.plane.observe())[ENI].servers)
                checked = [one for key, one in seen.items() if not key[1].startswith("open:")]
                if seen["tg.web.73e2d6bc24d8a067", "10.0.0.10:9001"].up and all(
                    one.check for one in checked
                ):
                    return
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> CertificateFile:
    path = tmp_path_factory.mktemp("tls") / "shop.pem"
    return bundle(path, "shop.test")


@pytest.fixture
async def place(tmp_path: Path, certificate: CertificateFile) -> AsyncIterator[Place]:
    services.load()
    await run("ip", "netns", "add", ENI)
    await run("ip", "-n", ENI, "link", "set", "lo", "up")
    await run("ip", "-n", ENI, "addr", "add", f"{ADDRESS}/32", "dev", "lo")
    made = Place(tmp_path, certificate)
    try:
        yield made
    finally:
        if await made.plane.observe():
            await made.plane.apply(StopNode(ENI))
        with made.store.transaction() as tx:
            NODES_SEEN.delete(tx)
        await made.activate()
        assert await made.collector.ask("status") is None
        await run("ip", "netns", "del", ENI)


def connect(port: int) -> socket.socket:
    """A bare connection from inside the node's namespace."""
    sock = in_namespace(NETNS_DIR / ENI, socket.socket)
    sock.settimeout(20)
    sock.connect((str(ADDRESS), port))
    return sock


def say(port: int, text: bytes) -> bytes:
    """Send bytes and read the answer to its end."""
    with connect(port) as sock:
        sock.sendall(text)
        return b"".join(iter(lambda: sock.recv(4096), b""))


SILENT = """
import asyncio
async def serve(reader, writer):
    try:
        await reader.read()
    except ConnectionError:
        pass
    writer.close()
async def main():
    server = await asyncio.start_server(serve, "10.0.0.10", 9003)
    print("ready", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


async def test_each_kind_of_request_has_its_entry_and_is_counted_once(place: Place) -> None:
    silent = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", ENI, sys.executable, "-c", SILENT), stdout=asyncio.subprocess.PIPE
    )
    assert silent.stdout is not None
    await silent.stdout.readline()
    try:
        async with target(9001, "hello"):
            await place.become(shop())
            await place.until_up()
            await _each_kind(place)
    finally:
        silent.kill()
        await silent.communicate()


async def _each_kind(place: Place) -> None:  # noqa: PLR0915 - one story, in the order of the log
    plain, tls = f"http://{ADDRESS}", ("-k", "--connect-to", f"::{ADDRESS}:443")
    await curl(f"{plain}/a?x=1", "-H", "Host: Shop.test:80", "-A", 'my "agent" \\ é')
    [found] = await place.entries(1)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", found["time"])
    assert found["created"] <= found["time"]
    assert re.fullmatch(r"10\.0\.0\.10:\d+", found["client"])
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", found["trace"])
    assert re.fullmatch(r"TID_[0-9a-f]{32}", found["connection"])
    assert float(found["target_time"]) >= 0
    assert int(found["received"]) > 80
    assert int(found["sent"]) > 40
    common = {"type": "http", "elb": BALANCER, "elb_status": "200", "target_status": "200"}
    assert found | common == found
    assert found["request"] == "GET http://shop.test:80/a?x=1 HTTP/1.1"
    assert found["agent"] == r"my \x22agent\x22 \x5C \xC3\xA9"
    assert (found["target"], found["targets"], found["statuses"]) == (
        "10.0.0.10:9001", "10.0.0.10:9001", "200",
    )  # fmt: skip
    assert (found["group"], found["priority"], found["actions"]) == (WEB, "0", "forward")
    empty = ("cipher", "protocol", "domain", "certificate", "redirect", "error", "class")
    assert {found[name] for name in empty} == {"-"}

    await curl(f"{plain}/gone")
    await curl(f"{plain}/old/x?y=1", "-H", "Host: shop.test")
    await curl(f"{plain}/down")
    await curl(f"{plain}/empty")
    fixed, moved, refused, none = await place.entries(4)
    assert (fixed["elb_status"], fixed["priority"], fixed["actions"]) == (
        "404", "10", "fixed-response",
    )  # fmt: skip
    assert (fixed["target"], fixed["target_status"], fixed["before"], fixed["group"]) == (
        "-", "-", "-1", "-",
    )  # fmt: skip
    assert (moved["elb_status"], moved["actions"]) == ("301", "redirect")
    assert moved["redirect"] == "https://shop.test:443/new/old/x?y=1"
    assert (refused["elb_status"], refused["target_status"]) == ("502", "-")
    assert (refused["target"], refused["group"]) == ("10.0.0.10:9", DOWN)
    assert (refused["before"], refused["target_time"], refused["after"]) == ("-1", "-1", "-1")
    assert (none["elb_status"], none["target"], none["group"]) == ("503", "-", EMPTY)

    await curl(f"{plain}/slow")
    with connect(80) as sock:
        sock.sendall(b"GET /slow/gone HTTP/1.1\r\nHost: x\r\n\r\n")
    late, gone = await place.entries(2)
    assert (late["elb_status"], late["target"], late["target_time"]) == (
        "504", "10.0.0.10:9003", "-1",
    )  # fmt: skip
    assert (gone["elb_status"], gone["target_status"]) == ("460", "-")

    assert b" 400 " in say(80, b"NONSENSE\r\n\r\n")
    [bad] = await place.entries(1)
    assert (bad["elb_status"], bad["target"], bad["actions"]) == ("400", "-", "-")
    assert bad["request"] == "- http://198.18.7.7:80- -"

    await curl(*tls, "https://shop.test/secure", "-H", "X-Amzn-Trace-Id: Self=1-x;Root=1-b;k=v")
    await curl(*tls, "https://shop.test/one", "--http1.1")
    second, first = await place.entries(2)
    assert (second["type"], first["type"]) == ("h2", "https")
    assert second["request"] == "GET https://shop.test:443/secure HTTP/2.0"
    assert (second["domain"], second["certificate"]) == ("shop.test", CERTIFICATE)
    assert (second["protocol"], second["cipher"]) == ("TLSv1.3", "TLS_AES_128_GCM_SHA256")
    assert re.fullmatch(r"Self=1-[0-9a-f-]{33};Root=1-b;k=v", second["trace"])
    with connect(443) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        sock.recv(100)

    await place.counted("ClientTLSNegotiationErrorCount", 1)
    _check_sums(await place.sums())


def _check_sums(sums: dict[str, float]) -> None:
    zone = "ap-northeast-1a"
    web, down = "targetgroup/web/73e2d6bc24d8a067", "targetgroup/down/73e2d6bc24d8a067"
    wanted = {
        "RequestCount": 6,
        f"RequestCount {zone}": 6,
        f"RequestCount {web}": 3,
        f"RequestCount {zone} {web}": 3,
        f"RequestCountPerTarget {web}": 3,
        f"(RequestCountPerTarget {web})": 3,
        "HTTPCode_Target_2XX_Count": 3,
        f"HTTPCode_Target_2XX_Count {zone} {web}": 3,
        "HTTPCode_ELB_3XX_Count": 1,
        "HTTPCode_ELB_4XX_Count": 3,
        "HTTPCode_ELB_5XX_Count": 3,
        "HTTPCode_ELB_502_Count": 1,
        "HTTPCode_ELB_503_Count": 1,
        f"HTTPCode_ELB_504_Count {zone}": 1,
        "HTTP_Fixed_Response_Count": 1,
        "HTTP_Redirect_Count": 1,
        "ClientTLSNegotiationErrorCount": 1,
        f"TargetConnectionErrorCount {down}": 1,
        # Rules looked at: 5 before the default one three times, then 1, 2, 3, 4, 5 and 5.
        "RuleEvaluations": 15 + 1 + 2 + 3 + 4 + 5 + 5,
    }
    assert {name: sums.get(name) for name in wanted} == wanted
    assert "HTTPCode_ELB_500_Count" not in sums
    assert sums["ProcessedBytes"] > 1000
    assert sums["NewConnectionCount"] >= 11  # from clients, and to targets: health checks too
    assert 0 <= sums["TargetResponseTime"] < 3


async def test_each_line_is_counted_once_over_reloads_and_without_anybody_who_takes_counts(
    place: Place,
) -> None:
    async with target(9001, "hello"):
        await place.become(shop())
        await place.until_up()
        load = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", ENI, "wrk", "-t1", "-c8", "-d3", f"http://{ADDRESS}/"),
            stdout=asyncio.subprocess.PIPE,
        )
        for timeout_s in (5, 6, 7):
            await place.become(replace(shop(), idle_timeout_s=timeout_s))
            await asyncio.sleep(0.5)
        out, _ = await load.communicate()
        said = re.search(r"(\d+) requests in", out.decode())
        assert said is not None
        # A daemon that dies with a batch in its hands leaves it to the next one.
        assert (await place.ask("take", unfinished=True))["minutes"]
        for _ in range(5):
            await curl(f"http://{ADDRESS}/gone")
        await place.counted("HTTP_Fixed_Response_Count", 5)
        sums = await place.sums()
        assert sums["HTTP_Fixed_Response_Count"] == 5
        # wrk does not count those that are under way when its time is over: one a connection.
        # Threads of HAProxy that write at once drop a line, rarely; see `leave_counters`.
        assert int(said[1]) * 0.999 < sums["RequestCount"] <= int(said[1]) + 8


async def test_how_targets_are_chosen_and_reached_is_counted(place: Place) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    web, down, *rest = shop().groups
    sticky = replace(web, stickiness=Stickiness(60))
    deaf = (Target(str(ADDRESS), ADDRESS, 9004, "a", settled=True),)
    wish = replace(shop(), groups=(sticky, replace(down, protocol="HTTPS", targets=deaf), *rest))
    listening = in_namespace(NETNS_DIR / ENI, lambda: socket.create_server((str(ADDRESS), 9004)))
    async with (
        target(9001, "hello"),
        await asyncio.start_server(hang_up, sock=listening),
    ):
        await place.become(wish)
        await place.until_up()
        first = await curl(f"http://{ADDRESS}/")
        for cookie in (first.sent("AWSALB"), first.sent("AWSALBCORS"), "AWSALB=junk"):
            assert (await curl(f"http://{ADDRESS}/", "-H", f"Cookie: {cookie}")).status == 200
        assert (await curl(f"http://{ADDRESS}/down")).status == 502
        await place.entries(5)
        sums = await place.sums()
        # The first one had no cookie, the last one's is none of ours.
        assert sums["NonStickyRequestCount"] == sums["NonStickyRequestCount ap-northeast-1a"] == 2
        assert sums["TargetTLSNegotiationErrorCount targetgroup/down/73e2d6bc24d8a067"] == 1
        assert not any("TargetConnectionErrorCount" in name for name in sums)


async def test_the_strictest_mode_tells_what_was_wrong_about_a_request(place: Place) -> None:
    begin = "GET / HTTP/1.1\r\nHost: x\r\n"
    sent = {
        ("Acceptable", "GetHeadZeroContentLength"): f"{begin}Content-Length: 0\r\n",
        ("Acceptable", "NonCompliantHeader"): f"{begin}X: \x01\r\n",
        ("Acceptable", "NonCompliantVersion"): begin.replace("1.1", "1.2"),
        ("Ambiguous", "UndefinedContentLengthSemantics"): f"{begin}Content-Length: 1\r\n",
        ("Ambiguous", "UndefinedTransferEncodingSemantics"): (
            f"{begin}Transfer-Encoding: chunked\r\n"
        ),
        ("Severe", "BadHeader"): f"{begin}X: a\x00b\r\n",
    }
    if ENGINE >= (3, 0):
        del sent["Severe", "BadHeader"]  # its parser is first
    await place.become(shop(**{"routing.http.desync_mitigation_mode": "strictest"}))
    for wrong, head in sent.items():
        answer = await asyncio.to_thread(say, 80, f"{head}\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        [found] = await place.entries(1)
        assert (found["class"], found["class_reason"]) == wrong
    await curl(f"http://{ADDRESS}/gone")
    [found] = await place.entries(1)
    assert (found["class"], found["class_reason"]) == ("-", "-")


async def test_requests_are_served_while_no_collector_reads(place: Place) -> None:
    async with target(9001, "hello"):
        await place.become(shop())
        await place.until_up()
        pid = (await place.ask("status"))["pid"]
        os.kill(pid, signal.SIGKILL)
        assert (await curl(f"http://{ADDRESS}/alone")).status == 200
        report = await place.activate()
        assert "start the collector" in report.steps
        [found] = await place.entries(1)
        assert found["request"].endswith("/alone HTTP/1.1")
        assert (await place.sums())["RequestCount"] == 1


def workers(master: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]


async def test_who_hangs_is_replaced(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector, a node's worker, its master: each lives, and does not answer."""
    async with target(9001, "hello"):
        await place.become(shop())
        await place.until_up()
        collector = (await place.ask("status"))["pid"]
        [(_, node)] = (await place.plane.observe()).items()
        [worker] = workers(node.pid)
        monkeypatch.setattr(silent, "ANSWER_S", 0.5)
        monkeypatch.setattr(silent, "LAST_S", 0.5)
        os.kill(collector, signal.SIGSTOP)
        report = await place.activate()
        assert report.steps[0].startswith("end the collector, which does not answer")
        assert (await place.ask("status"))["pid"] != collector
        for hanging in (worker, None):
            [(_, node)] = (await place.plane.observe()).items()
            os.kill(hanging or node.pid, signal.SIGSTOP)
            assert steps(place.wished, await place.plane.observe()) == [
                ReplaceNode(*place.wished[ENI])
            ]
            await place.step()
            await place.until_up()
            assert command_line(node.pid) == ()
            for _ in range(8):  # none of them waits in the queue of one who never takes it
                assert (await curl(f"http://{ADDRESS}/again")).status == 200


async def test_the_end_of_the_collector_is_heard(place: Place) -> None:
    await place.become(shop())
    ended = asyncio.Event()
    watch = Watch(ended.set)
    plane = replace(place.collector, watch=watch)
    asked = await plane.status()
    for _ in range(2):  # also of one that was started meanwhile
        ended.clear()
        assert asked is not None
        os.kill(asked["pid"], signal.SIGKILL)
        async with asyncio.timeout(5):
            await ended.wait()
        await plane.start()
        asked = await plane.ask("status")
    watch.close()


async def test_a_full_pipe_costs_lines_but_no_request(place: Place) -> None:
    async with target(9001, "hello"):
        await place.become(shop())
        await place.until_up()
        pid = (await place.ask("status"))["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            long = "x" * 7000
            for _ in range(4):
                config = "\n".join([f'url = "http://{ADDRESS}/{long}"\noutput = /dev/null'] * 60)
                (place.tmp / "urls").write_text(config)
                out = await run(
                    *("curl", "-s", "-K", str(place.tmp / "urls"), "-w", "%{http_code}\n"),
                    netns=ENI,
                )
                assert out.split() == ["200"] * 60
        finally:
            os.kill(pid, signal.SIGCONT)
        async with asyncio.timeout(30):
            while True:
                counted = (await place.sums())["RequestCount"]
                dropped = (await place.ask("status"))["dropped"]
                if counted + dropped >= 240:
                    break
        assert counted + dropped == 240
        assert dropped > 0


async def test_enabled_logs_are_delivered_to_their_bucket(place: Place) -> None:
    neighbours = Neighbours()
    api.use_neighbours(neighbours.ask)
    here = {"account": ACCOUNT, "region": REGION}
    bucket = {"Bucket": "logs", "CreateBucketConfiguration": {"LocationConstraint": REGION}}
    neighbours.ask("s3", "CreateBucket", bucket, **here)
    async with target(9001, "hello"):
        await place.become(shop())
        await place.until_up()
        await curl(f"http://{ADDRESS}/before")
        await place.entries(1)
        enabled = {
            "access_logs.s3.enabled": "true",
            "access_logs.s3.bucket": "logs",
            "access_logs.s3.prefix": "web",
            "connection_logs.s3.enabled": "true",
            "connection_logs.s3.bucket": "logs",
        }
        await place.become(shop(**enabled))
        await place.until_up()
        await curl(f"http://{ADDRESS}/one", f"http://{ADDRESS}/two")
        await curl("-k", "--connect-to", f"::{ADDRESS}:443", "https://shop.test/three")
        await place.entries(3)
        await place.ask("turn")
        await curl(f"http://{ADDRESS}/four")
        await place.entries(1)
        await place.ask("turn")
        report = await place.activate()
        delivered = [step for step in report.steps if step.startswith("deliver ")]
        keys = [
            item["Key"]
            for item in neighbours.ask("s3", "ListObjectsV2", {"Bucket": "logs"}, **here)[
                "Contents"
            ]
        ]
        day = r"AWSLogs/123456789012/elasticloadbalancing/ap-northeast-1/\d{4}/\d\d/\d\d/"
        name = (
            r"123456789012_elasticloadbalancing_ap-northeast-1_app\.shop\.50dc6c495c0c9188_"
            r"\d{8}T\d\d[0-5][05]Z_198\.18\.7\.7_[0-9a-f]{8}\.log\.gz"
        )
        access = [key for key in keys if re.fullmatch(f"web/{day}{name}", key)]
        connections = [key for key in keys if re.fullmatch(rf"{day}conn_log\.{name}", key)]
        # One more of each when AWS's five minutes have just ended.
        assert min(len(access), len(connections)) >= 2
        assert len(access) + len(connections) == len(keys) == len(delivered)

        def lines(names: list[str]) -> Iterator[str]:
            for key in names:
                body = neighbours.ask("s3", "GetObject", {"Bucket": "logs", "Key": key}, **here)
                yield from gzip.decompress(body["Body"]).decode().splitlines()

        paths = sorted(entry(line)["request"].split("/")[-2].split()[0] for line in lines(access))
        assert paths == ["four", "one", "three", "two"]
        told = [line.split(" ") for line in lines(connections)]
        assert len(told) == 3  # one and two went over one connection
        [tls] = [parts for parts in told if parts[3] == "443"]
        assert tls[4:6] == ["TLSv1.3", "TLS_AES_128_GCM_SHA256"]
        assert float(tls[6]) >= 0
        assert tls[-2] == "Success"
        assert await place.activate() is not None
        assert place.collector.ready() == []


async def test_a_bucket_that_has_gone_costs_the_file_and_nothing_else(place: Place) -> None:
    api.use_neighbours(Neighbours().ask)
    async with target(9001, "hello"):
        await place.become(
            shop(**{"access_logs.s3.enabled": "true", "access_logs.s3.bucket": "gone"})
        )
        await place.until_up()
        await curl(f"http://{ADDRESS}/")
        await place.entries(1)
        await place.ask("turn")
        [note] = place.collector.ready()
        assert json.loads(note.read_text())["bucket"] == "gone"
        await place.activate()
        assert place.collector.ready() == []
