"""A client of route53 and acm for tests: every answer is checked against AWS's shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.api.shapes import check_output
from tests.golden.golden import CountingIds, FixedClock

import hiyoko.services.acm
import hiyoko.services.ec2
import hiyoko.services.elbv2
import hiyoko.services.logs
import hiyoko.services.route53  # noqa: F401
from hiyoko import api
from hiyoko.services.elbv2 import rows as elbv2
from hiyoko.services.elbv2.model import LoadBalancer
from hiyoko.store.database import Store

DNS_NAME = "Web-123.ap-northeast-1.elb.amazonaws.com"
ALB_ZONE = "Z14GRHDCWA56QT"

# ACM answers its key algorithms with a hyphen, other than its model says.
REAL_VALUES = frozenset({"RSA-2048", "EC-prime256v1", "EC-secp384r1", "EC-secp521r1"})


@dataclass
class Cloud:
    """Calls operations on a store in memory."""

    store: Store = field(default_factory=lambda: Store.open(":memory:"))
    ids: CountingIds = field(default_factory=CountingIds)
    clock: FixedClock = field(default_factory=FixedClock)

    def __call__(
        self,
        service: str,
        operation: str,
        account: str = api.DEFAULT_ACCOUNT,
        region: str = api.DEFAULT_REGION,
        **request: Any,
    ) -> dict[str, Any]:
        response = api.invoke(
            self.store,
            service,
            operation,
            request,
            account=account,
            region=region,
            clock=self.clock,
            ids=self.ids,
        )
        checked = dict(response)
        if operation == "CreateHostedZone" and "VPC" in response:
            # The model requires it; AWS leaves it out for a private zone.
            checked["DelegationSet"] = {"NameServers": ["none"]}
        if operation == "ListTrafficPolicies":
            # The model requires it on the last page too, where there is no next policy to name.
            checked.setdefault("TrafficPolicyIdMarker", "none")
        check_output(service, operation, checked, new_values=REAL_VALUES)
        return response

    def zone(self, name: str = "example.com", **more: Any) -> str:
        made = self(
            "route53", "CreateHostedZone", Name=name, CallerReference=self.ids.uuid(), **more
        )
        return str(made["HostedZone"]["Id"])

    def private_zone(self, name: str, vpc: str) -> str:
        return self.zone(name, VPC={"VPCId": vpc, "VPCRegion": "ap-northeast-1"})

    def vpc(self) -> str:
        made = self("ec2", "CreateVpc", CidrBlock="10.0.0.0/16")
        return str(made["Vpc"]["VpcId"])

    def change(self, zone: str, *changes: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        batch = [{"Action": action, "ResourceRecordSet": record} for action, record in changes]
        return self(
            "route53",
            "ChangeResourceRecordSets",
            HostedZoneId=zone,
            ChangeBatch={"Changes": batch},
        )

    def records(self, zone: str, **more: Any) -> dict[str, Any]:
        return self("route53", "ListResourceRecordSets", HostedZoneId=zone, **more)

    def certificate(self, domain: str = "example.com", *others: str, **more: Any) -> str:
        names: dict[str, Any] = {"SubjectAlternativeNames": list(others)} if others else {}
        made = self(
            "acm",
            "RequestCertificate",
            **{"DomainName": domain, "ValidationMethod": "DNS", **names, **more},
        )
        return str(made["CertificateArn"])

    def described(self, arn: str) -> dict[str, Any]:
        found: dict[str, Any] = self("acm", "DescribeCertificate", CertificateArn=arn)
        return dict(found["Certificate"])


def record(name: str, kind: str, *values: str, ttl: int = 300) -> dict[str, Any]:
    records = [{"Value": value} for value in values]
    return {"Name": name, "Type": kind, "TTL": ttl, "ResourceRecords": records}


def alias(name: str, target: str, zone_id: str) -> dict[str, Any]:
    target_of = {"HostedZoneId": zone_id, "DNSName": target, "EvaluateTargetHealth": True}
    return {"Name": name, "Type": "A", "AliasTarget": target_of}


def with_balancer(cloud: Cloud) -> None:
    with cloud.store.transaction() as tx:
        elbv2.LOAD_BALANCERS.insert(
            tx,
            LoadBalancer(
                arn="arn:aws:elasticloadbalancing:ap-northeast-1:1:loadbalancer/app/Web/1",
                account="123456789012",
                region="ap-northeast-1",
                name="Web",
                dns_name=DNS_NAME,
                scheme="internet-facing",
                vpc_id="vpc-1",
                security_groups=(),
                nodes=(),
                created_at=0.0,
            ),
        )
