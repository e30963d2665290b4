"""What a registry holds, and the token that opens it."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import hmac
from dataclasses import dataclass

ROOT = "ROOT"
"""The prefix that every repository has which no other prefix fits."""
TOKEN_LIFETIME_S = 12 * 3600
"""https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html"""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository.

    ``exclusions`` are the patterns of tags that ``mutability`` does not hold for. ``policy`` is the
    lifecycle policy as given, last evaluated at ``policy_at``; ``access_policy`` is a record.
    """

    account: str
    region: str
    name: str
    arn: str
    created_at: float
    mutability: str = "MUTABLE"
    exclusions: tuple[str, ...] = ()
    scan_on_push: bool = False
    policy: str = ""
    policy_at: float = 0.0
    access_policy: str = ""
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def uri(self) -> str:
        """What ``docker push`` takes."""
        return f"{registry_host(self.account, self.region)}/{self.name}"

    def is_fixed(self, tag: str) -> bool:
        """Whether a tag that is there must stay where it is."""
        excluded = any(fnmatch.fnmatchcase(tag, pattern) for pattern in self.exclusions)
        return self.mutability.startswith("IMMUTABLE") is not excluded


@dataclass(frozen=True, slots=True)
class Image:
    """A manifest in a repository. ``size`` counts its compressed layers and configuration.

    ``members`` are the digests that an index leads to; ``subject`` is what it refers to.
    ``pulled_at`` is 0 before its first pull; ``checked_at``: when upstream last had it.
    """

    account: str
    region: str
    repository: str
    digest: str
    media_type: str
    size: int
    pushed_at: float
    manifest: str
    members: tuple[str, ...] = ()
    artifact_type: str = ""
    subject: str = ""
    pulled_at: float = 0.0
    checked_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Layer:
    """A blob that was pushed to a repository (or mounted), and may not be in an image yet."""

    account: str
    region: str
    repository: str
    digest: str
    size: int
    pushed_at: float


@dataclass(frozen=True, slots=True)
class LifecyclePreview:
    """What a lifecycle policy would have done: digest, tags, time of push, rule of each image."""

    account: str
    region: str
    repository: str
    policy: str
    results: tuple[tuple[str, tuple[str, ...], float, int], ...]


@dataclass(frozen=True, slots=True)
class CacheRule:
    """A pull-through cache rule: what is asked for below ``prefix`` is fetched from upstream."""

    account: str
    region: str
    prefix: str
    upstream: str
    kind: str
    created_at: float
    updated_at: float
    credential: str = ""
    role: str = ""
    upstream_prefix: str = ""

    def upstream_name(self, repository: str) -> str:
        """The name that a repository of this rule has upstream, with its registry."""
        path = repository if self.prefix == ROOT else repository.removeprefix(f"{self.prefix}/")
        above = "" if self.upstream_prefix in ("", ROOT) else f"{self.upstream_prefix}/"
        # Docker Hub's name in references is not the host that answers.
        host = "docker.io" if self.kind == "docker-hub" else self.upstream
        return f"{host}/{above}{path}"


@dataclass(frozen=True, slots=True)
class CreationTemplate:
    """How repositories are made that nobody created: ``applied_for`` says on which occasions."""

    account: str
    region: str
    prefix: str
    applied_for: tuple[str, ...]
    created_at: float
    updated_at: float
    description: str = ""
    mutability: str = "MUTABLE"
    exclusions: tuple[str, ...] = ()
    access_policy: str = ""
    policy: str = ""
    role: str = ""
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Registry:
    """The settings of an account's registry in a region."""

    account: str
    region: str
    policy: str = ""
    blob_mounting: str = "DISABLED"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell EventBridge: ``detail`` is JSON."""

    sequence: int
    account: str
    region: str
    created_at: float
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class ImageTag:
    """A tag: a name that leads to one digest of the repository."""

    account: str
    region: str
    repository: str
    tag: str
    digest: str


@dataclass(frozen=True, slots=True)
class PublicImage:
    """An image of the simulated internet: ``docker.io/library/nginx``, by tag.

    Its members (an index's manifests) are found by their digest among the blobs. ``built`` tells
    what a recipe made from what the user imported, ``fetched_at`` what came from the real registry.
    """

    repository: str
    tag: str
    digest: str
    media_type: str
    size: int
    created_at: float
    built: bool = False
    fetched_at: float = 0.0


@dataclass(frozen=True, slots=True)
class RegistrySecret:
    """What signs the tokens of an account's registry."""

    account: str
    secret: str


def registry_host(account: str, region: str) -> str:
    """The registry's name on the internet."""
    return f"{account}.dkr.ecr.{region}.amazonaws.com"


def sign_token(secret: str, account: str, region: str, expires_at: int) -> str:
    """A token that says whose it is and until when, and can't be made without the secret."""
    said = f"{account}.{region}.{expires_at}"
    mark = hmac.new(bytes.fromhex(secret), said.encode(), hashlib.sha256).hexdigest()
    return base64.urlsafe_b64encode(f"{said}.{mark}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says: whose registry it opens, and until when. The signature is not checked."""

    account: str
    region: str
    expires_at: int


def read_token(token: str) -> Token | None:
    """What a token says; None when it has another form."""
    try:
        said = base64.urlsafe_b64decode(token.encode()).decode().split(".")
        account, region, expires, _ = said
        return Token(account, region, int(expires))
    except ValueError:
        return None
