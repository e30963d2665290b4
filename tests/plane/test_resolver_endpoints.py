"""Forwarding rules and endpoints with real packets, as a task in the VPC has them.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-overview-DSN-queries-to-vpc.html
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-forwarding-outbound-queries.html
"""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from tests.plane.resolver_world import DNS, Company, World, ask, company, values, world

from hiyoko.api import AwsError
from hiyoko.plane.dns.vpc_query_log import VpcQueryLog
from hiyoko.plane.error import PlaneError
from hiyoko.reconcile.resolver_logs import ResolverLogReconciler

__all__ = ["company", "world"]


async def test_a_rules_questions_leave_through_the_endpoint_until_it_is_disassociated(
    world: World, company: Company
) -> None:
    """The rule is for one VPC's questions, its endpoint is in another VPC: as in a shared one."""
    here, there = world.vpc(1), world.vpc(2)
    task, _ = here.interface()
    server, address = there.interface(there.group("company"))
    endpoint = there.endpoint("OUTBOUND", there.group("outlet"))
    rule = world.rule("corp.example", endpoint, address)
    assert world.status(endpoint) == "CREATING"
    await world.settle()
    assert world.status(endpoint) == "OPERATIONAL"
    company.say("host.corp.example", "A", "192.0.2.9")
    company.serve(server, address)
    assert "status: NXDOMAIN" in await ask(here, task, "host.corp.example")
    association = world.associate(rule, here.vpc)
    assert state(world, association) == "CREATING"
    await world.settle()
    assert state(world, association) == "COMPLETE"
    assert values(await ask(here, task, "host.corp.example")) == ["192.0.2.9"]
    assert "status: NXDOMAIN" in await ask(here, task, "+tcp", "other.corp.example")
    assert {client for client, _ in company.asked} <= set(there.addresses(endpoint))
    assert [name for _, name in company.asked] == ["host.corp.example", "other.corp.example"]
    # A second time it comes from the cache.
    await ask(here, task, "host.corp.example", "+dnssec")
    await ask(here, task, "host.corp.example", "+noedns")
    assert len(company.asked) == 3
    world.resolver("DisassociateResolverRule", ResolverRuleId=rule, VPCId=here.vpc)
    assert state(world, association) == "DELETING"
    await world.settle()
    with pytest.raises(AwsError, match="does not exist"):
        state(world, association)
    assert "status: NXDOMAIN" in await ask(here, task, "host.corp.example")
    assert len(company.asked) == 3
    assert (await world.settle()).quiet


def state(world: World, association: str) -> str:
    told = world.resolver("GetResolverRuleAssociation", ResolverRuleAssociationId=association)
    return str(told["ResolverRuleAssociation"]["Status"])


async def test_the_groups_of_both_sides_judge_what_is_forwarded(
    world: World, company: Company
) -> None:
    site = world.vpc(1)
    task, _ = site.interface()
    guard, outlet = site.group("company"), site.group("outlet")
    server, address = site.interface(guard)
    rule = world.rule("corp.example", site.endpoint("OUTBOUND", outlet), address)
    world.associate(rule, site.vpc)
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    world.ec2("RevokeSecurityGroupEgress", GroupId=outlet, IpPermissions=everything)
    await world.settle()
    for name in "abc":
        company.say(f"{name}.corp.example", "A", "192.0.2.9")
    company.serve(server, address)
    assert "status: SERVFAIL" in await ask(site, task, "a.corp.example")
    assert company.asked == []
    world.ec2("AuthorizeSecurityGroupEgress", GroupId=outlet, IpPermissions=DNS)
    await world.settle()
    assert values(await ask(site, task, "b.corp.example")) == ["192.0.2.9"]
    world.ec2("RevokeSecurityGroupIngress", GroupId=guard, IpPermissions=DNS)
    await world.settle()
    assert "status: SERVFAIL" in await ask(site, task, "c.corp.example")
    assert [name for _, name in company.asked] == ["b.corp.example"]


