"""Routing policies and health checks, with dig and with servers that really fail."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.api.dns_cloud import Cloud, record
from tests.plane.dns_world import RESOLVER, dig, internet, stop

__all__ = ["internet"]

from hiyoko.blueprint.places import find_place
from hiyoko.clock import SystemClock
from hiyoko.plane.addresses import HEALTH_CHECKERS
from hiyoko.plane.dns.dns_server import DnsServer
from hiyoko.plane.dns.query_log import QueryLog
from hiyoko.plane.error import PlaneError
from hiyoko.plane.process import run
from hiyoko.reconcile.health_checks import HealthCheckReconciler
from hiyoko.reconcile.query_logs import QueryLogReconciler
from hiyoko.reconcile.zones import ZoneReconciler
from hiyoko.services.route53 import rows
from hiyoko.settings import Settings

HOSTS = ("198.19.255.1", "198.19.255.2")
PACE = 0.001
REGIONS = ["us-east-1", "eu-west-1", "ap-northeast-1"]


@dataclass
class World:
    """A cloud whose zones are served and whose health checks are made, in quick motion."""

    cloud: Cloud
    zones: ZoneReconciler
    checks: HealthCheckReconciler
    zone: str
    server: str
    log: QueryLog

    async def create(self, *records: dict[str, Any]) -> None:
        self.cloud.change(self.zone, *(("CREATE", each) for each in records))
        await self.zones.activate()

    def watch(self, **config: Any) -> str:
        wanted = {"FailureThreshold": 2, "RequestInterval": 10, "Regions": REGIONS, **config}
        made = self.cloud(
            "route53",
            "CreateHealthCheck",
            CallerReference=self.cloud.ids.uuid(),
            HealthCheckConfig=wanted,
        )
        return str(made["HealthCheck"]["Id"])

    def statuses(self, check_id: str) -> set[str]:
        found = self.cloud("route53", "GetHealthCheckStatus", HealthCheckId=check_id)
        return {o["StatusReport"]["Status"] for o in found["HealthCheckObservations"]}

    async def settle(self) -> None:
        """As many rounds as a verdict needs to turn."""
        for _ in range(3):
            await self.checks.activate()
            while self.checks.checkers.asking:
                await self.checks.activate()
            await asyncio.sleep(10 * PACE)  # the interval itself
        await self.zones.activate()

    async def short(self, name: str, *more: str, at: str = "") -> list[str]:
        return sorted((await dig("+short", f"@{at or self.server}", name, *more)).split())


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    cloud, settings = Cloud(), Settings(tmp_path)
    for address in HOSTS:
        await run("ip", "address", "replace", f"{address}/32", "dev", "lo")
    zones = ZoneReconciler(cloud.store, DnsServer(settings))
    checks = HealthCheckReconciler(cloud.store, clock=SystemClock(), pace=PACE)
    zone = cloud.zone("my-project.jp")
    with cloud.store.reading() as tx:
        number = rows.get_zone(tx, "123456789012", zone).servers[0]
    assert (await zones.activate()).refusals == {}
    yield World(
        cloud,
        zones,
        checks,
        zone,
        f"198.18.{8 + number // 256}.{number % 256}",
        QueryLog.below(settings.run_dir),
    )
    await stop(settings, signal.SIGTERM)


@dataclass
class Site:
    """An HTTP server that answers as it is told, and remembers who came."""

    status: str = "200 OK"
    body: str = "all is well"
    heads: list[str] = field(default_factory=list)
    peers: set[str] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            self.peers.add(writer.get_extra_info("peername")[0])
            chunk = f"{len(self.body):x}\r\n{self.body}\r\n0\r\n\r\n"
            writer.write(
                f"HTTP/1.1 {self.status}\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}".encode()
            )
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def served(
    site: Site, address: str, port: int = 80, tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    async with await asyncio.start_server(site.serve, address, port, ssl=tls):
        yield


def a(name: str, address: str, set_id: str, **routing: Any) -> dict[str, Any]:
    made = record(f"{name}.my-project.jp", "A", address, ttl=60)
    return made | {"SetIdentifier": set_id} | routing


async def test_weighted_answers_change_from_question_to_question(world: World) -> None:
    await world.create(
        a("w", "198.19.0.1", "a", Weight=3),
        a("w", "198.19.0.2", "b", Weight=1),
        a("w", "198.19.0.3", "c", Weight=0),
    )
    questions = [word for _ in range(400) for word in ("w.my-project.jp", "A")]
    found = Counter((await dig("+short", f"@{world.server}", *questions)).split())
    assert set(found) == {"198.19.0.1", "198.19.0.2"}
    assert 250 <= found["198.19.0.1"] <= 350
    # A resolver keeps what it got for the TTL, as everywhere.
    assert len({(await world.short("w.my-project.jp", at=RESOLVER))[0] for _ in range(10)}) == 1


async def test_multivalue_gives_eight_of_ten(world: World) -> None:
    await world.create(*(a("m", f"198.19.0.{n}", f"{n}", MultiValueAnswer=True) for n in range(10)))
    said = await dig(f"@{world.server}", "m.my-project.jp")
    assert "ANSWER: 8," in said


async def test_place_decides_by_client_subnet_or_by_the_clients_address(world: World) -> None:
    await world.create(
        a("g", "198.19.0.1", "jp", GeoLocation={"CountryCode": "JP"}),
        a("g", "198.19.0.2", "us", GeoLocation={"CountryCode": "US"}),
        a("g", "198.19.0.3", "eu", GeoLocation={"ContinentCode": "EU"}),
        a("l", "198.19.0.4", "t", Region="ap-northeast-1"),
        a("l", "198.19.0.5", "v", Region="us-east-1"),
        a("l", "198.19.0.6", "f", Region="eu-central-1"),
    )
    expected = {
        "tokyo": ("198.19.0.1", "198.19.0.4"),
        "virginia": ("198.19.0.2", "198.19.0.5"),
        "frankfurt": ("198.19.0.3", "198.19.0.6"),
    }
    assert await world.short("g.my-project.jp") == ["198.19.0.1"]
    for name, (by_country, by_region) in expected.items():
        place = find_place(name)
        assert place is not None
        client = str(place.network[200])
        await run("ip", "address", "replace", f"{client}/32", "dev", "lo")
        for way in ((f"+subnet={place.network}",), ("-b", client)):
            for at in (world.server, RESOLVER):
                assert await world.short("g.my-project.jp", *way, at=at) == [by_country]
                assert await world.short("l.my-project.jp", *way, at=at) == [by_region]
        await run("ip", "address", "delete", f"{client}/32", "dev", "lo")
    # From nowhere, and without a default: the name exists, and that is all.
    for at in (world.server, RESOLVER):
        said = await dig(f"@{at}", "g.my-project.jp", "+subnet=192.0.2.0/24")
        assert "status: NOERROR" in said
        assert "ANSWER: 0" in said
    scoped = await dig(f"@{world.server}", "g.my-project.jp", "+subnet=198.18.130.0/24")
    assert "CLIENT-SUBNET: 198.18.130.0/24/24" in scoped


async def test_who_runs_from_elsewhere_is_there_for_everybody(world: World) -> None:
    await world.create(
        a("g", "198.19.0.1", "jp", GeoLocation={"CountryCode": "JP"}),
        a("g", "198.19.0.2", "us", GeoLocation={"CountryCode": "US", "SubdivisionCode": "VA"}),
    )
    site = Site()

    async def there(place: str, *command: str) -> str:
        enter = (sys.executable, "-m", "hiyoko.plane.enter", "1", "--from", place)
        return (await run(*enter, "--", *command)).strip()

    async with served(site, HOSTS[0]):
        for place, address in (("virginia", "198.19.0.2"), ("osaka", "198.19.0.1")):
            for _ in range(2):  # made, then found
                found = await there(place, "dig", "+short", f"@{RESOLVER}", "g.my-project.jp")
                assert found == address
            assert await there(place, "curl", "-sS", f"http://{HOSTS[0]}/") == site.body
    assert site.peers == {"198.18.130.100", "198.18.129.100"}
    for place in ("virginia", "osaka"):
        await run("ip", "netns", "delete", f"from-{place}")
    with pytest.raises(PlaneError, match="no place is named atlantis; there are: tokyo, osaka"):
        await there("atlantis", "true")


async def test_a_failed_health_check_flips_the_answer_and_back(world: World) -> None:
    site = Site()
    watched = world.watch(Type="HTTP", IPAddress=HOSTS[0], ResourcePath="/health")
    await world.create(
        a("f", HOSTS[0], "p", Failover="PRIMARY", HealthCheckId=watched),
        a("f", HOSTS[1], "s", Failover="SECONDARY"),
        record("x.my-project.jp", "CNAME", "f.my-project.jp"),
    )
    async with served(site, HOSTS[0]):
        await world.settle()
        assert await world.short("f.my-project.jp") == [HOSTS[0]]
        assert world.statuses(watched) == {"Success: HTTP Status Code 200, OK"}
        assert site.peers == {str(HEALTH_CHECKERS[region]) for region in REGIONS}
        assert site.heads[0].startswith(f"GET /health HTTP/1.1\r\nHost: {HOSTS[0]}\r\n")
        assert f"Amazon-Route53-Health-Check-Service (ref {watched};" in site.heads[0]
        site.status = "503 Service Unavailable"
        await world.settle()
        assert await world.short("f.my-project.jp") == [HOSTS[1]]
        assert HOSTS[1] in await world.short("x.my-project.jp", at=RESOLVER)
        site.status = "302 Found"
        await world.settle()
        assert await world.short("f.my-project.jp") == [HOSTS[0]]
    await world.settle()
    assert await world.short("f.my-project.jp") == [HOSTS[1]]
    assert all("refused" in status.lower() for status in world.statuses(watched))


async def test_tls_string_match_and_names(world: World, tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    await run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-subj", "/CN=other", "-keyout", str(key), "-out", str(cert)),
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    names: list[str | None] = []

    def on_name(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        names.append(name)

    tls.sni_callback = on_name
    await world.create(record("site.my-project.jp", "A", HOSTS[0]))
    site = Site()
    target = {"Type": "HTTPS_STR_MATCH", "FullyQualifiedDomainName": "site.my-project.jp"}
    good = world.watch(**target, SearchString="is well")
    bad = world.watch(**target, SearchString="Is Well")
    late = world.watch(**target, SearchString="too late")
    site.body += " " * 5120 + "too late"
    async with served(site, HOSTS[0], 443, tls):
        await world.settle()
    assert set(names) == {"site.my-project.jp"}
    assert site.heads[0].split("\r\n")[1] == "Host: site.my-project.jp"
    assert world.statuses(good) == {"Success: HTTP Status Code 200, OK"}
    for check in (bad, late):
        assert "doesn't contain the search string" in world.statuses(check).pop()


async def test_tcp_calculated_inverted_and_disabled_checks(world: World) -> None:
    up, down = (world.watch(Type="TCP", IPAddress=HOSTS[0], Port=port) for port in (8001, 8002))

    def calculated(*children: str, threshold: int = 1, **more: Any) -> str:
        return str(
            world.cloud(
                "route53",
                "CreateHealthCheck",
                CallerReference=world.cloud.ids.uuid(),
                HealthCheckConfig={
                    "Type": "CALCULATED",
                    "ChildHealthChecks": list(children),
                    "HealthThreshold": threshold,
                    **more,
                },
            )["HealthCheck"]["Id"]
        )

    cases = {
        "up": (up, True),
        "down": (down, False),
        "one": (calculated(up, down), True),
        "both": (calculated(up, down, threshold=2), False),
        "not": (calculated(up, down, threshold=2, Inverted=True), True),
        "off": (calculated(down, Disabled=True), True),
    }
    await world.create(
        *(
            a(name, address, set_id, Failover=role, **more)
            for name, (check, _) in cases.items()
            for address, set_id, role, more in (
                (HOSTS[0], "p", "PRIMARY", {"HealthCheckId": check}),
                (HOSTS[1], "s", "SECONDARY", {}),
            )
        )
    )
    async with served(Site(), HOSTS[0], 8001):
        await world.settle()
    for name, (_, healthy) in cases.items():
        assert await world.short(f"{name}.my-project.jp") == [HOSTS[0] if healthy else HOSTS[1]]


async def test_an_endpoint_that_hangs_holds_up_nobody(world: World) -> None:
    hanging, quick = (world.watch(Type="HTTP", IPAddress=address) for address in HOSTS[:2])
    over = asyncio.Event()
    silence = "Failure: No response within the time limit of 2 seconds."

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async with await asyncio.start_server(hang, HOSTS[0], 80), served(Site(), HOSTS[1]):
        while not world.statuses(quick):
            await world.checks.activate()
        assert world.statuses(quick) == {"Success: HTTP Status Code 200, OK"}
        assert silence not in world.statuses(hanging)
        while silence not in world.statuses(hanging):
            await world.checks.activate()
        over.set()


async def test_a_network_gets_its_own_answer(world: World) -> None:
    made = world.cloud("route53", "CreateCidrCollection", Name="offices", CallerReference="r")
    collection = made["Collection"]["Id"]
    change = {"LocationName": "tokyo", "Action": "PUT", "CidrList": ["203.0.113.0/24"]}
    world.cloud("route53", "ChangeCidrCollection", Id=collection, Changes=[change])

    def of(location: str) -> dict[str, Any]:
        return {"CidrRoutingConfig": {"CollectionId": collection, "LocationName": location}}

    await world.create(
        a("o", "198.19.0.1", "t", **of("tokyo")), a("o", "198.19.0.2", "rest", **of("*"))
    )
    name = "o.my-project.jp"
    assert await world.short(name, "+subnet=203.0.113.7/32") == ["198.19.0.1"]
    assert await world.short(name, "+subnet=203.0.114.7/32") == ["198.19.0.2"]
    assert await world.short(name) == ["198.19.0.2"]


async def test_a_traffic_policy_answers_by_its_tree(world: World) -> None:
    document = {
        "AWSPolicyFormatVersion": "2015-10-01",
        "RecordType": "A",
        "StartRule": "place",
        "Endpoints": {
            "here": {"Type": "value", "Value": "198.19.0.1"},
            "spare": {"Type": "value", "Value": "198.19.0.2"},
            "eu": {"Type": "value", "Value": "198.19.0.3"},
        },
        "Rules": {
            "place": {
                "RuleType": "geo",
                "Locations": [
                    {"Continent": "EU", "EndpointReference": "eu"},
                    {"IsDefault": True, "RuleReference": "switch"},
                ],
            },
            "switch": {
                "RuleType": "failover",
                "Primary": {"EndpointReference": "here", "HealthCheck": ""},
                "Secondary": {"EndpointReference": "spare"},
            },
        },
    }
    check = world.watch(Type="TCP", IPAddress=HOSTS[0], Port=80)
    document["Rules"]["switch"]["Primary"]["HealthCheck"] = check  # type: ignore[index]
    made = world.cloud("route53", "CreateTrafficPolicy", Name="p", Document=json.dumps(document))[
        "TrafficPolicy"
    ]
    world.cloud(
        "route53",
        "CreateTrafficPolicyInstance",
        HostedZoneId=world.zone,
        Name="t.my-project.jp",
        TTL=5,
        TrafficPolicyId=made["Id"],
        TrafficPolicyVersion=1,
    )
    dublin = find_place("dublin")
    assert dublin is not None
    async with served(Site(), HOSTS[0]):
        await world.settle()
        assert await world.short("t.my-project.jp") == ["198.19.0.1"]
        there = f"+subnet={dublin.client}/32"
        assert await world.short("t.my-project.jp", there) == ["198.19.0.3"]
    await world.settle()
    assert await world.short("t.my-project.jp") == ["198.19.0.2"]
    found = world.cloud("route53", "ListTrafficPolicyInstances")["TrafficPolicyInstances"]
    assert [one["State"] for one in found] == ["Applied"]


async def test_queries_for_a_logged_zone_come_to_its_log_group(world: World) -> None:
    group = "/aws/route53/my-project.jp"
    world.cloud("logs", "CreateLogGroup", region="us-east-1", logGroupName=group)
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{group}"
    world.cloud(
        "route53",
        "CreateQueryLoggingConfig",
        HostedZoneId=world.zone,
        CloudWatchLogsLogGroupArn=arn,
    )
    await world.create(record("www.my-project.jp", "A", "198.19.0.1", ttl=60))
    await world.short("www.my-project.jp", "A", "+subnet=203.0.113.0/24")
    await world.short("none.my-project.jp", "AAAA", "+tcp")
    reconciler = QueryLogReconciler(world.cloud.store, world.log)
    for _ in range(2):
        assert (await reconciler.activate()).refusals == {}
    found = world.cloud("logs", "FilterLogEvents", region="us-east-1", logGroupName=group)
    bare = world.zone.rpartition("/")[2]
    words = [event["message"].split() for event in found["events"]]
    assert [(w[0], w[2], *w[3:8], w[9]) for w in words] == [
        ("1.0", bare, "www.my-project.jp", "A", "NOERROR", "UDP", "NRT1", "203.0.113.0/24"),
        ("1.0", bare, "none.my-project.jp", "AAAA", "NXDOMAIN", "TCP", "NRT1", "-"),
    ]
    assert found["events"][0]["logStreamName"] == f"{bare}/NRT1"
