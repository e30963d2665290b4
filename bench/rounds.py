"""A site that is made, changed and removed, again and again: what the cloud keeps of it.

    .venv/bin/python bench/rounds.py [ROUNDS]

After each ten rounds: memory, descriptors and threads of each process that stays, the size of the
database, and whatever else is there that was not there after the second round.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.cloud import Cloud, cloud_of_our_own  # noqa: E402
from bench.figures import machine  # noqa: E402
from bench.processes import processes_of  # noqa: E402
from bench.remains import Remains  # noqa: E402

STAYING = ("daemon", "keeper", "DNS", "collector", "log driver")
EVERY = 10
SITE = """\
name: rounds
domain: rounds.my-project.jp
zone: my-project.jp
services:
  web:
    image: public.ecr.aws/nginx/nginx
    environment: {{ROUND: "{change}"}}
    deploy: {{replicas: {replicas}}}
"""


def one_round(cloud: Cloud) -> None:
    """Up, another version with another number of tasks, down."""
    file = cloud.state_dir.parent / "site.yaml"
    for change in (1, 2):
        file.write_text(SITE.format(change=change, replicas=change))
        cloud.hiyoko("up", "--yes", "--no-prove", str(file))
    cloud.hiyoko("down", "--yes", str(file))


def told(cloud: Cloud, number: int, first: Remains) -> str:
    """Some lines on what there is after so many rounds."""
    database = sum(path.stat().st_size for path in cloud.state_dir.glob("hiyoko.db*"))
    lines = [f"after {number} rounds: database {database / 1e6:.2f} MB"]
    for one in processes_of(cloud.state_dir).of(*STAYING):
        lines.append(
            f"  {one.role:<12} {one.rss_mb:7.1f} MB RSS {one.descriptors:5} descriptors"
            f" {one.threads:3} threads"
        )
    for kind, names in Remains.of(cloud.state_dir).beyond(first).items():
        lines.append(f"  left: {len(names)} {kind}: {', '.join(names[:5])}")
    return "\n".join(lines)


def main() -> int:
    """Go round and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rounds", type=int, nargs="?", default=50)
    rounds = parser.parse_args().rounds
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    with cloud_of_our_own() as cloud:
        cloud.hiyoko("cloud", "start")
        begun = perf_counter()
        first = None
        for number in range(1, rounds + 1):
            one_round(cloud)
            if number == 2:
                first = Remains.of(cloud.state_dir)
                print(told(cloud, number, first), flush=True)
            elif first is not None and (number % EVERY == 0 or number == rounds):
                print(told(cloud, number, first), flush=True)
        print(f"{(perf_counter() - begun) / rounds:.1f} s each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
