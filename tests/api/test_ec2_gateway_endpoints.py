"""Gateway endpoints and prefix lists through ec2's operations."""

from __future__ import annotations

from typing import Any

from tests.api import ec2_cloud
from tests.api.ec2_cloud import Ec2, refused, tcp

S3 = "com.amazonaws.ap-northeast-1.s3"
DYNAMODB = "com.amazonaws.ap-northeast-1.dynamodb"

ec2 = ec2_cloud.ec2


def make(ec2: Ec2, vpc: str, *tables: str, service: str = S3, **more: Any) -> str:
    made = ec2(
        "CreateVpcEndpoint", VpcId=vpc, ServiceName=service, RouteTableIds=list(tables), **more
    )
    return str(made["VpcEndpoint"]["VpcEndpointId"])


def shown(ec2: Ec2, endpoint: str) -> dict[str, Any]:
    (found,) = ec2("DescribeVpcEndpoints", VpcEndpointIds=[endpoint])["VpcEndpoints"]
    return dict(found)


def routes(ec2: Ec2, table: str) -> list[dict[str, Any]]:
    (found,) = ec2("DescribeRouteTables", RouteTableIds=[table])["RouteTables"]
    return [route for route in found["Routes"] if route["GatewayId"] != "local"]


def aws_list(ec2: Ec2, name: str = S3) -> str:
    only = [{"Name": "prefix-list-name", "Values": [name]}]
    (found,) = ec2("DescribePrefixLists", Filters=only)["PrefixLists"]
    return str(found["PrefixListId"])


def own_list(ec2: Ec2, *cidrs: str, size: int = 3) -> str:
    made = ec2(
        "CreateManagedPrefixList",
        PrefixListName="offices",
        AddressFamily="IPv4",
        MaxEntries=size,
        Entries=[{"Cidr": cidr} for cidr in cidrs],
    )["PrefixList"]
    return str(made["PrefixListId"])


