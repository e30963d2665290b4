"""The distribution API, request by request."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

import hiyoko.services.ecr  # noqa: F401 - registers the operations
from hiyoko import api
from hiyoko.gateway.registry import RegistryHandler
from hiyoko.plane.containers.blobs import Blobs, BuildFailed, BuiltImage
from hiyoko.services.ecr import rows
from hiyoko.services.ecr.model import PublicImage
from hiyoko.settings import Settings
from hiyoko.store.database import Store

ECR = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONTENT = b"a blob of some bytes"
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class OneBuild:
    """Builds nginx once, and nothing else."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self.builds = 0

    async def build(self, name: str) -> BuiltImage:
        if name != "nginx":
            raise BuildFailed("mmdebstrap is not installed")
        self.builds += 1
        return BuiltImage(self.blobs.add(b"{}"), MANIFEST, 2)


@dataclass
class Client:
    session: aiohttp.ClientSession
    url: str
    store: Store
    blobs: Blobs
    builder: OneBuild
    token: str

    async def ask(
        self,
        method: str,
        path: str,
        data: bytes | None = None,
        *,
        host: str = ECR,
        auth: bool = True,
        **headers: str,
    ) -> tuple[int, bytes, dict[str, str]]:
        sent = {"Host": host} | {name.replace("_", "-"): one for name, one in headers.items()}
        if auth:
            sent["Authorization"] = f"Basic {base64.b64encode(self.token.encode()).decode()}"
        url = path if path.startswith("http") else f"{self.url}{path}"
        async with self.session.request(method, url, data=data, headers=sent) as answer:
            return answer.status, await answer.read(), dict(answer.headers)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    settings = Settings(tmp_path)
    store = Store.open(":memory:")
    blobs = Blobs(settings.image_dir)
    builder = OneBuild(blobs)
    handler = RegistryHandler(store, settings, builder)
    runner = web.ServerRunner(web.Server(handler.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    api.invoke(store, "ecr", "CreateRepository", {"repositoryName": "team/app"})
    answer = api.invoke(store, "ecr", "GetAuthorizationToken", {})
    token = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
    async with aiohttp.ClientSession() as session:
        yield Client(session, f"http://127.0.0.1:{port}", store, blobs, builder, token)
    await runner.cleanup()
    store.close()


def code(body: bytes) -> str:
    found: str = json.loads(body)["errors"][0]["code"]
    return found


async def test_without_a_token_ecr_challenges(client: Client) -> None:
    for path in ("/v2/", "/v2/team/app/manifests/1"):
        status, body, headers = await client.ask("GET", path, auth=False)
        assert (status, body) == (401, b"Not Authorized\n")
        assert headers["WWW-Authenticate"] == (
            f'Basic realm="https://{ECR}/",service="ecr.amazonaws.com"'
        )
    assert (await client.ask("GET", "/v2/"))[0] == 200
    other = ECR.replace("123456789012", "210987654321")
    status, body, _ = await client.ask("GET", "/v2/", host=other)
    assert (status, code(body)) == (403, "DENIED")


async def test_a_blob_is_pushed_in_parts_and_read_in_ranges(client: Client) -> None:
    status, _, headers = await client.ask("POST", "/v2/team/app/blobs/uploads/")
    assert (status, headers["Range"]) == (202, "0-0")
    where = headers["Location"]
    status, _, headers = await client.ask("PATCH", where, CONTENT[:8], Content_Range="0-7")
    assert (status, headers["Range"]) == (202, "0-7")
    status, body, _ = await client.ask("PATCH", where, CONTENT[8:], Content_Range="4-20")
    assert (status, code(body)) == (416, "RANGE_INVALID")
    status, _, headers = await client.ask("PUT", f"{where}?digest={DIGEST}", CONTENT[8:])
    assert (status, headers["Docker-Content-Digest"]) == (201, DIGEST)
    status, body, headers = await client.ask("GET", f"/v2/team/app/blobs/{DIGEST}")
    assert (status, body) == (200, CONTENT)
    status, body, _ = await client.ask("GET", f"/v2/team/app/blobs/{DIGEST}", Range="bytes=2-5")
    assert (status, body) == (206, CONTENT[2:6])
    status, body, headers = await client.ask("HEAD", f"/v2/team/app/blobs/{DIGEST}")
    assert (status, body, headers["Content-Length"]) == (200, b"", str(len(CONTENT)))


async def test_a_blob_with_another_digest_is_not_kept(client: Client) -> None:
    wrong = f"sha256:{'0' * 64}"
    status, body, _ = await client.ask(
        "POST", f"/v2/team/app/blobs/uploads/?digest={wrong}", CONTENT
    )
    assert (status, code(body)) == (400, "DIGEST_INVALID")
    assert not client.blobs.has(wrong)
    status, body, _ = await client.ask("GET", f"/v2/team/app/blobs/{wrong}")
    assert (status, code(body)) == (404, "BLOB_UNKNOWN")


async def test_a_manifest_needs_its_blobs_and_then_has_tag_and_digest(client: Client) -> None:
    link = {"mediaType": "x", "digest": DIGEST, "size": len(CONTENT)}
    body = json.dumps({"schemaVersion": 2, "config": link, "layers": [link]}).encode()
    push = ("PUT", "/v2/team/app/manifests/1", body)
    status, answer, _ = await client.ask(*push, Content_Type=MANIFEST)
    assert (status, code(answer)) == (404, "MANIFEST_BLOB_UNKNOWN")
    client.blobs.add(CONTENT)
    status, _, headers = await client.ask(*push, Content_Type=MANIFEST)
    digest = headers["Docker-Content-Digest"]
    assert status == 201
    for reference in ("1", digest):
        status, got, headers = await client.ask("GET", f"/v2/team/app/manifests/{reference}")
        assert (status, got, headers["Content-Type"]) == (200, body, MANIFEST)
    status, got, _ = await client.ask("GET", "/v2/team/app/tags/list")
    assert json.loads(got) == {"name": "team/app", "tags": ["1"]}
    status, answer, _ = await client.ask("GET", "/v2/team/app/manifests/2")
    assert (status, code(answer)) == (404, "MANIFEST_UNKNOWN")


async def test_a_repository_that_nobody_created_is_unknown_to_a_push_too(client: Client) -> None:
    for method, path in (("POST", "/v2/x/blobs/uploads/"), ("GET", "/v2/x/manifests/1")):
        status, body, _ = await client.ask(method, path)
        assert (status, code(body)) == (404, "NAME_UNKNOWN")


@pytest.mark.parametrize("name", ["..", "a/../b", "A", "-"])
async def test_what_is_no_repository_name_finds_nothing(client: Client, name: str) -> None:
    quoted = name.replace(".", "%2e")
    status, _, _ = await client.ask("POST", f"/v2/{quoted}/blobs/uploads/")
    assert status == 404


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("registry-1.docker.io", "library/nginx"),
        ("public.ecr.aws", "nginx/nginx"),
        ("public.ecr.aws", "docker/library/nginx"),
    ],
)
async def test_a_public_image_is_built_on_first_use_and_read_only(
    client: Client, host: str, name: str
) -> None:
    for _ in range(2):
        status, body, _ = await client.ask(
            "GET", f"/v2/{name}/manifests/latest", host=host, auth=False
        )
        assert (status, body) == (200, b"{}")
    assert client.builder.builds == 1
    status, body, _ = await client.ask("POST", f"/v2/{name}/blobs/uploads/", host=host, auth=False)
    assert (status, code(body)) == (403, "DENIED")


