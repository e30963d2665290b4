"""Repository creation templates: how a repository is made that nobody created by hand.

They act on a pull through the cache and on a push to a repository that isn't there; replication,
the third occasion, never happens here.
https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-creation-templates.html
"""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.ecr import rows, views
from hiyoko.services.ecr.errors import RepositoryNotFound, TemplateNotFound
from hiyoko.services.ecr.lifecycle_rules import parse_policy
from hiyoko.services.ecr.model import CreationTemplate
from hiyoko.services.ecr.pages import page
from hiyoko.services.ecr.policies import check_policy
from hiyoko.services.ecr.repositories import (
    check_encryption,
    create_from_template,
    mutability,
)


@operation("CreateRepositoryCreationTemplate")
def create_repository_creation_template(call: Call, request: Request) -> Response:
    """Record the template; it acts from now on."""
    prefix = request["prefix"].rstrip("/")
    where = {"account": call.account, "region": call.region, "prefix": prefix}
    if rows.TEMPLATES.find(call.tx, **where) is not None:
        raise AwsError(
            "TemplateAlreadyExistsException",
            f"The Repository Creation Template for '{prefix}' already exists in the registry with"
            f" id '{call.account}'",
        )
    blank = CreationTemplate(
        call.account, call.region, prefix, tuple(request["appliedFor"]), call.now, call.now
    )
    return _written(call, _changed(blank, request))


def _changed(template: CreationTemplate, request: Request) -> CreationTemplate:
    """The template with what the request says; what it does not say stays."""
    check_encryption(request.get("encryptionConfiguration", {}))
    if text := request.get("repositoryPolicy"):
        check_policy(text, "RepositoryPolicy")
    if text := request.get("lifecyclePolicy"):
        parse_policy(text)
    value, exclusions = template.mutability, template.exclusions
    if "imageTagMutability" in request:
        value, exclusions = mutability(request)
    tags = tuple((tag["Key"], tag["Value"]) for tag in request.get("resourceTags", ()))
    return replace(
        template,
        applied_for=tuple(request.get("appliedFor", template.applied_for)),
        description=request.get("description", template.description),
        mutability=value,
        exclusions=exclusions,
        access_policy=request.get("repositoryPolicy", template.access_policy),
        policy=request.get("lifecyclePolicy", template.policy),
        role=request.get("customRoleArn", template.role),
        tags=tags if "resourceTags" in request else template.tags,
    )


def _written(call: Call, template: CreationTemplate) -> Response:
    rows.TEMPLATES.put(call.tx, template)
    return {"registryId": call.account, "repositoryCreationTemplate": views.template(template)}


@operation("DescribeRepositoryCreationTemplates")
def describe_repository_creation_templates(call: Call, request: Request) -> Response:
    """The named templates, or all."""
    prefixes = {prefix.rstrip("/") for prefix in request.get("prefixes", ())}
    found = [
        template
        for template in rows.TEMPLATES.list(call.tx, account=call.account, region=call.region)
        if not prefixes or template.prefix in prefixes
    ]
    shown, token = page(request, found)
    response: Response = {
        "registryId": call.account,
        "repositoryCreationTemplates": [views.template(template) for template in shown],
    }
    return response | ({"nextToken": token} if token else {})


@operation("UpdateRepositoryCreationTemplate")
def update_repository_creation_template(call: Call, request: Request) -> Response:
    """Change what the request names. Raises TemplateNotFoundException."""
    template = _get(call, request["prefix"])
    return _written(call, replace(_changed(template, request), updated_at=call.now))


@operation("DeleteRepositoryCreationTemplate")
def delete_repository_creation_template(call: Call, request: Request) -> Response:
    """Delete the template; what it made stays. Raises TemplateNotFoundException."""
    template = _get(call, request["prefix"])
    where = {"account": call.account, "region": call.region, "prefix": template.prefix}
    rows.TEMPLATES.delete(call.tx, **where)
    return {"registryId": call.account, "repositoryCreationTemplate": views.template(template)}


def _get(call: Call, prefix: str) -> CreationTemplate:
    where = {"account": call.account, "region": call.region, "prefix": prefix.rstrip("/")}
    template = rows.TEMPLATES.find(call.tx, **where)
    if template is None:
        raise TemplateNotFound(prefix, call.account)
    return template


@operation("_EnsureRepository")
def ensure_repository(call: Call, request: Request) -> Response:
    """Make a repository on an occasion: ``{repositoryName, occasion}``.

    A push makes one only where a template covers it. Raises RepositoryNotFound.
    """
    name, occasion = request["repositoryName"], request["occasion"]
    if rows.find_repository(call.tx, call.account, call.region, name) is None:
        template = rows.find_template(call.tx, call.account, call.region, name, occasion)
        if template is None and occasion == "CREATE_ON_PUSH":
            raise RepositoryNotFound(name, call.account)
        create_from_template(call, name, template)
    return {}
