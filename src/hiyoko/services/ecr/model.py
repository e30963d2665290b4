"""What a registry holds, and the token that opens it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

TOKEN_LIFETIME_S = 12 * 3600
"""https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html"""


@dataclass(frozen=True, slots=True)
class LifecycleRule:
    """Expire the oldest images beyond a number. ``tag_status``: tagged, untagged or any."""

    priority: int
    tag_status: str
    count: int
    prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository. ``policy`` is the lifecycle policy as it was given, ``rules`` what it means."""

    account: str
    region: str
    name: str
    arn: str
    created_at: float
    immutable: bool = False
    scan_on_push: bool = False
    policy: str = ""
    policy_at: float = 0.0
    rules: tuple[LifecycleRule, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def uri(self) -> str:
        """What ``docker push`` takes."""
        return f"{registry_host(self.account, self.region)}/{self.name}"


@dataclass(frozen=True, slots=True)
class Image:
    """A manifest in a repository. ``size`` counts its compressed layers and configuration.

    ``members`` are the digests that an index leads to.
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
    what a recipe made from what the user imported.
    """

    repository: str
    tag: str
    digest: str
    media_type: str
    size: int
    created_at: float
    built: bool = False


@dataclass(frozen=True, slots=True)
class RegistrySecret:
    """What signs the tokens of an account's registry."""

    account: str
    secret: str


def registry_host(account: str, region: str) -> str:
    """The registry's name on the internet."""
    return f"{account}.dkr.ecr.{region}.amazonaws.com"


def sign_token(secret: str, account: str, expires_at: int) -> str:
    """A token that says whose it is and until when, and can't be made without the secret."""
    said = f"{account}.{expires_at}"
    mark = hmac.new(bytes.fromhex(secret), said.encode(), hashlib.sha256).hexdigest()
    return base64.urlsafe_b64encode(f"{said}.{mark}".encode()).decode()


def read_token(token: str) -> tuple[str, int, str] | None:
    """Account, expiry and signature of a token; None when it has another form."""
    try:
        account, expires, mark = base64.urlsafe_b64decode(token.encode()).decode().split(".")
        return account, int(expires), mark
    except ValueError:
        return None
