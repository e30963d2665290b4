"""Targets of a real HAProxy that come, go, fail and recover under traffic.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from bench.big_balancer import FIRST, registration, rig
from tests.plane.balancer_world import (
    ADDRESS,
    CERTIFICATES,
    CHECK,
    ENGINE,
    ENI,
    GROUP,
    Answer,
    Place,
    bundle,
    curl,
    group,
    node,
    place,
    rule,
)

from hiyoko.blueprint.balancers import (
    BalancerNode,
    Condition,
    FixedResponse,
    Forward,
    Stickiness,
    Target,
)
from hiyoko.plane.balancer.master import CONFIG, MASTER_SOCKET
from hiyoko.plane.balancer.nodes import BalancerPlane
from hiyoko.plane.balancer.observe import describe_failure, parse_info
from hiyoko.plane.balancer.paths import Paths
from hiyoko.plane.balancer.render import render_haproxy
from hiyoko.plane.balancer.servers import group_servers
from hiyoko.plane.balancer.socket import ask_worker
from hiyoko.plane.error import PlaneError
from hiyoko.plane.process import command_line, run
from hiyoko.services.elbv2 import rows

__all__ = ["place"]

URL = f"http://{ADDRESS}:8080"
BACKEND = "tg.web.0123456789abcdef"
MORE = ("CORS", "-1", "-2", "-3")
"""Cookies that need not come back."""
LOAD = ("nice", "wrk", "-t1", "-c64")

# One process is every target: it answers on any address of its namespace, with that address.
TARGETS = """
import asyncio, json
health, checks, held = {}, [], asyncio.Event()
async def serve(reader, writer):
    me, port = writer.get_extra_info("sockname")[:2]
    try:
        while True:
            head = (await reader.readuntil(b"\\r\\n\\r\\n")).decode()
            path, status, body = head.split()[1], "200 OK", me
            if path == "/health":
                checks.append([me, writer.get_extra_info("peername")[0], head])
                status = health.get(me, status)
                if status == "silent":
                    await asyncio.sleep(3600)
            elif path.startswith("/be/"):
                health[me] = path[4:].replace("+", " ")
            elif path == "/checks":
                body = json.dumps(checks)
            elif path == "/sid":
                status += "\\r\\nSet-Cookie: SID=mine"
            elif path == "/hold":
                await held.wait()
            elif path == "/release":
                held.set()
            writer.write(f"HTTP/1.1 {status}\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n{body}"
                .encode())
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", 9000)
    print("ready", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@pytest.fixture
async def targets(place: Place) -> AsyncIterator[None]:
    # Every address of 10.1.0.0/16 is this namespace's own.
    await run("ip", "-n", ENI, "route", "add", "local", "10.1.0.0/16", "dev", "lo")
    process = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", ENI, sys.executable, "-c", TARGETS),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield
    finally:
        process.kill()
        await process.communicate()


def at(number: int, **changes: object) -> Target:
    address = IPv4Address("10.1.0.0") + number
    made = Target(str(address), address, 9000, "a")
    return replace(made, **changes)  # type: ignore[arg-type]


async def tell(target: Target, path: str) -> str:
    """Ask a target itself, not by way of the balancer."""
    return (await curl(f"http://{target.address}:9000{path}")).body


async def healthy(place: Place, count: int) -> None:
    """Step as the reconciler does until so many targets are in use."""
    async with asyncio.timeout(60):
        while True:
            await place.step()
            servers = (await place.plane.observe())[ENI].servers
            checked = [
                seen.up
                for (backend, name), seen in servers.items()
                if backend == BACKEND and not name.startswith("open:")
            ]
            if sum(checked) == count:
                return
            await asyncio.sleep(0.02)


async def worker(place: Place) -> int:
    """The pid of HAProxy's worker: a reload makes a new one."""
    master = place.plane.directory / ENI / MASTER_SOCKET
    return int(parse_info(await ask_worker(master, ["show info"]))["Pid"])


async def counts(requests: int, path: str = "/") -> Counter[str]:
    """Who answers so many requests, one after the other on one connection."""
    urls = f"{URL}{path}?[1-{requests}]"
    out = await run("curl", "-s", "-m", "60", "-w", "\\n", urls, netns=ENI)
    return Counter(out.split())


async def test_targets_come_and_go_without_a_reload(place: Place, targets: None) -> None:
    await place.become(node(group()))
    assert (await curl(URL)).status == 503
    first = await worker(place)
    await place.become(node(group(at(1), at(2))))
    await healthy(place, 2)
    assert set(await counts(4)) == {"10.1.0.1", "10.1.0.2"}
    wish = node(group(at(2)))
    await place.become(wish)
    assert set(await counts(4)) == {"10.1.0.2"}
    assert await worker(place) == first
    # What a restart would read is what runs.
    text = (place.plane.directory / ENI / CONFIG).read_text()
    assert text == place.wished[ENI][1]
    assert "10.1.0.2:9000" in text
    assert "10.1.0.1:9000" not in text


async def test_a_server_that_is_added_keeps_its_connections_as_one_from_the_file(
    place: Place, targets: None
) -> None:
    await place.become(node(group()))
    await place.become(node(group(at(1))))
    await healthy(place, 1)
    await counts(20)
    master = place.plane.directory / ENI / MASTER_SOCKET
    stat = await ask_worker(master, [f"show stat {BACKEND} 4 -1"])
    columns, row = (line.split(",") for line in stat.lstrip("# ").splitlines()[:2])
    seen = dict(zip(columns, row, strict=False))
    assert int(seen["connect"]) <= 2
    assert int(seen["reuse"]) >= 18


@pytest.mark.parametrize("check", [("HTTPS", None), ("HTTP", 9000)], ids=["tls", "plain"])
async def test_a_target_that_is_added_may_speak_tls(
    place: Place, targets: None, check: tuple[str, int | None]
) -> None:
    # Nobody vouches for the certificate: AWS does not look at it either.
    certificate = bundle(place.tmp / "target.pem", "target.test").path
    protocol, port = check
    checked = replace(CHECK, protocol=protocol, port=port)
    process = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", ENI, "openssl", "s_server", "-www", "-accept", "9443"),
        *("-cert", certificate, "-key", certificate),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        await process.stdout.readuntil(b"ACCEPT")
        await place.become(node(group(protocol="HTTPS", health_check=checked)))
        secure = at(1, port=9443)
        await place.become(node(group(secure, protocol="HTTPS", health_check=checked)))
        await healthy(place, 1)
        answer = await curl(URL)
        assert answer.status == 200
        assert "TLSv1.3" in answer.body
    finally:
        process.terminate()
        await process.communicate()


@pytest.mark.parametrize("app_cookie", [None, "SID"], ids=["lb_cookie", "app_cookie"])
async def test_a_sticky_groups_targets_come_and_go_without_a_reload(
    place: Place, targets: None, app_cookie: str | None
) -> None:
    def wish(*those: Target) -> BalancerNode:
        return node(group(*those, stickiness=Stickiness(60, app_cookie)))

    async def home(answer: Answer) -> set[str]:
        sent = answer.sent(*(name for name in answer.cookies if not name.endswith(MORE)))
        return {(await curl("-H", f"Cookie: {sent}", URL)).body for _ in range(4)}

    await place.become(wish(at(1)))
    await healthy(place, 1)
    loaded = await worker(place)
    first = await curl(f"{URL}/sid")
    await place.become(wish(at(1, settled=True), at(2)))
    await healthy(place, 2)
    assert await home(first) == {"10.1.0.1"}
    # The one that came is one to come back to.
    async with asyncio.timeout(10):
        while (second := await curl(f"{URL}/sid")).body != "10.1.0.2":
            pass
    assert await home(second) == {"10.1.0.2"}
    # Draining it is passed over; gone, its cookie leads to another; back, to it.
    await place.become(wish(at(1, settled=True), at(2, settled=True, draining=True)))
    assert await home(second) == {"10.1.0.1"}
    await place.become(wish(at(1, settled=True)))
    assert await home(second) == {"10.1.0.1"}
    await place.become(wish(at(1, settled=True), at(2)))
    await healthy(place, 2)
    assert await home(second) == {"10.1.0.2"}
    assert await home(first) == {"10.1.0.1"}
    assert await worker(place) == loaded


async def test_a_request_in_flight_ends_in_peace_while_its_target_drains(
    place: Place, targets: None
) -> None:
    await place.become(node(group(at(1))))
    await healthy(place, 1)
    held = asyncio.create_task(curl(f"{URL}/hold"))
    await in_flight(place, 1)
    await place.become(node(group(at(1, draining=True), at(2))))
    await healthy(place, 1)
    assert set(await counts(4)) == {"10.1.0.2"}
    await tell(at(1), "/release")
    assert (await held).body == "10.1.0.1"


async def test_a_target_that_comes_back_while_it_drains_is_checked_at_once(
    place: Place, targets: None
) -> None:
    """Another task may have the address of one that drains: what that one answered says nothing."""
    slow = replace(CHECK, interval_s=300)
    back = node(replace(group(at(1)), health_check=slow))
    drains = node(replace(group(at(1, draining=True)), health_check=slow))
    await place.become(drains)
    await place.become(back)
    await healthy(place, 1)
    await place.become(drains)
    await tell(at(1), "/be/500+Oops")
    await place.become(back)
    async with asyncio.timeout(30):
        while True:
            seen = (await place.plane.observe())[ENI].servers[BACKEND, "10.1.0.1:9000"]
            if seen.check:
                break
            await asyncio.sleep(0.02)
    assert (seen.up, seen.check) == (False, "L7STS")


async def test_a_target_that_comes_back_ends_what_it_began_before(
    place: Place, targets: None
) -> None:
    await place.become(node(group(at(1))))
    await healthy(place, 1)
    held = asyncio.create_task(curl(f"{URL}/hold"))
    await in_flight(place, 1)
    await place.become(node(group(at(1, draining=True))))
    await place.become(node(group(at(1))))
    await healthy(place, 1)
    assert (await curl(URL)).body == "10.1.0.1"
    await tell(at(1), "/release")
    assert (await held).body == "10.1.0.1"


@pytest.mark.parametrize("reloaded", [False, True])
async def test_a_request_in_flight_is_502_when_the_delay_is_over(
    place: Place, targets: None, reloaded: bool
) -> None:
    await place.become(node(group(at(1))))
    await healthy(place, 1)
    held = asyncio.create_task(curl(f"{URL}/hold"))
    await in_flight(place, 1)
    draining = node(group(at(1, draining=True)))
    await place.become(draining)
    if reloaded:
        # Now a worker serves the request that is about to end.
        await place.become(replace(draining, idle_timeout_s=61))
    await place.become(replace(node(group()), idle_timeout_s=61 if reloaded else 60))
    if ENGINE >= (3, 0):
        with pytest.raises(PlaneError, match="exit 52"):  # nothing came
            await held
    else:
        answer = await held
        assert (answer.status, len(answer.body)) == (502, 122)


async def in_flight(place: Place, count: int) -> None:
    master = place.plane.directory / ENI / MASTER_SOCKET
    async with asyncio.timeout(30):
        while True:
            stat = await ask_worker(master, [f"show stat {BACKEND} 4 -1"])
            if sum(int(line.split(",")[4]) for line in stat.splitlines()[1:] if line) >= count:
                return
            await asyncio.sleep(0.02)


async def test_what_was_killed_between_two_commands_is_finished(
    place: Place, targets: None
) -> None:
    wish = group(at(1))
    master = place.plane.directory / ENI / MASTER_SOCKET
    commands = list(group_servers(wish)[0].added())
    for done in range(len(commands) + 1):
        await place.become(node(group()))
        await ask_worker(master, commands[:done])
        # Whatever HAProxy was told: nobody has checked the target, so it gets nothing.
        assert (await curl(URL)).status == 503
        await place.become(node(wish))
        await healthy(place, 1)
        assert (await curl(URL)).body == "10.1.0.1"


async def test_a_file_that_was_written_before_the_kill_and_never_loaded_is_put_right(
    place: Place, targets: None
) -> None:
    await place.become(node(group(at(1))))
    await healthy(place, 1)
    config = place.plane.directory / ENI / CONFIG
    wished = place.wished[ENI][1]
    config.write_text(wished.replace("10.1.0.1:9000", "10.1.0.2:9000"))
    first = await worker(place)
    assert await place.step() == 1
    assert config.read_text() == wished
    assert await place.step() == 0
    assert await worker(place) == first


async def test_checks_are_the_nodes_own_and_say_who_asks(place: Place, targets: None) -> None:
    await place.become(node(group(at(1))))
    await healthy(place, 1)
    (me, peer, head), *_ = json.loads(await tell(at(1), "/checks"))
    # The source is whatever address the node's namespace gives a connection to this target.
    assert (me, peer) == ("10.1.0.1", "10.1.0.1")
    lines = head.split("\r\n")
    assert lines[0] == "GET /health HTTP/1.1"
    named = {line.partition(":")[0].lower(): line.partition(": ")[2] for line in lines[1:] if line}
    assert named == {
        "host": "10.1.0.1:9000",
        "user-agent": "ELB-HealthChecker/2.0",
        "connection": "close",
        "accept-encoding": "gzip, compressed",
    }


async def test_each_way_to_fail_has_its_reason(place: Place, targets: None) -> None:
    await tell(at(1), "/be/404+Not+Found")
    await tell(at(2), "/be/silent")
    await tell(at(4), "/be/299+Odd")
    refusing = Target("10.1.0.3", IPv4Address("10.1.0.3"), 9009, "a")
    check = replace(CHECK, matcher="200,298-300")
    wish = group(at(1), at(2), refusing, at(4), health_check=check)
    await place.become(node(wish))
    await healthy(place, 1)

    def reason(target: Target) -> tuple[str, str]:
        return describe_failure(servers[BACKEND, f"{target.address}:{target.port}"])

    async with asyncio.timeout(30):
        while True:
            servers = (await place.plane.observe())[ENI].servers
            if all(servers[BACKEND, f"{t.address}:{t.port}"].check for t in (at(1), at(2))):
                break
            await asyncio.sleep(0.05)
    codes = "Health checks failed with these codes: [404]"
    assert reason(at(1)) == ("Target.ResponseCodeMismatch", codes)
    assert reason(at(2)) == ("Target.Timeout", "Request timed out")
    assert reason(refusing) == ("Target.FailedHealthChecks", "Health checks failed")
    assert (await curl(URL)).body == "10.1.0.4"


async def test_an_unhealthy_target_needs_as_many_successes_as_the_threshold(
    place: Place, targets: None
) -> None:
    check = replace(CHECK, healthy_threshold=2, unhealthy_threshold=1)
    await place.become(node(group(at(1), health_check=check)))
    await healthy(place, 1)
    await place.become(node(group(at(1, settled=True), health_check=check)))
    await tell(at(1), "/be/500+Broken")
    await healthy(place, 0)
    begun = time.monotonic()
    await tell(at(1), "/be/200+OK")
    await healthy(place, 1)
    assert time.monotonic() - begun > 0.9


async def test_round_robin_takes_turns_and_least_outstanding_takes_the_idle_one(
    place: Place, targets: None
) -> None:
    both = (at(1), at(2))
    await place.become(node(group(*both)))
    await healthy(place, 2)
    assert await counts(20) == {"10.1.0.1": 10, "10.1.0.2": 10}
    await place.become(node(group(*both, algorithm="least_outstanding_requests")))
    await healthy(place, 2)
    held = asyncio.create_task(curl(f"{URL}/hold"))
    await in_flight(place, 1)
    busy = Counter(await counts(10))
    assert len(busy) == 1
    await tell(at(1), "/release")
    assert (await held).body not in busy


async def test_weighted_random_is_even_and_in_no_order(place: Place, targets: None) -> None:
    await place.become(node(group(at(1), at(2), algorithm="weighted_random")))
    await healthy(place, 2)
    out = await run("curl", "-s", "-w", "\\n", f"{URL}/?[1-300]", netns=ENI)
    answers = out.split()
    # Six standard deviations around the middle.
    assert 98 < answers.count("10.1.0.1") < 202
    assert answers[::2].count("10.1.0.1") not in (0, 150)


async def test_a_recovering_target_starts_slowly(place: Place, targets: None) -> None:
    await place.become(node(group(at(1))))
    await healthy(place, 1)
    # The one that is healthy when slow start is turned on does not begin anew.
    old = at(1, settled=True)
    await place.become(node(group(old, at(2), slow_start_s=30)))
    await healthy(place, 2)
    shares = await counts(40)
    assert shares["10.1.0.2"] < 10 < 30 < shares["10.1.0.1"]
    master = place.plane.directory / ENI / MASTER_SOCKET
    stat = await ask_worker(master, [f"show stat {BACKEND} 4 -1"])
    columns, *rows = (line.split(",") for line in stat.lstrip("# ").splitlines() if line)
    throttle = {row[1]: row[columns.index("throttle")] for row in rows}
    assert throttle["10.1.0.1:9000"] == ""
    assert 0 < int(throttle["10.1.0.2:9000"]) < 50


@pytest.mark.parametrize(
    "minimum", [{"healthy_count_min": 2}, {"healthy_percent_min": 50}], ids=["count", "percent"]
)
async def test_below_the_routing_threshold_all_targets_get_requests(
    place: Place, targets: None, minimum: dict[str, Any]
) -> None:
    check = replace(CHECK, unhealthy_threshold=1)
    settings: dict[str, Any] = {"health_check": check, **minimum}
    await place.become(node(replace(group(at(1), at(2), at(3)), **settings)))
    await healthy(place, 3)
    three = tuple(at(number, settled=True) for number in (1, 2, 3))
    await place.become(node(replace(group(*three), **settings)))
    await tell(at(3), "/be/500+Broken")
    await healthy(place, 2)
    assert set(await counts(8)) == {"10.1.0.1", "10.1.0.2"}
    await tell(at(2), "/be/500+Broken")
    await healthy(place, 1)
    assert set(await counts(12)) == {"10.1.0.1", "10.1.0.2", "10.1.0.3"}
    await tell(at(1), "/be/500+Broken")
    await healthy(place, 0)
    assert set(await counts(12)) == {"10.1.0.1", "10.1.0.2", "10.1.0.3"}


async def test_news_of_health_and_the_end_of_a_node_wake(place: Place, targets: None) -> None:
    woken = asyncio.Event()
    place.plane = BalancerPlane.hearing(place.plane.directory, woken.set)
    events = place.plane.events
    assert events is not None
    try:
        await place.become(node(group(at(1))))
        await healthy(place, 1)
        woken.clear()
        await tell(at(1), "/be/500+Broken")
        async with asyncio.timeout(30):
            await woken.wait()
        await healthy(place, 0)
        woken.clear()
        pid = (await place.plane.observe())[ENI].pid
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(30):
            await woken.wait()
    finally:
        events.close()
        place.plane = BalancerPlane(place.plane.directory)


async def test_two_hundred_changes_under_load_lose_no_request(place: Place, targets: None) -> None:
    others = [at(number) for number in range(2, 12)]
    certificates = [bundle(place.tmp / f"new{n}.pem", "other.test") for n in range(2)]

    def wish(count: int) -> BalancerNode:
        """Of twenty changes, eighteen are of targets, one of a rule, one of a certificate."""
        if count % 20 == 9:
            place.paths = Paths(
                {
                    CERTIFICATES[0]: place.paths.certificates[CERTIFICATES[0]],
                    CERTIFICATES[1]: certificates[count // 20 % 2],
                }
            )
        fixed = FixedResponse(200, "text/plain", f"fixed {count // 20}")
        rules = (
            rule(1, fixed, Condition("path-pattern", ("/fixed",))),
            rule(2, Forward(((GROUP, 1),)), Condition("path-pattern", (f"/{count // 20}",))),
        )
        drained = replace(others[count % 10], draining=True)
        live = [target for target in others if target.target_id != drained.target_id]
        return node(group(at(1), *live, drained), rules=rules)

    await place.become(wish(0))
    await healthy(place, 10)
    load = asyncio.create_task(run(*LOAD, "-d60", URL, netns=ENI, timeout_s=90))
    took: list[float] = []
    for count in range(1, 201):
        since = time.monotonic()
        wished = wish(count)
        place.wished = {ENI: (wished, render_haproxy(wished, place.paths))}
        await place.step()
        took.append(time.monotonic() - since)
    while await place.step():
        pass
    print(f"200 changes in {sum(took):.1f} s: {sorted(took)[100]:.3f} s, at most {max(took):.2f} s")
    for process in await wrk_pids():
        os.kill(process, signal.SIGINT)
    out = await load
    assert "requests in" in out
    assert "Socket errors" not in out
    assert "Non-2xx" not in out


async def test_many_rules_groups_and_targets_are_served_and_changed(tmp_path: Path) -> None:
    async with rig(tmp_path, groups=20, targets=200) as big:
        await big.settle()
        await big.until_healthy(200)
        await big.settle()
        # Targets are dealt out to the groups in turn.
        assert await big.ask("/7/x") == str(FIRST + 256 + 7)
        new = registration(201, 20)
        with big.store.transaction() as tx:
            rows.REGISTRATIONS.insert(tx, new)
        await big.until_healthy(201)
        answers = {await big.ask("/1/x") for _ in range(11)}
        assert new.target_id in answers


async def wrk_pids() -> list[int]:
    pids = map(int, (await run("ip", "netns", "pids", ENI)).split())
    return [pid for pid in pids if command_line(pid)[:1] == ("wrk",)]
