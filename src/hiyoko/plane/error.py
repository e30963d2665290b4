"""The plane's own kind of error: the world said no; the reconciler tries again later."""

from __future__ import annotations

import errno


class PlaneError(Exception):
    """What was attempted, and what the world answered."""


class NotYetError(PlaneError):
    """Another part of the cloud is about to make what this needs: no news unless it takes long."""


def words_of(error: BaseException) -> str:
    """What the world said; of a full disk also the way out."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{error}; make room on the disk of the state directory"
    return str(error)
