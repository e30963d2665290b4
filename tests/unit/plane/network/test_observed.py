from __future__ import annotations

from hiyoko.plane.network.netlink import BLACKHOLE, NOARP, UP, Link, Route, Rule
from hiyoko.plane.network.observed import internet_of, router_of
from hiyoko.plane.network.wiring import KernelRoute, KernelRule

UNICAST, LOCAL = 1, 2


def test_a_router_is_read_from_what_the_kernel_lists() -> None:
    seen = router_of(
        [
            Link(1, "lo", UP, ""),
            Link(2, "e-1", UP | NOARP, "hiyoko 1"),
            Link(3, "e-2", NOARP, ""),
            Link(4, "igw", UP | NOARP, "hiyoko"),
        ],
        ["127.0.0.1", "10.0.0.2"],
        [
            Route(100, "10.0.0.0/16", BLACKHOLE, 0),
            Route(100, "10.0.0.5", UNICAST, 2),
            Route(255, "10.0.0.2", LOCAL, 1),
        ],
        [
            Rule(0, "", "", 255),
            Rule(1000, "10.0.0.0/16", "", 100),
            Rule(2000, "", "10.0.1.0/24", 7),
        ],
        ["base=abc;x"],
        forwards=True,
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
    seen = router_of([], [], [], [], [], forwards=True)
    assert not seen.forwards
    assert seen.parts == {}


def test_the_internet_side_knows_only_what_is_ours() -> None:
    links, public = internet_of(
        [Link(2, "w-1", UP | NOARP, ""), Link(3, "void", UP | NOARP, "")],
        [Route(254, "198.19.0.6", UNICAST, 2), Route(254, "default", UNICAST, 3)],
    )
    assert links == {"w-1"}
    assert public == {"198.19.0.6": "w-1"}
