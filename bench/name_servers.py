"""DNS answers per second over UDP, beside nsd with the same zone; a change in a large zone.

Run inside a world of its own (needs the Debian packages dnsperf and nsd):

    .venv/bin/python -m hiyoko.plane.world -- .venv/bin/python bench/name_servers.py [--json FILE]

Server and load share the machine, so each server is also given by what it costs: microseconds of
its own processor time for an answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from ipaddress import IPv4Address
from pathlib import Path
from threading import Event
from time import perf_counter, process_time

import dns.flags
import dns.message
import dns.query

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.figures import Figure, machine  # noqa: E402

from hiyoko import services  # noqa: E402
from hiyoko.api import invoke  # noqa: E402
from hiyoko.blueprint.zones import Choice, Policy, RecordSet, Zone, Zones  # noqa: E402
from hiyoko.plane.dns.control import ask  # noqa: E402
from hiyoko.plane.dns.dns_server import DnsServer, PushZones, StartServer  # noqa: E402
from hiyoko.reconcile.zones import ZoneReconciler  # noqa: E402
from hiyoko.services.route53 import rows  # noqa: E402
from hiyoko.settings import Settings  # noqa: E402
from hiyoko.store.database import Store  # noqa: E402

RECORDS = 10_000
ASKED = 2_000
"""Different questions in turn: more than a handful, fewer than any cache holds."""
SERVER = IPv4Address("198.18.8.1")
NSD_PORT = 5300
SECONDS = 4
ROUNDS = 3
CHANGES = 20
POLL_S = 0.002
ORIGIN = "bench.jp."


def zone() -> Zone:
    """A zone of plain records, and as many names again with a weighted group."""
    plain = [
        RecordSet(f"h{n}.{ORIGIN}", "A", 300, (f"198.19.{n >> 8 & 255}.{n & 255}",))
        for n in range(RECORDS)
    ]
    routed = [_weighted(f"w{n}.{ORIGIN}") for n in range(ASKED)]
    return Zone("ZBENCH", ORIGIN, (SERVER,), (*_apex(), *plain, *routed))


def _apex() -> tuple[RecordSet, RecordSet]:
    soa = "ns-1.awsdns-00.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
    servers = ("ns-1.awsdns-00.com.", "ns-600.awsdns-11.net.")
    return (
        RecordSet(ORIGIN, "SOA", 900, (soa,)),
        RecordSet(ORIGIN, "NS", 172800, servers),
    )


def _weighted(name: str) -> RecordSet:
    choices = tuple(
        Choice(str(n), RecordSet(name, "A", 60, (f"198.19.0.{n}",)), weight=n) for n in (1, 2, 3)
    )
    return RecordSet(name, "A", 0, (), Policy.WEIGHTED, choices)


@contextmanager
def nsd(served: Zone, directory: Path) -> Iterator[int]:
    """nsd with the zone's plain records on another port; its main process."""
    lines = [
        f"{r.name} {r.ttl_s} IN {r.type} {value}" for r in served.records for value in r.values
    ]
    (directory / "zone").write_text("\n".join(lines) + "\n")
    (directory / "nsd.conf").write_text(
        f'server:\n  ip-address: {SERVER}@{NSD_PORT}\n  server-count: 1\n  username: ""\n'
        f'  chroot: ""\n  zonesdir: "{directory}"\n  database: ""\n  pidfile: ""\n'
        f'  xfrdfile: "{directory}/xfrd"\n  zonelistfile: "{directory}/list"\n'
        f"  rrl-ratelimit: 0\n"
        f"remote-control:\n  control-enable: no\n"
        f'zone:\n  name: "{ORIGIN}"\n  zonefile: "zone"\n'
    )
    process = subprocess.Popen(
        ["/usr/sbin/nsd", "-d", "-c", str(directory / "nsd.conf")], stderr=subprocess.PIPE
    )
    try:
        _until_answered(NSD_PORT)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _until_answered(port: int) -> None:
    query = dns.message.make_query(f"h1.{ORIGIN}", "A")
    for _ in range(100):
        try:
            dns.query.udp(query, str(SERVER), timeout=0.1, port=port)
        except dns.exception.Timeout:
            continue
        return
    raise SystemExit(f"nothing answers on port {port}")


