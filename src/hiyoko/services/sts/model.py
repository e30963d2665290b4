"""Sessions: whom a temporary key speaks for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Session:
    """A temporary key and the identity that it was made for."""

    account: str
    access_key: str
    principal: str
    user_id: str
    expires_at: float
    region: str = "aws-global"
