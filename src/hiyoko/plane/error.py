"""The plane's own kind of error: the world said no; the reconciler tries again later."""

from __future__ import annotations


class PlaneError(Exception):
    """What was attempted, and what the world answered."""
