"""Tags of repositories."""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.ecr import rows
from hiyoko.services.ecr.errors import RepositoryNotFound
from hiyoko.services.ecr.model import Repository

TAGS_MAX = 50
"""https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-using-tags.html"""


def _repository(call: Call, request: Request) -> Repository:
    arn = request["resourceArn"]
    found = rows.find_repository_by_arn(call.tx, arn)
    if found is None or (found.account, found.region) != (call.account, call.region):
        raise RepositoryNotFound(arn.partition("repository/")[2], call.account)
    return found


@operation("TagResource")
def tag_resource(call: Call, request: Request) -> Response:
    """Add or replace tags."""
    repository = _repository(call, request)
    tags = dict(repository.tags) | {tag["Key"]: tag.get("Value", "") for tag in request["tags"]}
    if len(tags) > TAGS_MAX:
        raise AwsError(
            "TooManyTagsException", f"A repository has at most {TAGS_MAX} tags, not {len(tags)}"
        )
    rows.put_repository(call.tx, replace(repository, tags=tuple(tags.items())))
    return {}


@operation("UntagResource")
def untag_resource(call: Call, request: Request) -> Response:
    """Remove tags by key."""
    repository = _repository(call, request)
    kept = tuple(tag for tag in repository.tags if tag[0] not in request["tagKeys"])
    rows.put_repository(call.tx, replace(repository, tags=kept))
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(call: Call, request: Request) -> Response:
    """The repository's tags."""
    return {
        "tags": [{"Key": key, "Value": value} for key, value in _repository(call, request).tags]
    }
