from __future__ import annotations

import json

from hiyoko.plane.network.observed import SEPARATOR, parse_internet, parse_router
from hiyoko.plane.network.wiring import KernelRoute, KernelRule

UP = ["BROADCAST", "NOARP", "UP"]


def printed(*sections: object) -> str:
    texts = [text if isinstance(text, str) else json.dumps(text) for text in sections]
    return f"\n{SEPARATOR}\n".join(texts)


def test_a_router_is_read_from_what_iproute2_and_nftables_print() -> None:
    seen = parse_router(
        printed(
            [
                {"ifname": "lo", "flags": ["LOOPBACK", "UP"]},
                {"ifname": "e-1", "flags": UP, "ifalias": "hiyoko 1"},
                {"ifname": "e-2", "flags": ["NOARP"]},
                {"ifname": "igw", "flags": UP, "ifalias": "hiyoko"},
            ],
            [{"addr_info": [{"local": "127.0.0.1"}, {"local": "10.0.0.2"}]}, {}],
            [
                {"type": "blackhole", "dst": "10.0.0.0/16", "table": "100"},
                {"dst": "10.0.0.5", "dev": "e-1", "table": "100"},
                {"type": "local", "dst": "10.0.0.2", "dev": "lo", "table": "local"},
            ],
            [
                {"priority": 0, "src": "all", "table": "local"},
                {"priority": 1000, "src": "all", "dst": "10.0.0.0", "dstlen": 16, "table": "100"},
                {"priority": 2000, "src": "10.0.1.0", "srclen": 24, "table": "7"},
            ],
            "1",
            {"nftables": [{"set": {"elem": [{"elem": {"val": "::1", "comment": "base=abc;x"}}]}}]},
        )
    )
    assert seen.forwards
    assert seen.gateway
    assert seen.links == {"e-1": "hiyoko 1", "igw": "hiyoko"}
    assert seen.unfinished == {"e-2"}
    assert seen.resolvers == {"10.0.0.2"}
    assert seen.routes == {
        KernelRoute(100, "10.0.0.0/16", ""),
        KernelRoute(100, "10.0.0.5", "e-1"),
    }
    assert seen.rules == {
        KernelRule(1000, "to", "10.0.0.0/16", 100),
        KernelRule(2000, "from", "10.0.1.0/24", 7),
    }
    assert seen.parts == {"base": "abc;x"}


def test_a_router_without_a_table_has_no_parts() -> None:
    seen = parse_router(printed([], [], [], [], "0", ""))
    assert not seen.forwards
    assert seen.parts == {}


def test_the_internet_side_knows_only_what_is_ours() -> None:
    links, public = parse_internet(
        json.dumps([{"ifname": "w-1", "flags": UP}, {"ifname": "void", "flags": UP}]),
        json.dumps([{"dst": "198.19.0.6", "dev": "w-1"}, {"dst": "default", "dev": "void"}]),
    )
    assert links == {"w-1"}
    assert public == {"198.19.0.6": "w-1"}
