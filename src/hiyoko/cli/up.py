"""``hiyoko up``, ``plan`` and ``down``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import monotonic

from hiyoko import launch
from hiyoko.cli.building import build_all, describe, remove_repositories, to_build
from hiyoko.cli.check import prove
from hiyoko.cli.errors import CommandError
from hiyoko.cli.live import Live
from hiyoko.cli.stack import Change, Plan, SiteStack
from hiyoko.cli.target import Target, choose
from hiyoko.settings import Settings
from hiyoko.site.building import BuildFault, ImageBuild, image_builds, with_images
from hiyoko.site.load import load_site
from hiyoko.site.model import Site

SIGNS = {"Add": "+", "Modify": "~", "Remove": "-"}


def up(options: argparse.Namespace, settings: Settings) -> int:
    """Plan, ask, deploy, prove, print the URL."""
    site, builds = _load(Path(options.file))
    if options.target == "local":
        _ensure_cloud(settings)
    begun = monotonic()
    target = choose(options.target, settings, site.region)
    wanted = to_build(builds, target)
    stack = SiteStack(site, target)
    wreck = stack.wreck()
    if wreck and not _cleared(site, stack, wreck, options.yes):
        print("Nothing was changed.")
        return 1
    plan = stack.plan()
    if not plan.changes and not wanted:
        print(f"{site.name}: no change ({monotonic() - begun:.1f} s).")
        return _prove(site, stack, settings, options.no_prove)
    _print_plan(site, target, plan, wanted)
    try:
        agreed = options.yes or _agreed(f"Make these changes {_where(target)}?")
        if agreed:
            build_all(site, wanted, target, settings)
    except CommandError:
        _forget(stack, plan)
        raise
    if not agreed:
        _forget(stack, plan)
        print("Nothing was changed.")
        return 1
    if not plan.changes:
        return _prove(site, stack, settings, options.no_prove)
    with Live(site.name) as live:
        status = stack.execute(plan, live.show)
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise CommandError(_failure(site, status, live))
    print(f"{site.name}: {status} after {monotonic() - begun:.1f} s.")
    return _prove(site, stack, settings, options.no_prove)


def plan(options: argparse.Namespace, settings: Settings) -> int:
    """Show what up would change, and leave everything as it is. Exit status 2 when it would."""
    site, builds = _load(Path(options.file))
    target = choose(options.target, settings, site.region)
    wanted = to_build(builds, target)
    stack = SiteStack(site, target)
    made = stack.plan()
    if made.changes:
        stack.forget(made)
    if options.json:
        changes = [_as_change(build) for build in wanted] + list(made.changes)
        print(json.dumps([asdict(change) for change in changes], indent=2))
    elif made.changes or wanted:
        _print_plan(site, target, made, wanted)
    else:
        print(f"{site.name}: no change.")
    return 2 if made.changes or wanted else 0


def _load(path: Path) -> tuple[Site, tuple[ImageBuild, ...]]:
    """The site with the names of the images that it builds, and how they are built."""
    site = load_site(path)
    try:
        builds = image_builds(site, path.resolve().parent)
    except BuildFault as error:
        raise CommandError(f"{path}: {error}", 2) from error
    return with_images(site, builds), builds


def _as_change(build: ImageBuild) -> Change:
    image = f"{build.repository}:{build.tag}"
    return Change("Build", build.service, "Image", details=(str(build.context), image))


def down(options: argparse.Namespace, settings: Settings) -> int:
    """Remove the site and say what is left."""
    site = load_site(Path(options.file))
    target = choose(options.target, settings, site.region)
    stack = SiteStack(site, target)
    if stack.describe() is None:
        print(f"{site.name}: there is nothing to remove {_where(target)}.")
        return 0
    if not options.yes and not _agreed(f"Remove {site.name} {_where(target)}?"):
        print("Nothing was removed.")
        return 1
    begun = monotonic()
    names = stack.resources()
    with Live(site.name) as live:
        status = stack.delete(live.show)
    if status != "DELETE_COMPLETE":
        raise CommandError(_failure(site, status, live))
    remove_repositories(site, target)
    kept = [name for name in names if name in live.skipped]
    left = f"left: {', '.join(kept)}" if kept else "nothing is left"
    print(f"{site.name}: removed after {monotonic() - begun:.1f} s; {left}.")
    return 0


def _forget(stack: SiteStack, plan: Plan) -> None:
    """Take a plan back; one without changes left nothing behind."""
    if plan.changes:
        stack.forget(plan)


def _ensure_cloud(settings: Settings) -> None:
    begun = monotonic()
    cloud, fresh = launch.start(settings)
    if fresh:
        print(f"The local cloud is up at {cloud.endpoint} after {monotonic() - begun:.1f} s.")


def _cleared(site: Site, stack: SiteStack, status: str, agreed: bool) -> bool:
    """Remove what a failed deployment left, when that is agreed to; False when it is not."""
    where = _where(stack.target)
    print(f"{site.name} {where} is {status}: what is left of it must be removed first.")
    if not agreed and not _agreed(f"Remove it {where}?"):
        return False
    with Live(site.name) as live:
        status = stack.delete(live.show)
    if status != "DELETE_COMPLETE":
        raise CommandError(_failure(site, status, live))
    return True


def _where(target: Target) -> str:
    return "on this machine" if target.local else f"on AWS ({target.region})"


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise CommandError(f"{question} There is no terminal to ask on; say --yes.")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _print_plan(site: Site, target: Target, plan: Plan, wanted: Sequence[ImageBuild]) -> None:
    for build in wanted:
        print(describe(build))
    if not plan.changes:
        return
    counts = {sign: sum(c.action == action for c in plan.changes) for action, sign in SIGNS.items()}
    numbers = ", ".join(
        f"{counts[sign]} to {verb}"
        for sign, verb in (("+", "add"), ("~", "change"), ("-", "remove"))
        if counts[sign]
    )
    print(f"{site.name} {_where(target)}: {numbers}")
    for line in _plan_lines(plan.changes):
        print(line)


def _plan_lines(changes: Sequence[Change]) -> list[str]:
    width = max(len(change.logical_id) for change in changes)
    lines = []
    for change in changes:
        note = ", ".join(change.details)
        if change.replacement in ("True", "Conditional"):
            note = f"{'replaced' if change.replacement == 'True' else 'may be replaced'}: {note}"
        kind = change.kind.removeprefix("AWS::")
        lines.append(
            f"  {SIGNS[change.action]} {change.logical_id:<{width}}  {kind}  {note}".rstrip()
        )
    return lines


def _failure(site: Site, status: str, live: Live) -> str:
    reasons = "\n".join(f"  {name}: {why}" for name, why in live.failures)
    return f"{site.name} ended as {status}\n{reasons}".rstrip()


def _prove(site: Site, stack: SiteStack, settings: Settings, skip: bool) -> int:
    ok = True
    if not skip:
        proof = prove(site, stack, settings)
        ok = proof.ok
        for line in proof.lines(short=True):
            print(line)
    if site.domain:
        url = f"https://{site.domain}/"
        print(f"\n{url}")
        if stack.target.local:
            print(
                f"  look at it:  hiyoko open        (a browser on the simulated internet)\n"
                f"               hiyoko run -- curl -v {url}\n"
                f"  look inside: hiyoko status, map, check, logs; remove it: hiyoko down"
            )
    return 0 if ok else 1
