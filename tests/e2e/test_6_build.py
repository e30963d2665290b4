"""Images that a site builds: buildah on the host, ECR, a task that runs them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.e2e.conftest import Cloud

SITE = """\
name: chicks
services:
  web:
    build: {context: app, args: {WORD: peep}, target: run}
    deploy: {replicas: 1}
"""
DOCKERFILE = """\
FROM base:1 AS run
ARG WORD
COPY page /www/page
RUN echo "$(cat /www/page) says $WORD" > /www/index.html
CMD ["sh", "-c", "trap exit TERM; while :; do busybox sleep 0.1; done"]

FROM run AS other
RUN false
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    app, root = tmp_path / "app", tmp_path / "rootfs"
    app.mkdir()
    (app / "Dockerfile").write_text(DOCKERFILE)
    (app / "page").write_text("a chick\n")
    for name in ("bin", "tmp", "www"):
        (root / name).mkdir(parents=True)
    busybox = shutil.which("busybox")
    assert busybox, "apt-get install busybox-static"
    shutil.copy(busybox, root / "bin" / "busybox")
    for name in ("sh", "cat"):
        (root / "bin" / name).symlink_to("busybox")
    path = tmp_path / "site.yaml"
    path.write_text(SITE)
    return path


def can_build() -> bool:
    """Whether buildah works here: it needs to mount."""
    if shutil.which("buildah") is None:
        return False
    return subprocess.run(["buildah", "info"], capture_output=True, check=False).returncode == 0


def page(cloud: Cloud, site: Path) -> str:
    """What the image that runs was made with."""
    return cloud.hiyoko("exec", "--file", str(site), "web", "--", "cat", "/www/index.html")


def test_a_site_builds_its_image_once_for_each_content(
    cloud: Cloud, site: Path, tmp_path: Path
) -> None:
    if not can_build():
        pytest.skip("buildah is not there, or may not mount here")
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    cloud.hiyoko("image", "import", "base:1", f"directory:{tmp_path / 'rootfs'}")
    planned = cloud.run("plan", str(site))
    assert planned.returncode == 2
    assert f"* web  image  built from {tmp_path / 'app'} as chicks/web:" in planned.stdout

    said = cloud.hiyoko("up", "--yes", "--no-prove", str(site), env=cache)
    assert "Building web from" in said
    assert page(cloud, site) == "a chick says peep\n"
    assert "no change" in cloud.hiyoko("plan", str(site))
    images = cloud.client("ecr").list_images(repositoryName="chicks/web")["imageIds"]
    assert len(images) == 1
    held = cloud.status()["images"]
    assert held["blobs"] > 0
    assert f"{held['blob_mb']} MB in {held['blobs']} blobs" in cloud.hiyoko("cloud", "status")

    # Another content is another image: the plan says so, and what it changes.
    (tmp_path / "app" / "page").write_text("two chicks\n")
    changes = json.loads(cloud.run("plan", "--json", str(site)).stdout)
    assert {(one["action"], one["logical_id"]) for one in changes} == {
        ("Build", "web"),
        ("Modify", "WebService"),
        ("Modify", "WebTaskDefinition"),
    }

    # What buildah cannot do is told, and nothing is changed.
    (tmp_path / "app" / "Dockerfile").write_text("FROM base:1\nRUN exit 7\n")
    site.write_text(SITE.replace(", target: run", ""))
    failed = cloud.run("up", "--yes", "--no-prove", str(site), env=cache)
    assert failed.returncode == 1
    assert "services.web.build: buildah ended with" in failed.stderr
    assert page(cloud, site) == "a chick says peep\n"

    cloud.hiyoko("down", "--yes", str(site))
    assert cloud.client("ecr").describe_repositories()["repositories"] == []
