"""Security groups and network ACLs through ec2's operations."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api import ec2_cloud
from tests.api.ec2_cloud import Ec2, by, refused, tcp

ec2 = ec2_cloud.ec2


# -- security groups -----------------------------------------------------------------------------


def test_a_new_group_lets_all_out_and_nothing_in(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    group = ec2.group(vpc, "web")
    (shown,) = ec2("DescribeSecurityGroups", GroupIds=[group])["SecurityGroups"]
    assert shown["IpPermissions"] == []
    assert shown["IpPermissionsEgress"] == [
        {
            "IpProtocol": "-1",
            "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
            "Ipv6Ranges": [],
            "UserIdGroupPairs": [],
            "PrefixListIds": [],
        }
    ]
    with refused("InvalidGroup.Duplicate", f"'WEB' already exists for VPC '{vpc}'"):
        ec2.group(vpc, "WEB")
    with refused("InvalidParameterValue"):
        ec2.group(vpc, "sg-web")


def test_rules_of_equal_ports_are_one_permission(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    peer = ec2.group(vpc, "peer")
    group = ec2.group(
        vpc, "web", tcp(80, cidr="0.0.0.0/0"), tcp(80, cidr="10.0.0.7/8"), tcp(80, group=peer)
    )
    (shown,) = ec2("DescribeSecurityGroups", GroupIds=[group])["SecurityGroups"]
    (permission,) = shown["IpPermissions"]
    assert {r["CidrIp"] for r in permission["IpRanges"]} == {"0.0.0.0/0", "10.0.0.0/8"}
    assert [p["GroupId"] for p in permission["UserIdGroupPairs"]] == [peer]
    rules = ec2(
        "DescribeSecurityGroupRules", Filters=[*by("group-id", group), *by("is-egress", "false")]
    )
    assert len(rules["SecurityGroupRules"]) == 3


def test_a_duplicate_rule_refuses_the_whole_request(ec2: Ec2) -> None:
    group = ec2.group(ec2.vpc(), "web", tcp(22, cidr="0.0.0.0/0"))
    text = '"peer: 0.0.0.0/0, TCP, from port: 22, to port: 22, ALLOW" already exists'
    with refused("InvalidPermission.Duplicate", text):
        ec2(
            "AuthorizeSecurityGroupIngress",
            GroupId=group,
            IpPermissions=[tcp(80, cidr="0.0.0.0/0"), tcp(22, cidr="0.0.0.0/0")],
        )
    (shown,) = ec2("DescribeSecurityGroups", GroupIds=[group])["SecurityGroups"]
    assert [p["FromPort"] for p in shown["IpPermissions"]] == [22]
    with refused("InvalidPermission.Duplicate", '"peer: 0.0.0.0/0, ALL, ALLOW"'):
        ec2(
            "AuthorizeSecurityGroupEgress",
            GroupId=group,
            IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
        )


def test_rules_are_revoked_by_properties_or_ids(ec2: Ec2) -> None:
    group = ec2.group(ec2.vpc(), "web", tcp(22, cidr="0.0.0.0/0"), tcp(80, cidr="0.0.0.0/0"))
    with refused("InvalidPermission.NotFound"):
        ec2(
            "RevokeSecurityGroupIngress",
            GroupId=group,
            IpPermissions=[tcp(22, cidr="0.0.0.0/0"), tcp(23, cidr="0.0.0.0/0")],
        )
    ec2("RevokeSecurityGroupIngress", GroupId=group, IpPermissions=[tcp(22, cidr="0.0.0.0/0")])
    (left,) = ec2(
        "DescribeSecurityGroupRules", Filters=[*by("group-id", group), *by("is-egress", "false")]
    )["SecurityGroupRules"]
    assert left["FromPort"] == 80
    ids = {"GroupId": group, "SecurityGroupRuleIds": [left["SecurityGroupRuleId"]]}
    assert ec2("RevokeSecurityGroupIngress", **ids)["Return"]
    with refused("InvalidSecurityGroupRuleId.NotFound"):
        ec2("RevokeSecurityGroupIngress", **ids)


def test_the_default_vpc_tells_of_unknown_permissions_without_an_error(ec2: Ec2) -> None:
    answer = ec2("CreateSecurityGroup", GroupName="web", Description="web")
    revoked = ec2(
        "RevokeSecurityGroupIngress",
        GroupName="web",
        IpProtocol="tcp",
        FromPort=22,
        ToPort=22,
        CidrIp="0.0.0.0/0",
    )
    assert revoked["UnknownIpPermissions"][0]["FromPort"] == 22
    ec2("DeleteSecurityGroup", GroupName="web")
    with refused("InvalidGroup.NotFound"):
        ec2("DeleteSecurityGroup", GroupId=answer["GroupId"])


def test_a_rule_keeps_its_id_when_it_is_modified(ec2: Ec2) -> None:
    group = ec2.group(ec2.vpc(), "web", tcp(22, cidr="0.0.0.0/0"))
    filters = [*by("group-id", group), *by("is-egress", "false")]
    (rule,) = ec2("DescribeSecurityGroupRules", Filters=filters)["SecurityGroupRules"]
    wanted = {"IpProtocol": "17", "FromPort": 53, "ToPort": 53, "CidrIpv4": "10.0.0.0/8"}
    item = {"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "SecurityGroupRule": wanted}
    ec2("ModifySecurityGroupRules", GroupId=group, SecurityGroupRules=[item])
    ec2(
        "UpdateSecurityGroupRuleDescriptionsIngress",
        GroupId=group,
        IpPermissions=[
            {
                "IpProtocol": "udp",
                "FromPort": 53,
                "ToPort": 53,
                "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "dns"}],
            }
        ],
    )
    (changed,) = ec2("DescribeSecurityGroupRules", Filters=filters)["SecurityGroupRules"]
    assert changed["SecurityGroupRuleId"] == rule["SecurityGroupRuleId"]
    assert (changed["IpProtocol"], changed["Description"]) == ("udp", "dns")


def test_a_group_in_use_is_not_deleted(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    front = ec2.group(vpc, "front")
    back = ec2.group(vpc, "back", tcp(80, group=front))
    with refused("DependencyViolation", f"resource {front} has a dependent object"):
        ec2("DeleteSecurityGroup", GroupId=front)
    interface = ec2.interface(ec2.subnet(vpc, "10.0.0.0/24"), back)
    with refused("DependencyViolation", f"resource {back} has a dependent object"):
        ec2("DeleteSecurityGroup", GroupId=back)
    key = interface["NetworkInterfaceId"]
    ec2("_SetInterfaceGroups", NetworkInterfaceId=key, Groups=[front])
    ec2("DeleteSecurityGroup", GroupId=back)
    ec2("_DeleteManagedInterface", NetworkInterfaceId=key)
    ec2("DeleteSecurityGroup", GroupId=front)
    default = ec2("DescribeSecurityGroups", Filters=by("vpc-id", vpc))["SecurityGroups"][0]
    with refused("CannotDelete", "cannot be deleted by a user"):
        ec2("DeleteSecurityGroup", GroupId=default["GroupId"])


@pytest.mark.parametrize(
    ("permission", "code"),
    [
        ({"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}, "InvalidParameterValue"),
        (tcp(70000, cidr="0.0.0.0/0"), "InvalidParameterValue"),
        (tcp(80, cidr="0.0.0.0"), "InvalidParameterValue"),
        (tcp(80), "MissingParameter"),
        (tcp(80, group="sg-00000fff"), "InvalidGroup.NotFound"),
        (
            {"IpProtocol": "sctpx", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
            "InvalidPermission.Malformed",
        ),
    ],
)
def test_a_bad_permission_is_refused(ec2: Ec2, permission: dict[str, Any], code: str) -> None:
    with refused(code):
        ec2.group(ec2.vpc(), "web", permission)


def test_sixty_rules_are_the_limit(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    ec2.group(vpc, "full", *(tcp(port, cidr="0.0.0.0/0") for port in range(60)))
    with refused("RulesPerSecurityGroupLimitExceeded"):
        ec2.group(vpc, "over", *(tcp(port, cidr="0.0.0.0/0") for port in range(61)))


# -- network ACLs --------------------------------------------------------------------------------


def test_acl_entries_are_numbered_and_subnets_change_acls(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc, "10.0.0.0/24")
    acl = ec2("CreateNetworkAcl", VpcId=vpc)["NetworkAcl"]
    assert [(e["RuleNumber"], e["RuleAction"]) for e in acl["Entries"]] == [(32767, "deny")] * 2
    entry = {
        "NetworkAclId": acl["NetworkAclId"],
        "RuleNumber": 100,
        "Protocol": "6",
        "RuleAction": "allow",
        "Egress": False,
        "CidrBlock": "0.0.0.0/0",
        "PortRange": {"From": 80, "To": 80},
    }
    with refused("InvalidNetworkAclEntry.NotFound"):
        ec2("ReplaceNetworkAclEntry", **entry)
    ec2("CreateNetworkAclEntry", **entry)
    with refused("NetworkAclEntryAlreadyExists"):
        ec2("CreateNetworkAclEntry", **entry)
    ec2("CreateNetworkAclEntry", **(entry | {"Egress": True}))
    ec2("ReplaceNetworkAclEntry", **(entry | {"RuleAction": "deny"}))

    mine = by("association.subnet-id", subnet)
    (default,) = ec2("DescribeNetworkAcls", Filters=mine)["NetworkAcls"]
    assert default["IsDefault"]
    moved = ec2(
        "ReplaceNetworkAclAssociation",
        AssociationId=default["Associations"][0]["NetworkAclAssociationId"],
        NetworkAclId=acl["NetworkAclId"],
    )
    (now,) = ec2("DescribeNetworkAcls", Filters=mine)["NetworkAcls"]
    assert now["NetworkAclId"] == acl["NetworkAclId"]
    assert now["Associations"][0]["NetworkAclAssociationId"] == moved["NewAssociationId"]
    with refused("DependencyViolation"):
        ec2("DeleteNetworkAcl", NetworkAclId=acl["NetworkAclId"])
    with refused("InvalidParameterValue", "cannot delete default network ACL"):
        ec2("DeleteNetworkAcl", NetworkAclId=default["NetworkAclId"])
    ec2("DeleteNetworkAclEntry", NetworkAclId=acl["NetworkAclId"], RuleNumber=100, Egress=False)
    ec2("DeleteSubnet", SubnetId=subnet)
    ec2("DeleteNetworkAcl", NetworkAclId=acl["NetworkAclId"])
