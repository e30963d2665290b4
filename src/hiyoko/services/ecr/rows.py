"""All rows of ECR, and the images of the simulated internet's public registries."""

from __future__ import annotations

import secrets
from dataclasses import replace

from hiyoko.services.ecr.errors import RepositoryNotFound
from hiyoko.services.ecr.model import (
    ROOT,
    CacheRule,
    CreationTemplate,
    Image,
    ImageTag,
    Layer,
    LifecyclePreview,
    Notice,
    PublicImage,
    Registry,
    RegistrySecret,
    Repository,
)
from hiyoko.store.database import Transaction
from hiyoko.store.table import Table

REPOSITORIES = Table(
    "ecr_repository", Repository, key=("account", "region", "name"), index=("arn",)
)
IMAGES = Table("ecr_image", Image, key=("account", "region", "repository", "digest"))
TAGS = Table(
    "ecr_image_tag", ImageTag, key=("account", "region", "repository", "tag"), index=("digest",)
)
LAYERS = Table("ecr_layer", Layer, key=("account", "region", "repository", "digest"))
PREVIEWS = Table("ecr_lifecycle_preview", LifecyclePreview, key=("account", "region", "repository"))
CACHE_RULES = Table("ecr_cache_rule", CacheRule, key=("account", "region", "prefix"))
TEMPLATES = Table("ecr_creation_template", CreationTemplate, key=("account", "region", "prefix"))
REGISTRIES = Table("ecr_registry", Registry, key=("account", "region"))
NOTICES = Table("ecr_notice", Notice, key=("sequence",))
PUBLIC_IMAGES = Table("ecr_public_image", PublicImage, key=("repository", "tag"), index=("digest",))
Tags = dict[str, list[str]]
"""Tags by digest."""
PULL_NOTED_S = 3600.0
_UNTAGGED = "@"
"""No tag begins so: the row of an image whose tag has gone on to another one."""
SECRETS = Table("ecr_registry_secret", RegistrySecret, key=("account",))


def find_repository(tx: Transaction, account: str, region: str, name: str) -> Repository | None:
    """The repository of that name, if there is one."""
    return REPOSITORIES.find(tx, account=account, region=region, name=name)


def get_repository(tx: Transaction, account: str, region: str, name: str) -> Repository:
    """The repository of that name. Raises RepositoryNotFound."""
    found = find_repository(tx, account, region, name)
    if found is None:
        raise RepositoryNotFound(name, account)
    return found


def find_repository_by_arn(tx: Transaction, arn: str) -> Repository | None:
    """The repository with that ARN, if there is one."""
    return REPOSITORIES.find(tx, arn=arn)


def list_repositories(tx: Transaction, account: str, region: str) -> list[Repository]:
    """All repositories of an account in a region, by name."""
    return REPOSITORIES.list(tx, account=account, region=region)


def insert_repository(tx: Transaction, repository: Repository) -> None:
    """Add a repository."""
    REPOSITORIES.insert(tx, repository)


def put_repository(tx: Transaction, repository: Repository) -> None:
    """Replace a repository."""
    REPOSITORIES.put(tx, repository)


def delete_repository(tx: Transaction, repository: Repository) -> None:
    """Delete a repository with all that it holds."""
    where = {"account": repository.account, "region": repository.region}
    for table in (TAGS, IMAGES, LAYERS, PREVIEWS):
        table.delete(tx, **where, repository=repository.name)
    REPOSITORIES.delete(tx, **where, name=repository.name)


def list_images(tx: Transaction, repository: Repository) -> list[Image]:
    """The images of a repository, by digest."""
    return IMAGES.list(
        tx, account=repository.account, region=repository.region, repository=repository.name
    )


def find_image(tx: Transaction, repository: Repository, digest: str) -> Image | None:
    """The image with that digest, if the repository holds it."""
    return IMAGES.find(
        tx,
        account=repository.account,
        region=repository.region,
        repository=repository.name,
        digest=digest,
    )


def insert_image(tx: Transaction, image: Image) -> None:
    """Add an image; the same one again keeps its first push."""
    known = IMAGES.find(
        tx,
        account=image.account,
        region=image.region,
        repository=image.repository,
        digest=image.digest,
    )
    if known is None:
        IMAGES.insert(tx, image)


def delete_image(tx: Transaction, image: Image) -> None:
    """Delete an image and its tags."""
    where = {"account": image.account, "region": image.region, "repository": image.repository}
    TAGS.delete(tx, **where, digest=image.digest)
    IMAGES.delete(tx, **where, digest=image.digest)


def note_pull(tx: Transaction, image: Image, now: float) -> None:
    """Remember that an image was pulled. AWS's time may be a day old; ours is within the hour."""
    if now - image.pulled_at >= PULL_NOTED_S:
        IMAGES.put(tx, replace(image, pulled_at=now))


