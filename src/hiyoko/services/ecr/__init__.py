"""Amazon ECR: repositories, images, tokens. The registry's HTTP side is ``gateway.registry``.

Works: CreateRepository, DescribeRepositories, DeleteRepository, GetAuthorizationToken, ListImages,
DescribeImages, BatchGetImage, BatchDeleteImage, PutImageTagMutability, GetDownloadUrlForLayer,
lifecycle policies that count images (``imageCountMoreThan``), tags. Refused by name: pushing
through the API (PutImage, InitiateLayerUpload ...: registry clients use HTTP), scanning,
replication, repository policies, pull-through caches.

- ``model``         repositories, images, tags, lifecycle rules; the registry token
- ``rows``          the tables, with the images of the simulated internet (``PublicImage``)
- ``repositories``  CreateRepository ... PutImageTagMutability
- ``images``        ListImages ... BatchDeleteImage, and what the registry calls
- ``layers``        GetDownloadUrlForLayer: presigned links to the bucket of layers
- ``lifecycle``     PutLifecyclePolicy ... and its effect
- ``tokens``        GetAuthorizationToken, checked by ``_CheckToken``
- ``tags``          TagResource, UntagResource, ListTagsForResource

https://docs.aws.amazon.com/AmazonECR/latest/APIReference/Welcome.html
"""

from hiyoko.services.ecr import (  # noqa: F401 - importing registers the operations
    images,
    layers,
    lifecycle,
    repositories,
    tags,
    tokens,
)
