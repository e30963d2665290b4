"""The registry's own settings: account settings, scanning, replication.

Replication and enhanced scanning are refused by name: there is no second region to copy to, and
nothing that knows of vulnerabilities.
"""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.ecr import rows
from hiyoko.services.ecr.errors import ImageNotFound, invalid
from hiyoko.services.ecr.images import find
from hiyoko.services.ecr.repositories import get_repository

_SETTINGS = {
    "BASIC_SCAN_TYPE_VERSION": ("AWS_NATIVE",),
    "REGISTRY_POLICY_SCOPE": ("V2",),
    "BLOB_MOUNTING": ("ENABLED", "DISABLED"),
}
"""Each setting's values, with the one that a new registry has first where only one is possible."""
_OTHERS = {"BASIC_SCAN_TYPE_VERSION": ("CLAIR",), "REGISTRY_POLICY_SCOPE": ("V1",)}
"""Values of AWS that would have no effect here."""


@operation("GetAccountSetting")
def get_account_setting(call: Call, request: Request) -> Response:
    """A setting of the registry."""
    name = _known(request["name"])
    if name == "BLOB_MOUNTING":
        registry = rows.find_registry(call.tx, call.account, call.region)
        return {"name": name, "value": registry.blob_mounting}
    return {"name": name, "value": _SETTINGS[name][0]}


@operation("PutAccountSetting")
def put_account_setting(call: Call, request: Request) -> Response:
    """Change a setting: ``BLOB_MOUNTING`` acts on pushes from now on."""
    name, value = _known(request["name"]), request["value"]
    if value in _OTHERS.get(name, ()):
        raise unsupported(name, value)
    if value not in _SETTINGS[name]:
        raise invalid("value", f"Member must satisfy enum value set: {list(_SETTINGS[name])}")
    if name == "BLOB_MOUNTING":
        registry = rows.find_registry(call.tx, call.account, call.region)
        rows.REGISTRIES.put(call.tx, replace(registry, blob_mounting=value))
    return {"name": name, "value": value}


def _known(name: str) -> str:
    if name not in _SETTINGS:
        raise invalid("name", f"Member must satisfy enum value set: {list(_SETTINGS)}")
    return name


@operation("DescribeRegistry")
def describe_registry(call: Call, request: Request) -> Response:
    """The registry, which replicates nothing."""
    return {"registryId": call.account, "replicationConfiguration": {"rules": []}}


@operation("PutReplicationConfiguration")
def put_replication_configuration(call: Call, request: Request) -> Response:
    """No rules are as before; any rule is refused by name."""
    if request["replicationConfiguration"]["rules"]:
        raise unsupported("replicationConfiguration.rules")
    return {"replicationConfiguration": {"rules": []}}


@operation("DescribeImageReplicationStatus")
def describe_image_replication_status(call: Call, request: Request) -> Response:
    """Where an image was copied to: nowhere. Raises ImageNotFound."""
    repository, image_id = get_repository(call, request), request["imageId"]
    image = find(call, repository, image_id)
    if image is None:
        raise ImageNotFound(
            repository.name, call.account, image_id.get("imageDigest"), image_id.get("imageTag")
        )
    return {
        "repositoryName": repository.name,
        "imageId": {"imageDigest": image.digest} | dict(image_id),
        "replicationStatuses": [],
    }


@operation("GetRegistryScanningConfiguration")
def get_registry_scanning_configuration(call: Call, request: Request) -> Response:
    """The configuration of a new registry: nothing is scanned by it."""
    return {
        "registryId": call.account,
        "scanningConfiguration": {"scanType": "BASIC", "rules": []},
    }


@operation("PutRegistryScanningConfiguration")
def put_registry_scanning_configuration(call: Call, request: Request) -> Response:
    """Basic scanning without rules is as before; anything else is refused by name."""
    if request.get("scanType", "BASIC") != "BASIC":
        raise unsupported("scanType", request["scanType"])
    if request.get("rules"):
        raise unsupported("rules")
    return {"registryScanningConfiguration": {"scanType": "BASIC", "rules": []}}
