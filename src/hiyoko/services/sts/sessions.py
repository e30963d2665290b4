"""The table of sessions, and who an access key belongs to."""

from __future__ import annotations

from hiyoko.services.sts.model import Session
from hiyoko.store.database import Store, Transaction
from hiyoko.store.table import Table

_sessions = Table("sts_session", Session, key=("access_key",), index=("principal",))

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
TEMPORARY = "ASIA"


def insert_session(tx: Transaction, session: Session) -> None:
    """Record a session."""
    _sessions.insert(tx, session)


def delete_expired(tx: Transaction, now: float) -> None:
    """Forget the sessions that are over."""
    for session in _sessions.list(tx):
        if session.expires_at < now:
            _sessions.delete(tx, access_key=session.access_key)


def find_by_principal(tx: Transaction, principal: str) -> Session | None:
    """A session of this identity, or None."""
    return _sessions.find(tx, principal=principal)


def identity_of(store: Store, access_key: str, account: str) -> tuple[str, str]:
    """The account and the ARN that call with this key: a session's, or the account's root.

    A key that we did not give out is taken at its word; so are ``ASIA…`` keys of a cloud that has
    been reset since.
    """
    if access_key.startswith(TEMPORARY):
        with store.reading() as tx:
            session = _sessions.find(tx, access_key=access_key)
        if session is not None:
            return session.account, session.principal
    return account, f"arn:aws:iam::{account}:root"
