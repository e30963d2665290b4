"""Certificate Manager's types in a stack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.api.test_cloudformation import Cloud

TEMPLATE = """
Resources:
  Account:
    Type: AWS::CertificateManager::Account
    Properties: {ExpiryEventsConfiguration: {DaysBeforeExpiry: 20}}
  Exportable:
    Type: AWS::CertificateManager::Certificate
    Properties: {DomainName: my-project.jp, ValidationMethod: DNS, CertificateExport: ENABLED}
  Mailed:
    Type: AWS::CertificateManager::Certificate
    Properties:
      DomainName: www.my-project.jp
      DomainValidationOptions:
        - {DomainName: www.my-project.jp, ValidationDomain: my-project.jp}
"""


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    cloud = Cloud()
    yield cloud
    cloud.store.close()


async def test_a_stack_configures_the_account_and_says_what_a_certificate_waits_for(
    cloud: Cloud,
) -> None:
    cloud.call("cloudformation", "CreateStack", StackName="site", TemplateBody=TEMPLATE)
    await cloud.settle()
    days = {"DaysBeforeExpiry": 20}
    assert cloud.call("acm", "GetAccountConfiguration") == {"ExpiryEvents": days}
    ids = cloud.ids()
    assert ids["Account"] == "123456789012"
    shown = cloud.call("acm", "DescribeCertificate", CertificateArn=ids["Exportable"])
    assert shown["Certificate"]["Options"]["Export"] == "ENABLED"
    exportable, mailed = sorted(cloud.pending())
    assert "Content of DNS Record is" in exportable
    assert "postmaster@my-project.jp" in mailed
    assert "set ValidationMethod to DNS" in mailed
    changed = TEMPLATE.replace("20}", "7}").split("  Exportable:")[0]
    cloud.call("cloudformation", "DeleteStack", StackName="site")
    await cloud.settle()
    cloud.call("cloudformation", "CreateStack", StackName="site", TemplateBody=changed)
    await cloud.settle()
    assert cloud.status() == "CREATE_COMPLETE", cloud.reasons()
    cloud.call(
        "cloudformation", "UpdateStack", StackName="site", TemplateBody=changed.replace("7}", "8}")
    )
    await cloud.settle()
    assert cloud.status() == "UPDATE_COMPLETE", cloud.reasons()
    assert cloud.call("acm", "GetAccountConfiguration")["ExpiryEvents"]["DaysBeforeExpiry"] == 8
