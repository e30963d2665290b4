"""Every service's resource types, by importing its ``cfn`` module."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil

import hiyoko.services


def load() -> None:
    """Import ``services.*.cfn``; each registers its types with ``template.resource_type``."""
    for module in pkgutil.iter_modules(hiyoko.services.__path__, "hiyoko.services."):
        name = f"{module.name}.cfn"
        if module.ispkg and _has_types(module.name):
            importlib.import_module(name)


def _has_types(package: str) -> bool:
    found = importlib.util.find_spec(package)
    locations = found.submodule_search_locations if found is not None else None
    return any(item.name == "cfn" for item in pkgutil.iter_modules(locations or []))
