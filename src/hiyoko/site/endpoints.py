"""``egress: endpoints``: the services of AWS that a task needs to start, without a way out.

A task's image comes from ECR (its API for the token, its registry for the manifest, S3 for the
layers) and its logs go to CloudWatch Logs.
https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
"""

from __future__ import annotations

from hiyoko.site.model import Site
from hiyoko.site.nodes import Node, att, named, no_egress, ref, resource, rule, sub

SERVICES = {
    "EcrApiEndpoint": "ecr.api",
    "EcrRegistryEndpoint": "ecr.dkr",
    "LogsEndpoint": "logs",
}
S3 = "S3Endpoint"
NEEDED = (*SERVICES, S3, "EndpointSecurityGroupIngress")
"""What must be there before a task starts."""
PREFIX_LIST = "S3PrefixList"
LAYERS = "arn:${AWS::Partition}:s3:::prod-${AWS::Region}-starport-layer-bucket/*"

PARAMETERS: dict[str, Node] = {
    # No resource tells this id, and it differs from region to region.
    PREFIX_LIST: {
        "Type": "String",
        "AllowedPattern": "^pl-[0-9a-f]+$",
        "Description": (
            "Prefix list of S3 in this region: aws ec2 describe-prefix-lists"
            " --filters Name=prefix-list-name,Values=com.amazonaws.REGION.s3"
        ),
    }
}


def prefix_list_name(region: str) -> str:
    """The name of the list whose id the parameter wants."""
    return f"com.amazonaws.{region}.s3"


def egress() -> list[Node]:
    """What tasks may reach: the endpoints, and S3 where its endpoint leads."""
    group = att("EndpointSecurityGroup", "GroupId")
    return [
        rule("tcp", 443, "to the endpoints", DestinationSecurityGroupId=group),
        rule("tcp", 443, "to S3 for layers", DestinationPrefixListId=ref(PREFIX_LIST)),
    ]


def resources(site: Site) -> dict[str, Node]:
    """The endpoints, and who may talk to them."""
    subnets = [ref(f"PrivateSubnet{zone}") for zone in range(1, site.network.zones + 1)]
    return {
        "EndpointSecurityGroup": resource(
            "AWS::EC2::SecurityGroup",
            {
                "GroupDescription": "Endpoints: reached by tasks only",
                "VpcId": ref("Vpc"),
                "SecurityGroupEgress": [no_egress()],
                "Tags": named("endpoint"),
            },
        ),
        # Beside the group: the tasks' group names it, and they may not name each other.
        "EndpointSecurityGroupIngress": resource(
            "AWS::EC2::SecurityGroupIngress",
            {
                "GroupId": att("EndpointSecurityGroup", "GroupId"),
                **rule(
                    "tcp",
                    443,
                    "from tasks",
                    SourceSecurityGroupId=att("TaskSecurityGroup", "GroupId"),
                ),
            },
        ),
        **{name: _interface(service, subnets) for name, service in SERVICES.items()},
        S3: _gateway(),
    }


def _interface(service: str, subnets: list[Node]) -> Node:
    return resource(
        "AWS::EC2::VPCEndpoint",
        {
            "VpcId": ref("Vpc"),
            "VpcEndpointType": "Interface",
            "ServiceName": sub("com.amazonaws.${AWS::Region}." + service),
            "SubnetIds": subnets,
            "SecurityGroupIds": [att("EndpointSecurityGroup", "GroupId")],
            "PrivateDnsEnabled": True,
            "Tags": named(service.replace(".", "-")),
        },
    )


def _gateway() -> Node:
    """Layers can be read through it, and nothing else of S3.

    https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html#ecr-minimum-s3-perms
    """
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": sub(LAYERS)}
        ],
    }
    return resource(
        "AWS::EC2::VPCEndpoint",
        {
            "VpcId": ref("Vpc"),
            "VpcEndpointType": "Gateway",
            "ServiceName": sub("com.amazonaws.${AWS::Region}.s3"),
            "RouteTableIds": [ref("PrivateRouteTable")],
            "PolicyDocument": policy,
            "Tags": named("s3"),
        },
    )
