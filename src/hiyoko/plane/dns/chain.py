"""A zone's names in canonical order: the classic proof that a name is not there.   (pure)

The world's own zones deny so, as registries do: their names are no secret, and a resolver that has
one proof has many. Route 53's zones deny compactly (see ``signing``).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import dns.name
import dns.rdatatype

from hiyoko.plane.dns.loaded import Contents, Key, Name, Type


@dataclass(frozen=True, slots=True)
class Link:
    """An owner with its types, and the next owner."""

    owner: Name
    following: Name
    types: tuple[Type, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """The owners of a zone's records, sorted; what is below a cut is not the zone's."""

    keys: tuple[Key, ...]
    """Labels from the top down: so sorted they are in canonical order (RFC 4034, section 6.1)."""
    contents: Contents

    @classmethod
    def of(cls, contents: Contents) -> Chain:
        """The chain of these contents."""
        owners = (key for key, node in contents.nodes.items() if node)
        keys = (key[::-1] for key in owners if not _below_cut(contents, key))
        return cls(tuple(sorted(keys)), contents)

    def link(self, key: Key) -> Link:
        """The link that has this name, or passes over it."""
        place = bisect_right(self.keys, key[::-1]) - 1
        following = self.keys[(place + 1) % len(self.keys)]
        owner = self.keys[place][::-1]
        node = self.contents.nodes[owner]
        types = tuple(node)
        if dns.rdatatype.NS in node and len(owner) > len(self.contents.origin):
            types = tuple(t for t in node if t in (dns.rdatatype.NS, dns.rdatatype.DS))
        return Link(dns.name.Name(owner), dns.name.Name(following[::-1]), types)

    def absence(self, key: Key) -> list[Link]:
        """That the name is not there, and no wildcard that would stand in (RFC 4035, 3.1.3.2)."""
        encloser = key[1:]
        while encloser not in self.contents.names:
            encloser = encloser[1:]
        links = (self.link(key), self.link((b"*", *encloser)))
        return list(dict.fromkeys(links))


def _below_cut(contents: Contents, key: Key) -> bool:
    """True for glue and whatever else is below a delegation."""
    above = key[1:]
    while len(above) > len(contents.origin):
        if dns.rdatatype.NS in contents.nodes.get(above, {}):
            return True
        above = above[1:]
    return False
