"""Time that a person says counts as something else. Spans and heartbeats stay as they are.

Every sum over spans adds what is said here, and takes off what it stands in
place of: signed pieces of time, so that sums stay exact and additive.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

import attrs

from kubekuma.model.audit import Act
from kubekuma.model.meta import Key
from kubekuma.model.state import Charge
from kubekuma.record.audit import audit
from kubekuma.record.database import Connection
from kubekuma.record.documents import as_shown
from kubekuma.record.times import Window, epoch_ms, from_epoch_ms, whole_ms
from kubekuma.validate.operations import reclassification_errors
from kubekuma.validate.rule import FieldError, Refused

MONITOR: Final = "Monitor"

_SELECT: Final = """
    SELECT said.id, namespace, name, start, ends, charge, at, actor, reason
    FROM reclassifications AS said JOIN series ON series.id = series
"""
_OVERLAPPING: Final = f"""
    {_SELECT} WHERE namespace = :namespace AND name = :name AND ends > :since AND start < :until
    ORDER BY start
"""
# With each of them the spans that it lies over, from the one under way at its start on.
_PIECES: Final = """
    SELECT namespace, name, said.start, said.ends, said.charge,
        spans.start, spans.charge,
        (SELECT MIN(start) FROM spans AS later
            WHERE later.series = spans.series AND later.start > spans.start)
    FROM reclassifications AS said JOIN series ON series.id = said.series
    LEFT JOIN spans ON spans.series = said.series AND spans.start < said.ends
        AND spans.start >= COALESCE(
            (SELECT MAX(start) FROM spans AS before
                WHERE before.series = said.series AND before.start <= said.start),
            said.start)
    WHERE said.ends > :since AND said.start < :until AND {chosen}
    ORDER BY said.series, said.start, spans.start
"""
_ONE: Final = "namespace = :namespace AND name = :name"
_ALL: Final = "1 = 1"


@attrs.frozen(kw_only=True)
class Reclassification:
    """Within ``window``, time of a monitor counts as ``charge``, says ``by``."""

    id: str
    key: Key
    window: Window
    charge: Charge
    at: datetime
    by: str
    reason: str


class Piece(NamedTuple):
    """Time from ``start`` to ``ends``, in ms, that is to be counted ``sign`` times more."""

    key: Key
    charge: str
    start: int
    ends: int
    sign: int

    def within(self, since: int, until: int) -> int:
        """What a sum over ``since`` to ``until`` is off by without it."""
        return self.sign * max(0, min(self.ends, until) - max(self.start, since))


def reclassify(
    db: Connection, id_: str, key: Key, window: Window, charge: Charge, act: Act
) -> Reclassification | Refused | None:
    """Have time of a monitor count as ``charge``; None: nothing was ever recorded of it.

    ``id_`` names it, so that what is written again after a lost answer is
    there once. What overlaps with another has to wait until that is taken back.
    """
    known = reclassification(db, id_)
    if known is not None:
        return known
    series = db.execute("SELECT id FROM series WHERE namespace = ? AND name = ?", key).fetchone()
    if series is None:
        return None
    window = Window(since=whole_ms(window.since), until=whole_ms(window.until))
    errors = list(reclassification_errors(window.since, window.until, act))
    others = [] if errors else reclassifications(db, key, window)
    errors += [
        FieldError("", f"must not overlap with {each.id} ({_shown(each.window)})")
        for each in others
    ]
    if errors:
        return Refused(tuple(errors))
    made = Reclassification(
        id=id_,
        key=key,
        window=window,
        charge=charge,
        at=whole_ms(act.at),
        by=act.actor,
        reason=act.reason,
    )
    db.execute(
        "INSERT INTO reclassifications (id, series, start, ends, charge, at, actor, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            id_,
            series[0],
            epoch_ms(window.since),
            epoch_ms(window.until),
            charge.value,
            epoch_ms(act.at),
            act.actor,
            act.reason,
        ),
    )
    audit(db, act, "reclassify", MONITOR, key, after=as_shown(made))
    return made


def take_back_reclassification(db: Connection, id_: str, act: Act) -> Reclassification | None:
    """Have time count as it did before; returns what was taken back, None: there is none of it."""
    found = reclassification(db, id_)
    if found is not None:
        db.execute("DELETE FROM reclassifications WHERE id = ?", (id_,))
        audit(db, act, "takeBackReclassification", MONITOR, found.key, before=as_shown(found))
    return found


def reclassification(db: Connection, id_: str) -> Reclassification | None:
    """One of them; None: there is none of that id."""
    row = db.execute(f"{_SELECT} WHERE said.id = ?", (id_,)).fetchone()
    return None if row is None else _reclassification(row)


def reclassifications(db: Connection, key: Key, window: Window) -> list[Reclassification]:
    """Those of a monitor that reach into ``window``, by time."""
    bounds = {"since": epoch_ms(window.since), "until": epoch_ms(window.until)}
    found = db.execute(_OVERLAPPING, {**key._asdict(), **bounds})
    return [_reclassification(row) for row in found]


def pieces(db: Connection, since: int, until: int, key: Key | None = None) -> Iterator[Piece]:
    """What sums over spans, of one monitor or all, have to add for ``since`` to ``until``, in ms.

    They may reach beyond.
    """
    chosen = {"since": since, "until": until, **(key._asdict() if key else {})}
    last = None
    for namespace, name, start, ends, charge, begins, below, next_ in db.execute(
        _PIECES.format(chosen=_ONE if key else _ALL), chosen
    ):
        whose = Key(namespace, name)
        if (whose, start) != last:
            yield Piece(whose, charge, start, ends, 1)
        last = whose, start
        if begins is not None:
            over = ends if next_ is None else min(ends, next_)
            yield Piece(whose, below, max(start, begins), over, -1)


def drop_reclassified(db: Connection, series: int, border: int) -> None:
    """Drop those of a series that ended before ``border``, in ms."""
    db.execute("DELETE FROM reclassifications WHERE series = ? AND ends <= ?", (series, border))


def _reclassification(row: Any) -> Reclassification:
    id_, namespace, name, start, ends, charge, at, actor, reason = row
    return Reclassification(
        id=id_,
        key=Key(namespace, name),
        window=Window(since=from_epoch_ms(start), until=from_epoch_ms(ends)),
        charge=Charge(charge),
        at=from_epoch_ms(at),
        by=actor,
        reason=reason,
    )


def _shown(window: Window) -> str:
    return f"{as_shown(window.since)} to {as_shown(window.until)}"
