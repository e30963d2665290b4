"""Metrics, their data and alarms in the store.

Data are many and are read by ranges of (series, start), so their text is made here and not by
``Table``, as with log events.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from hiyoko.services.cloudwatch.errors import limit_exceeded, not_found
from hiyoko.services.cloudwatch.model import (
    FINE_KEPT_S,
    HISTORY_KEPT_S,
    KEPT_S,
    MINUTE_S,
    Alarm,
    AlarmState,
    Datum,
    Dimensions,
    HistoryItem,
    Intake,
    Look,
    PendingAction,
    Series,
    dimensions_key,
)
from hiyoko.services.cloudwatch.statistics import Sample
from hiyoko.store.database import Transaction
from hiyoko.store.table import Table

SERIES_MAX = 50_000
HISTORY_MAX = 1000
"""Items of one alarm's history, beside the 30 days that they are kept."""

_METRIC = ("account", "region", "namespace", "name")
_ALARM = ("account", "region", "name")

SERIES = Table(
    "cloudwatch_series", Series, key=(*_METRIC, "key", "unit"), index=("number",), kept=256
)
DATA = Table("cloudwatch_datum", Datum, key=("series", "start"), index=("start",))
INTAKES = Table("cloudwatch_intake", Intake, key=("source",))
ALARMS = Table("cloudwatch_alarm", Alarm, key=_ALARM)
STATES = Table("cloudwatch_alarm_state", AlarmState, key=_ALARM)
HISTORY = Table("cloudwatch_alarm_history", HistoryItem, key=(*_ALARM, "sequence"))
LOOKS = Table("cloudwatch_look", Look, key=("key",))
PENDING = Table("cloudwatch_pending_action", PendingAction, key=(*_ALARM, "sequence"))


def last_look(tx: Transaction) -> Look:
    """The last evaluation of alarms; one that is due before the first."""
    return LOOKS.find(tx) or Look()


def note_change(tx: Transaction) -> None:
    """Something that alarms are judged by has changed."""
    look = last_look(tx)
    LOOKS.put(tx, replace(look, changes=look.changes + 1))


def find_series(
    tx: Transaction, account: str, region: str, namespace: str, name: str, dimensions: Dimensions
) -> list[Series]:
    """The metric's series, one for each unit that was ever put."""
    return SERIES.list(
        tx,
        account=account,
        region=region,
        namespace=namespace,
        name=name,
        key=dimensions_key(dimensions),
    )


def series_of(
    tx: Transaction,
    place: tuple[str, str, str],
    name: str,
    dimensions: Dimensions,
    unit: str,
) -> Series:
    """The series of a metric and unit, new when nothing was put before.

    ``place`` is account, region and namespace.
    """
    account, region, namespace = place
    found = [s for s in find_series(tx, *place, name, dimensions) if s.unit == unit]
    if found:
        return found[0]
    number = (tx.execute("SELECT max(number) FROM cloudwatch_series").fetchone()[0] or 0) + 1
    if tx.execute("SELECT count(*) FROM cloudwatch_series").fetchone()[0] >= SERIES_MAX:
        raise limit_exceeded(f"hiyoko keeps at most {SERIES_MAX} metrics.")
    made = Series(
        account, region, namespace, name, dimensions_key(dimensions), unit, number, dimensions
    )
    SERIES.insert(tx, made)
    return made


def _packed(sample: Sample) -> str:
    values = None if sample.values is None else list(sample.values.items())
    return json.dumps(
        [sample.count, sample.total, sample.least, sample.most, values], separators=(",", ":")
    )


def _unpacked(text: str) -> Sample:
    count, total, least, most, values = json.loads(text)
    return Sample(count, total, least, most, None if values is None else dict(values))


def add_sample(tx: Transaction, series: int, start: int, sample: Sample) -> None:
    """Add to what the series has in the period that begins at ``start``."""
    row = tx.execute(
        "SELECT body FROM cloudwatch_datum WHERE series = ? AND start = ?", (series, start)
    ).fetchone()
    whole = sample if row is None else _unpacked(row[0]).plus(sample)
    tx.execute(
        "INSERT OR REPLACE INTO cloudwatch_datum (series, start, body) VALUES (?, ?, ?)",
        (series, start, _packed(whole)),
    )


def samples(tx: Transaction, series: int, start: float, end: float) -> Iterator[tuple[int, Sample]]:
    """What the series got with start <= time < end, by time."""
    cursor = tx.execute(
        "SELECT start, body FROM cloudwatch_datum WHERE series = ? AND start >= ? AND start < ?"
        " ORDER BY start",
        (series, start, end),
    )
    for at, body in cursor.fetchall():
        yield at, _unpacked(body)


def last_start(tx: Transaction, series: int) -> int | None:
    """When the series' last period with data began."""
    row = tx.execute(
        "SELECT max(start) FROM cloudwatch_datum WHERE series = ?", (series,)
    ).fetchone()
    return None if row[0] is None else int(row[0])


def fold_fine(tx: Transaction, series: int, now: float) -> None:
    """Put a series' data of a fine resolution, when it is older than is kept so, into minutes."""
    before = int(now - FINE_KEPT_S) // MINUTE_S * MINUTE_S
    cursor = tx.execute(
        "SELECT start, body FROM cloudwatch_datum WHERE series = ? AND start < ? AND start % 60",
        (series, before),
    )
    for at, body in cursor.fetchall():
        tx.execute("DELETE FROM cloudwatch_datum WHERE series = ? AND start = ?", (series, at))
        add_sample(tx, series, at // MINUTE_S * MINUTE_S, _unpacked(body))


def expire(tx: Transaction, now: float) -> None:
    """Delete what is older than is kept: data, metrics without data, history."""
    gone = tx.execute("DELETE FROM cloudwatch_datum WHERE start < ?", (now - KEPT_S,)).rowcount
    if gone:
        tx.execute(
            "DELETE FROM cloudwatch_series WHERE number NOT IN"
            " (SELECT DISTINCT series FROM cloudwatch_datum)"
        )
    for item in HISTORY.list(tx):
        if item.at < now - HISTORY_KEPT_S:
            HISTORY.delete(
                tx,
                account=item.account,
                region=item.region,
                name=item.name,
                sequence=item.sequence,
            )


def get_alarm(tx: Transaction, account: str, region: str, name: str) -> Alarm:
    """The alarm; ResourceNotFound when there is none."""
    alarm = ALARMS.find(tx, account=account, region=region, name=name)
    if alarm is None:
        raise not_found(f"Alarm {name} does not exist")
    return alarm


def state_of(tx: Transaction, alarm: Alarm) -> AlarmState:
    """The state of an alarm: INSUFFICIENT_DATA before the first evaluation."""
    found = STATES.find(tx, account=alarm.account, region=alarm.region, name=alarm.name)
    return found or AlarmState(
        alarm.account,
        alarm.region,
        alarm.name,
        updated_at=alarm.changed_at,
        transitioned_at=alarm.changed_at,
    )


def add_history(
    tx: Transaction, alarm: Alarm, now: float, kind: str, summary: str, data: str
) -> None:
    """Note what happened to an alarm."""
    place = {"account": alarm.account, "region": alarm.region, "name": alarm.name}
    items = HISTORY.list(tx, **place)
    sequence = items[-1].sequence + 1 if items else 1
    for old in items[:-HISTORY_MAX]:
        HISTORY.delete(tx, **place, sequence=old.sequence)
    HISTORY.insert(
        tx,
        HistoryItem(alarm.account, alarm.region, alarm.name, sequence, now, kind, summary, data),
    )
