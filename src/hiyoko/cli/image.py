"""``hiyoko image import|list``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hiyoko import launch
from hiyoko.cli.errors import CommandError
from hiyoko.settings import Settings

KINDS = ("oci-archive", "docker-archive", "directory")


def add(options: argparse.Namespace, settings: Settings) -> int:
    """Add an image under a name."""
    kind, _, place = options.source.partition(":")
    if kind not in KINDS or not place:
        raise CommandError(
            f"{options.source!r}: write oci-archive:FILE, docker-archive:FILE or directory:FOLDER",
            2,
        )
    path = Path(place).absolute()
    if not path.exists():
        raise CommandError(f"{path}: there is no such file or folder")
    body = {"name": options.name, "path": str(path), "kind": kind}
    answer = launch.get(settings, "/_hiyoko/images", "POST", body)
    print(f"{answer['name']}:{answer['tag']} {answer['digest']}")
    return 0


def show(options: argparse.Namespace, settings: Settings) -> int:
    """List the images of the simulated internet."""
    images = launch.get(settings, "/_hiyoko/images")["images"]
    if options.json:
        print(json.dumps(images, indent=2))
        return 0
    for image in images:
        name = f"{image['name']}:{image['tag']}"
        there = f"{image['digest'][:19]}  {image['size'] / 1e6:.1f} MB"
        print(f"{name:<56} {there if image['digest'] else 'fetched or built on first use'}")
    return 0
