"""The DNS of the world, asked by an independent client: dig."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.api.dns_cloud import ALB_ZONE, DNS_NAME, Cloud, alias, record, with_balancer
from tests.plane.dns_world import RESOLVER, dig, internet, stop

__all__ = ["internet"]

from hiyoko.api import invoke
from hiyoko.plane import silent
from hiyoko.plane.containers.watch import Watch
from hiyoko.plane.dns.control import ask
from hiyoko.plane.dns.dns_server import DnsServer
from hiyoko.plane.process import command_line, run
from hiyoko.reconcile.zones import ZoneReconciler
from hiyoko.services.elbv2 import rows as elbv2
from hiyoko.services.elbv2.model import Node
from hiyoko.services.route53 import rows
from hiyoko.services.route53.seen import DELEGATIONS_SEEN
from hiyoko.settings import Settings
from hiyoko.store.database import Store


@pytest.fixture
async def dns(tmp_path: Path) -> AsyncIterator[tuple[Cloud, ZoneReconciler]]:
    """A cloud whose zones are served."""
    cloud, settings = Cloud(), Settings(tmp_path)
    reconciler = ZoneReconciler(cloud.store, DnsServer(settings))
    report = await reconciler.activate()
    assert report.refusals == {}
    yield cloud, reconciler
    await stop(settings, signal.SIGTERM)


def attach_interface(cloud: Cloud, vpc_id: str) -> None:
    """An interface in a new subnet: the VPC is in use, so it gets a router."""
    subnet = cloud("ec2", "CreateSubnet", VpcId=vpc_id, CidrBlock="10.0.0.0/24")["Subnet"]
    request = {
        "SubnetId": subnet["SubnetId"],
        "Groups": [],
        "Description": "test",
        "RequesterId": "amazon-ecs",
        "InterfaceType": "interface",
        "AssociatePublicIp": False,
    }
    invoke(cloud.store, "ec2", "_CreateManagedInterface", request)


def server_of(store: Store, zone_id: str) -> str:
    """The address of a zone's first name server."""
    with store.reading() as tx:
        number = rows.get_zone(tx, "123456789012", zone_id).servers[0]
    return f"198.18.{8 + number // 256}.{number % 256}"


async def test_a_name_is_traced_from_the_root_to_route_53(
    dns: tuple[Cloud, ZoneReconciler],
) -> None:
    cloud, reconciler = dns
    zone = cloud.zone("my-project.jp")
    cloud.change(zone, ("CREATE", record("hello-aws.my-project.jp", "A", "198.19.0.1")))
    assert (await reconciler.activate()).steps
    traced = await dig("+trace", "+nodnssec", "hello-aws.my-project.jp", "A")
    assert "a.root-servers.net" in traced
    assert "a.gtld-servers.net" in traced
    assert "awsdns-" in traced
    assert "hello-aws.my-project.jp. 300\tIN\tA\t198.19.0.1" in traced


async def test_a_second_activation_does_nothing(dns: tuple[Cloud, ZoneReconciler]) -> None:
    cloud, reconciler = dns
    cloud.zone("my-project.jp")
    assert not (await reconciler.activate()).quiet
    assert (await reconciler.activate()).quiet


async def test_a_change_gets_in_sync_and_the_delegation_is_seen(
    dns: tuple[Cloud, ZoneReconciler],
) -> None:
    cloud, reconciler = dns
    zone = cloud.zone("my-project.jp")
    change = cloud.change(zone, ("CREATE", record("a.my-project.jp", "A", "198.19.0.1")))
    change_id = change["ChangeInfo"]["Id"]
    await reconciler.activate()
    shown = cloud("route53", "GetChange", Id=change_id)["ChangeInfo"]
    assert shown["Status"] == "INSYNC"
    with cloud.store.reading() as tx:
        seen = DELEGATIONS_SEEN.list(tx)
    assert [(d.zone_id, d.parent) for d in seen] == [(zone.rsplit("/", 1)[-1], "jp.")]


