"""The porter: a small process on the host that brings images into a world without a way out.

The world has no route to the host's network. What exists on its internet as an image is built here,
from Debian packages, on first use, and lands in the blob store that the registries serve from.

- ``server``   a unix socket; one build per image however many ask; ends with the keeper
- ``build``    a program of its own: packages in, OCI image out
- ``recipes``  what the images hold
- ``client``   the daemon's side
"""
