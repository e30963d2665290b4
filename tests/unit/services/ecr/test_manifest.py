from __future__ import annotations

import json

import pytest

from hiyoko.services.ecr.manifest import read_manifest

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize("kind", [IMAGE, INDEX])
@pytest.mark.parametrize(
    "text",
    [
        *("[]", "null", "{", "{}", "[" * 100_000, '{"manifests": 7}', '{"manifests": [7]}'),
        *('{"config": 5, "layers": []}', '{"config": {}, "layers": []}'),
        f'{{"config": {{"digest": "{DIGEST}", "size": 1e400}}, "layers": []}}',
        f'{{"manifests": [{{"digest": "{DIGEST}", "size": 1e400}}]}}',
    ],
)
def test_a_manifest_that_is_none_is_refused(text: str, kind: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_manifest(text, kind)


@pytest.mark.parametrize(
    "kind", ["", "application/json", "application/vnd.docker.distribution.manifest.v1+prettyjws"]
)
def test_a_kind_that_ecr_does_not_take_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="is not supported"):
        read_manifest(json.dumps({"schemaVersion": 1, "fsLayers": []}), kind)
