"""ECR beyond repositories: layers and images through the API, policies, rules, templates."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from tests.api.test_ecr import Ecr, refused

from hiyoko.plane.containers.uploads import Uploads
from hiyoko.services.ecr import rows
from hiyoko.services.ecr.layer_store import use_layer_store

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONTENT = b"a layer of some bytes"
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Sid": "a", "Effect": "Allow", "Principal": "*", "Action": "ecr:*"}],
    }
)


@pytest.fixture
def ecr(tmp_path: Path) -> Ecr:
    use_layer_store(Uploads(tmp_path))
    ecr = Ecr()
    ecr("CreateRepository", repositoryName="app")
    return ecr


def upload(ecr: Ecr, repository: str = "app") -> str:
    begun = ecr("InitiateLayerUpload", repositoryName=repository)
    ecr(
        "UploadLayerPart",
        repositoryName=repository,
        uploadId=begun["uploadId"],
        partFirstByte=0,
        partLastByte=len(CONTENT) - 1,
        layerPartBlob=CONTENT,
    )
    return str(begun["uploadId"])


def push_layer(ecr: Ecr, repository: str = "app") -> None:
    done = ecr(
        "CompleteLayerUpload",
        repositoryName=repository,
        uploadId=upload(ecr, repository),
        layerDigests=[DIGEST],
    )
    assert done["layerDigest"] == DIGEST


def manifest(mark: str = "") -> str:
    link = {"mediaType": "x", "digest": DIGEST, "size": len(CONTENT)}
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": link, "layers": [link]}
    return json.dumps(document | {"annotations": {"mark": mark}})


def test_an_image_is_pushed_through_the_api(ecr: Ecr) -> None:
    asked: dict[str, Any] = {"repositoryName": "app", "layerDigests": [DIGEST, "no digest"]}
    before = ecr("BatchCheckLayerAvailability", **asked)
    assert before["layers"][0]["layerAvailability"] == "UNAVAILABLE"
    assert before["failures"][0]["failureCode"] == "InvalidLayerDigest"
    put: dict[str, Any] = {"repositoryName": "app", "imageManifest": manifest(), "imageTag": "1"}
    assert refused(ecr, "PutImage", **put).code == "LayersNotFoundException"
    push_layer(ecr)
    (layer,) = ecr("BatchCheckLayerAvailability", **asked)["layers"]
    assert (layer["layerAvailability"], layer["layerSize"]) == ("AVAILABLE", len(CONTENT))
    image = ecr("PutImage", **put)["image"]
    assert image["imageId"]["imageTag"] == "1"
    assert image["imageId"]["imageDigest"] == (
        f"sha256:{hashlib.sha256(manifest().encode()).hexdigest()}"
    )
    error = refused(ecr, "PutImage", **put)
    assert error.code == "ImageAlreadyExistsException"
    assert "and tag '1' already exists in the repository with name 'app'" in error.message
    ecr("PutImage", **(put | {"imageTag": "2"}))
    (detail,) = ecr("DescribeImages", repositoryName="app")["imageDetails"]
    assert detail["imageTags"] == ["1", "2"]
    assert detail["imageSizeInBytes"] == 2 * len(CONTENT)
    wrong = put | {"imageDigest": DIGEST, "imageTag": "3"}
    assert refused(ecr, "PutImage", **wrong).code == "ImageDigestDoesNotMatchException"


def test_a_layer_belongs_to_its_repository(ecr: Ecr) -> None:
    push_layer(ecr)
    ecr("CreateRepository", repositoryName="other")
    asked: dict[str, Any] = {"repositoryName": "other", "layerDigests": [DIGEST]}
    (layer,) = ecr("BatchCheckLayerAvailability", **asked)["layers"]
    assert layer["layerAvailability"] == "UNAVAILABLE"


def test_an_index_needs_its_members(ecr: Ecr) -> None:
    push_layer(ecr)
    member = hashlib.sha256(manifest().encode()).hexdigest()
    entry = {"mediaType": MANIFEST, "digest": f"sha256:{member}", "size": 1}
    text = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]})
    put: dict[str, Any] = {"repositoryName": "app", "imageManifest": text, "imageTag": "all"}
    assert refused(ecr, "PutImage", **put).code == "ReferencedImagesNotFoundException"
    ecr("PutImage", repositoryName="app", imageManifest=manifest())
    assert ecr("PutImage", **put)["image"]["imageManifestMediaType"] == INDEX


@pytest.mark.parametrize(("first", "last"), [(1, 21), (0, 5)])
def test_a_part_that_does_not_fit_says_where_to_go_on(ecr: Ecr, first: int, last: int) -> None:
    begun = ecr("InitiateLayerUpload", repositoryName="app")
    part = {"repositoryName": "app", "uploadId": begun["uploadId"], "layerPartBlob": CONTENT}
    error = refused(ecr, "UploadLayerPart", partFirstByte=first, partLastByte=last, **part)
    assert error.code == "InvalidLayerPartException"
    assert error.fields["lastValidByteReceived"] == 0


def test_an_upload_ends_as_it_must(ecr: Ecr) -> None:
    begun = ecr("InitiateLayerUpload", repositoryName="app")
    end: dict[str, Any] = {"repositoryName": "app", "layerDigests": [DIGEST]}
    empty = refused(ecr, "CompleteLayerUpload", uploadId=begun["uploadId"], **end)
    assert empty.code == "EmptyUploadException"
    wrong = end | {"layerDigests": [f"sha256:{'0' * 64}"]}
    error = refused(ecr, "CompleteLayerUpload", uploadId=upload(ecr), **wrong)
    assert error.code == "InvalidLayerException"
    push_layer(ecr)
    again = refused(ecr, "CompleteLayerUpload", uploadId=upload(ecr), **end)
    assert again.code == "LayerAlreadyExistsException"
    unknown = refused(ecr, "CompleteLayerUpload", uploadId=str("0" * 36), **end)
    assert unknown.code == "UploadNotFoundException"


def test_tags_that_are_excepted(ecr: Ecr) -> None:
    latest: list[Any] = [{"filterType": "WILDCARD", "filter": "latest*"}]
    setting: dict[str, Any] = {
        "repositoryName": "app",
        "imageTagMutabilityExclusionFilters": latest,
    }
    shown = ecr("PutImageTagMutability", imageTagMutability="IMMUTABLE_WITH_EXCLUSION", **setting)
    assert shown["imageTagMutabilityExclusionFilters"] == latest
    for number, tag in ((1, "latest-a"), (2, "latest-a"), (1, "v1")):
        ecr.push(number, tag)
    with pytest.raises(Exception, match="cannot be overwritten"):
        ecr.push(2, "v1")
    ecr("PutImageTagMutability", imageTagMutability="MUTABLE_WITH_EXCLUSION", **setting)
    ecr.push(2, "v1")
    with pytest.raises(Exception, match="cannot be overwritten"):
        ecr.push(1, "latest-a")
    error = refused(ecr, "PutImageTagMutability", imageTagMutability="IMMUTABLE", **setting)
    assert error.code == "InvalidParameterException"


def test_policies_are_records(ecr: Ecr) -> None:
    error = refused(ecr, "GetRepositoryPolicy", repositoryName="app")
    assert error.message == (
        "Repository policy does not exist for the repository with name 'app' in the registry with"
        " id '123456789012'"
    )
    bad = refused(ecr, "SetRepositoryPolicy", repositoryName="app", policyText="{}")
    assert "Invalid repository policy provided" in bad.message
    ecr("SetRepositoryPolicy", repositoryName="app", policyText=POLICY)
    assert ecr("GetRepositoryPolicy", repositoryName="app")["policyText"] == POLICY
    ecr("DeleteRepositoryPolicy", repositoryName="app")
    assert refused(ecr, "DeleteRepositoryPolicy", repositoryName="app").code == (
        "RepositoryPolicyNotFoundException"
    )
    assert refused(ecr, "GetRegistryPolicy").code == "RegistryPolicyNotFoundException"
    ecr("PutRegistryPolicy", policyText=POLICY)
    assert ecr("DeleteRegistryPolicy")["policyText"] == POLICY


def test_account_settings(ecr: Ecr) -> None:
    assert ecr("GetAccountSetting", name="BLOB_MOUNTING")["value"] == "DISABLED"
    ecr("PutAccountSetting", name="BLOB_MOUNTING", value="ENABLED")
    assert ecr("GetAccountSetting", name="BLOB_MOUNTING")["value"] == "ENABLED"
    assert refused(ecr, "GetAccountSetting", name="other").code == "InvalidParameterException"
    clair = refused(ecr, "PutAccountSetting", name="BASIC_SCAN_TYPE_VERSION", value="CLAIR")
    assert "BASIC_SCAN_TYPE_VERSION='CLAIR'" in clair.message


def test_what_a_new_registry_says_of_itself(ecr: Ecr) -> None:
    assert ecr("DescribeRegistry")["replicationConfiguration"] == {"rules": []}
    scanning = ecr("GetRegistryScanningConfiguration")["scanningConfiguration"]
    assert scanning["scanType"] == "BASIC"
    ecr(
        "PutImageScanningConfiguration",
        repositoryName="app",
        imageScanningConfiguration={"scanOnPush": True},
    )
    told = ecr("BatchGetRepositoryScanningConfiguration", repositoryNames=["app", "none"])
    assert told["scanningConfigurations"][0]["scanFrequency"] == "SCAN_ON_PUSH"
    assert told["failures"][0]["failureCode"] == "REPOSITORY_NOT_FOUND"


def test_pull_through_cache_rules(ecr: Ecr) -> None:
    create = {"ecrRepositoryPrefix": "pub", "upstreamRegistryUrl": "public.ecr.aws"}
    made = ecr("CreatePullThroughCacheRule", **create)
    assert made["upstreamRegistry"] == "ecr-public"
    again = refused(ecr, "CreatePullThroughCacheRule", **create)
    assert again.code == "PullThroughCacheRuleAlreadyExistsException"
    other = create | {"ecrRepositoryPrefix": "x1", "upstreamRegistryUrl": "example.org"}
    unknown = refused(ecr, "CreatePullThroughCacheRule", **other)
    assert unknown.code == "UnsupportedUpstreamRegistryException"
    hub = create | {"ecrRepositoryPrefix": "hub", "upstreamRegistryUrl": "registry-1.docker.io"}
    assert "credentialArn" in refused(ecr, "CreatePullThroughCacheRule", **hub).message
    (shown,) = ecr("DescribePullThroughCacheRules")["pullThroughCacheRules"]
    assert shown["upstreamRegistryUrl"] == "public.ecr.aws"
    assert ecr("_FindUpstream", repositoryName="pub/nginx/nginx") == {
        "name": "public.ecr.aws/nginx/nginx"
    }
    assert ecr("_FindUpstream", repositoryName="public") == {"name": ""}
    ecr("DeletePullThroughCacheRule", ecrRepositoryPrefix="pub")
    gone = refused(ecr, "DeletePullThroughCacheRule", ecrRepositoryPrefix="pub")
    assert gone.code == "PullThroughCacheRuleNotFoundException"


def test_creation_templates(ecr: Ecr) -> None:
    create: dict[str, Any] = {
        "prefix": "team",
        "appliedFor": ["PULL_THROUGH_CACHE"],
        "description": "a",
    }
    ecr("CreateRepositoryCreationTemplate", **create)
    again = refused(ecr, "CreateRepositoryCreationTemplate", **create)
    assert again.code == "TemplateAlreadyExistsException"
    policy = {"rules": [{"rulePriority": 1}]}
    bad = refused(
        ecr,
        "UpdateRepositoryCreationTemplate",
        prefix="team",
        lifecyclePolicy=json.dumps(policy),
    )
    assert "Lifecycle policy validation failure" in bad.message
    changed = ecr(
        "UpdateRepositoryCreationTemplate", prefix="team", imageTagMutability="IMMUTABLE"
    )["repositoryCreationTemplate"]
    assert (changed["imageTagMutability"], changed["description"]) == ("IMMUTABLE", "a")
    ecr("_EnsureRepository", repositoryName="team/app", occasion="PULL_THROUGH_CACHE")
    found = ecr("DescribeRepositories", repositoryNames=["team/app"])["repositories"]
    assert found[0]["imageTagMutability"] == "IMMUTABLE"
    ecr("DeleteRepositoryCreationTemplate", prefix="team")
    assert ecr("DescribeRepositoryCreationTemplates")["repositoryCreationTemplates"] == []


def test_pushes_and_deletions_leave_notices(ecr: Ecr) -> None:
    ecr.push(1, "1")
    ecr("BatchDeleteImage", repositoryName="app", imageIds=[{"imageTag": "1"}])
    with ecr.store.reading() as tx:
        told = [json.loads(notice.detail) for notice in rows.NOTICES.list(tx)]
    assert [(one["action-type"], one["image-tag"]) for one in told] == [
        ("PUSH", "1"),
        ("DELETE", "1"),
    ]


def test_failures_of_a_batch_have_their_own_codes(ecr: Ecr) -> None:
    ecr.push(1, "1")
    ids = [{}, {"imageDigest": "x"}, {"imageTag": "1", "imageDigest": DIGEST}, {"imageTag": "no"}]
    answer = ecr("BatchGetImage", repositoryName="app", imageIds=ids)
    assert [one["failureCode"] for one in answer["failures"]] == [
        "MissingDigestAndTag",
        "InvalidImageDigest",
        "ImageTagDoesNotMatchDigest",
        "ImageNotFound",
    ]


def test_a_pull_is_noted_on_the_image(ecr: Ecr) -> None:
    ecr.push(1, "1")
    (before,) = ecr("DescribeImages", repositoryName="app")["imageDetails"]
    assert "lastRecordedPullTime" not in before
    ecr("_FindManifest", repositoryName="app", reference="1")
    (after,) = ecr("DescribeImages", repositoryName="app")["imageDetails"]
    assert after["lastRecordedPullTime"] == ecr.clock.time