async def test_absent_names_and_types_are_denied_with_the_soa(
    dns: tuple[Cloud, ZoneReconciler],
) -> None:
    cloud, reconciler = dns
    zone = cloud.zone("my-project.jp")
    cloud.change(zone, ("CREATE", record("a.my-project.jp", "A", "198.19.0.1")))
    await reconciler.activate()
    server = server_of(cloud.store, zone)
    gone = await dig(f"@{server}", "gone.my-project.jp")
    assert "status: NXDOMAIN" in gone
    assert "flags: qr aa rd;" in gone
    assert "my-project.jp.\t\t900\tIN\tSOA" in gone
    no_data = await dig(f"@{server}", "a.my-project.jp", "AAAA")
    assert "status: NOERROR" in no_data
    assert "ANSWER: 0, AUTHORITY: 1" in no_data


async def test_only_the_zones_own_servers_answer_for_it(
    dns: tuple[Cloud, ZoneReconciler],
) -> None:
    cloud, reconciler = dns
    first, second = cloud.zone("my-project.jp"), cloud.zone("my-project.jp")
    cloud.change(first, ("CREATE", record("a.my-project.jp", "A", "198.19.0.1")))
    cloud.change(second, ("CREATE", record("a.my-project.jp", "A", "198.19.0.2")))
    await reconciler.activate()
    for zone, address in ((first, "198.19.0.1"), (second, "198.19.0.2")):
        said = await dig("+short", f"@{server_of(cloud.store, zone)}", "a.my-project.jp")
        assert said.split() == [address]
    assert (await dig("+short", f"@{RESOLVER}", "a.my-project.jp")).split() == ["198.19.0.1"]
    stranger = await dig(f"@{server_of(cloud.store, first)}", "a.elsewhere.jp")
    assert "status: REFUSED" in stranger
    cloud.change(first, ("DELETE", record("a.my-project.jp", "A", "198.19.0.1")))
    cloud("route53", "DeleteHostedZone", Id=first)
    old = server_of(cloud.store, second)
    await reconciler.activate()
    assert (await dig("+short", f"@{old}", "a.my-project.jp")).split() == ["198.19.0.2"]
    # The name is now the second zone's, who was there first of those that are left.
    assert (await dig("+short", f"@{RESOLVER}", "a.my-project.jp")).split() == ["198.19.0.2"]


async def test_the_parent_gives_glue_where_the_servers_are_below_it(
    dns: tuple[Cloud, ZoneReconciler],
) -> None:
    cloud, reconciler = dns
    cloud.zone("my-project.com")
    await reconciler.activate()
    said = await dig("+norecurse", "@198.18.0.2", "www.my-project.com")
    assert "flags: qr;" in said
    glue = [line.split() for line in said.splitlines() if "\tA\t198.18." in line]
    assert [words[0].split(".", 2)[2] for words in glue] == ["com."]


async def test_wildcards_answer_and_escaped_names_are_served(
    dns: tuple[Cloud, ZoneReconciler],
) -> None:
    cloud, reconciler = dns
    zone = cloud.zone("my-project.jp")
    cloud.change(zone, ("CREATE", record("*.my-project.jp", "TXT", r'"a\052b"')))
    await reconciler.activate()
    said = await dig("+short", f"@{RESOLVER}", "any.thing.my-project.jp", "TXT")
    assert said.strip() == '"a*b"'


async def test_an_alias_is_flattened_to_the_balancers_addresses(
    dns: tuple[Cloud, ZoneReconciler],
) -> None:
    cloud, reconciler = dns
    with_balancer(cloud)
    with cloud.store.transaction() as tx:
        balancer = elbv2.LOAD_BALANCERS.list(tx)[0]
        nodes = (
            Node("subnet-1", "ap-northeast-1a", "eni-1", "10.0.0.4", "198.19.0.1"),
            Node("subnet-2", "ap-northeast-1c", "eni-2", "10.0.1.4", "198.19.0.2"),
        )
        elbv2.LOAD_BALANCERS.put(tx, replace(balancer, nodes=nodes))
    zone = cloud.zone("my-project.jp")
    cloud.change(zone, ("CREATE", alias("www.my-project.jp", DNS_NAME, ALB_ZONE)))
    await reconciler.activate()
    said = await dig("+noall", "+answer", f"@{server_of(cloud.store, zone)}", "www.my-project.jp")
    assert sorted(line.split()[1:] for line in said.splitlines()) == [
        ["60", "IN", "A", "198.19.0.1"],
        ["60", "IN", "A", "198.19.0.2"],
    ]
    direct = await dig("+short", f"@{RESOLVER}", DNS_NAME)
    assert sorted(direct.split()) == ["198.19.0.1", "198.19.0.2"]
    gone = await dig(f"@{RESOLVER}", f"no-such-{DNS_NAME}")
    assert "status: NXDOMAIN" in gone


