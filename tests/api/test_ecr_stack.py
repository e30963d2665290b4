"""ECR's types in a stack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.api.test_cloudformation import Cloud

TEMPLATE = """
Resources:
  App:
    Type: AWS::ECR::Repository
    Properties:
      RepositoryName: app
      ImageTagMutability: {mutability}
      ImageTagMutabilityExclusionFilters:
        - ImageTagMutabilityExclusionFilterType: WILDCARD
          ImageTagMutabilityExclusionFilterValue: latest*
      RepositoryPolicyText:
        Statement: [{{Effect: Allow, Principal: '*', Action: 'ecr:*'}}]
  Rule:
    Type: AWS::ECR::PullThroughCacheRule
    Properties: {{EcrRepositoryPrefix: pub, UpstreamRegistryUrl: public.ecr.aws}}
  Template:
    Type: AWS::ECR::RepositoryCreationTemplate
    Properties:
      Prefix: pub
      AppliedFor: [PULL_THROUGH_CACHE]
      Description: {mutability}
      ImageTagMutability: IMMUTABLE
      ResourceTags: [{{Key: team, Value: a}}]
  Policy:
    Type: AWS::ECR::RegistryPolicy
    Properties:
      PolicyText:
        Statement: [{{Effect: Allow, Principal: '*', Action: 'ecr:*'}}]
"""


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    cloud = Cloud()
    yield cloud
    cloud.store.close()


async def test_a_stack_sets_up_a_registry_and_takes_it_away(cloud: Cloud) -> None:
    text = TEMPLATE.format(mutability="IMMUTABLE_WITH_EXCLUSION")
    cloud.call("cloudformation", "CreateStack", StackName="images", TemplateBody=text)
    await cloud.settle()
    (repository,) = cloud.call("ecr", "DescribeRepositories")["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    assert repository["imageTagMutabilityExclusionFilters"][0]["filter"] == "latest*"
    policy = cloud.call("ecr", "GetRepositoryPolicy", repositoryName="app")["policyText"]
    assert '"Effect": "Allow"' in policy
    (rule,) = cloud.call("ecr", "DescribePullThroughCacheRules")["pullThroughCacheRules"]
    assert rule["ecrRepositoryPrefix"] == "pub"

    text = TEMPLATE.format(mutability="MUTABLE_WITH_EXCLUSION")
    cloud.call("cloudformation", "UpdateStack", StackName="images", TemplateBody=text)
    await cloud.settle()
    (repository,) = cloud.call("ecr", "DescribeRepositories")["repositories"]
    assert repository["imageTagMutability"] == "MUTABLE_WITH_EXCLUSION"
    found = cloud.call("ecr", "DescribeRepositoryCreationTemplates")
    (template,) = found["repositoryCreationTemplates"]
    assert template["description"] == "MUTABLE_WITH_EXCLUSION"
    assert template["imageTagMutability"] == "IMMUTABLE"

    cloud.call("cloudformation", "DeleteStack", StackName="images")
    await cloud.settle()
    assert cloud.call("ecr", "DescribeRepositories")["repositories"] == []
    assert cloud.call("ecr", "DescribePullThroughCacheRules")["pullThroughCacheRules"] == []
    with pytest.raises(Exception, match="Registry policy does not exist"):
        cloud.call("ecr", "GetRegistryPolicy")
