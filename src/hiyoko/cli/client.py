"""Being a host on the simulated internet: ``run``, ``open``, ``env``."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from hiyoko import launch
from hiyoko.cli.cloud import NOT_RUNNING, require
from hiyoko.cli.errors import CommandError
from hiyoko.plane.addresses import INTERNET_RESOLVER
from hiyoko.settings import Settings
from hiyoko.site.load import load_site
from hiyoko.trust import put_into_nss

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "firefox-esr", "firefox")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run a command as a client: its resolver, its trust store; the exit status passed on."""
    if not options.argv:
        raise CommandError("what shall run? as in: hiyoko run -- curl -v https://example.com/", 2)
    command = client_command(settings, options.argv, options.place)
    sys.stdout.flush()
    os.execvpe(command[0], command, os.environ)


def client_command(settings: Settings, argv: list[str], place: str | None = None) -> list[str]:
    """The command that runs ``argv`` as a client on the simulated internet, at a place of it."""
    world = launch.find_world(settings)
    if world is None:
        # Not `require`: the simulated internet goes on without the daemon, and so do its hosts.
        raise CommandError(NOT_RUNNING)
    scratch = settings.run_dir / "client"
    scratch.mkdir(exist_ok=True)
    return [
        *(sys.executable, "-m", "hiyoko.plane.enter", str(world.init)),
        *("--trust", str(settings.trust_bundle), "--resolver", str(INTERNET_RESOLVER)),
        *("--scratch", str(scratch)),
        *(("--from", place) if place else ()),
        *("--", *argv),
    ]


def env(options: argparse.Namespace, settings: Settings) -> int:
    """Print exports for a shell: ``eval "$(hiyoko env)"``."""
    cloud = require(settings)
    print(f"export AWS_ENDPOINT_URL={cloud.endpoint}")
    print(f"export AWS_DEFAULT_REGION={options.region}")
    print(f"export AWS_REGION={options.region}")
    print("export AWS_ACCESS_KEY_ID=hiyoko")
    print("export AWS_SECRET_ACCESS_KEY=hiyoko")
    # No resolver knows data-127.0.0.1, which DiscoverInstances would be sent to.
    print("export AWS_DISABLE_HOST_PREFIX_INJECTION=true")
    return 0


def open_browser(options: argparse.Namespace, settings: Settings) -> int:
    """Start a browser with a profile of its own, through the proxy, trusting the world's CA."""
    site = load_site(Path(options.file))
    if site.domain is None:
        raise CommandError("this site has no domain; `hiyoko status` shows its tasks' addresses")
    url = f"https://{site.domain}/"
    cloud = require(settings)
    program = _browser(options.browser)
    home = settings.state_dir / "browser" / Path(program).name
    argv = browser_command(settings, cloud, program, home)
    print(f"{program} opens {url}")
    with tempfile.TemporaryFile() as log:
        done = subprocess.run(
            [*argv, url], stderr=log, env=os.environ | {"HOME": str(home)}, check=False
        )
        if done.returncode != 0:
            log.seek(0)
            lines = log.read().decode(errors="replace").strip().splitlines()
            raise CommandError(
                "\n".join([f"{program} ended with exit status {done.returncode}", *lines[-3:]])
            )
    return 0


def _browser(wanted: str | None) -> str:
    for name in (wanted,) if wanted else BROWSERS:
        found = shutil.which(name)
        if found:
            return found
    raise CommandError(
        f"{wanted or 'no browser'} was not found; install one (apt-get install chromium) or set"
        " your own browser's HTTP proxy as `hiyoko cloud status` shows it"
    )


def browser_command(settings: Settings, cloud: launch.Cloud, program: str, home: Path) -> list[str]:
    """A browser with a home of its own, the proxy for everything, and the world's CA trusted.

    Chromium reads ``~/.pki/nssdb``, Firefox the database in its profile: so ``home`` is both, and
    no trust store of the user's changes.
    """
    firefox = "firefox" in Path(program).name
    database = home if firefox else home / ".pki" / "nssdb"
    put_into_nss(database, "hiyoko", settings.trust_bundle)
    if firefox:
        (home / "user.js").write_text(_firefox_preferences(cloud.proxy_port))
        return [program, "--no-remote", "--profile", str(home)]
    return [
        program,
        f"--user-data-dir={home / 'profile'}",
        f"--proxy-server=http://127.0.0.1:{cloud.proxy_port}",
        "--no-first-run",
        "--no-default-browser-check",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ]


def _firefox_preferences(proxy_port: int) -> str:
    values = {
        "network.proxy.type": "1",
        "network.proxy.http": '"127.0.0.1"',
        "network.proxy.http_port": str(proxy_port),
        "network.proxy.ssl": '"127.0.0.1"',
        "network.proxy.ssl_port": str(proxy_port),
        "browser.shell.checkDefaultBrowser": "false",
        "security.enterprise_roots.enabled": "false",
    }
    return "".join(f'user_pref("{name}", {value});\n' for name, value in values.items())
