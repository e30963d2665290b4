"""Route 53 Resolver over HTTP: what is made, shown and refused; the planes are played.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_Operations_Amazon_Route_53_Resolver.html
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.api.conftest import Endpoint

from hiyoko.gateway.resolve import service_of
from hiyoko.services.ec2.seen import INTERFACES_SEEN, InterfaceSeen
from hiyoko.services.route53.seen import SERVED_SEEN, ServedSeen
from hiyoko.services.route53resolver.seen import ADDRESSES_SEEN, AddressSeen
from hiyoko.spec.http import HttpRequest
from hiyoko.store.database import Transaction

INTERNET_RULE = "rslvr-autodefined-rr-internet-resolver"
TARGETS = [{"Ip": "192.0.2.45"}, {"Ip": "192.0.2.46", "Port": 5353}]


@dataclass
class Resolver:
    """Clients, and a VPC with two subnets and a group; plays the kernel and the DNS server."""

    endpoint: Endpoint
    api: Any
    ec2: Any
    vpc: str
    subnets: list[str]
    group: str
    requests: int = 0

    def creator(self) -> str:
        self.requests += 1
        return f"request-{self.requests}"

    def make(self, direction: str = "OUTBOUND", **more: Any) -> dict[str, Any]:
        request = {
            "CreatorRequestId": self.creator(),
            "Direction": direction,
            "SecurityGroupIds": [self.group],
            "IpAddresses": [{"SubnetId": subnet} for subnet in self.subnets],
            **more,
        }
        return dict(self.api.create_resolver_endpoint(**request)["ResolverEndpoint"])

    def rule(self, domain: str = "corp.example", **more: Any) -> dict[str, Any]:
        request = {"CreatorRequestId": self.creator(), "DomainName": domain, **more}
        return dict(self.api.create_resolver_rule(**request)["ResolverRule"])

    def forward(self, domain: str = "corp.example", **more: Any) -> dict[str, Any]:
        endpoint = more.pop("ResolverEndpointId", None) or self.make()["Id"]
        request = {"RuleType": "FORWARD", "TargetIps": TARGETS, "ResolverEndpointId": endpoint}
        return self.rule(domain, **{**request, **more})

    def status(self, endpoint_id: str) -> str:
        found = self.api.get_resolver_endpoint(ResolverEndpointId=endpoint_id)
        return str(found["ResolverEndpoint"]["Status"])

    def addresses(self, endpoint_id: str) -> list[dict[str, Any]]:
        found = self.api.list_resolver_endpoint_ip_addresses(ResolverEndpointId=endpoint_id)
        return list(found["IpAddresses"])

    def see(self, note: Callable[[Transaction], None]) -> None:
        """Write down what a reconciler would see."""

        async def write() -> None:
            with self.endpoint.store.transaction() as tx:
                note(tx)

        asyncio.run_coroutine_threadsafe(write(), self.endpoint.loop).result(5)

    def stand(self, *, served: bool = True) -> None:
        """Every interface that there is stands, and is served; others are gone."""
        found = self.ec2.describe_network_interfaces()["NetworkInterfaces"]
        wanted = {one["NetworkInterfaceId"] for one in found}

        def note(tx: Transaction) -> None:
            for row in INTERFACES_SEEN.list(tx):
                INTERFACES_SEEN.delete(tx, eni_id=row.eni_id)
            for eni_id in wanted:
                INTERFACES_SEEN.put(tx, InterfaceSeen(eni_id, 1.0))
                if served:
                    ADDRESSES_SEEN.put(tx, AddressSeen(eni_id, 1.0))

        self.see(note)

    def serve(self) -> None:
        """The DNS server answers from everything so far."""

        def note(tx: Transaction) -> None:
            SERVED_SEEN.put(tx, ServedSeen("dns", tx.revision, 1.0))

        self.see(note)


@pytest.fixture
def resolver(endpoint: Endpoint) -> Resolver:
    ec2 = endpoint.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.7.{place}.0/24", AvailabilityZone=zone)[
            "Subnet"
        ]["SubnetId"]
        for place, zone in enumerate(("ap-northeast-1a", "ap-northeast-1c"))
    ]
    group = ec2.create_security_group(VpcId=vpc, GroupName="r", Description="r")["GroupId"]
    return Resolver(endpoint, endpoint.client("route53resolver"), ec2, vpc, subnets, group)


def refused(call: Callable[[], Any], code: str, text: str = "") -> None:
    with pytest.raises(ClientError, match=text or None) as found:
        call()
    assert found.value.response["Error"]["Code"] == code


def test_a_request_is_known_by_its_target() -> None:
    headers = {"x-amz-target": "Route53Resolver.ListResolverRules"}
    assert service_of(HttpRequest("POST", "/", "", headers, b"{}"), "") == "route53resolver"


def test_an_endpoint_is_interfaces_in_its_subnets_and_operational_once_they_serve(
    resolver: Resolver,
) -> None:
    given = [
        {"SubnetId": resolver.subnets[0], "Ip": "10.7.0.77"},
        {"SubnetId": resolver.subnets[1]},
    ]
    made = resolver.make("INBOUND", Name="in", IpAddresses=given, Tags=[{"Key": "a", "Value": "b"}])
    assert re.fullmatch(r"rslvr-in-[0-9a-f]{17}", made["Id"])
    assert (made["Status"], made["IpAddressCount"]) == ("CREATING", 2)
    assert (made["HostVPCId"], made["SecurityGroupIds"]) == (resolver.vpc, [resolver.group])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", made["CreationTime"])
    found = resolver.ec2.describe_network_interfaces(
        Filters=[{"Name": "description", "Values": [f"Route 53 Resolver: {made['Id']}:*"]}]
    )["NetworkInterfaces"]
    assert {one["SubnetId"] for one in found} == set(resolver.subnets)
    assert all(one["RequesterManaged"] for one in found)
    assert [one["GroupId"] for each in found for one in each["Groups"]] == [resolver.group] * 2
    addresses = resolver.addresses(made["Id"])
    assert addresses[0]["Ip"] == "10.7.0.77"
    assert {one["Ip"] for one in addresses} == {one["PrivateIpAddress"] for one in found}
    assert {one["Status"] for one in addresses} == {"CREATING"}
    assert resolver.status(made["Id"]) == "CREATING"
    resolver.stand(served=False)
    assert {one["Status"] for one in resolver.addresses(made["Id"])} == {"ATTACHING"}
    assert resolver.status(made["Id"]) == "CREATING"
    resolver.stand()
    assert resolver.status(made["Id"]) == "OPERATIONAL"
    assert {one["Status"] for one in resolver.addresses(made["Id"])} == {"ATTACHED"}
    tags = resolver.api.list_tags_for_resource(ResourceArn=made["Arn"])["Tags"]
    assert tags == [{"Key": "a", "Value": "b"}]


def test_an_address_comes_and_goes_and_the_endpoint_keeps_two(resolver: Resolver) -> None:
    endpoint_id = resolver.make()["Id"]
    resolver.stand()
    more = {"ResolverEndpointId": endpoint_id, "IpAddress": {"SubnetId": resolver.subnets[0]}}
    added = resolver.api.associate_resolver_endpoint_ip_address(**more)["ResolverEndpoint"]
    assert (added["Status"], added["IpAddressCount"]) == ("UPDATING", 3)
    resolver.stand()
    assert resolver.status(endpoint_id) == "OPERATIONAL"
    first = {"IpId": resolver.addresses(endpoint_id)[0]["IpId"]}
    resolver.api.disassociate_resolver_endpoint_ip_address(
        ResolverEndpointId=endpoint_id, IpAddress=first
    )
    found = resolver.addresses(endpoint_id)
    assert [one["Status"] for one in found] == ["DETACHING", "ATTACHED", "ATTACHED"]
    assert resolver.status(endpoint_id) == "UPDATING"
    resolver.stand()
    assert [one["Status"] for one in resolver.addresses(endpoint_id)] == ["ATTACHED"] * 2
    assert resolver.status(endpoint_id) == "OPERATIONAL"
    refused(
        lambda: resolver.api.disassociate_resolver_endpoint_ip_address(
            ResolverEndpointId=endpoint_id, IpAddress=more["IpAddress"]
        ),
        "ResourceNotFoundException",
    )
    last = {"IpId": resolver.addresses(endpoint_id)[0]["IpId"]}
    refused(
        lambda: resolver.api.disassociate_resolver_endpoint_ip_address(
            ResolverEndpointId=endpoint_id, IpAddress=last
        ),
        "InvalidRequestException",
        "at least 2",
    )


def test_an_endpoint_is_deleted_after_its_rules_and_shown_until_it_is_gone(
    resolver: Resolver,
) -> None:
    endpoint_id = resolver.make()["Id"]
    resolver.stand()
    rule = resolver.forward(ResolverEndpointId=endpoint_id)
    refused(
        lambda: resolver.api.delete_resolver_endpoint(ResolverEndpointId=endpoint_id),
        "InvalidRequestException",
        rule["Id"],
    )
    resolver.api.delete_resolver_rule(ResolverRuleId=rule["Id"])
    gone = resolver.api.delete_resolver_endpoint(ResolverEndpointId=endpoint_id)
    assert gone["ResolverEndpoint"]["Status"] == "DELETING"
    assert resolver.status(endpoint_id) == "DELETING"
    assert {one["Status"] for one in resolver.addresses(endpoint_id)} == {"DETACHING"}
    assert resolver.ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    resolver.stand()
    refused(lambda: resolver.status(endpoint_id), "ResourceNotFoundException")
    assert resolver.api.list_resolver_endpoints()["ResolverEndpoints"] == []


def test_what_an_endpoint_cannot_be_is_refused(resolver: Resolver) -> None:
    made = resolver.make()
    one, two = resolver.subnets
    other = resolver.ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    foreign = resolver.ec2.create_subnet(VpcId=other, CidrBlock="10.8.0.0/24")["Subnet"]["SubnetId"]
    taken = resolver.addresses(made["Id"])[0]["Ip"]

    def with_addresses(*given: dict[str, str]) -> Callable[[], Any]:
        return lambda: resolver.make(IpAddresses=list(given))

    invalid = "InvalidRequestException"
    refused(with_addresses({"SubnetId": one}, {"SubnetId": foreign}), invalid, "one VPC")
    refused(with_addresses({"SubnetId": one, "Ip": "10.9.9.9"}, {"SubnetId": two}), invalid, "CIDR")
    refused(with_addresses(*[{"SubnetId": one}] * 7), invalid, "from 2 to 6")
    refused(
        with_addresses({"SubnetId": one, "Ip": taken}, {"SubnetId": two}),
        "ResourceExistsException",
        "already in use",
    )
    refused(
        with_addresses({"SubnetId": "subnet-0123456789abcdef0"}, {"SubnetId": two}),
        "InvalidParameterException",
        "subnet-0123456789abcdef0",
    )
    groups = ["sg-0123456789abcdef0"]
    refused(lambda: resolver.make(SecurityGroupIds=groups), "ResourceNotFoundException", groups[0])
    refused(lambda: resolver.make(SecurityGroupIds=[]), "InvalidParameterException")
    again = made["CreatorRequestId"]
    refused(
        lambda: resolver.make(CreatorRequestId=again), "ResourceExistsException", "already exists"
    )
    # A refusal made nothing.
    assert len(resolver.ec2.describe_network_interfaces()["NetworkInterfaces"]) == 2
    for _ in range(3):
        resolver.make()
    refused(resolver.make, "LimitExceededException", "max-endpoints")


@pytest.mark.parametrize(
    "more",
    [
        {"Direction": "INBOUND_DELEGATION"},
        {"ResolverEndpointType": "DUALSTACK"},
        {"Protocols": ["Do53", "DoH"]},
        {"Dns64Enabled": True},
        {"RniEnhancedMetricsEnabled": True},
        {"PreferredInstanceType": "m5.large"},
    ],
)
def test_what_no_endpoint_is_here_is_refused_by_name(
    resolver: Resolver, more: dict[str, Any]
) -> None:
    name = next(iter(more))
    refused(lambda: resolver.make(**more), "NotImplemented", name)


def test_rules_of_both_kinds_are_shown_beside_the_one_that_everybody_has(
    resolver: Resolver,
) -> None:
    made = resolver.forward("Corp.Example", Name="mine")
    assert re.fullmatch(r"rslvr-rr-[0-9a-f]{17}", made["Id"])
    assert (made["DomainName"], made["Status"]) == ("corp.example.", "COMPLETE")
    assert [(one["Ip"], one["Port"]) for one in made["TargetIps"]] == [
        ("192.0.2.45", 53),
        ("192.0.2.46", 5353),
    ]
    system = resolver.rule("sub.corp.example.", RuleType="SYSTEM")
    assert "TargetIps" not in system
    found = resolver.api.list_resolver_rules()["ResolverRules"]
    assert [one["Id"] for one in found] == [INTERNET_RULE, made["Id"], system["Id"]]
    assert (found[0]["DomainName"], found[0]["RuleType"]) == (".", "RECURSIVE")
    for name, value in (("TYPE", "SYSTEM"), ("DomainName", "sub.corp.example.")):
        filters = [{"Name": name, "Values": [value]}]
        found = resolver.api.list_resolver_rules(Filters=filters)["ResolverRules"]
        assert [one["Id"] for one in found] == [system["Id"]]
    first = resolver.api.list_resolver_rules(MaxResults=2)
    rest = resolver.api.list_resolver_rules(NextToken=first["NextToken"])
    assert [one["Id"] for one in rest["ResolverRules"]] == [system["Id"]]
    assert resolver.api.get_resolver_rule(ResolverRuleId=INTERNET_RULE)["ResolverRule"]
    refused(
        lambda: resolver.api.list_resolver_rules(Filters=[{"Name": "Colour", "Values": ["red"]}]),
        "InvalidParameterException",
        "Colour",
    )


def test_what_a_rule_cannot_be_is_refused(resolver: Resolver) -> None:
    outbound, inbound = resolver.make()["Id"], resolver.make("INBOUND")["Id"]
    invalid = "InvalidParameterException"
    refused(lambda: resolver.rule(RuleType="FORWARD", TargetIps=TARGETS), invalid, "endpoint")
    refused(
        lambda: resolver.rule(RuleType="FORWARD", ResolverEndpointId=outbound), invalid, "target"
    )
    refused(lambda: resolver.rule(RuleType="SYSTEM", TargetIps=TARGETS), invalid, "SYSTEM")
    refused(lambda: resolver.rule(RuleType="RECURSIVE"), invalid, "RECURSIVE")
    refused(lambda: resolver.rule("a..b", RuleType="SYSTEM"), invalid, "domain name")
    refused(
        lambda: resolver.forward(ResolverEndpointId=outbound, TargetIps=[{"Ip": "10.0.0.256"}]),
        invalid,
        "10.0.0.256",
    )
    refused(
        lambda: resolver.forward(ResolverEndpointId=inbound), "InvalidRequestException", inbound
    )
    absent = "rslvr-out-0123456789abcdef0"
    refused(lambda: resolver.forward(ResolverEndpointId=absent), "ResourceNotFoundException")
    delegate = {"RuleType": "DELEGATE"}
    refused(lambda: resolver.rule(**delegate), "NotImplemented", "RuleType='DELEGATE'")
    for target in ({"Ipv6": "2001:db8::1"}, {"Ip": "192.0.2.1", "Protocol": "DoH"}):
        with pytest.raises(ClientError, match="does not implement"):
            resolver.forward(ResolverEndpointId=outbound, TargetIps=[target])
    with pytest.raises(ClientError, match="AWS's own"):
        resolver.api.delete_resolver_rule(ResolverRuleId=INTERNET_RULE)
    with pytest.raises(ClientError, match="AWS's own"):
        resolver.api.update_resolver_rule(ResolverRuleId=INTERNET_RULE, Config={"Name": "mine"})


def test_a_rule_applies_to_a_vpc_once_dns_answers_so_and_until_it_does_without(
    resolver: Resolver,
) -> None:
    rule = resolver.forward()
    made = resolver.api.associate_resolver_rule(
        ResolverRuleId=rule["Id"], VPCId=resolver.vpc, Name="here"
    )["ResolverRuleAssociation"]
    assert made["Status"] == "CREATING"
    get = {"ResolverRuleAssociationId": made["Id"]}

    def status() -> str:
        found = resolver.api.get_resolver_rule_association(**get)
        return str(found["ResolverRuleAssociation"]["Status"])

    assert status() == "CREATING"
    resolver.serve()
    assert status() == "COMPLETE"
    filters = [{"Name": "VPCId", "Values": [resolver.vpc]}]
    found = resolver.api.list_resolver_rule_associations(Filters=filters)
    assert [one["Id"] for one in found["ResolverRuleAssociations"]] == [
        f"rslvr-autodefined-assoc-{resolver.vpc}-internet-resolver",
        made["Id"],
    ]
    refused(
        lambda: resolver.api.delete_resolver_rule(ResolverRuleId=rule["Id"]),
        "ResourceInUseException",
    )
    where = {"ResolverRuleId": rule["Id"], "VPCId": resolver.vpc}
    refused(lambda: resolver.api.associate_resolver_rule(**where), "ResourceExistsException")
    same = resolver.rule(RuleType="SYSTEM")
    refused(
        lambda: resolver.api.associate_resolver_rule(ResolverRuleId=same["Id"], VPCId=resolver.vpc),
        "InvalidRequestException",
        "same domain name",
    )
    resolver.api.disassociate_resolver_rule(**where)
    assert status() == "DELETING"
    refused(lambda: resolver.api.disassociate_resolver_rule(**where), "ResourceNotFoundException")
    resolver.serve()
    refused(status, "ResourceNotFoundException")
    resolver.api.delete_resolver_rule(ResolverRuleId=rule["Id"])
    absent = {"ResolverRuleId": same["Id"], "VPCId": "vpc-0123456789abcdef0"}
    refused(lambda: resolver.api.associate_resolver_rule(**absent), "InvalidParameterException")


def test_an_association_whose_vpc_is_gone_has_failed_and_can_be_taken_away(
    resolver: Resolver,
) -> None:
    other = resolver.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    where = {"ResolverRuleId": resolver.rule(RuleType="SYSTEM")["Id"], "VPCId": other}
    made = resolver.api.associate_resolver_rule(**where)["ResolverRuleAssociation"]
    resolver.serve()
    resolver.ec2.delete_vpc(VpcId=other)
    get = {"ResolverRuleAssociationId": made["Id"]}
    found = resolver.api.get_resolver_rule_association(**get)["ResolverRuleAssociation"]
    assert found["Status"] == "FAILED"
    resolver.api.disassociate_resolver_rule(**where)
    resolver.api.delete_resolver_rule(ResolverRuleId=where["ResolverRuleId"])


def test_a_changed_rule_is_updating_until_dns_answers_so(resolver: Resolver) -> None:
    rule = resolver.forward()
    config = {"Name": "new", "TargetIps": [{"Ip": "192.0.2.50"}]}
    changed = resolver.api.update_resolver_rule(ResolverRuleId=rule["Id"], Config=config)
    assert changed["ResolverRule"]["Status"] == "UPDATING"
    resolver.serve()
    found = resolver.api.get_resolver_rule(ResolverRuleId=rule["Id"])["ResolverRule"]
    assert (found["Status"], found["Name"]) == ("COMPLETE", "new")
    assert [one["Ip"] for one in found["TargetIps"]] == ["192.0.2.50"]
    assert found["ResolverEndpointId"] == rule["ResolverEndpointId"]


def test_a_vpc_validates_once_dns_does_so(resolver: Resolver) -> None:
    where = {"ResourceId": resolver.vpc}

    def status() -> str:
        found = resolver.api.get_resolver_dnssec_config(**where)["ResolverDNSSECConfig"]
        assert re.fullmatch(r"rdsc-[0-9a-f]{17}", found["Id"])
        return str(found["ValidationStatus"])

    assert status() == "DISABLED"
    assert resolver.api.list_resolver_dnssec_configs()["ResolverDnssecConfigs"] == []
    resolver.api.update_resolver_dnssec_config(**where, Validation="ENABLE")
    assert status() == "ENABLING"
    resolver.serve()
    assert status() == "ENABLED"
    (listed,) = resolver.api.list_resolver_dnssec_configs()["ResolverDnssecConfigs"]
    assert (listed["ResourceId"], listed["ValidationStatus"]) == (resolver.vpc, "ENABLED")
    resolver.api.update_resolver_dnssec_config(**where, Validation="ENABLE")
    assert status() == "ENABLED"
    resolver.api.update_resolver_dnssec_config(**where, Validation="DISABLE")
    assert status() == "DISABLING"
    local = {"Validation": "USE_LOCAL_RESOURCE_SETTING"}
    refused(lambda: resolver.api.update_resolver_dnssec_config(**where, **local), "NotImplemented")
    absent = {"ResourceId": "vpc-0123456789abcdef0", "Validation": "ENABLE"}
    refused(
        lambda: resolver.api.update_resolver_dnssec_config(**absent), "ResourceNotFoundException"
    )


def test_a_vpcs_addresses_have_names_until_that_is_switched_off(resolver: Resolver) -> None:
    where = {"ResourceId": resolver.vpc}

    def status() -> str:
        found = resolver.api.get_resolver_config(**where)["ResolverConfig"]
        assert re.fullmatch(r"rrc-[0-9a-f]{17}", found["Id"])
        return str(found["AutodefinedReverse"])

    assert status() == "ENABLED"
    resolver.api.update_resolver_config(**where, AutodefinedReverseFlag="DISABLE")
    assert status() == "DISABLING"
    resolver.serve()
    assert status() == "DISABLED"
    (listed,) = resolver.api.list_resolver_configs()["ResolverConfigs"]
    assert (listed["ResourceId"], listed["AutodefinedReverse"]) == (resolver.vpc, "DISABLED")
    absent = {"ResourceId": "vpc-0123456789abcdef0", "AutodefinedReverseFlag": "ENABLE"}
    refused(lambda: resolver.api.update_resolver_config(**absent), "ResourceNotFoundException")


def test_a_vpcs_questions_are_logged_to_a_group_that_is_there(resolver: Resolver) -> None:
    logs = resolver.endpoint.client("logs")
    arn = "arn:aws:logs:ap-northeast-1:123456789012:log-group:questions"
    create, invalid = resolver.api.create_resolver_query_log_config, "InvalidParameterException"
    refused(lambda: create(Name="all", DestinationArn=arn), invalid, "does not exist")
    elsewhere = arn.replace("ap-northeast-1", "us-east-1")
    refused(lambda: create(Name="all", DestinationArn=elsewhere), invalid, "this account")
    refused(lambda: create(Name="all", DestinationArn="arn:aws:s3:::bucket"), "NotImplemented")
    logs.create_log_group(logGroupName="questions")
    made = create(Name="all", DestinationArn=arn + ":*")["ResolverQueryLogConfig"]
    assert (made["Status"], made["AssociationCount"]) == ("CREATED", 0)
    pair = {"ResolverQueryLogConfigId": made["Id"], "ResourceId": resolver.vpc}
    begun = resolver.api.associate_resolver_query_log_config(**pair)
    wanted = begun["ResolverQueryLogConfigAssociation"]["Id"]

    def state() -> tuple[str, str]:
        found = resolver.api.get_resolver_query_log_config_association(
            ResolverQueryLogConfigAssociationId=wanted
        )["ResolverQueryLogConfigAssociation"]
        return found["Status"], found["Error"]

    assert state() == ("CREATING", "NONE")
    resolver.serve()
    assert state() == ("ACTIVE", "NONE")
    logs.delete_log_group(logGroupName="questions")
    assert state() == ("ACTION_NEEDED", "DESTINATION_NOT_FOUND")
    again = resolver.api.associate_resolver_query_log_config
    refused(lambda: again(**pair), "ResourceExistsException")
    where = {"ResolverQueryLogConfigId": made["Id"]}
    delete = resolver.api.delete_resolver_query_log_config
    refused(lambda: delete(**where), "InvalidRequestException", "Disassociate")
    filters = [{"Name": "ResourceId", "Values": [resolver.vpc]}]
    listed = resolver.api.list_resolver_query_log_config_associations(Filters=filters)
    assert (listed["TotalCount"], listed["TotalFilteredCount"]) == (1, 1)
    resolver.api.disassociate_resolver_query_log_config(**pair)
    listed = resolver.api.list_resolver_query_log_configs(SortBy="Name", SortOrder="DESCENDING")
    assert [one["AssociationCount"] for one in listed["ResolverQueryLogConfigs"]] == [0]
    delete(**where)
    assert resolver.api.list_resolver_query_log_configs()["ResolverQueryLogConfigs"] == []


def test_endpoints_and_rules_have_tags(resolver: Resolver) -> None:
    rule = resolver.forward()
    for arn in (rule["Arn"], rule["Arn"].replace("rule/" + rule["Id"], "endpoint/")):
        arn = arn if arn == rule["Arn"] else arn + rule["ResolverEndpointId"]
        tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
        resolver.api.tag_resource(ResourceArn=arn, Tags=tags)
        resolver.api.untag_resource(ResourceArn=arn, TagKeys=["a"])
        assert resolver.api.list_tags_for_resource(ResourceArn=arn)["Tags"] == tags[1:]
    refused(
        lambda: resolver.api.list_tags_for_resource(ResourceArn=rule["Arn"] + "0"),
        "ResourceNotFoundException",
    )


def test_another_account_sees_nothing_of_it(resolver: Resolver) -> None:
    rule = resolver.forward()
    other = resolver.endpoint.client("route53resolver", key="210987654321")
    refused(lambda: other.get_resolver_rule(ResolverRuleId=rule["Id"]), "ResourceNotFoundException")
    assert len(other.list_resolver_rules()["ResolverRules"]) == 1
    assert other.list_resolver_endpoints()["ResolverEndpoints"] == []
