"""Policies of repositories and of the registry: records, because nobody is kept out by one here.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policies.html
"""

from __future__ import annotations

import json
from dataclasses import replace

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.ecr import rows
from hiyoko.services.ecr.errors import Missing, invalid
from hiyoko.services.ecr.model import Repository
from hiyoko.services.ecr.repositories import get_repository


def check_policy(text: str, parameter: str = "PolicyText") -> None:
    """Raise InvalidParameter unless the text is a policy document."""
    try:
        document = json.loads(text)
        statements = document["Statement"]
        whole = isinstance(statements, dict | list) and bool(statements)
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise invalid(parameter, "Invalid repository policy provided")


@operation("SetRepositoryPolicy")
def set_repository_policy(call: Call, request: Request) -> Response:
    """Record the policy."""
    repository = get_repository(call, request)
    check_policy(request["policyText"])
    changed = replace(repository, access_policy=request["policyText"])
    rows.put_repository(call.tx, changed)
    return _shown(changed)


@operation("GetRepositoryPolicy")
def get_repository_policy(call: Call, request: Request) -> Response:
    """The policy as it was set. Raises RepositoryPolicyNotFoundException."""
    return _shown(_with_policy(call, request))


@operation("DeleteRepositoryPolicy")
def delete_repository_policy(call: Call, request: Request) -> Response:
    """Forget the policy. Raises RepositoryPolicyNotFoundException."""
    repository = _with_policy(call, request)
    rows.put_repository(call.tx, replace(repository, access_policy=""))
    return _shown(repository)


def _with_policy(call: Call, request: Request) -> Repository:
    repository = get_repository(call, request)
    if not repository.access_policy:
        raise Missing(
            "RepositoryPolicyNotFoundException",
            "Repository policy",
            repository.name,
            call.account,
        )
    return repository


def _shown(repository: Repository) -> Response:
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "policyText": repository.access_policy,
    }


@operation("PutRegistryPolicy")
def put_registry_policy(call: Call, request: Request) -> Response:
    """Record the registry's policy."""
    text = request["policyText"]
    check_policy(text)
    registry = rows.find_registry(call.tx, call.account, call.region)
    rows.REGISTRIES.put(call.tx, replace(registry, policy=text))
    return {"registryId": call.account, "policyText": text}


@operation("GetRegistryPolicy")
def get_registry_policy(call: Call, request: Request) -> Response:
    """The registry's policy. Raises RegistryPolicyNotFoundException."""
    return {"registryId": call.account, "policyText": _registry_policy(call)}


@operation("DeleteRegistryPolicy")
def delete_registry_policy(call: Call, request: Request) -> Response:
    """Forget the registry's policy. Raises RegistryPolicyNotFoundException."""
    text = _registry_policy(call)
    registry = rows.find_registry(call.tx, call.account, call.region)
    rows.REGISTRIES.put(call.tx, replace(registry, policy=""))
    return {"registryId": call.account, "policyText": text}


def _registry_policy(call: Call) -> str:
    policy = rows.find_registry(call.tx, call.account, call.region).policy
    if not policy:
        raise AwsError(
            "RegistryPolicyNotFoundException",
            f"Registry policy does not exist in the registry with id '{call.account}'",
        )
    return policy