def load(questions: Path, port: int) -> float:
    """Answers per second as dnsperf counts them; a lost or wrong answer ends the benchmark."""
    done = subprocess.run(
        [
            *("dnsperf", "-s", str(SERVER), "-p", str(port), "-d", str(questions)),
            *("-l", str(SECONDS), "-c", "8", "-q", "200"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    lost = re.search(r"Queries lost:\s+(\d+)", done.stdout)
    rate = re.search(r"Queries per second:\s+([\d.]+)", done.stdout)
    codes = re.search(r"Response codes:\s+(.*)", done.stdout)
    if lost is None or rate is None or codes is None or not codes[1].startswith("NOERROR"):
        raise SystemExit(done.stdout)
    if int(lost[1]):
        print(f"  ({lost[1]} lost)", flush=True)
    return float(rate[1])


def cpu_s(pid: int) -> float:
    """Processor time of a process and those it started."""
    total = 0
    for task in _with_children(pid):
        words = Path(f"/proc/{task}/stat").read_text().rpartition(")")[2].split()
        total += int(words[11]) + int(words[12])
    return total / os.sysconf("SC_CLK_TCK")


def _with_children(pid: int) -> Iterator[int]:
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from _with_children(int(child))


def answers(pid: int, nsd_pid: int, directory: Path) -> Iterator[Figure]:
    """Plain and routed questions to us, plain ones to nsd, in turn."""
    plain, routed = directory / "plain", directory / "routed"
    plain.write_text("".join(f"h{n * 5}.{ORIGIN} A\n" for n in range(ASKED)))
    routed.write_text("".join(f"w{n}.{ORIGIN} A\n" for n in range(ASKED)))
    subjects: dict[str, tuple[Path, int, int, str]] = {
        "plain": (plain, 53, pid, ">= 20,000"),
        "weighted": (routed, 53, pid, ""),
        "plain, by nsd": (plain, NSD_PORT, nsd_pid, ""),
    }
    rates: dict[str, list[float]] = {name: [] for name in subjects}
    costs: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(ROUNDS):
        for name, (questions, port, process, _) in subjects.items():
            before = cpu_s(process)
            rate = load(questions, port)
            rates[name].append(rate)
            costs[name].append((cpu_s(process) - before) / (rate * SECONDS) * 1e6)
    for name, (_, _, _, goal) in subjects.items():
        yield Figure.of(f"{name}: answers", rates[name], "/s", goal)
        yield Figure.of(f"{name}: processor time of an answer", costs[name], "us")
    ratios = [
        ours / theirs for ours, theirs in zip(rates["plain"], rates["plain, by nsd"], strict=True)
    ]
    yield Figure.of("plain, ours : nsd's", ratios, "")


async def change(directory: Path) -> Iterator[Figure]:
    """One record changed in a zone of 10,000: from the API's answer to the new answer."""
    store, settings = Store.open(directory / "db"), Settings(directory)
    made = invoke(
        store, "route53", "CreateHostedZone", {"Name": ORIGIN, "CallerReference": "bench"}
    )
    zone_id = made["HostedZone"]["Id"]
    for start in range(0, RECORDS, 500):
        _change(store, zone_id, [(n, 1) for n in range(start, start + 500)])
    reconciler = ZoneReconciler(store, DnsServer(settings))
    assert (await reconciler.activate()).refusals == {}
    with store.reading() as tx:
        number = rows.get_zone(tx, "123456789012", zone_id).servers[0]
    server = f"198.18.{8 + number // 256}.{number % 256}"
    seen, whole = [], []
    for turn in range(CHANGES):
        begun = perf_counter()
        _change(store, zone_id, [(turn, 2)])
        stored = perf_counter()
        activation = asyncio.create_task(reconciler.activate())
        await asyncio.to_thread(_until_changed, f"h{turn}.{ORIGIN}", server)
        seen.append((perf_counter() - stored) * 1000)
        await activation
        whole.append((perf_counter() - begun) * 1000)
    costs = []
    for turn in range(CHANGES, 2 * CHANGES):
        _change(store, zone_id, [(turn, 2)])
        before = process_time()
        await reconciler.activate()
        costs.append((process_time() - before) * 1000)
    store.close()
    return iter(
        (
            Figure.of("the same, processor time of its activation", costs, "ms"),
            Figure.of(f"a change among {RECORDS:,} records, visible", seen, "ms", "<= 50 ms"),
            Figure.of("the same, API call to end of the activation", whole, "ms"),
        )
    )


def _change(store: Store, zone_id: str, hosts: list[tuple[int, int]]) -> None:
    changes = [
        {
            "Action": "UPSERT",
            "ResourceRecordSet": {
                "Name": f"h{n}.{ORIGIN}",
                "Type": "A",
                "TTL": 300,
                "ResourceRecords": [{"Value": f"198.19.{last}.{n & 255}"}],
            },
        }
        for n, last in hosts
    ]
    request = {"HostedZoneId": zone_id, "ChangeBatch": {"Changes": changes}}
    invoke(store, "route53", "ChangeResourceRecordSets", request)


def _until_changed(name: str, server: str) -> None:
    query = dns.message.make_query(name, "A")
    query.flags &= ~dns.flags.RD
    while True:
        answer = dns.query.udp(query, server, timeout=2)
        if answer.answer and answer.answer[0][0].to_text().startswith("198.19.2."):
            return
        Event().wait(POLL_S)  # the reconciler runs in this very process


async def measure(show: Callable[[Figure], None]) -> None:
    """Everything, in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="hiyoko-bench-") as place:
        settings = Settings(Path(place))
        server = DnsServer(settings)
        served = zone()
        await server.apply(StartServer())
        await server.apply(PushZones(Zones(1, (served,))))
        pid = (await ask(settings.run_dir, "status") or {})["pid"]
        try:
            with nsd(served, Path(place)) as nsd_pid:
                for figure in await asyncio.to_thread(
                    lambda: list(answers(pid, nsd_pid, Path(place)))
                ):
                    show(figure)
            for figure in await change(Path(place)):
                show(figure)
        finally:
            os.kill(pid, 15)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures there")
    options = parser.parse_args()
    for command in (
        "ip link set lo up",
        *(f"ip address replace 198.18.0.{n}/32 dev lo" for n in (1, 2, 53, 54, 100)),
        "ip route replace local 198.18.8.0/21 dev lo",
    ):
        subprocess.run(command.split(), check=True)
    services.load()
    where = machine()
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    figures: list[Figure] = []

    def show(figure: Figure) -> None:
        figures.append(figure)
        print(figure, flush=True)

    asyncio.run(measure(show))
    if options.json is not None:
        kept = {"machine": where, "figures": [asdict(figure) for figure in figures]}
        options.json.write_text(json.dumps(kept, indent=2) + "\n")


if __name__ == "__main__":
    main()
