"""``hiyoko trust``: this machine's programs trust the world's certificates, or no longer."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hiyoko.cli.errors import CommandError
from hiyoko.settings import Settings
from hiyoko.trust import Anchor, Store, TrustError, anchor_for, stores

_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
WARNING = """\
Every program of yours that reads these stores will believe certificates of the local cloud's
authority. Whoever can read the key in {key} can then pose as {whom} to
them. Nothing else on this machine changes; `hiyoko trust --remove` takes it out again."""
LIMIT_HINT = "Limit it to your own names with `--only my-project.jp`."


def trust(options: argparse.Namespace, settings: Settings) -> int:
    """Put the root into the trust stores, take it out, or tell where it is."""
    there = stores(Path.home(), Path(options.root_dir))
    if options.status:
        return _status(there)
    if options.remove:
        return _remove(there, options.yes)
    domains = [_domain(name) for name in options.only]
    open_stores = [store for store in there if store.obstacle is None]
    if not open_stores:
        raise CommandError("\n".join(f"{s.title}: {s.obstacle}" for s in there))
    anchor = anchor_for(settings, domains)
    print(_described(anchor))
    for store in there:
        print(f"  {store.title}{f': left alone, {store.obstacle}' if store.obstacle else ''}")
    whom = f"any site below {' or '.join(anchor.domains)}" if domains else "ANY site"
    print(WARNING.format(key=settings.ca_dir / "root.key", whom=whom))
    if not domains:
        print(LIMIT_HINT)
    _agree("Trust it?", options.yes)
    return _each(open_stores, lambda store: _replace(store, anchor))


def _replace(store: Store, anchor: Anchor) -> str:
    """One of ours at a time: the one that was there before would go on being good for more."""
    store.put(anchor)
    for name in store.ours():
        if name != anchor.name:
            store.drop(name)
    return f"trusted in {store.title}"


def _remove(there: Sequence[Store], yes: bool) -> int:
    found = [store for store in there if store.ours()]
    if not found:
        print("No trust store has a certificate of hiyoko's.")
        return 0
    print("These stores have one of hiyoko's certificates, which will be removed:")
    for store in found:
        print(f"  {store.title}: {', '.join(store.ours())}")
    _agree("Remove it?", yes)

    def removed(store: Store) -> str:
        if store.obstacle:
            raise TrustError(store.obstacle)
        for name in store.ours():
            store.drop(name)
        return f"removed from {store.title}"

    return _each(found, removed)


def _status(there: Sequence[Store]) -> int:
    for store in there:
        names = ", ".join(store.ours())
        print(f"{store.title}: {f'trusts {names}' if names else 'has none of hiyoko'}")
    return 0


def _each(wanted: Sequence[Store], change: Callable[[Store], str]) -> int:
    """Change each store; one that fails does not keep the others from it."""
    status = 0
    for store in wanted:
        try:
            print(change(store))
        except TrustError as error:
            print(f"hiyoko: {store.title}: {error}", file=sys.stderr)
            status = 1
    return status


def _described(anchor: Anchor) -> str:
    if anchor.domains:
        return f"A root for {', '.join(anchor.domains)} and what is below, into:"
    return "The local cloud's root certificate, into:"


def _domain(name: str) -> str:
    domain = name.lower().removeprefix("*.").rstrip(".")
    if not _DOMAIN.fullmatch(domain):
        raise CommandError(f"{name} is no domain to limit a certificate to", 2)
    return domain


def _agree(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError("nothing was changed; say --yes to agree where nobody can be asked", 2)
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise CommandError("nothing was changed")