def note_check(tx: Transaction, repository: Repository, digest: str, now: float) -> None:
    """Remember that upstream has the image, as its tag says here."""
    image = find_image(tx, repository, digest)
    if image is not None:
        IMAGES.put(tx, replace(image, checked_at=now))


def find_layer(tx: Transaction, repository: Repository, digest: str) -> int | None:
    """The size of a blob that was pushed to the repository, or is of one of its images.

    0 when only the image says that it is there.
    """
    where = {"account": repository.account, "region": repository.region}
    layer = LAYERS.find(tx, **where, repository=repository.name, digest=digest)
    if layer is not None:
        return layer.size
    held = any(digest in image.manifest for image in list_images(tx, repository))
    return 0 if held else None


def list_tags(tx: Transaction, repository: Repository) -> list[ImageTag]:
    """The tags of a repository, by name."""
    return TAGS.list(
        tx, account=repository.account, region=repository.region, repository=repository.name
    )


def tags_by_digest(tx: Transaction, repository: Repository) -> Tags:
    """Every tagged image's tags."""
    found: Tags = {}
    for tag in list_tags(tx, repository):
        found.setdefault(tag.digest, []).append(tag.tag)
    return found


def find_tag(tx: Transaction, repository: Repository, tag: str) -> ImageTag | None:
    """The tag of that name, if there is one."""
    return TAGS.find(
        tx,
        account=repository.account,
        region=repository.region,
        repository=repository.name,
        tag=tag,
    )


def put_tag(tx: Transaction, tag: ImageTag) -> None:
    """Set or move a tag."""
    TAGS.put(tx, tag)


def delete_tag(tx: Transaction, tag: ImageTag) -> None:
    """Remove a tag; its image stays."""
    TAGS.delete(tx, account=tag.account, region=tag.region, repository=tag.repository, tag=tag.tag)


def find_public_image(tx: Transaction, repository: str, tag: str) -> PublicImage | None:
    """An image of the simulated internet by tag."""
    return PUBLIC_IMAGES.find(tx, repository=repository, tag=tag)


def find_public_digest(tx: Transaction, repository: str, digest: str) -> PublicImage | None:
    """An image of the simulated internet by digest."""
    return PUBLIC_IMAGES.find(tx, repository=repository, digest=digest)


def list_public_images(tx: Transaction, repository: str | None = None) -> list[PublicImage]:
    """The images of the simulated internet, of one repository or of all."""
    found = PUBLIC_IMAGES.list(tx, **({"repository": repository} if repository else {}))
    return [image for image in found if not image.tag.startswith(_UNTAGGED)]


def untagged(digest: str) -> str:
    """What stands in the place of the tag for an image that is had by its digest alone."""
    return f"{_UNTAGGED}{digest}"


def put_public_image(tx: Transaction, image: PublicImage) -> bool:
    """Set a tag of the simulated internet; True when that is news.

    What the tag named before is still had by its digest: a running deployment may be pinned to it.
    """
    old = find_public_image(tx, image.repository, image.tag)
    if old is not None and old.digest != image.digest:
        PUBLIC_IMAGES.put(tx, replace(old, tag=untagged(old.digest)))
    return PUBLIC_IMAGES.put(tx, image)


def find_registry(tx: Transaction, account: str, region: str) -> Registry:
    """The settings of an account's registry; those of a new one when nobody changed them."""
    return REGISTRIES.find(tx, account=account, region=region) or Registry(account, region)


def find_cache_rule(tx: Transaction, account: str, region: str, name: str) -> CacheRule | None:
    """The pull-through cache rule that a repository's name falls under: the longest prefix."""
    rules = CACHE_RULES.list(tx, account=account, region=region)
    return max(
        (rule for rule in rules if rule.prefix == ROOT or name.startswith(f"{rule.prefix}/")),
        key=lambda rule: -1 if rule.prefix == ROOT else len(rule.prefix),
        default=None,
    )


def find_template(
    tx: Transaction, account: str, region: str, name: str, occasion: str
) -> CreationTemplate | None:
    """The creation template for a repository's name on an occasion: the longest prefix."""
    templates = [
        template
        for template in TEMPLATES.list(tx, account=account, region=region)
        if occasion in template.applied_for
        and (template.prefix == ROOT or f"{name}/".startswith(f"{template.prefix}/"))
    ]
    return max(
        templates, key=lambda one: -1 if one.prefix == ROOT else len(one.prefix), default=None
    )


def find_secret(tx: Transaction, account: str) -> str | None:
    """What signs an account's tokens; None before the first token."""
    found = SECRETS.find(tx, account=account)
    return found.secret if found else None


def ensure_secret(tx: Transaction, account: str) -> str:
    """What signs an account's tokens, made on first use."""
    found = find_secret(tx, account)
    if found is None:
        found = secrets.token_hex(32)
        SECRETS.insert(tx, RegistrySecret(account, found))
    return found
