"""Built images outlive the cloud that built them; a broken one is not believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hiyoko.plane.containers.blobs import Blobs, links
from hiyoko.porter.build import FORMAT, _suite, add_manifest, build
from hiyoko.porter.cache import ImageCache, image_cache

KEY = f"nginx.{FORMAT}.{_suite()}"


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    return ImageCache(tmp_path / "cache" / "hiyoko" / "images")


@pytest.fixture
def image(tmp_path: Path, cache: ImageCache) -> dict[str, Any]:
    """An image that another cloud has built and kept."""
    blobs = Blobs(tmp_path / "other")
    layer = b"a layer"
    link = {"mediaType": "layer", "digest": blobs.add(layer), "size": len(layer)}
    made = add_manifest(blobs, {"os": "linux"}, [link])
    cache.keep(KEY, made, blobs)
    return made


def test_a_fresh_cloud_takes_what_another_one_built(
    tmp_path: Path, cache: ImageCache, image: dict[str, Any]
) -> None:
    fresh = tmp_path / "fresh"
    assert build(fresh, "nginx", cache) == image
    blobs = Blobs(fresh)
    manifest = links(blobs.read(image["digest"]), image["digest"])
    assert blobs.read(manifest.layers[0]) == b"a layer"
    # From now on it needs the cache no more.
    assert build(fresh, "nginx") == image


def test_another_release_or_recipe_is_another_image(
    tmp_path: Path, cache: ImageCache, image: dict[str, Any]
) -> None:
    assert cache.find(f"nginx.{FORMAT}.trixie", Blobs(tmp_path / "fresh")) is None
    assert cache.find(f"nginx.{FORMAT + 1}.{_suite()}", Blobs(tmp_path / "fresh")) is None


@pytest.mark.parametrize("damage", ["cut", "gone", "mark"])
def test_a_broken_image_is_not_there_and_is_made_good(
    tmp_path: Path, cache: ImageCache, image: dict[str, Any], damage: str
) -> None:
    kept = Blobs(cache.directory)
    layer = kept.path(links(kept.read(image["digest"]), image["digest"]).layers[0])
    if damage == "cut":
        layer.write_bytes(b"a lay")
    elif damage == "gone":
        layer.unlink()
    else:
        (cache.directory / "built" / f"{KEY}.json").write_text('{"dig')
    fresh = Blobs(tmp_path / "fresh")
    assert cache.find(KEY, fresh) is None
    assert not fresh.directory.exists()
    cache.keep(KEY, image, Blobs(tmp_path / "other"))
    assert cache.find(KEY, fresh) == image


def test_the_cache_lies_where_the_desktop_standard_says() -> None:
    assert image_cache({"XDG_CACHE_HOME": "/c", "HOME": "/h"}).directory == Path("/c/hiyoko/images")
    assert image_cache({"HOME": "/h"}).directory == Path("/h/.cache/hiyoko/images")