async def test_what_is_too_long_for_udp_comes_over_tcp(
    dns: tuple[Cloud, ZoneReconciler],
) -> None:
    cloud, reconciler = dns
    zone = cloud.zone("my-project.jp")
    values = [f'"{number:03d}{"x" * 200}"' for number in range(30)]
    cloud.change(zone, ("CREATE", record("big.my-project.jp", "TXT", *values)))
    await reconciler.activate()
    for server in (server_of(cloud.store, zone), RESOLVER):
        cut = await dig("+ignore", f"@{server}", "big.my-project.jp", "TXT")
        assert " tc" in cut
        whole = await dig("+short", f"@{server}", "big.my-project.jp", "TXT")
        assert len(whole.splitlines()) == 30
    # The resolver itself had to go over TCP to learn it.


@pytest.mark.parametrize(
    "name",
    [
        "ec2.ap-northeast-1.amazonaws.com",
        "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com",
        "registry-1.docker.io",
        "public.ecr.aws",
    ],
)
async def test_names_of_aws_and_the_registries_lead_to_the_endpoint(
    dns: tuple[Cloud, ZoneReconciler], name: str
) -> None:
    assert (await dig("+short", f"@{RESOLVER}", name)).split() == ["198.18.0.80"]


async def test_a_negative_answer_is_forgotten_as_soon_as_the_record_exists(
    dns: tuple[Cloud, ZoneReconciler],
) -> None:
    cloud, reconciler = dns
    zone = cloud.zone("my-project.jp")
    await reconciler.activate()
    assert "NXDOMAIN" in await dig(f"@{RESOLVER}", "new.my-project.jp")
    cloud.change(zone, ("CREATE", record("new.my-project.jp", "A", "198.19.0.9")))
    await reconciler.activate()
    assert (await dig("+short", f"@{RESOLVER}", "new.my-project.jp")).split() == ["198.19.0.9"]


async def test_a_killed_server_comes_back_with_its_zones(
    dns: tuple[Cloud, ZoneReconciler], tmp_path: Path
) -> None:
    cloud, reconciler = dns
    zone = cloud.zone("my-project.jp")
    cloud.change(zone, ("CREATE", record("a.my-project.jp", "A", "198.19.0.1")))
    await reconciler.activate()
    await stop(Settings(tmp_path), signal.SIGKILL)
    report = await reconciler.activate()
    assert "start the DNS server" in report.steps
    assert (await dig("+short", f"@{RESOLVER}", "a.my-project.jp")).split() == ["198.19.0.1"]


