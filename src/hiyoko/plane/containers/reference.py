"""Image names as Docker reads them: ``nginx`` is ``docker.io/library/nginx:latest``.

The grammar is https://github.com/distribution/reference; the same normalization gives the texts
that a failed pull shows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DOCKER_HUB = "docker.io"
_HUB_HOSTS = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_PATH = re.compile(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)
_TAG = re.compile(r"[\w][\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com")


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed image name. ``digest`` wins over ``tag`` when both are given."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def host(self) -> str:
        """Where the registry's API answers: Docker Hub's has a name of its own."""
        return "registry-1.docker.io" if self.domain == DOCKER_HUB else self.domain

    @property
    def name(self) -> str:
        """Domain and path: what the image is called everywhere."""
        return f"{self.domain}/{self.path}"

    @property
    def version(self) -> str:
        """What a manifest is asked for by."""
        return self.digest or self.tag

    @property
    def ecr(self) -> tuple[str, str] | None:
        """Account and region when this is an ECR repository."""
        match = _ECR.fullmatch(self.domain)
        return (match["account"], match["region"]) if match else None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def parse_reference(text: str) -> Reference:
    """The reference that ``text`` means. Raises ValueError with the reason."""
    rest, _, digest = text.partition("@")
    if digest and not _DIGEST.fullmatch(digest):
        raise ValueError(f"invalid reference format: {text!r} has no sha256 digest after '@'")
    head, slash, tail = rest.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost"):
        domain, path = head, tail
    else:
        domain, path = DOCKER_HUB, rest
    tag = ""
    if ":" in path.rpartition("/")[2]:
        path, _, tag = path.rpartition(":")
        if not _TAG.fullmatch(tag):
            raise ValueError(f"invalid reference format: {tag!r} is no tag")
    if domain in _HUB_HOSTS:
        domain = DOCKER_HUB
        path = path if "/" in path else f"library/{path}"
    if not _PATH.fullmatch(path):
        raise ValueError(f"invalid reference format: {path!r} is no repository name")
    return Reference(domain, path, tag if tag or digest else "latest", digest)
