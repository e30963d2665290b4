"""The porter: a small process on the host that brings images into a world without a way out.

The world has no route to the host's network. What exists on its internet as an image is fetched
from its real registry, or, where that can't be reached, a few are built from Debian packages; it
lands in the blob store that the registries serve from.

- ``server``   a unix socket; one program per image however many ask; ends with the keeper
- ``fetch``    a program of its own: a registry's name in, the same image out; ``remote`` asks
- ``build``    a program of its own: packages in, OCI image out
- ``recipes``  what the built images hold
- ``cache``    what was had once, for every cloud of this user
- ``client``   the daemon's side
"""