async def test_a_server_that_hangs_is_replaced(
    dns: tuple[Cloud, ZoneReconciler], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody gets an answer from it, and the kernel tells of no end."""
    cloud, reconciler = dns
    zone = cloud.zone("my-project.jp")
    cloud.change(zone, ("CREATE", record("a.my-project.jp", "A", "198.19.0.1")))
    await reconciler.activate()
    asked = await ask(tmp_path / "run", "status")
    assert asked is not None
    monkeypatch.setattr(silent, "ANSWER_S", 0.2)
    monkeypatch.setattr(silent, "LAST_S", 0.2)
    os.kill(asked["pid"], signal.SIGSTOP)
    report = await reconciler.activate()
    assert report.steps[0].startswith("end the DNS server, which does not answer")
    assert (await dig("+short", f"@{RESOLVER}", "a.my-project.jp")).split() == ["198.19.0.1"]
    assert command_line(asked["pid"]) == ()


async def test_the_end_of_the_server_is_heard(
    dns: tuple[Cloud, ZoneReconciler], tmp_path: Path
) -> None:
    """Else names are not answered until somebody looks again by chance."""
    cloud, _ = dns
    ended = asyncio.Event()
    watch = Watch(ended.set)
    another = ZoneReconciler(cloud.store, DnsServer(Settings(tmp_path), watch))
    await another.activate()
    await stop(Settings(tmp_path), signal.SIGKILL)
    async with asyncio.timeout(5):
        await ended.wait()
    assert "start the DNS server" in (await another.activate()).steps
    ended.clear()
    await stop(Settings(tmp_path), signal.SIGKILL)
    async with asyncio.timeout(5):
        await ended.wait()
    await another.activate()
    watch.close()


async def test_a_restarted_daemon_finds_the_server_and_does_nothing(
    dns: tuple[Cloud, ZoneReconciler], tmp_path: Path
) -> None:
    cloud, _ = dns
    another = ZoneReconciler(cloud.store, DnsServer(Settings(tmp_path)))
    assert (await another.activate()).quiet


async def test_a_vpcs_resolver_listens_in_its_router_and_sees_its_private_zones(
    dns: tuple[Cloud, ZoneReconciler],
) -> None:
    cloud, reconciler = dns
    vpc, other = cloud.vpc(), cloud.vpc()
    for vpc_id in (vpc, other):
        cloud("ec2", "ModifyVpcAttribute", VpcId=vpc_id, EnableDnsHostnames={"Value": True})
        attach_interface(cloud, vpc_id)
    inside, outside = cloud.private_zone("my-project.jp", vpc), cloud.zone("my-project.jp")
    cloud.change(inside, ("CREATE", record("a.my-project.jp", "A", "10.0.0.77")))
    cloud.change(inside, ("CREATE", record("out.my-project.jp", "CNAME", "public.ecr.aws")))
    cloud.change(outside, ("CREATE", record("a.my-project.jp", "A", "198.19.0.1")))
    cloud.change(outside, ("CREATE", record("b.my-project.jp", "A", "198.19.0.2")))
    report = await reconciler.activate()
    ours = {f"open the resolver of {vpc_id}" for vpc_id in (vpc, other)}
    assert ours <= set(report.refusals)  # the routers are not there yet
    for vpc_id in (vpc, other):
        await run("ip", "netns", "add", vpc_id)
        await run("ip", "link", "set", "lo", "up", netns=vpc_id)
        for address in ("10.0.0.2", "169.254.169.253"):
            await run("ip", "address", "add", f"{address}/32", "dev", "lo", netns=vpc_id)
    try:
        report = await reconciler.activate()
        assert not ours & set(report.refusals)

        async def short(vpc_id: str, *question: str, at: str = "10.0.0.2") -> list[str]:
            return (await dig("+short", f"@{at}", *question, netns=vpc_id)).split()

        assert await short(vpc, "a.my-project.jp") == ["10.0.0.77"]
        assert await short(vpc, "a.my-project.jp", at="169.254.169.253") == ["10.0.0.77"]
        # Split horizon: the other VPC and the internet see the public zone.
        assert await short(other, "a.my-project.jp") == ["198.19.0.1"]
        # A private zone is final: what it lacks does not exist, public or not.
        assert "NXDOMAIN" in await dig("@10.0.0.2", "b.my-project.jp", netns=vpc)
        assert await short(vpc, "out.my-project.jp") == ["public.ecr.aws.", "198.18.0.80"]
        host = "ip-10-0-3-4.ap-northeast-1.compute.internal."
        assert await short(vpc, host) == ["10.0.3.4"]
        assert await short(vpc, "-x", "10.0.3.4") == [host]
        assert await short(vpc, "registry-1.docker.io", "+tcp") == ["198.18.0.80"]
        # A router that was made anew is noticed.
        await run("ip", "netns", "delete", vpc)
        await run("ip", "netns", "add", vpc)
        await run("ip", "link", "set", "lo", "up", netns=vpc)
        await run("ip", "address", "add", "10.0.0.2/32", "dev", "lo", netns=vpc)
        await reconciler.activate()
        assert await short(vpc, "a.my-project.jp") == ["10.0.0.77"]
    finally:
        for vpc_id in (vpc, other):
            await run("ip", "netns", "delete", vpc_id)
