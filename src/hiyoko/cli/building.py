"""Building a site's images with buildah, and pushing them to the target's ECR.

buildah (https://buildah.io) needs no daemon and no root. Its store is in the user's cache. Base
images come by way of the local cloud when it runs: it has them also when the internet is away.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from hiyoko import launch
from hiyoko.cli.errors import CommandError
from hiyoko.cli.target import Target
from hiyoko.settings import Settings, cache_directory
from hiyoko.site.building import ImageBuild
from hiyoko.site.model import Site

SITE_TAG = "hiyoko:site"
"""Which site a repository belongs to: `hiyoko down` removes what `hiyoko up` has made."""
KEPT = 20
"""Images of a service that are kept to roll back to."""
LIFECYCLE = {
    "rules": [
        {
            "rulePriority": 1,
            "selection": {
                "tagStatus": "any",
                "countType": "imageCountMoreThan",
                "countNumber": KEPT,
            },
            "action": {"type": "expire"},
        }
    ]
}
_PUBLIC = ("docker.io", "public.ecr.aws", "ghcr.io", "quay.io", "registry.k8s.io", "gcr.io")
"""Registries whose images the local cloud may have."""


def to_build(builds: Sequence[ImageBuild], target: Target) -> list[ImageBuild]:
    """The images that the target does not have yet."""
    client = target.client("ecr") if builds else None
    return [build for build in builds if not _is_there(client, build)]


def _is_there(client: Any, build: ImageBuild) -> bool:
    try:
        client.describe_images(repositoryName=build.repository, imageIds=[{"imageTag": build.tag}])
    except client.exceptions.RepositoryNotFoundException:
        return False
    except client.exceptions.ImageNotFoundException:
        return False
    return True


def describe(build: ImageBuild) -> str:
    """One line of a plan."""
    return (
        f"  * {build.service}  image  built from {build.context} as {build.repository}:{build.tag}"
    )


def build_all(site: Site, builds: Sequence[ImageBuild], target: Target, settings: Settings) -> None:
    """Build and push. Raises CommandError with what buildah says."""
    if not builds:
        return
    buildah = _program()
    client = target.client("ecr")
    with _registry(client, target, settings) as registry:
        for build in builds:
            print(f"Building {build.service} from {build.context}")
            _ensure_repository(client, site, build)
            _build(buildah, build, registry)


def remove_repositories(site: Site, target: Target) -> None:
    """Remove the repositories that were made for this site's images."""
    if not any(service.build for service in site.services.values()):
        return
    client = target.client("ecr")
    for page in client.get_paginator("describe_repositories").paginate():
        for repository in page["repositories"]:
            tags = client.list_tags_for_resource(resourceArn=repository["repositoryArn"])["tags"]
            if {"Key": SITE_TAG, "Value": site.name} in tags:
                client.delete_repository(repositoryName=repository["repositoryName"], force=True)


def _program() -> str:
    program = shutil.which("buildah", path=f"{os.environ.get('PATH', '')}:{launch.SYSTEM_PATH}")
    if program is None:
        sudo = "" if os.geteuid() == 0 else "sudo "
        raise CommandError(
            "buildah is not installed, and the site has an image to build\n"
            f"install it with: {sudo}apt-get install -y --no-install-recommends buildah"
        )
    return program


def _ensure_repository(client: Any, site: Site, build: ImageBuild) -> None:
    try:
        client.create_repository(
            repositoryName=build.repository, tags=[{"Key": SITE_TAG, "Value": site.name}]
        )
    except client.exceptions.RepositoryAlreadyExistsException:
        return
    client.put_lifecycle_policy(
        repositoryName=build.repository, lifecyclePolicyText=json.dumps(LIFECYCLE)
    )