async def test_an_image_of_an_older_recipe_is_built_anew_and_an_import_is_left_alone(
    client: Client,
) -> None:
    for built, expected in ((True, b"{}"), (False, b"older")):
        row = PublicImage(
            "docker.io/library/nginx", "latest", client.blobs.add(b"older"), MANIFEST, 5, 1.0, built
        )
        with client.store.transaction() as tx:
            rows.put_public_image(tx, row)
        _, body, _ = await client.ask(
            "GET", "/v2/library/nginx/manifests/latest", host="registry-1.docker.io", auth=False
        )
        assert body == expected


async def test_an_older_image_is_better_than_none(client: Client) -> None:
    row = PublicImage(
        "docker.io/library/httpd", "latest", client.blobs.add(b"older"), MANIFEST, 5, 1.0, True
    )
    with client.store.transaction() as tx:
        rows.put_public_image(tx, row)
    _, body, _ = await client.ask(
        "GET", "/v2/library/httpd/manifests/latest", host="registry-1.docker.io", auth=False
    )
    assert body == b"older"


async def test_an_image_of_another_version_or_name_does_not_exist(client: Client) -> None:
    for path in ("/v2/library/nginx/manifests/1.27.3", "/v2/library/none/manifests/latest"):
        status, body, _ = await client.ask("GET", path, host="registry-1.docker.io", auth=False)
        assert (status, code(body)) == (404, "MANIFEST_UNKNOWN")


async def test_a_failed_build_says_why(client: Client) -> None:
    status, body, _ = await client.ask(
        "GET", "/v2/library/httpd/manifests/latest", host="registry-1.docker.io", auth=False
    )
    assert status == 503
    assert "mmdebstrap is not installed" in body.decode()