def test_a_gateway_endpoint_is_there_at_once_with_a_route_in_each_table(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    one, two = ec2.table(vpc), ec2.table(vpc)
    endpoint = make(ec2, vpc, one, two)
    found = shown(ec2, endpoint)
    assert found["VpcEndpointType"] == "Gateway"
    assert found["State"] == "available"
    assert sorted(found["RouteTableIds"]) == sorted([one, two])
    assert found["NetworkInterfaceIds"] == found["DnsEntries"] == found["Groups"] == []
    route = {
        "DestinationPrefixListId": aws_list(ec2),
        "GatewayId": endpoint,
        "Origin": "CreateRoute",
        "State": "active",
    }
    assert routes(ec2, one) == routes(ec2, two) == [route]


def test_its_routes_are_changed_through_the_endpoint_only(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    one, two = ec2.table(vpc), ec2.table(vpc)
    endpoint, key = make(ec2, vpc, one), aws_list(ec2)
    with refused("InvalidParameterValue", f"cannot remove VPC endpoint route {key} in route"):
        ec2("DeleteRoute", RouteTableId=one, DestinationPrefixListId=key)
    with refused("InvalidParameterValue", "prefix list route targeting a VPC Endpoint"):
        ec2("CreateRoute", RouteTableId=two, DestinationPrefixListId=key, GatewayId=endpoint)
    gateway = ec2.gateway(vpc)
    with refused("InvalidParameterValue", "cannot remove VPC endpoint route"):
        ec2("ReplaceRoute", RouteTableId=one, DestinationPrefixListId=key, GatewayId=gateway)
    with refused("RouteAlreadyExists", f"{one} already has a route with destination-prefix-list"):
        make(ec2, vpc, one)
    ec2(
        "ModifyVpcEndpoint",
        VpcEndpointId=endpoint,
        RemoveRouteTableIds=[one],
        AddRouteTableIds=[two],
    )
    assert routes(ec2, one) == []
    assert shown(ec2, endpoint)["RouteTableIds"] == [two]
    make(ec2, vpc, two, service=DYNAMODB)
    ec2("DeleteVpcEndpoints", VpcEndpointIds=[endpoint])
    assert [r["DestinationPrefixListId"] for r in routes(ec2, two)] == [aws_list(ec2, DYNAMODB)]
    with refused("InvalidVpcEndpointId.NotFound"):
        shown(ec2, endpoint)


def test_a_table_is_of_the_endpoints_vpc_and_a_vpc_with_an_endpoint_stays(ec2: Ec2) -> None:
    vpc, other = ec2.vpc(), ec2.vpc()
    with refused("InvalidParameterValue", "belong to different networks"):
        make(ec2, vpc, ec2.table(other))
    endpoint = make(ec2, vpc)
    with refused("DependencyViolation"):
        ec2("DeleteVpc", VpcId=vpc)
    ec2("DeleteVpcEndpoints", VpcEndpointIds=[endpoint])
    ec2("DeleteVpc", VpcId=vpc)


def test_what_belongs_to_the_other_type_is_refused(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc, "10.0.0.0/24")
    with refused("InvalidParameter", "SubnetIds is not valid for endpoints of type Gateway"):
        make(ec2, vpc, SubnetIds=[subnet])
    logs = {"service": "com.amazonaws.ap-northeast-1.logs", "VpcEndpointType": "Interface"}
    with refused("InvalidParameter", "RouteTableIds is not valid for endpoints of type Interface"):
        make(ec2, vpc, ec2.table(vpc), **logs)
    with refused("NotImplemented", f"VpcEndpointType='Interface of {S3}'"):
        make(ec2, vpc, VpcEndpointType="Interface")
    endpoint = make(ec2, vpc)
    with refused("InvalidParameter", "AddSubnetIds"):
        ec2("ModifyVpcEndpoint", VpcEndpointId=endpoint, AddSubnetIds=[subnet])
    elsewhere = Ec2(region="ap-east-1")
    with refused("NotImplemented", "com.amazonaws.ap-east-1.s3"):
        make(elsewhere, elsewhere.vpc(), service="com.amazonaws.ap-east-1.s3")


def test_a_policy_is_kept_as_it_was_given(ec2: Ec2) -> None:
    policy = '{"Statement": [{"Effect": "Deny", "Action": "*"}]}'
    endpoint = make(ec2, ec2.vpc(), PolicyDocument=policy)
    assert shown(ec2, endpoint)["PolicyDocument"] == policy
    ec2("ModifyVpcEndpoint", VpcEndpointId=endpoint, ResetPolicy=True)
    assert '"Allow"' in shown(ec2, endpoint)["PolicyDocument"]
    for bad in ("{", "[]", "{}"):
        with refused("InvalidParameterValue", "Policy document"):
            ec2("ModifyVpcEndpoint", VpcEndpointId=endpoint, PolicyDocument=bad)


def test_twenty_gateways_fit_into_a_region(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    for _ in range(20):
        make(ec2, vpc)
    with refused("VpcEndpointLimitExceeded"):
        make(ec2, vpc)


def test_services_say_which_type_they_have(ec2: Ec2) -> None:
    only = [{"Name": "service-type", "Values": ["Gateway"]}]
    found = ec2("DescribeVpcEndpointServices", Filters=only)
    assert found["ServiceNames"] == [DYNAMODB, S3]
    endpoint = make(ec2, ec2.vpc())
    only = [{"Name": "vpc-endpoint-type", "Values": ["Gateway"]}]
    (one,) = ec2("DescribeVpcEndpoints", Filters=only)["VpcEndpoints"]
    assert one["VpcEndpointId"] == endpoint


def test_awss_lists_are_found_by_name_and_nobody_elses_to_change(ec2: Ec2) -> None:
    key = aws_list(ec2)
    (plain,) = ec2("DescribePrefixLists", PrefixListIds=[key])["PrefixLists"]
    (managed,) = ec2("DescribeManagedPrefixLists", PrefixListIds=[key])["PrefixLists"]
    assert managed["OwnerId"] == "AWS"
    entries = ec2("GetManagedPrefixListEntries", PrefixListId=key)["Entries"]
    assert [entry["Cidr"] for entry in entries] == plain["Cidrs"]
    other = Ec2(region="us-east-1")
    assert plain["Cidrs"] != other("DescribePrefixLists")["PrefixLists"][0]["Cidrs"]
    with refused("UnauthorizedOperation"):
        ec2("DeleteManagedPrefixList", PrefixListId=key)
    with refused("InvalidPrefixListID.NotFound"):
        ec2("DescribePrefixLists", PrefixListIds=["pl-00000fff"])


def test_an_own_list_has_versions_a_size_and_users(ec2: Ec2) -> None:
    key = own_list(ec2, "192.0.2.0/24", "198.51.100.7/24", size=2)
    assert [e["Cidr"] for e in ec2("GetManagedPrefixListEntries", PrefixListId=key)["Entries"]] == [
        "192.0.2.0/24",
        "198.51.100.0/24",
    ]
    more = {"PrefixListId": key, "AddEntries": [{"Cidr": "203.0.113.0/24"}]}
    with refused("PrefixListMaxEntriesExceeded"):
        ec2("ModifyManagedPrefixList", **more, CurrentVersion=1)
    drop = [{"Cidr": "192.0.2.0/24"}]
    with refused("PrefixListVersionMismatch", "current version is 1"):
        ec2("ModifyManagedPrefixList", **more, RemoveEntries=drop, CurrentVersion=2)
    ec2("ModifyManagedPrefixList", **more, RemoveEntries=drop, CurrentVersion=1)
    (found,) = ec2("DescribeManagedPrefixLists", PrefixListIds=[key])["PrefixLists"]
    assert (found["Version"], found["MaxEntries"]) == (2, 2)
    vpc = ec2.vpc()
    table, gateway = ec2.table(vpc), ec2.gateway(vpc)
    ec2("CreateRoute", RouteTableId=table, DestinationPrefixListId=key, GatewayId=gateway)
    with refused("DependencyViolation"):
        ec2("DeleteManagedPrefixList", PrefixListId=key)
    ec2("DeleteRoute", RouteTableId=table, DestinationPrefixListId=key)
    ec2("DeleteManagedPrefixList", PrefixListId=key)
    with refused("InvalidPrefixListID.NotFound"):
        ec2("GetManagedPrefixListEntries", PrefixListId=key)


def test_rules_name_prefix_lists_which_count_for_their_size(ec2: Ec2) -> None:
    group = ec2.group(ec2.vpc(), "g")
    s3, own = aws_list(ec2), own_list(ec2, "192.0.2.0/24", size=59)
    by_list = tcp(443) | {"PrefixListIds": [{"PrefixListId": s3, "Description": "layers"}]}
    answer = ec2("AuthorizeSecurityGroupEgress", GroupId=group, IpPermissions=[by_list])
    (rule,) = answer["SecurityGroupRules"]
    assert (rule["PrefixListId"], rule["Description"]) == (s3, "layers")
    with refused("InvalidPermission.Duplicate", f"peer: {s3}, TCP, from port: 443"):
        ec2("AuthorizeSecurityGroupEgress", GroupId=group, IpPermissions=[by_list])
    only = [{"Name": "egress.ip-permission.prefix-list-id", "Values": [s3]}]
    (found,) = ec2("DescribeSecurityGroups", Filters=only)["SecurityGroups"]
    permissions = {p["FromPort"]: p for p in found["IpPermissionsEgress"] if "FromPort" in p}
    assert permissions[443]["PrefixListIds"] == by_list["PrefixListIds"]
    # Beside the rule that a group is made with and S3's, which counts as one, 58 are left.
    large = tcp(443) | {"PrefixListIds": [{"PrefixListId": own}]}
    with refused("RulesPerSecurityGroupLimitExceeded"):
        ec2("AuthorizeSecurityGroupEgress", GroupId=group, IpPermissions=[large])
    changed = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "PrefixListId": own}
    ec2("RevokeSecurityGroupEgress", GroupId=group, IpPermissions=[by_list])
    ec2("AuthorizeSecurityGroupEgress", GroupId=group, IpPermissions=[large])
    (rule,) = (
        r for r in ec2("DescribeSecurityGroupRules")["SecurityGroupRules"] if "PrefixListId" in r
    )
    item = {"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "SecurityGroupRule": changed}
    ec2("ModifySecurityGroupRules", GroupId=group, SecurityGroupRules=[item])
    with refused("DependencyViolation"):
        ec2("DeleteManagedPrefixList", PrefixListId=own)
