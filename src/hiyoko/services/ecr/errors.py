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
