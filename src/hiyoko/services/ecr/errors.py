"""ECR's errors, in its words (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/)."""

from __future__ import annotations

from hiyoko.api import AwsError


class RepositoryNotFound(AwsError):
    """The repository isn't there."""

    def __init__(self, name: str, account: str) -> None:
        super().__init__(
            "RepositoryNotFoundException",
            f"The repository with name '{name}' does not exist in the registry with id '{account}'",
        )


class RepositoryAlreadyExists(AwsError):
    """A second repository of one name."""

    def __init__(self, name: str, account: str) -> None:
        super().__init__(
            "RepositoryAlreadyExistsException",
            f"The repository with name '{name}' already exists in the registry with id '{account}'",
        )


class RepositoryNotEmpty(AwsError):
    """Deleting needs ``force`` while images are left."""

    def __init__(self, name: str, account: str) -> None:
        super().__init__(
            "RepositoryNotEmptyException",
            f"The repository with name '{name}' in registry with id '{account}' cannot be deleted"
            " because it still contains images",
        )


class ImageNotFound(AwsError):
    """No such tag or digest."""

    def __init__(self, name: str, account: str, digest: str | None, tag: str | None) -> None:
        super().__init__(
            "ImageNotFoundException",
            f"The image with imageId {{imageDigest:'{digest or 'null'}', imageTag:"
            f"'{tag or 'null'}'}} does not exist within the repository with name '{name}' in the"
            f" registry with id '{account}'",
        )


class LayersNotFound(AwsError):
    """No image of the repository has the layer."""

    def __init__(self, digest: str, name: str, account: str) -> None:
        super().__init__(
            "LayersNotFoundException",
            f"The layer with digest '{digest}' does not exist within the repository with name"
            f" '{name}' in the registry with id '{account}'",
        )


class TagAlreadyExists(AwsError):
    """A tag of an immutable repository stays where it is."""

    def __init__(self, tag: str, name: str) -> None:
        super().__init__(
            "ImageTagAlreadyExistsException",
            f"The image tag '{tag}' already exists in the '{name}' repository and cannot be"
            " overwritten because the repository is immutable.",
        )


class LifecyclePolicyNotFound(AwsError):
    """The repository has no lifecycle policy."""

    def __init__(self, name: str, account: str) -> None:
        super().__init__(
            "LifecyclePolicyNotFoundException",
            f"Lifecycle policy does not exist for the repository with name '{name}' in the"
            f" registry with id '{account}'",
        )


class InvalidParameter(AwsError):
    """A value that the API does not take."""

    def __init__(self, message: str) -> None:
        super().__init__("InvalidParameterException", message)


class Missing(AwsError):
    """Something that a repository does not have: a policy, a layer, an upload."""

    def __init__(self, code: str, what: str, name: str, account: str) -> None:
        super().__init__(
            code,
            f"{what} does not exist for the repository with name '{name}' in the registry with id"
            f" '{account}'",
        )


class ImageAlreadyExists(AwsError):
    """The same manifest under the same tag."""

    def __init__(self, digest: str, tag: str, name: str, account: str) -> None:
        super().__init__(
            "ImageAlreadyExistsException",
            f"Image with digest '{digest}' and tag '{tag}' already exists in the repository with"
            f" name '{name}' in registry with id '{account}'",
        )


class LayersNotPushed(AwsError):
    """A manifest names blobs that were not pushed to its repository."""

    def __init__(self, digests: list[str], name: str, account: str) -> None:
        super().__init__(
            "LayersNotFoundException",
            f"Layers with digests '{digests}' do not exist in the repository with name '{name}' in"
            f" the registry with id '{account}'",
        )


class ReferencedImagesNotFound(AwsError):
    """An index names manifests that were not pushed to its repository."""

    def __init__(self, digests: list[str], name: str, account: str) -> None:
        super().__init__(
            "ReferencedImagesNotFoundException",
            f"Images with digests '{digests}' required for pushing image into repository with name"
            f" '{name}' in the registry with id '{account}' do not exist",
        )


class UploadNotFound(AwsError):
    """No such upload, or it is over."""

    def __init__(self, upload: str, name: str, account: str) -> None:
        super().__init__(
            "UploadNotFoundException",
            f"The upload with upload id '{upload}' does not exist in the repository with name"
            f" '{name}' in the registry with id '{account}'",
        )


class InvalidLayerPart(AwsError):
    """A part that does not begin where the last one ended."""

    def __init__(self, upload: str, name: str, account: str, received: int) -> None:
        super().__init__(
            "InvalidLayerPartException",
            f"The layer part upload of upload id '{upload}' is not valid: the next part must begin"
            f" at byte {received}",
            fields={
                "registryId": account,
                "repositoryName": name,
                "uploadId": upload,
                "lastValidByteReceived": max(received - 1, 0),
            },
        )


class CacheRuleNotFound(AwsError):
    """No such pull-through cache rule."""

    def __init__(self, prefix: str, account: str) -> None:
        super().__init__(
            "PullThroughCacheRuleNotFoundException",
            f"Pull through cache rule with prefix '{prefix}' does not exist in the registry with id"
            f" '{account}'",
        )


class TemplateNotFound(AwsError):
    """No such repository creation template."""

    def __init__(self, prefix: str, account: str) -> None:
        super().__init__(
            "TemplateNotFoundException",
            f"The Repository Creation Template for '{prefix}' does not exist in the registry with"
            f" id '{account}'",
        )


def invalid(parameter: str, constraint: str) -> InvalidParameter:
    """A value that breaks a rule, in ECR's usual form."""
    return InvalidParameter(
        f"Invalid parameter at '{parameter}' failed to satisfy constraint: '{constraint}'"
    )