async def test_a_long_answer_comes_over_tcp_and_a_cname_is_followed_where_it_leads(
    world: World, company: Company
) -> None:
    site = world.vpc(1)
    task, _ = site.interface()
    server, address = site.interface(site.group("company"))
    endpoint = site.endpoint("OUTBOUND", site.group("outlet"))
    world.associate(world.rule("corp.example", endpoint, address), site.vpc)
    zone = private_zone(world, site.vpc, "cloud.example", "web.cloud.example", "192.0.2.7")
    await world.settle()
    company.serve(server, address)
    company.say("long.corp.example", "TXT", *(f'"{number:03d}{"x" * 200}"' for number in range(9)))
    company.say("www.corp.example", "CNAME", "web.cloud.example.")
    assert len(values(await ask(site, task, "+tcp", "long.corp.example", "TXT"))) == 9
    assert company.tcp == 1
    assert values(await ask(site, task, "www.corp.example")) == ["web.cloud.example.", "192.0.2.7"]
    # And from a private zone, or from a public one, to the company.
    company.say("host.corp.example", "A", "192.0.2.9")
    public = world("route53", "CreateHostedZone", Name="public.jp", CallerReference="public.jp")
    add_record(world, zone, "to.cloud.example", "CNAME", "host.corp.example")
    add_record(world, public["HostedZone"]["Id"], "to.public.jp", "CNAME", "host.corp.example")
    await world.settle()
    for name in ("to.cloud.example", "to.public.jp"):
        assert values(await ask(site, task, name)) == ["host.corp.example.", "192.0.2.9"]


def private_zone(world: World, vpc: str, zone: str, name: str, address: str) -> str:
    made = world(
        "route53",
        "CreateHostedZone",
        Name=zone,
        CallerReference=zone,
        VPC={"VPCId": vpc, "VPCRegion": "ap-northeast-1"},
    )
    zone_id = str(made["HostedZone"]["Id"])
    add_record(world, zone_id, name, "A", address)
    return zone_id


def add_record(world: World, zone_id: str, name: str, kind: str, value: str) -> None:
    record = {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}]}
    changes = [{"Action": "CREATE", "ResourceRecordSet": record}]
    world(
        "route53",
        "ChangeResourceRecordSets",
        HostedZoneId=zone_id,
        ChangeBatch={"Changes": changes},
    )


async def test_the_most_specific_of_rules_private_zones_and_own_names_wins(
    world: World, company: Company
) -> None:
    """A rule wins over a private zone of the same name.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html
    """
    site = world.vpc(1)
    task, _ = site.interface()
    server, address = site.interface(site.group("company"))
    endpoint = site.endpoint("OUTBOUND", site.group("outlet"))
    for domain in (".", "corp.example", "10.in-addr.arpa"):
        world.associate(world.rule(domain, endpoint, address), site.vpc)
    for domain in ("sys.corp.example", "example"):
        world.associate(world.rule(domain), site.vpc)
    private_zone(world, site.vpc, "corp.example", "same.corp.example", "10.0.0.1")
    private_zone(world, site.vpc, "deep.corp.example", "x.deep.corp.example", "10.0.0.2")
    private_zone(world, site.vpc, "sys.corp.example", "x.sys.corp.example", "10.0.0.3")
    await world.settle()
    company.serve(server, address)
    for name in ("same.corp.example", "x.deep.corp.example", "x.sys.corp.example", "www.else.jp"):
        company.say(name, "A", "192.0.2.9")
    company.say("1.0.2.10.in-addr.arpa", "PTR", "host.corp.example.")
    own = f"ip-{address.replace('.', '-')}.ap-northeast-1.compute.internal."
    told = {
        ("same.corp.example", "A"): ["192.0.2.9"],
        ("x.deep.corp.example", "A"): ["10.0.0.2"],
        ("x.sys.corp.example", "A"): ["10.0.0.3"],
        ("www.else.jp", "A"): ["192.0.2.9"],
        ("other.example", "A"): [],
        (own, "A"): [address],
        ("1.0.2.10.in-addr.arpa", "PTR"): ["host.corp.example."],
        (f"{'.'.join(reversed(address.split('.')))}.in-addr.arpa", "PTR"): [own],
    }
    for question, expected in told.items():
        assert answers(await ask(site, task, *question)) == expected, question
    asked = [name for _, name in company.asked]
    assert asked == ["same.corp.example", "www.else.jp", "1.0.2.10.in-addr.arpa"]
    # Without the autodefined reverse rules the shorter one is for the VPC's own addresses, too.
    flag = {"ResourceId": site.vpc, "AutodefinedReverseFlag": "DISABLE"}
    changed = world.resolver("UpdateResolverConfig", **flag)["ResolverConfig"]
    assert changed["AutodefinedReverse"] == "DISABLING"
    await world.settle()
    assert denied(await ask(site, task, "-x", address))
    assert len(company.asked) == 4


