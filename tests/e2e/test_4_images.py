"""Images of the user's own: imported, pushed by other programs' clients, pulled by tasks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.conftest import Cloud

ECR = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com"
SITE = """\
name: chicks
domain: chicks.example.jp
zone: example.jp
services:
  web:
    image: {ecr}/app:1
    command: &serve [sh, -c, "trap exit TERM; busybox httpd -f -p 80 -h /www & wait"]
    deploy: {{replicas: 1}}
  oci:
    image: chick:oci
    command: *serve
    path: /oci/*
    deploy: {{replicas: 1}}
  docker:
    image: chick:docker
    command: *serve
    path: /docker/*
    deploy: {{replicas: 1}}
"""


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest root file system that serves a page."""
    root = tmp_path_factory.mktemp("rootfs")
    for name in ("bin", "tmp", "www/oci", "www/docker"):
        (root / name).mkdir(parents=True)
    busybox = shutil.which("busybox")
    assert busybox, "apt-get install busybox-static"
    shutil.copy(busybox, root / "bin" / "busybox")
    (root / "bin" / "sh").symlink_to("busybox")
    for folder in ("", "oci", "docker"):
        (root / "www" / folder / "index.html").write_text(f"a chick {folder}\n")
    return root


def skopeo(*argv: str) -> str:
    done = subprocess.run(
        ["skopeo", "--insecure-policy", *argv], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def password(cloud: Cloud) -> str:
    """As `docker login` is fed everywhere: with the AWS CLI itself."""
    keys = {
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "ap-northeast-1",
    }
    return subprocess.run(
        [Path(sys.executable).parent / "aws", "ecr", "get-login-password"],
        env=cloud.environment() | keys,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_images_come_in_by_every_door_and_a_site_runs_them(
    cloud: Cloud, rootfs: Path, tmp_path: Path
) -> None:
    # A folder, straight into ECR; from there into archives of both kinds.
    said = cloud.hiyoko("image", "import", f"{ECR}/first:1", f"directory:{rootfs}")
    assert f"{ECR}/first:1 sha256:" in said
    credentials = f"AWS:{password(cloud)}"
    first = f"docker://127.0.0.1:{cloud.api_port}/first:1"
    for kind in ("oci", "docker"):
        archive = f"{kind}-archive:{tmp_path / kind}"
        skopeo("copy", "--src-tls-verify=false", "--src-creds", credentials, first, archive)
        cloud.hiyoko("image", "import", f"chick:{kind}", archive)

    # A push needs a repository and a token.
    app = f"docker://127.0.0.1:{cloud.api_port}/app:1"
    push = ("copy", "--dest-tls-verify=false", f"oci-archive:{tmp_path / 'oci'}", app)
    cloud.client("ecr").create_repository(repositoryName="app")
    with pytest.raises(AssertionError):
        skopeo(*push, "--dest-creds", "AWS:wrong")
    skopeo(*push, "--dest-creds", credentials)

    site = tmp_path / "site.yaml"
    site.write_text(SITE.format(ecr=ECR))
    cloud.hiyoko("up", "--yes", "--no-prove", str(site))
    for path in ("", "oci/", "docker/"):
        status, page = cloud.curl(f"https://chicks.example.jp/{path}")
        assert (status, page) == (0, f"a chick {path.rstrip('/')}\n")
    cloud.hiyoko("down", "--yes", str(site))


def test_the_list_tells_what_is_there_and_what_would_be_built(cloud: Cloud) -> None:
    shown = cloud.hiyoko("image", "list")
    assert "docker.io/library/chick:oci" in shown
    httpd = next(line for line in shown.splitlines() if "docker.io/library/httpd:latest" in line)
    assert "built on first use" in httpd
    listed = json.loads(cloud.hiyoko("image", "list", "--json"))
    assert {"name": "docker.io/library/httpd", "tag": "latest"}.items() <= {
        key: value
        for image in listed
        if image["name"] == "docker.io/library/httpd"
        for key, value in image.items()
    }.items()


@pytest.mark.parametrize(
    ("name", "source", "text"),
    [
        ("app:1", "directory:/no/such/folder", "no such file or folder"),
        ("app:1", "zip:/tmp", "write oci-archive:FILE"),
        ("app:1", "oci-archive:/etc/passwd", "import /etc/passwd"),
        ("app:1", "docker-archive:/etc/passwd", "import /etc/passwd"),
        ("app:1", "directory:/etc/passwd", "not a directory"),
        ("Not A Name", "directory:/etc", "import image Not A Name"),
        ("UPPER/case", "directory:/etc/apt", "no repository name"),
    ],
)
def test_an_import_that_cannot_be_is_one_clear_message(
    cloud: Cloud, name: str, source: str, text: str
) -> None:
    refused = cloud.run("image", "import", name, source)
    assert refused.returncode in (1, 2)
    assert text in refused.stderr
    assert "Traceback" not in refused.stderr
    assert len(refused.stderr.splitlines()) <= 2
