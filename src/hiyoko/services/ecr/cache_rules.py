"""Pull-through cache rules: what nobody pushed is fetched from another registry when it is pulled.

The registry's HTTP side does the fetching (``gateway.registry``).
https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache.html
"""

from __future__ import annotations

import re
from dataclasses import replace

from hiyoko.api import AwsError, Call, Request, Response, ask_neighbour, operation, unsupported
from hiyoko.services.ecr import rows, views
from hiyoko.services.ecr.errors import CacheRuleNotFound, invalid
from hiyoko.services.ecr.model import CacheRule
from hiyoko.services.ecr.pages import page
from hiyoko.services.ecr.repositories import own_registry

_UPSTREAMS = {
    "ecr-public": r"public\.ecr\.aws",
    "docker-hub": r"registry-1\.docker\.io",
    "quay": r"quay\.io",
    "k8s": r"registry\.k8s\.io",
    "github-container-registry": r"ghcr\.io",
    "gitlab-container-registry": r"registry\.gitlab\.com",
    "azure-container-registry": r"[a-z0-9]+\.azurecr\.io",
    "chainguard": r"cgr\.dev",
}
"""What the upstream's address must look like."""
_NEED_CREDENTIALS = {
    *("docker-hub", "github-container-registry", "gitlab-container-registry"),
    *("azure-container-registry", "chainguard"),
}


@operation("CreatePullThroughCacheRule")
def create_pull_through_cache_rule(call: Call, request: Request) -> Response:
    """Record the rule; pulls follow it from now on. What it fetches must be public."""
    own_registry(call, request)
    prefix = request["ecrRepositoryPrefix"].rstrip("/")
    if _find(call, prefix) is not None:
        raise AwsError(
            "PullThroughCacheRuleAlreadyExistsException",
            f"A pull through cache rule with prefix '{prefix}' already exists in the registry with"
            f" id '{call.account}'",
        )
    host = request["upstreamRegistryUrl"].removeprefix("https://").rstrip("/")
    kind = _kind(host, request.get("upstreamRegistry"))
    credential = request.get("credentialArn", "")
    _check_credential(call, kind, credential)
    rule = CacheRule(
        account=call.account,
        region=call.region,
        prefix=prefix,
        upstream=host,
        kind=kind,
        created_at=call.now,
        updated_at=call.now,
        credential=credential,
        role=request.get("customRoleArn", ""),
        upstream_prefix=request.get("upstreamRepositoryPrefix", "").rstrip("/"),
    )
    rows.CACHE_RULES.insert(call.tx, rule)
    return {name: value for name, value in views.cache_rule(rule).items() if name != "updatedAt"}


def _kind(host: str, given: str | None) -> str:
    """Which upstream that is. Raises UnsupportedUpstreamRegistryException."""
    if given == "ecr" or ".dkr.ecr." in host:
        raise unsupported("upstreamRegistry", "ecr")
    for kind, pattern in _UPSTREAMS.items():
        if re.fullmatch(pattern, host) and given in (None, kind):
            return kind
    raise AwsError(
        "UnsupportedUpstreamRegistryException",
        f"The specified upstream registry isn't supported: {host}",
    )


def _check_credential(call: Call, kind: str, arn: str) -> None:
    """A registry that wants credentials has a secret, which must be there."""
    if not arn:
        if kind in _NEED_CREDENTIALS:
            raise invalid("credentialArn", f"must not be null for the upstream registry {kind}")
        return
    try:
        ask_neighbour(
            "secretsmanager",
            "DescribeSecret",
            {"SecretId": arn},
            account=call.account,
            region=call.region,
        )
    except AwsError as error:
        raise AwsError(
            "SecretNotFoundException", f"The ARN of the secret specified isn't valid: {arn}"
        ) from error


@operation("DescribePullThroughCacheRules")
def describe_pull_through_cache_rules(call: Call, request: Request) -> Response:
    """The named rules, or all. Raises PullThroughCacheRuleNotFoundException."""
    own_registry(call, request)
    if prefixes := request.get("ecrRepositoryPrefixes"):
        found = [_get(call, prefix) for prefix in prefixes]
        return {"pullThroughCacheRules": [views.cache_rule(rule) for rule in found]}
    rules = rows.CACHE_RULES.list(call.tx, account=call.account, region=call.region)
    shown, token = page(request, rules)
    response: Response = {"pullThroughCacheRules": [views.cache_rule(rule) for rule in shown]}
    return response | ({"nextToken": token} if token else {})


@operation("UpdatePullThroughCacheRule")
def update_pull_through_cache_rule(call: Call, request: Request) -> Response:
    """Change the rule's secret or role."""
    own_registry(call, request)
    rule = _get(call, request["ecrRepositoryPrefix"])
    if "credentialArn" in request:
        _check_credential(call, rule.kind, request["credentialArn"])
    changed = replace(
        rule,
        credential=request.get("credentialArn", rule.credential),
        role=request.get("customRoleArn", rule.role),
        updated_at=call.now,
    )
    rows.CACHE_RULES.put(call.tx, changed)
    shown = views.cache_rule(changed)
    return {
        name: value
        for name, value in shown.items()
        if name not in ("upstreamRegistryUrl", "createdAt", "upstreamRegistry")
    }


@operation("DeletePullThroughCacheRule")
def delete_pull_through_cache_rule(call: Call, request: Request) -> Response:
    """Delete the rule; what it has fetched stays."""
    own_registry(call, request)
    rule = _get(call, request["ecrRepositoryPrefix"])
    where = {"account": rule.account, "region": rule.region, "prefix": rule.prefix}
    rows.CACHE_RULES.delete(call.tx, **where)
    shown = views.cache_rule(rule)
    return {
        name: value
        for name, value in shown.items()
        if name not in ("updatedAt", "upstreamRegistry")
    }


def _find(call: Call, prefix: str) -> CacheRule | None:
    return rows.CACHE_RULES.find(
        call.tx, account=call.account, region=call.region, prefix=prefix.rstrip("/")
    )


def _get(call: Call, prefix: str) -> CacheRule:
    rule = _find(call, prefix)
    if rule is None:
        raise CacheRuleNotFound(prefix, call.account)
    return rule


@operation("_FindUpstream")
def find_upstream(call: Call, request: Request) -> Response:
    """The registry's question: the public name that a repository stands for; ``""``: none."""
    name = request["repositoryName"]
    rule = rows.find_cache_rule(call.tx, call.account, call.region, name)
    return {"name": rule.upstream_name(name) if rule is not None else ""}
