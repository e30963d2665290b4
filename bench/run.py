"""The README's figures, measured here and now; goals stand beside them, nothing is asserted.

    .venv/bin/python bench/run.py [--json FILE]

Starts a cloud of its own and ends it, also on Ctrl-C. Takes about four minutes, most of them for
building the image once and for the load.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from threading import Event, Thread
from time import perf_counter

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import path  # noqa: E402
from bench.cloud import Cloud, cloud_of_our_own  # noqa: E402
from bench.figures import Figure, machine  # noqa: E402

from hiyoko.site.load import load_site  # noqa: E402

NEEDED = {"wrk": "wrk", "curl": "curl"}
NO_CHANGE_ROUNDS, START_ROUNDS = 5, 3
SETTLED_S = 11.0
FILE = str(path.EXAMPLE)


def deployment(cloud: Cloud, domain: str) -> Iterator[Figure]:
    """From nothing to the first 200: with an empty image store, with a warm one, kept."""
    url = f"https://{domain}/"
    took, _ = cloud.timed("cloud", "start")
    built, _ = cloud.timed("up", "--yes", "--no-prove", FILE)
    yield _one("first deployment ever, the image built and pulled", took + built)
    rounds = [_deploy_again(cloud, url) for _ in range(START_ROUNDS)]
    started, answered, ended = zip(*rounds, strict=True)
    yield Figure.of("`cloud start`", started, "s")
    yield Figure.of("`cloud start` to first 200, warm image store", answered, "s", "<= 5 s")
    yield Figure.of("`cloud start` to end of `up` (all tasks healthy)", ended, "s")
    yield from no_change(cloud)
    yield Figure.of("daemon's resident memory after a deployment", [_memory(cloud)], "MB")
    kept = [_start_again(cloud, url) for _ in range(START_ROUNDS)]
    yield Figure.of("`cloud start` to first 200, kept site", kept, "s", "<= 5 s")
    yield Figure.of("daemon's resident memory, idle", [_memory(cloud)], "MB", "<= 80 MB")


def _deploy_again(cloud: Cloud, url: str) -> tuple[float, float, float]:
    """Deploy with a warm image store: seconds until it has started, answered 200, ended."""
    cloud.hiyoko("down", "--yes", FILE)
    cloud.hiyoko("cloud", "stop")
    begun = perf_counter()
    cloud.hiyoko("cloud", "start")
    started = perf_counter()
    answered: list[float] = []

    def look() -> None:
        cloud.until_200(url)
        answered.append(perf_counter())

    watch = Thread(target=look, daemon=True)
    watch.start()
    cloud.hiyoko("up", "--yes", "--no-prove", FILE)
    ended = perf_counter()
    watch.join()
    return started - begun, answered[0] - begun, ended - begun


def _start_again(cloud: Cloud, url: str) -> float:
    """Start a cloud that has kept its site: seconds until 200.

    The site is no younger than ``SETTLED_S``: the scheduler replaces a task that died sooner only
    when it would be that old, so that a crash loop does not spin.
    """
    Event().wait(SETTLED_S)
    cloud.hiyoko("cloud", "stop")
    begun = perf_counter()
    cloud.hiyoko("cloud", "start")
    cloud.until_200(url)
    return perf_counter() - begun


def no_change(cloud: Cloud) -> Iterator[Figure]:
    """``hiyoko up`` with nothing to do: the whole command, and what it says of itself."""
    whole, own = [], []
    for _ in range(NO_CHANGE_ROUNDS):
        took, said = cloud.timed("up", "--yes", "--no-prove", FILE)
        told = re.search(r"no change \(([\d.]+) s\)", said)
        if told is None:
            raise SystemExit(f"`up` should have found no change:\n{said}")
        whole.append(took)
        own.append(float(told[1]))
    yield Figure.of("`up` without a change, as it says itself", own, "s", "<= 1 s")
    yield Figure.of("`up` without a change, the whole command", whole, "s")


def load(cloud: Cloud, domain: str) -> Iterator[Figure]:
    """The example under load, its tasks' brakes off."""
    site = path.load_site(cloud.state_dir)
    cloud.hiyoko("up", "--yes", "--no-prove", str(site))
    path.forward_http(cloud)
    yield from path.measure(cloud, domain)
    cloud.hiyoko("down", "--yes", str(site))


def security_groups() -> Iterator[Figure]:
    """One changed rule at 2 and at 200 interfaces, in a throw-away world."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "hiyoko.plane.world", "--", sys.executable),
            *(str(ROOT / "bench/security_groups.py"), "--json"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    for key in ("few", "many"):
        row = found[key]
        name = f"one rule changed at {row['interfaces']:.0f} interfaces"
        yield Figure.of(f"{name}, applied", [row["apply_ms"]], "ms")
        yield Figure.of(f"{name}, whole reconcile", [row["reconcile_ms"]], "ms")
    yield Figure.of("applied, 200 : 2", [found["ratio"]["apply_ms"]], "")


def targets() -> Iterator[Figure]:
    """Changes of a load balancer of two targets, and of one as large as AWS allows."""
    for groups, count in ((1, 2), (100, 1000)):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "hiyoko.plane.world", "--", sys.executable),
                *(str(ROOT / "bench/big_balancer.py"), "--json"),
                *("--groups", str(groups), "--targets", str(count)),
            ],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        for line in done.stdout.splitlines():
            figure = Figure(**json.loads(line))
            yield replace(figure, name=f"{count} targets: {figure.name}")


def _one(name: str, seconds: float, goal: str = "") -> Figure:
    return Figure.of(name, [seconds], "s", goal)


def _memory(cloud: Cloud) -> float:
    return float(cloud.status()["daemon"]["memory_mb"])


def measure() -> Iterator[Figure]:
    """Every figure as soon as it is known."""
    yield from security_groups()
    yield from targets()
    domain = load_site(path.EXAMPLE).domain
    assert domain is not None
    with cloud_of_our_own() as cloud:
        yield from deployment(cloud, domain)
        yield from load(cloud, domain)


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures there")
    options = parser.parse_args()
    missing = [package for name, package in NEEDED.items() if shutil.which(name) is None]
    if missing:
        parser.error(f"install first: apt-get install -y {' '.join(missing)}")
    where = machine()
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    print(
        f"load: wrk with {path.CONNECTIONS} connections, {path.ROUNDS} rounds of {path.SECONDS} s"
        " in turn; median and range"
    )
    figures: list[Figure] = []
    try:
        for figure in measure():
            print(figure, flush=True)
            figures.append(figure)
    except KeyboardInterrupt:
        print("interrupted; everything that was started has ended", file=sys.stderr)
        return 130
    finally:
        if options.json is not None:
            kept = {"machine": where, "figures": [asdict(figure) for figure in figures]}
            options.json.write_text(json.dumps(kept, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
