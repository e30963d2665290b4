"""One run of wrk, inside the world: requests a second, and the CPU time that each one cost.

    python bench/client.py URL CONNECTIONS SECONDS [ENTER...]

The rate suffers from whatever else the machine does; the CPU time of wrk, HAProxy and Nginx (with
the kernel's work for their packets, which is done on the sender's account) hardly does.
"""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from pathlib import Path

SERVERS = ("haproxy", "nginx")


def servers_cpu_ns() -> dict[str, int]:
    """CPU time by thread of every server in this world, from the scheduler (proc(5))."""
    found: dict[str, int] = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if (place / "comm").read_text().strip() not in SERVERS:
                continue
            for thread in (place / "task").iterdir():
                found[thread.name] = int((thread / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def main() -> int:
    """Measure and print one JSON object."""
    url, connections, seconds, *enter = sys.argv[1:]
    before = servers_cpu_ns()
    wrk = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", url]
    said = subprocess.run([*enter, *wrk], stdout=subprocess.PIPE, text=True, check=True).stdout
    used = sum(ns - before.get(thread, 0) for thread, ns in servers_cpu_ns().items()) / 1e9
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    count = re.search(r"(\d+) requests in", said)
    if rate is None or count is None or "Non-2xx" in said:
        sys.stderr.write(said)
        return 1
    cpu_s = used + usage.ru_utime + usage.ru_stime
    print(json.dumps({"rate": float(rate[1]), "cpu_us": cpu_s * 1e6 / int(count[1])}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
