"""The deregistration delay begins when no node sends the target a request any more."""

from __future__ import annotations

from dataclasses import replace

from hiyoko.services.elbv2.model import Registration
from hiyoko.services.elbv2.seen import TargetSeen, as_told

HERE = Registration("g", "1", "r", "10.0.0.4", 80, "a", registered_at=1.0)
GONE = replace(HERE, deregistered_at=100.0)


def seen(eni: str, state: str, at: float) -> TargetSeen:
    return TargetSeen("g", "10.0.0.4", 80, eni, state, "", "", at)


def test_a_registered_target_is_as_it_is() -> None:
    assert as_told(HERE, [seen("eni-1", "healthy", 5.0)]) == HERE


def test_without_a_node_it_begins_at_once() -> None:
    assert as_told(GONE, []) == GONE


def test_it_begins_with_the_last_node_that_was_told() -> None:
    nodes = [seen("eni-1", "draining", 101.0), seen("eni-2", "draining", 160.0)]
    assert as_told(GONE, nodes).deregistered_at == 160.0


def test_it_never_begins_while_a_node_sends_requests() -> None:
    """The daemon may have been dead for the whole delay, or refused by a full disk."""
    nodes = [seen("eni-1", "draining", 101.0), seen("eni-2", "healthy", 5.0)]
    waiting = as_told(GONE, nodes)
    assert waiting.deregistered_at is not None
    assert waiting.deregistered_at > 1e12
