"""``hiyoko init`` and ``hiyoko template``: files only, no cloud."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hiyoko.cli.errors import CommandError
from hiyoko.settings import Settings
from hiyoko.site.building import BuildFault, image_builds, with_images
from hiyoko.site.load import load_site
from hiyoko.site.model import Site
from hiyoko.site.render import render_template
from hiyoko.site.starter import STARTER


def init(options: argparse.Namespace, settings: Settings) -> int:
    """Write a commented site.yaml; never over one that is there."""
    if options.schema:
        print(json.dumps(Site.model_json_schema(), indent=2))
        return 0
    path = Path(options.file)
    try:
        with path.open("x") as file:
            file.write(STARTER)
    except FileExistsError:
        raise CommandError(f"{path} is already there and stays as it is") from None
    print(f"{path} is written. Change the domain and the image, then: hiyoko up {path}")
    return 0


def template(options: argparse.Namespace, settings: Settings) -> int:
    """Print the CloudFormation template."""
    path = Path(options.file)
    site = load_site(path)
    try:
        site = with_images(site, image_builds(site, path.resolve().parent))
    except BuildFault as error:
        raise CommandError(f"{path}: {error}", 2) from error
    print(render_template(site), end="")
    return 0