def denied(said: str) -> bool:
    return "status: NXDOMAIN" in said


def answers(said: str) -> list[str]:
    """The answer section alone: a denial's SOA is no value."""
    return values(said) if "ANSWER: 0" not in said else []


async def test_an_inbound_endpoint_answers_as_the_vpcs_resolver_for_whom_its_groups_let_in(
    world: World,
) -> None:
    site = world.vpc(1)
    task, _ = site.interface()
    group = site.group("inlet")
    endpoint = site.endpoint("INBOUND", group)
    private_zone(world, site.vpc, "cloud.example", "web.cloud.example", "192.0.2.7")
    await world.settle()
    assert world.status(endpoint) == "OPERATIONAL"
    for address in site.addresses(endpoint):
        for protocol in ("+notcp", "+tcp"):
            said = await ask(site, task, protocol, "web.cloud.example", server=address)
            assert values(said) == ["192.0.2.7"]
            assert f"SERVER: {address}#53" in said
    # Another VPC, which the private zone is not for, comes in by it, through an outbound one.
    other = world.vpc(2)
    stranger, _ = other.interface()
    await world.settle()
    assert answers(await ask(other, stranger, "web.cloud.example")) == []
    outbound = site.endpoint("OUTBOUND", site.group("outlet"))
    rule = world.rule("cloud.example", outbound, *site.addresses(endpoint))
    world.associate(rule, other.vpc)
    await world.settle()
    assert values(await ask(other, stranger, "web.cloud.example")) == ["192.0.2.7"]
    world.ec2("RevokeSecurityGroupIngress", GroupId=group, IpPermissions=DNS)
    await world.settle()
    with pytest.raises(PlaneError, match="timed out"):
        await ask(site, task, "+time=1", "web.cloud.example", server=address)


