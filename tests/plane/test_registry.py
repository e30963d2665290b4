"""The registry as skopeo and a task see it, and the nginx that the porter built."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from tests.golden.golden import FixedClock
from tests.plane.registry_world import (
    ECR,
    LAYERS,
    Driver,
    NoPorter,
    add_busybox,
    make_container,
    make_task,
    push,
    registry_world,
)

from hiyoko import api
from hiyoko.gateway.images import import_image, list_images
from hiyoko.gateway.layer_bucket import LayerBucket
from hiyoko.gateway.registry import RegistryHandler
from hiyoko.plane.containers.blobs import (
    Blobs,
    BuiltImage,
    Fault,
    FetchedImage,
    FetchFailed,
    links,
)
from hiyoko.plane.containers.cgroups import remove_groups
from hiyoko.plane.containers.collector import SPARED_S, SWEEP_S, Collector
from hiyoko.plane.containers.pull import Puller, PullFailed
from hiyoko.plane.containers.sockets import TaskResolver
from hiyoko.plane.containers.uploads import Uploads
from hiyoko.plane.error import PlaneError
from hiyoko.plane.process import run
from hiyoko.porter.build import FORMAT, build
from hiyoko.reconcile.image_store import ImageStoreReconciler
from hiyoko.services.ecr.layer_store import use_layer_store
from hiyoko.settings import Settings
from hiyoko.store.database import Store

LOCAL = "127.0.0.1:4566"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "state")


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    """The registry on the loopback, with its store."""
    store = Store.open(":memory:")
    use_layer_store(Uploads(settings.image_dir))
    handler = RegistryHandler(store, settings, NoPorter())
    runner = web.ServerRunner(web.Server(handler.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 4566).start()
    yield store
    await runner.cleanup()
    store.close()


def token(store: Store) -> str:
    answer = api.invoke(store, "ecr", "GetAuthorizationToken", {})
    return base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()


async def oci_archive(directory: Path) -> Path:
    """A busybox image in an archive, written by skopeo."""
    blobs = Blobs(directory / "made")
    image = add_busybox(blobs, ("sh",))
    layout = directory / "layout"
    (layout / "blobs").mkdir(parents=True)
    (layout / "blobs" / "sha256").symlink_to(blobs.directory)
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    body = blobs.read(image["digest"])
    entry = {"mediaType": image["media_type"], "digest": image["digest"], "size": len(body)}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    archive = directory / "image.tar"
    await run("skopeo", "copy", f"oci:{layout}", f"oci-archive:{archive}:app:1")
    return archive


async def test_skopeo_pushes_and_pulls_with_the_token(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    archive = await oci_archive(tmp_path)
    target = f"docker://{LOCAL}/team/app:1"
    push = ("skopeo", "copy", "--dest-tls-verify=false", f"oci-archive:{archive}", target)
    with pytest.raises(PlaneError, match=r"(?i)unauthorized|authentication"):
        await run(*push)
    with pytest.raises(PlaneError, match="does not exist in the registry"):
        await run(*push, "--dest-creds", token(store))
    api.invoke(store, "ecr", "CreateRepository", {"repositoryName": "team/app"})
    with pytest.raises(PlaneError, match=r"(?i)unauthorized|authentication"):
        await run(*push, "--dest-creds", f"{token(store)}x")
    await run(*push, "--dest-creds", token(store))
    shown = await run("skopeo", "inspect", "--tls-verify=false", "--creds", token(store), target)
    image = api.invoke(store, "ecr", "DescribeImages", {"repositoryName": "team/app"})
    assert json.loads(shown)["Digest"] == image["imageDetails"][0]["imageDigest"]
    assert json.loads(shown)["RepoTags"] == ["1"]
    back = tmp_path / "back"
    await run(
        *("skopeo", "copy", "--src-tls-verify=false", "--src-creds", token(store)),
        *(target, f"oci:{back}:1"),
    )
    assert (back / "index.json").is_file()
    assert list((settings.image_dir / "uploads").iterdir()) == []


async def test_docker_manifests_and_immutable_tags(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    archive = await oci_archive(tmp_path)
    api.invoke(
        store,
        "ecr",
        "CreateRepository",
        {"repositoryName": "app", "imageTagMutability": "IMMUTABLE"},
    )
    push = ("skopeo", "copy", "--dest-tls-verify=false", "--dest-creds", token(store))
    target = f"docker://{LOCAL}/app:1"
    await run(*push, "--format", "v2s2", f"oci-archive:{archive}", target)
    with pytest.raises(PlaneError, match="cannot be overwritten because the repository is immut"):
        await run(*push, "--format", "oci", f"oci-archive:{archive}", target)


async def test_archives_and_directories_are_imported(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    archive = await oci_archive(tmp_path)
    docker = tmp_path / "docker.tar"
    await run("skopeo", "copy", f"oci-archive:{archive}", f"docker-archive:{docker}:app:2")
    plain = tmp_path / "plain"
    (plain / "bin").mkdir(parents=True)
    (plain / "bin" / "sh").write_text("#!")
    await import_image(settings, store, "app:1", archive, "oci-archive")
    await import_image(settings, store, "example.org/app:2", docker, "docker-archive")
    await import_image(settings, store, "app:3", plain, "directory")
    with pytest.raises(PlaneError, match="no such file"):
        await import_image(settings, store, "app:4", tmp_path / "none", "oci-archive")
    found = [one for one in list_images(settings, store) if one["digest"]]  # built ones follow
    assert [(one["name"], one["tag"]) for one in found] == [
        ("docker.io/library/app", "1"),
        ("docker.io/library/app", "3"),
        ("example.org/app", "2"),
    ]
    blobs = Blobs(settings.image_dir)
    for one in found:
        manifest = links(blobs.read(str(one["digest"])), str(one["digest"]))
        assert all(blobs.has(digest) for digest in (manifest.config, *manifest.layers))


async def test_layers_come_from_s3_and_the_registrys_key_is_not_sent_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, str | None]] = []
    handle = LayerBucket.handle

    async def noted(self: LayerBucket, request: web.BaseRequest) -> web.StreamResponse:
        seen.append((request.host, request.headers.get("Authorization")))
        return await handle(self, request)

    monkeypatch.setattr(LayerBucket, "handle", noted)
    state = tmp_path / "state"
    state.mkdir()
    async with registry_world(state) as world:
        push(world.store, world.settings, "app", "1", ("true",))
        puller = Puller(tmp_path / "empty", world.trust)
        pulled = await puller.pull(make_task(1), f"{ECR}/app:1")
        assert seen == [(LAYERS, None)] * (1 + len(pulled.layers))
        assert all(puller.blobs.has(digest) for digest in (pulled.config, *pulled.layers))
        # At hand: nothing is copied again, and S3 must still be reached.
        await puller.pull(make_task(1), f"{ECR}/app:1")
        assert len(seen) == 1 + len(pulled.layers)

        async def nowhere(names: TaskResolver, host: str, port: int, _: float) -> None:
            raise OSError(f"dial tcp {host}:{port}: i/o timeout")

        monkeypatch.setattr("hiyoko.plane.containers.sockets.dial", nowhere)
        with pytest.raises(PullFailed, match=f'Get "https://{LAYERS}/[^?]*": dial tcp .*timeout'):
            await puller.pull(make_task(1), f"{ECR}/app:1")


BUILT = Path(__file__).parents[2] / "build" / "test"
"""Where ``python -m hiyoko.porter.build --state-dir build/test NAME`` puts its image: a throw-away
world has no way out, so the image is built before, on the host."""


@pytest.mark.parametrize(
    ("image", "recipe", "words"),
    [
        ("public.ecr.aws/nginx/nginx", "nginx", "Welcome to nginx!"),
        ("httpd:2.4", "httpd", "It works!"),
        ("amazon/amazon-ecs-sample", "amazon-ecs-sample", "Amazon ECS task"),
    ],
)
async def test_a_built_image_serves(tmp_path: Path, image: str, recipe: str, words: str) -> None:
    if not (BUILT / "images" / "built" / f"{recipe}.{FORMAT}.json").exists():
        pytest.skip(f"run `python -m hiyoko.porter.build --state-dir build/test {recipe}` first")
    settings = Settings(tmp_path)
    settings.image_dir.symlink_to(BUILT / "images")

    class Built(NoPorter):
        async def fetch(self, name: str, reference: str) -> FetchedImage:
            raise FetchFailed(Fault.UNREACHABLE, f"no way to {name}:{reference}")

        async def build(self, name: str) -> BuiltImage:
            built = build(settings.image_dir, name)
            return BuiltImage(built["digest"], built["media_type"], built["size"])

    async with registry_world(tmp_path, Built()) as world:
        driver = Driver(world)
        task = make_task(1, make_container(image))
        await driver.settle(task)
        assert driver.progress(task).failure == ""
        page = await run("curl", "-sS", "--retry-connrefused", "--retry", "5", "http://10.0.0.5/")
        assert words in page
        assert await driver.line(task, '"GET / HTTP/1.1" 200')
        await driver.settle()
        await driver.plane.close()
        remove_groups(settings)


async def test_the_store_lets_go_of_what_nothing_needs_and_never_of_what_runs(
    tmp_path: Path,
) -> None:
    command = ("sh", "-c", "trap exit TERM; echo up; while :; do sleep 0.05; done")
    async with registry_world(tmp_path) as world:
        driver, clock = Driver(world), FixedClock()
        store, image_dir = world.store, world.settings.image_dir
        digest = push(store, world.settings, "app", "1", command)
        task = make_task(1, make_container(f"{ECR}/app:1"))
        await driver.until(task, "RUNNING")
        (image,) = driver.progress(task).images
        blobs, layer = Blobs(image_dir), driver.plane._puller.layer_path(image.layers[0])
        collector = Collector(image_dir)
        sweeper = ImageStoreReconciler(store, driver.plane, collector, clock)

        async def sweep() -> list[str]:
            """Two hours after everything was last used."""
            clock.time = time.time() + 2 * SPARED_S
            collector.note_sweep(0)
            return (await sweeper.activate()).steps

        # An image in ECR keeps its blobs, a task its layers.
        assert await sweep() == []
        assert (await sweeper.activate()).again_s == SWEEP_S
        ids = [{"imageDigest": digest}]
        api.invoke(store, "ecr", "BatchDeleteImage", {"repositoryName": "app", "imageIds": ids})
        taken = await sweep()
        assert len(taken) == 2  # the manifest and the layer as it was packed
        assert not blobs.has(digest)
        assert layer.is_dir()
        # What runs runs on, and its restart needs nothing of what has gone.
        check = ("exec", driver.plane.directory(task.arn).containers(task.arn)[0].cid, "true")
        await run("runc", f"--root={world.settings.run_dir / 'runc'}", *check)
        assert blobs.has(image.config)
        await driver.settle()
        assert len(await sweep()) == 2
        assert not blobs.has(image.config)
        assert not layer.exists()
        assert await sweep() == []
        await driver.plane.close()
        remove_groups(world.settings)