@dataclass(frozen=True, slots=True)
class _Registry:
    """Where images go to, and how buildah is told about it: files in ``directory``."""

    host: str
    directory: Path
    plain: bool

    @property
    def environment(self) -> dict[str, str]:
        """Registries by way of the local cloud, and the token of the target's."""
        return {
            "CONTAINERS_REGISTRIES_CONF": str(self.directory / "registries.conf"),
            "REGISTRY_AUTH_FILE": str(self.directory / "auth.json"),
        }


@contextmanager
def _registry(client: Any, target: Target, settings: Settings) -> Iterator[_Registry]:
    """The target's registry with a token, in files that only we can read."""
    try:
        (given,) = client.get_authorization_token()["authorizationData"]
    except ClientError as error:
        raise CommandError(f"no token for the registry of {target.name}: {error}") from error
    named = given["proxyEndpoint"].removeprefix("https://")
    cloud = launch.find(settings)
    loopback = f"127.0.0.1:{cloud.api_port}" if cloud is not None else ""
    host = loopback if target.local else named
    with tempfile.TemporaryDirectory(prefix="hiyoko-build-") as name:
        directory = Path(name)
        auths = {host: {"auth": given["authorizationToken"]}}
        (directory / "auth.json").write_text(json.dumps({"auths": auths}))
        (directory / "registries.conf").write_text(
            _registries(loopback, named if target.local else "")
        )
        policy = {"default": [{"type": "insecureAcceptAnything"}]}
        (directory / "policy.json").write_text(json.dumps(policy))
        yield _Registry(host, directory, target.local)


def _registries(loopback: str, own: str) -> str:
    """The local cloud before each public registry, and in the place of its own.

    https://github.com/containers/image/blob/main/docs/containers-registries.conf.5.md
    """
    lines = ['unqualified-search-registries = ["docker.io"]', 'short-name-mode = "disabled"']
    for host in _PUBLIC if loopback else ():
        lines += ["[[registry]]", f'location = "{host}"']
        lines += ["[[registry.mirror]]", f'location = "{loopback}/{host}"', "insecure = true"]
    if loopback and own:
        lines += ["[[registry]]", f'prefix = "{own}"', f'location = "{loopback}"']
        lines += ["insecure = true"]
    return "\n".join(lines) + "\n"


def _build(buildah: str, build: ImageBuild, registry: _Registry) -> None:
    store = cache_directory() / "buildah"
    name = f"localhost/{build.repository}:{build.tag}"
    # As root it mounts on the host; what it has mounted ends with a namespace of its own.
    around = ["unshare", "--mount", "--"] if os.geteuid() == 0 else []
    run_root = registry.directory / "run"
    common = [*around, buildah, "--root", str(store), "--runroot", str(run_root)]
    policy = ("--signature-policy", str(registry.directory / "policy.json"))
    arguments = [f"--build-arg={key}={value}" for key, value in build.args]
    stage = ["--target", build.target] if build.target else []
    # In a chroot: it works where namespaces of containers don't, for ordinary users too.
    _run(
        [
            *(
                *common,
                "build",
                "--isolation",
                "chroot",
                "--layers",
                "--force-rm",
                *policy,
                *arguments,
                *stage,
            ),
            *("--tag", name, "--file", str(build.dockerfile), str(build.context)),
        ],
        registry,
        f"services.{build.service}.build",
    )
    verify = ("--tls-verify=false",) if registry.plain else ()
    there = f"docker://{registry.host}/{build.repository}:{build.tag}"
    _run([*common, "push", *policy, *verify, name, there], registry, f"push of {build.service}")


def _run(command: list[str], registry: _Registry, what: str) -> None:
    """Run buildah, its words passed on. Raises CommandError with the last of them."""
    process = subprocess.Popen(
        command,
        env=os.environ | registry.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    last = ""
    with process.stdout:
        for line in process.stdout:
            sys.stdout.write(f"  {line}")
            sys.stdout.flush()
            last = line.strip() or last
    if process.wait() != 0:
        raise CommandError(f"{what}: buildah ended with {process.returncode}: {last}")
