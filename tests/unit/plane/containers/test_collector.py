"""What the image store lets go of, and what it never does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hiyoko.plane.containers.blobs import Blobs
from hiyoko.plane.containers.collector import (
    SPARED_S,
    SWEEP_S,
    UPLOAD_SPARED_S,
    Collector,
    DropBlob,
    DropLayer,
    DropLeftover,
    Marks,
    StoreState,
    keep_layer,
    steps,
)

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")
NOW = 1_000_000.0
OLD = NOW - SPARED_S


def seen(short: bool = False, used_at: float = OLD) -> StoreState:
    every = dict.fromkeys((A, B, C), used_at)
    return StoreState(every, every, {}, 3, short)


def dropped(marks: Marks, state: StoreState) -> list[str]:
    return [f"{type(one).__name__} {one.digest[7]}" for one in steps(marks, state, NOW)]  # type: ignore[union-attr]


def test_what_nothing_needs_goes_and_what_a_task_stands_on_stays() -> None:
    marks = Marks(frozenset({A}), frozenset({B}))
    assert dropped(marks, seen()) == ["DropBlob b", "DropBlob c", "DropLayer c"]


def test_short_of_space_only_what_tasks_stand_on_stays_unpacked() -> None:
    marks = Marks(frozenset({A, B, C}), frozenset({B}))
    assert dropped(marks, seen()) == []
    assert dropped(marks, seen(short=True)) == ["DropLayer a", "DropLayer c"]


def test_what_was_used_within_the_hour_is_spared() -> None:
    nothing = Marks(frozenset(), frozenset())
    assert dropped(nothing, seen(short=True, used_at=OLD + 1)) == []


def test_leftovers_go_after_an_hour_and_uploads_after_a_day() -> None:
    left = {"incoming/x": OLD, "uploads/y": OLD, "uploads/z": NOW - UPLOAD_SPARED_S}
    state = StoreState({}, {}, left, 0, False)
    nothing = Marks(frozenset(), frozenset())
    assert list(steps(nothing, state, NOW)) == [
        DropLeftover("incoming/x"),
        DropLeftover("uploads/z"),
    ]


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path)


async def test_what_is_kept_after_the_look_is_not_taken(blobs: Blobs) -> None:
    digest = blobs.add(b"a blob")
    layer = blobs.image_dir / "layers" / ("a" * 64)
    layer.mkdir(parents=True)
    for path in (blobs.path(digest), layer):
        os.utime(path, (OLD, OLD))
    collector = Collector(blobs.image_dir)
    state = collector.observe()
    assert blobs.keep(digest)
    assert keep_layer(blobs, layer)
    await collector.apply(DropBlob(digest, state.blobs[digest]))
    await collector.apply(DropLayer(A, state.layers[A]))
    assert blobs.has(digest)
    assert layer.is_dir()


async def test_a_sweep_that_was_cut_off_is_gone_on_with(blobs: Blobs) -> None:
    digest = blobs.add(b"a blob")
    layers = blobs.image_dir / "layers"
    (layers / ("a" * 64) / "etc").mkdir(parents=True)
    (layers / f".gone-{'b' * 64}-1234" / "etc").mkdir(parents=True)
    collector = Collector(blobs.image_dir)
    assert blobs.image_dir.joinpath("swept").exists() is False
    later = max(status.stat().st_mtime for status in layers.iterdir()) + SPARED_S + 1
    taken = list(steps(Marks(frozenset(), frozenset()), collector.observe(), later))
    assert {type(step) for step in taken} == {DropBlob, DropLayer, DropLeftover}
    for step in taken * 2:  # doing it twice does nothing
        await collector.apply(step)
    assert not blobs.has(digest)
    assert not blobs.keep(digest)
    assert list(layers.iterdir()) == []


def test_a_sweep_is_due_every_ten_minutes_also_when_the_clock_went_back(tmp_path: Path) -> None:
    collector = Collector(tmp_path / "images")
    assert collector.due_s(NOW) == 0
    collector.note_sweep(NOW)
    assert collector.due_s(NOW + 1) == SWEEP_S - 1
    assert collector.due_s(NOW + SWEEP_S) == 0
    assert collector.due_s(NOW - 1) == 0
