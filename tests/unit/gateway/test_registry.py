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
from tests.golden.golden import FixedClock

import hiyoko.services.ecr  # noqa: F401 - registers the operations
from hiyoko import api
from hiyoko.gateway.public_images import PublicImages
from hiyoko.gateway.registry import RegistryHandler
from hiyoko.plane.containers.blobs import (
    Blobs,
    BuildFailed,
    BuiltImage,
    Fault,
    FetchedImage,
    FetchFailed,
)
from hiyoko.plane.containers.uploads import Uploads
from hiyoko.services.ecr import rows
from hiyoko.services.ecr.layer_store import use_layer_store
from hiyoko.services.ecr.model import PublicImage
from hiyoko.settings import Settings
from hiyoko.store.database import Store

ECR = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONTENT = b"a blob of some bytes"
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class OnePorter:
    """Builds nginx once, and nothing else; fetches what ``upstream`` has by name and tag."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self.builds = 0
        self.fetches: list[str] = []
        self.upstream: dict[str, FetchedImage | Fault] = {}

    async def fetch(self, name: str, reference: str) -> FetchedImage:
        self.fetches.append(f"{name}:{reference}")
        found = self.upstream.get(f"{name}:{reference}", Fault.UNREACHABLE)
        if isinstance(found, Fault):
            raise FetchFailed(found, f"the registry {name.partition('/')[0]} is {found}")
        return found

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
    porter: OnePorter
    token: str
    clock: FixedClock
    registry: RegistryHandler

    def handler(self) -> PublicImages:
        """The public registries as a daemon has them that has just started."""
        return PublicImages(self.store, self.blobs, self.porter)

    def forget_asked(self) -> None:
        """A day is longer than the registry remembers whom it has asked."""
        self.registry.public = self.handler()

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


def new_token(store: Store, clock: FixedClock) -> str:
    answer = api.invoke(store, "ecr", "GetAuthorizationToken", {}, clock=clock)
    return base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    settings = Settings(tmp_path)
    store = Store.open(":memory:")
    use_layer_store(Uploads(settings.image_dir))
    blobs = Blobs(settings.image_dir)
    porter = OnePorter(blobs)
    clock = FixedClock()
    handler = RegistryHandler(store, settings, porter, clock)
    runner = web.ServerRunner(web.Server(handler.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    api.invoke(store, "ecr", "CreateRepository", {"repositoryName": "team/app"})
    token = new_token(store, clock)
    async with aiohttp.ClientSession() as session:
        yield Client(
            session, f"http://127.0.0.1:{port}", store, blobs, porter, token, clock, handler
        )
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
    await client.ask("POST", f"/v2/team/app/blobs/uploads/?digest={DIGEST}", CONTENT)
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
    assert client.porter.builds == 1
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


async def test_what_the_registry_does_not_have_does_not_exist(client: Client) -> None:
    client.porter.upstream["docker.io/library/none:latest"] = Fault.ABSENT
    status, body, _ = await client.ask(
        "GET", "/v2/library/none/manifests/latest", host="registry-1.docker.io", auth=False
    )
    assert (status, code(body)) == (404, "MANIFEST_UNKNOWN")


async def test_a_registry_out_of_reach_is_named_with_what_is_at_hand(client: Client) -> None:
    for _ in range(2):
        status, body, _ = await client.ask(
            "GET", "/v2/org/tool/manifests/1", host="quay.io", auth=False
        )
        assert status == 503
        for words in ("quay.io is unreachable", "docker.io/library/nginx:latest", "image import"):
            assert words in body.decode()
    # It is left alone for a while.
    assert client.porter.fetches == ["quay.io/org/tool:1"]


async def test_a_fetched_image_serves_on_when_its_registry_is_away(client: Client) -> None:
    image = FetchedImage(client.blobs.add(b'{"fetched":1}'), MANIFEST, 13)
    client.porter.upstream["ghcr.io/org/tool:1"] = image
    path = ("GET", "/v2/org/tool/manifests/1")
    for _ in range(2):
        status, body, _ = await client.ask(*path, host="ghcr.io", auth=False)
        assert (status, body) == (200, b'{"fetched":1}')
    assert client.porter.fetches == ["ghcr.io/org/tool:1"]
    handler = client.handler()
    client.porter.upstream.clear()
    assert (await handler.find("ghcr.io/org/tool", "1")) is not None
    assert len(client.porter.fetches) == 2
    # By its digest nobody is asked.
    status, _, _ = await client.ask(
        "GET", f"/v2/org/tool/manifests/{image.digest}", host="ghcr.io", auth=False
    )
    assert (status, len(client.porter.fetches)) == (200, 2)


async def test_the_loopback_has_the_public_registries_by_their_names(client: Client) -> None:
    image = FetchedImage(client.blobs.add(b'{"fetched":2}'), MANIFEST, 13)
    client.porter.upstream["ghcr.io/org/tool:2"] = image
    status, body, _ = await client.ask(
        "GET", "/v2/ghcr.io/org/tool/manifests/2", host="127.0.0.1", auth=False
    )
    assert (status, body) == (200, b'{"fetched":2}')


async def test_a_public_registry_hands_out_the_blobs_of_its_own_images_only(
    client: Client,
) -> None:
    digest = await push_image(client, "team/app", "1")
    path = f"/v2/org/tool/blobs/{DIGEST}"
    status, body, _ = await client.ask("GET", path, host="ghcr.io", auth=False)
    assert (status, code(body)) == (404, "BLOB_UNKNOWN")
    body = api.invoke(
        client.store,
        "ecr",
        "BatchGetImage",
        {"repositoryName": "team/app", "imageIds": [{"imageDigest": digest}]},
    )["images"][0]["imageManifest"]
    image = FetchedImage(client.blobs.add(body.encode()), MANIFEST, 1)
    client.porter.upstream["ghcr.io/org/tool:1"] = image
    await client.ask("GET", "/v2/org/tool/manifests/1", host="ghcr.io", auth=False)
    status, got, _ = await client.ask("GET", path, host="ghcr.io", auth=False)
    assert (status, got) == (200, CONTENT)


async def push_image(client: Client, repository: str, tag: str) -> str:
    await client.ask("POST", f"/v2/{repository}/blobs/uploads/?digest={DIGEST}", CONTENT)
    link = {"mediaType": "x", "digest": DIGEST, "size": len(CONTENT)}
    body = json.dumps({"schemaVersion": 2, "config": link, "layers": [link]}).encode()
    path = f"/v2/{repository}/manifests/{tag}"
    status, _, headers = await client.ask("PUT", path, body, Content_Type=MANIFEST)
    assert status == 201
    return headers["Docker-Content-Digest"]


async def test_a_blob_belongs_to_its_repository_and_is_mounted_where_that_is_enabled(
    client: Client,
) -> None:
    await push_image(client, "team/app", "1")
    api.invoke(client.store, "ecr", "CreateRepository", {"repositoryName": "other"})
    status, body, _ = await client.ask("GET", f"/v2/other/blobs/{DIGEST}")
    assert (status, code(body)) == (404, "BLOB_UNKNOWN")
    mount = ("POST", f"/v2/other/blobs/uploads/?mount={DIGEST}&from=team/app")
    assert (await client.ask(*mount))[0] == 202
    setting = {"name": "BLOB_MOUNTING", "value": "ENABLED"}
    api.invoke(client.store, "ecr", "PutAccountSetting", setting)
    assert (await client.ask(*mount))[0] == 201
    assert (await client.ask("HEAD", f"/v2/other/blobs/{DIGEST}"))[0] == 200
    assert (await client.ask("POST", f"/v2/other/blobs/uploads/?mount={DIGEST}&from=no"))[0] == 202


async def test_a_template_makes_the_repository_of_a_push(client: Client) -> None:
    api.invoke(
        client.store,
        "ecr",
        "CreateRepositoryCreationTemplate",
        {
            "prefix": "auto",
            "appliedFor": ["CREATE_ON_PUSH"],
            "imageTagMutability": "IMMUTABLE",
            "resourceTags": [{"Key": "team", "Value": "a"}],
        },
    )
    assert (await client.ask("POST", "/v2/other/blobs/uploads/"))[0] == 404
    await push_image(client, "auto/app", "1")
    found = api.invoke(
        client.store, "ecr", "DescribeRepositories", {"repositoryNames": ["auto/app"]}
    )
    assert found["repositories"][0]["imageTagMutability"] == "IMMUTABLE"


async def test_a_pull_through_the_cache_fetches_once_and_asks_again_after_a_day(
    client: Client,
) -> None:
    api.invoke(
        client.store,
        "ecr",
        "CreatePullThroughCacheRule",
        {"ecrRepositoryPrefix": "quay", "upstreamRegistryUrl": "quay.io"},
    )
    body = json.dumps({"schemaVersion": 2, "config": {"digest": DIGEST, "size": 1}, "layers": []})
    client.blobs.add(CONTENT)
    image = FetchedImage(client.blobs.add(body.encode()), MANIFEST, 1)
    client.porter.upstream["quay.io/org/tool:1"] = image
    path = ("GET", "/v2/quay/org/tool/manifests/1")
    for _ in range(2):
        status, got, headers = await client.ask(*path)
        assert (status, got.decode()) == (200, body)
        assert headers["Docker-Content-Digest"] == image.digest
    assert client.porter.fetches == ["quay.io/org/tool:1"]
    assert (await client.ask("GET", f"/v2/quay/org/tool/blobs/{DIGEST}"))[0] == 200
    newer = body.replace('"layers": []', '"layers":[]')
    client.porter.upstream["quay.io/org/tool:1"] = FetchedImage(
        client.blobs.add(newer.encode()), MANIFEST, 1
    )
    client.clock.time += 24 * 3600.0
    client.forget_asked()
    client.token = new_token(client.store, client.clock)
    assert (await client.ask(*path))[1].decode() == newer
    client.porter.upstream["quay.io/org/none:1"] = Fault.ABSENT
    status, got, _ = await client.ask("GET", "/v2/quay/org/none/manifests/1")
    assert (status, code(got)) == (404, "NAME_UNKNOWN")


async def test_referrers_of_an_image_are_listed(client: Client) -> None:
    subject = await push_image(client, "team/app", "1")
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": DIGEST, "size": 20}
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "application/vnd.example.sbom",
        "config": empty,
        "layers": [empty],
        "subject": {"mediaType": MANIFEST, "digest": subject, "size": 1},
        "annotations": {"by": "us"},
    }
    body = json.dumps(document).encode()
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    push = ("PUT", f"/v2/team/app/manifests/{digest}", body)
    status, _, headers = await client.ask(*push, Content_Type=MANIFEST)
    assert (status, headers["OCI-Subject"]) == (201, subject)
    status, body, _ = await client.ask("GET", f"/v2/team/app/referrers/{subject}")
    (found,) = json.loads(body)["manifests"]
    assert found["digest"] == digest
    assert found["artifactType"] == "application/vnd.example.sbom"
    assert found["annotations"] == {"by": "us"}


async def test_a_failed_build_says_why(client: Client) -> None:
    status, body, _ = await client.ask(
        "GET", "/v2/library/httpd/manifests/latest", host="registry-1.docker.io", auth=False
    )
    assert status == 503
    assert "mmdebstrap is not installed" in body.decode()