async def test_what_a_logged_vpc_asks_is_a_line_of_awss_format_when_it_is_new(
    world: World, company: Company
) -> None:
    """https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-query-logs-format.html"""
    site, other = world.vpc(1), world.vpc(2)
    (task, source), (silent, _) = site.interface(), other.interface()
    server, address = site.interface(site.group("company"))
    inbound = site.endpoint("INBOUND", site.group("inlet"))
    outbound = site.endpoint("OUTBOUND", site.group("outlet"))
    world.associate(world.rule("corp.example", outbound, address), site.vpc)
    private_zone(world, site.vpc, "cloud.example", "web.cloud.example", "192.0.2.7")
    world("logs", "CreateLogGroup", logGroupName="questions")
    config = world.resolver(
        "CreateResolverQueryLogConfig",
        Name="all",
        DestinationArn="arn:aws:logs:ap-northeast-1:123456789012:log-group:questions",
    )["ResolverQueryLogConfig"]["Id"]
    pair = {"ResolverQueryLogConfigId": config, "ResourceId": site.vpc}
    association = world.resolver("AssociateResolverQueryLogConfig", **pair)
    assert association["ResolverQueryLogConfigAssociation"]["Status"] == "CREATING"
    await world.settle()
    company.serve(server, address)
    company.say("host.corp.example", "A", "192.0.2.9")
    await ask(site, task, "web.cloud.example")
    await ask(site, task, "+notcp", "+noedns", "web.cloud.example")
    (inlet, *_) = site.addresses(inbound)
    await ask(site, task, "+tcp", "gone.cloud.example", "TXT", server=inlet)
    await ask(site, task, "host.corp.example")
    await ask(other, silent, "elsewhere.example")
    log = ResolverLogReconciler(world.store, VpcQueryLog.below(world.settings.run_dir))
    assert (await log.activate()).refusals == {}
    stream = {"logGroupName": "questions", "logStreamName": site.vpc}
    events = world("logs", "GetLogEvents", **stream, startFromHead=True)["events"]
    first, second, third = (json.loads(event["message"]) for event in events)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first.pop("query_timestamp"))
    assert 0 < int(first.pop("srcport")) < 65536
    assert first == {
        "version": "1.100000",
        "account_id": "123456789012",
        "region": "ap-northeast-1",
        "vpc_id": site.vpc,
        "query_name": "web.cloud.example.",
        "query_type": "A",
        "query_class": "IN",
        "rcode": "NOERROR",
        "answers": [{"Rdata": "192.0.2.7", "Type": "A", "Class": "IN"}],
        "srcaddr": source,
        "transport": "UDP",
        "srcids": {},
    }
    assert (second["query_name"], second["query_type"]) == ("gone.cloud.example.", "TXT")
    assert (second["rcode"], second["answers"], second["transport"]) == ("NXDOMAIN", [], "TCP")
    assert second["srcids"]["resolver_endpoint"] == inbound
    assert second["srcids"]["resolver_network_interface"].startswith("rni-")
    assert third["srcids"] == {"resolver_endpoint": outbound}
    world.resolver("DisassociateResolverQueryLogConfig", **pair)
    await world.settle()
    await ask(site, task, "later.cloud.example")
    assert not log.log.path.exists()


async def test_rules_that_lead_in_a_circle_end_and_harm_nobody(world: World) -> None:
    """AWS warns of it; a resolver that asks itself must not ask for ever.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/best-practices-resolver-endpoints.html
    """
    site = world.vpc(1)
    task, _ = site.interface()
    inbound = site.endpoint("INBOUND", site.group("inlet"))
    outbound = site.endpoint("OUTBOUND", site.group("outlet"))
    rule = world.rule("corp.example", outbound, *site.addresses(inbound))
    world.associate(rule, site.vpc)
    private_zone(world, site.vpc, "cloud.example", "web.cloud.example", "192.0.2.7")
    await world.settle()
    circle = asyncio.create_task(ask(site, task, "host.corp.example"))
    assert values(await ask(site, task, "web.cloud.example")) == ["192.0.2.7"]
    assert "status: SERVFAIL" in await circle


async def test_addresses_come_and_go_and_a_deleted_endpoint_leaves_nothing(world: World) -> None:
    site = world.vpc(1)
    site.interface()
    endpoint = site.endpoint("OUTBOUND", site.group("outlet"))
    await world.settle()
    more = {"SubnetId": site.subnets[0], "Ip": "10.1.0.200"}
    request = {"ResolverEndpointId": endpoint, "IpAddress": more}
    world.resolver("AssociateResolverEndpointIpAddress", **request)
    assert world.status(endpoint) == "UPDATING"
    assert statuses(world, endpoint) == ["ATTACHED", "ATTACHED", "CREATING"]
    await world.settle()
    assert statuses(world, endpoint) == ["ATTACHED"] * 3
    world.resolver("DisassociateResolverEndpointIpAddress", **request)
    assert statuses(world, endpoint) == ["ATTACHED", "ATTACHED", "DETACHING"]
    await world.settle()
    assert (world.status(endpoint), statuses(world, endpoint)) == ("OPERATIONAL", ["ATTACHED"] * 2)
    world.resolver("DeleteResolverEndpoint", ResolverEndpointId=endpoint)
    assert world.status(endpoint) == "DELETING"
    await world.settle()
    with pytest.raises(AwsError, match="does not exist"):
        world.status(endpoint)
    assert (await world.settle()).quiet


def statuses(world: World, endpoint: str) -> list[str]:
    told = world.resolver("ListResolverEndpointIpAddresses", ResolverEndpointId=endpoint)
    return [one["Status"] for one in told["IpAddresses"]]
