"""Amazon ECR: repositories, images, layers, policies, tokens.

The registry's HTTP side is ``gateway.registry``. Refused by name: scanning, replication, signing,
archived images, other accounts' registries, KMS encryption. Recorded: repository and registry
policies, ``scanOnPush``.

- ``model``            repositories, images, tags, rules; the registry token
- ``rows``             the tables, with the images of the simulated internet (``PublicImage``)
- ``repositories``     CreateRepository ... PutImageTagMutability
- ``images``           ListImages ... ListImageReferrers
- ``pushes``           PutImage, and what the registry calls; ``manifest`` reads what is pushed
- ``layer_uploads``    InitiateLayerUpload ...; ``layer_store`` says who keeps their bytes
- ``layers``           GetDownloadUrlForLayer: presigned links to the bucket of layers
- ``lifecycle``        PutLifecyclePolicy ... and its effect; ``lifecycle_rules`` decides, purely
- ``cache_rules``      CreatePullThroughCacheRule ...
- ``templates``        CreateRepositoryCreationTemplate ...
- ``policies``         SetRepositoryPolicy, PutRegistryPolicy ...
- ``registry``         account settings, scanning, replication
- ``tokens``           GetAuthorizationToken, checked by ``_CheckToken``
- ``tags``             TagResource, UntagResource, ListTagsForResource
- ``events``           what EventBridge is told

https://docs.aws.amazon.com/AmazonECR/latest/APIReference/Welcome.html
"""

from hiyoko.services.ecr import (  # noqa: F401 - importing registers the operations
    cache_rules,
    events,
    images,
    layer_uploads,
    layers,
    lifecycle,
    policies,
    pushes,
    registry,
    repositories,
    tags,
    templates,
    tokens,
)
