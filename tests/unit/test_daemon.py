"""What a daemon has in memory before anybody has asked it for anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hiyoko.launch import SMALL

NEEDED_LATER = {
    "cbor2": "clients that speak CBOR",
    "josepy": "ACME's clients",
    "hiyoko.gateway.acme": "ACME's clients",
    "xml.etree.ElementTree": "the first body in XML",
    "zoneinfo": "the first schedule",
    "tarfile": "the first directory that becomes an image",
}
NOBODY_NEEDS = {
    "boto3",
    "botocore.session",
    "decimal",
    "jsonschema",
    "moto",
    "multiprocessing",
    "statistics",
    "unittest",
    "hiyoko.cli",
    "hiyoko.reach",
    "hiyoko.site",
}
DNS_SERVERS = {f"hiyoko.plane.dns.{name}" for name in ("answers", "authority", "served", "server")}
LOG_DRIVERS = {f"hiyoko.plane.log_driver.{name}" for name in ("tail", "senders")}
PROGRAM = """\
import asyncio, ssl, sys
from pathlib import Path
from hiyoko import daemon, services
from hiyoko.clock import SteadyClock

async def main():
    services.load()
    settings = daemon.Settings(Path(sys.argv[1]))
    settings.run_dir.mkdir()
    daemon.compose(daemon.Store.open(":memory:"), settings, SteadyClock(0), "", "")
    print(*sys.modules)
    print(ssl.create_default_context().cert_store_stats()["x509"])

asyncio.run(main())
"""


def test_what_nobody_has_asked_for_is_not_loaded(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env=os.environ | SMALL,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    modules, certificates = done.stdout.splitlines()
    unwanted = {*NEEDED_LATER, *NOBODY_NEEDS, *DNS_SERVERS, *LOG_DRIVERS}
    assert unwanted & set(modules.split()) == set()
    assert certificates == "0"
