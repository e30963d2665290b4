"""ECR through the operations, every answer checked against AWS's shapes."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import SplitResult, urlsplit

import pytest
from tests.api.shapes import check_output
from tests.golden.golden import FixedClock

import hiyoko.services.ecr  # noqa: F401 - registers the operations
from hiyoko import api
from hiyoko.api import AwsError
from hiyoko.services.ecr import rows
from hiyoko.services.ecr.model import PublicImage, sign_token
from hiyoko.services.ecr.rows import SECRETS
from hiyoko.store.database import Store

DIGESTS = [f"sha256:{number:064x}" for number in range(10)]


class Ecr:
    def __init__(self) -> None:
        self.store = Store.open(":memory:")
        self.clock = FixedClock()

    def __call__(
        self, name: str, /, account: str = "123456789012", **request: Any
    ) -> dict[str, Any]:
        answer = api.invoke(self.store, "ecr", name, request, account=account, clock=self.clock)
        if not name.startswith("_"):
            # The model's "at least one" is meant for requests; AWS answers empty lists.
            check_output("ecr", name, {key: one for key, one in answer.items() if one != []})
        return answer

    def push(self, number: int, tag: str | None, **more: Any) -> None:
        self(
            "_PutManifest",
            repositoryName="app",
            tag=tag,
            digest=DIGESTS[number],
            mediaType="application/vnd.oci.image.manifest.v1+json",
            size=100 + number,
            manifest="{}",
            **more,
        )


@pytest.fixture
def ecr() -> Ecr:
    ecr = Ecr()
    ecr("CreateRepository", repositoryName="app", tags=[{"Key": "a", "Value": "1"}])
    return ecr


def refused(ecr: Ecr, name: str, /, **request: Any) -> AwsError:
    with pytest.raises(AwsError) as error:
        ecr(name, **request)
    return error.value


def test_a_repository_is_made_shown_and_deleted(ecr: Ecr) -> None:
    shown = ecr("DescribeRepositories")["repositories"][0]
    assert shown["repositoryArn"] == "arn:aws:ecr:ap-northeast-1:123456789012:repository/app"
    assert shown["repositoryUri"] == "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/app"
    assert refused(ecr, "CreateRepository", repositoryName="app").message == (
        "The repository with name 'app' already exists in the registry with id '123456789012'"
    )
    ecr.push(1, "1")
    assert refused(ecr, "DeleteRepository", repositoryName="app").code == (
        "RepositoryNotEmptyException"
    )
    ecr("DeleteRepository", repositoryName="app", force=True)
    error = refused(ecr, "DescribeRepositories", repositoryNames=["app"])
    assert error.message == (
        "The repository with name 'app' does not exist in the registry with id '123456789012'"
    )
    assert ecr("DescribeRepositories") == {"repositories": []}


def test_accounts_and_regions_are_strangers(ecr: Ecr) -> None:
    assert ecr("DescribeRepositories", account="210987654321") == {"repositories": []}


def test_repositories_come_in_pages(ecr: Ecr) -> None:
    for name in ("bb", "cc"):
        ecr("CreateRepository", repositoryName=name)
    first = ecr("DescribeRepositories", maxResults=2)
    rest = ecr("DescribeRepositories", maxResults=2, nextToken=first["nextToken"])
    names = [row["repositoryName"] for page in (first, rest) for row in page["repositories"]]
    assert names == ["app", "bb", "cc"]
    assert "nextToken" not in rest
    assert refused(ecr, "DescribeRepositories", nextToken="?").code == "InvalidParameterException"


def test_a_tag_moves_and_leaves_the_old_image_untagged(ecr: Ecr) -> None:
    ecr.push(1, "latest")
    ecr.push(2, "latest")
    ids = ecr("ListImages", repositoryName="app")["imageIds"]
    assert ids == [
        {"imageDigest": DIGESTS[1]},
        {"imageDigest": DIGESTS[2], "imageTag": "latest"},
    ]
    found = ecr("DescribeImages", repositoryName="app", filter={"tagStatus": "TAGGED"})
    assert [one["imageTags"] for one in found["imageDetails"]] == [["latest"]]


def test_an_immutable_tag_stays(ecr: Ecr) -> None:
    ecr("PutImageTagMutability", repositoryName="app", imageTagMutability="IMMUTABLE")
    ecr.push(1, "1")
    ecr.push(1, "1")
    with pytest.raises(AwsError) as error:
        ecr.push(2, "1")
    assert error.value.message == (
        "The image tag '1' already exists in the 'app' repository and cannot be overwritten"
        " because the repository is immutable."
    )


def test_unknown_images_are_a_failure_in_a_batch_and_an_error_alone(ecr: Ecr) -> None:
    ecr.push(1, "1")
    got = ecr(
        "BatchGetImage", repositoryName="app", imageIds=[{"imageTag": "1"}, {"imageTag": "2"}]
    )
    assert got["images"][0]["imageId"] == {"imageDigest": DIGESTS[1], "imageTag": "1"}
    assert got["failures"] == [
        {
            "imageId": {"imageTag": "2"},
            "failureCode": "ImageNotFound",
            "failureReason": "Requested image not found",
        }
    ]
    error = refused(ecr, "DescribeImages", repositoryName="app", imageIds=[{"imageTag": "2"}])
    assert error.message == (
        "The image with imageId {imageDigest:'null', imageTag:'2'} does not exist within the"
        " repository with name 'app' in the registry with id '123456789012'"
    )


def test_deleting_by_tag_takes_the_image_with_its_last_tag(ecr: Ecr) -> None:
    ecr.push(1, "a")
    ecr.push(1, "b")
    gone = ecr("BatchDeleteImage", repositoryName="app", imageIds=[{"imageTag": "a"}])
    assert gone["imageIds"] == [{"imageDigest": DIGESTS[1], "imageTag": "a"}]
    assert len(ecr("ListImages", repositoryName="app")["imageIds"]) == 1
    ecr("BatchDeleteImage", repositoryName="app", imageIds=[{"imageTag": "b"}])
    assert ecr("ListImages", repositoryName="app")["imageIds"] == []


def test_a_member_of_an_index_can_not_be_deleted(ecr: Ecr) -> None:
    ecr.push(1, None)
    ecr.push(2, "multi", members=[DIGESTS[1]])
    answer = ecr("BatchDeleteImage", repositoryName="app", imageIds=[{"imageDigest": DIGESTS[1]}])
    assert answer["failures"][0]["failureCode"] == "ImageReferencedByManifestList"


def lifecycle(**selection: Any) -> str:
    rule = {"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}
    return json.dumps({"rules": [rule]})


def test_a_lifecycle_policy_keeps_the_newest(ecr: Ecr) -> None:
    for number in range(4):
        ecr.clock.time = 1000.0 + number
        ecr.push(number, str(number))
    text = lifecycle(tagStatus="any", countType="imageCountMoreThan", countNumber=2)
    ecr("PutLifecyclePolicy", repositoryName="app", lifecyclePolicyText=text)
    assert ecr("GetLifecyclePolicy", repositoryName="app")["lifecyclePolicyText"] == text
    ecr.clock.time = 2000.0
    ecr.push(5, "5")
    tags = [one["imageTag"] for one in ecr("ListImages", repositoryName="app")["imageIds"]]
    assert tags == ["3", "5"]
    ecr("DeleteLifecyclePolicy", repositoryName="app")
    assert refused(ecr, "GetLifecyclePolicy", repositoryName="app").code == (
        "LifecyclePolicyNotFoundException"
    )


def test_a_lifecycle_rule_by_age_acts_when_time_has_passed(ecr: Ecr) -> None:
    ecr.push(1, "old")
    ecr.clock.time += 3600.0
    ecr.push(2, "young")
    text = lifecycle(tagStatus="any", countType="sinceImagePushed", countNumber=2, countUnit="days")
    ecr("PutLifecyclePolicy", repositoryName="app", lifecyclePolicyText=text)
    assert len(ecr("ListImages", repositoryName="app")["imageIds"]) == 2
    ecr.clock.time += 2 * 86400.0 - 3600.0
    ecr("_RunLifecyclePolicy", repositoryName="app")
    (left,) = ecr("ListImages", repositoryName="app")["imageIds"]
    assert left["imageTag"] == "young"
    shown = ecr("GetLifecyclePolicy", repositoryName="app")
    assert shown["lastEvaluatedAt"] == ecr.clock.time


def test_a_preview_shows_what_would_go_and_lets_it_be(ecr: Ecr) -> None:
    for number in range(3):
        ecr.clock.time += 1.0
        ecr.push(number, f"v{number}")
    error = refused(ecr, "GetLifecyclePolicyPreview", repositoryName="app")
    assert error.code == "LifecyclePolicyPreviewNotFoundException"
    error = refused(ecr, "StartLifecyclePolicyPreview", repositoryName="app")
    assert error.code == "LifecyclePolicyNotFoundException"
    text = lifecycle(tagStatus="any", countType="imageCountMoreThan", countNumber=1)
    begun = ecr("StartLifecyclePolicyPreview", repositoryName="app", lifecyclePolicyText=text)
    assert begun["status"] == "IN_PROGRESS"
    shown = ecr("GetLifecyclePolicyPreview", repositoryName="app")
    assert shown["status"] == "COMPLETE"
    assert [one["imageTags"] for one in shown["previewResults"]] == [["v0"], ["v1"]]
    assert shown["previewResults"][0]["appliedRulePriority"] == 1
    assert shown["summary"] == {"expiringImageTotalCount": 2}
    assert len(ecr("ListImages", repositoryName="app")["imageIds"]) == 3


def test_tags_of_a_repository(ecr: Ecr) -> None:
    arn = "arn:aws:ecr:ap-northeast-1:123456789012:repository/app"
    ecr("TagResource", resourceArn=arn, tags=[{"Key": "b", "Value": "2"}])
    ecr("UntagResource", resourceArn=arn, tagKeys=["a"])
    assert ecr("ListTagsForResource", resourceArn=arn) == {"tags": [{"Key": "b", "Value": "2"}]}


def token_of(answer: dict[str, Any]) -> str:
    said = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
    user, _, token = said.partition(":")
    assert user == "AWS"
    return token


def test_a_token_opens_its_own_account_for_twelve_hours(ecr: Ecr) -> None:
    answer = ecr("GetAuthorizationToken")
    token = token_of(answer)
    assert answer["authorizationData"][0]["expiresAt"] == int(ecr.clock.now()) + 12 * 3600
    ecr("_CheckToken", token=token)
    with pytest.raises(AwsError) as other:
        ecr("_CheckToken", account="210987654321", token=token)
    assert other.value.status == 403
    ecr.clock.time += 12 * 3600 + 1
    assert "expired" in refused(ecr, "_CheckToken", token=token).message


def test_a_token_can_not_be_made_without_the_secret(ecr: Ecr) -> None:
    ecr("GetAuthorizationToken")
    forged = sign_token("00" * 32, "123456789012", "ap-northeast-1", int(ecr.clock.now()) + 1000)
    for token in (forged, "nonsense", ""):
        assert refused(ecr, "_CheckToken", token=token).status == 401
    with ecr.store.reading() as tx:
        assert len(SECRETS.list(tx)) == 1


def test_what_is_not_done_is_refused_by_name(ecr: Ecr) -> None:
    error = refused(
        ecr,
        "CreateRepository",
        repositoryName="x",
        encryptionConfiguration={"encryptionType": "KMS"},
    )
    assert "encryptionConfiguration.encryptionType" in error.message
    rule = {"destinations": [{"region": "us-east-1", "registryId": "123456789012"}]}
    error = refused(ecr, "PutReplicationConfiguration", replicationConfiguration={"rules": [rule]})
    assert "replicationConfiguration.rules" in error.message
    error = refused(ecr, "StartImageScan", repositoryName="app", imageId={"imageTag": "1"})
    assert "ecr:StartImageScan" in error.message
    assert (
        "ENHANCED" in refused(ecr, "PutRegistryScanningConfiguration", scanType="ENHANCED").message
    )


def test_a_public_image_is_had_by_its_digest_when_its_tag_has_gone_on() -> None:
    store = Store.open(":memory:")
    name = "docker.io/library/nginx"
    with store.transaction() as tx:
        for digest in DIGESTS[:3]:
            image = PublicImage(name, "1", digest, "application/json", 1, 0.0)
            rows.put_public_image(tx, image)
        assert all(rows.find_public_digest(tx, name, one) for one in DIGESTS[:3])
        (shown,) = rows.list_public_images(tx)
        assert (shown.tag, shown.digest) == ("1", DIGESTS[2])


LAYERED = json.dumps({"config": {"digest": DIGESTS[7]}, "layers": [{"digest": DIGESTS[8]}]})


def layer_url(ecr: Ecr) -> SplitResult:
    ecr(
        "_PutManifest",
        repositoryName="app",
        tag="1",
        digest=DIGESTS[1],
        mediaType="application/vnd.oci.image.manifest.v1+json",
        size=1,
        manifest=LAYERED,
    )
    answer = ecr("GetDownloadUrlForLayer", repositoryName="app", layerDigest=DIGESTS[8])
    return urlsplit(str(answer["downloadUrl"]))


def test_a_layers_link_is_s3s_and_opens_that_layer_for_an_hour(ecr: Ecr) -> None:
    url = layer_url(ecr)
    region = "ap-northeast-1"
    assert url.netloc == f"prod-{region}-starport-layer-bucket.s3.{region}.amazonaws.com"
    ecr("_CheckLayerUrl", path=url.path, query=url.query)
    other = url.path.replace(DIGESTS[8][7:], DIGESTS[7][7:])
    longer = url.query.replace("Expires=3600", "Expires=9999")
    for path, query in ((other, url.query), (url.path, longer), (url.path, url.query[:-1])):
        assert refused(ecr, "_CheckLayerUrl", path=path, query=query).code == (
            "SignatureDoesNotMatch"
        )
    assert refused(ecr, "_CheckLayerUrl", path=url.path, query="").code == "AccessDenied"
    ecr.clock.time += 3601
    error = refused(ecr, "_CheckLayerUrl", path=url.path, query=url.query)
    assert (error.code, error.message) == ("AccessDenied", "Request has expired")


def test_a_layer_of_no_image_has_no_link(ecr: Ecr) -> None:
    layer_url(ecr)
    error = refused(ecr, "GetDownloadUrlForLayer", repositoryName="app", layerDigest=DIGESTS[9])
    assert error.code == "LayersNotFoundException"
