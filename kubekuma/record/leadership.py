"""Who may write to a database: the row that fences off whoever led before."""

from pathlib import Path
from typing import Final

import attrs

from kubekuma.record.database import Connection

# One schedule, one shard. More of them will be more rows here, and more Leases.
SHARD: Final = 0
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@attrs.frozen(kw_only=True)
class Reign:
    """Who led last with this database, or does now."""

    epoch: int
    holder: str
    place: str
    finished: bool  # its work had ended
    history: str  # the database's name for itself


def read_reign(db: Connection, shard: int = SHARD) -> Reign | None:
    """Who led last; None if nobody ever did."""
    row = db.execute(
        "SELECT epoch, holder, place, finished, history FROM leadership WHERE shard = ?", (shard,)
    ).fetchone()
    if row is None:
        return None
    epoch, holder, place, finished, history = row
    return Reign(epoch=epoch, holder=holder, place=place, finished=bool(finished), history=history)


def begin_reign(
    db: Connection, holder: str, least_epoch: int, place: str, name: str, shard: int = SHARD
) -> Reign:
    """Raise the epoch, to ``least_epoch`` or more: from now on only its transactions count.

    ``name`` becomes the history's if it has none yet.
    """
    db.execute(
        "INSERT INTO leadership VALUES (:shard, :epoch, :holder, :place, 0, :name)"
        " ON CONFLICT (shard) DO UPDATE SET"
        " epoch = CASE WHEN leadership.epoch >= excluded.epoch"
        " THEN leadership.epoch + 1 ELSE excluded.epoch END,"
        " holder = excluded.holder, place = excluded.place, finished = 0",
        {
            "shard": shard,
            "epoch": max(1, least_epoch),
            "holder": holder,
            "place": place,
            "name": name,
        },
    )
    begun = read_reign(db, shard)
    assert begun is not None, "it was written a moment ago"  # noqa: S101 - for the type checker
    return begun


def finish_reign(db: Connection, shard: int = SHARD) -> None:
    """Note that the leader's work has ended, in the last of its transactions."""
    db.execute("UPDATE leadership SET finished = 1 WHERE shard = ?", (shard,))


def reigns(db: Connection, epoch: int, shard: int = SHARD) -> bool:
    """Whether ``epoch`` is still the newest, and stays so until the end of the transaction."""
    asked = "SELECT 1 FROM leadership WHERE shard = ? AND epoch = ? /* FOR SHARE */"
    return db.execute(asked, (shard, epoch)).fetchone() is not None


def place_of(database: Path, boot_id: Path = _BOOT_ID) -> str:
    """Which file this is, on which machine since its start; empty if that cannot be told.

    The same file on another machine, after a reboot, or a copy of it, is another place.
    """
    try:
        boot, file = boot_id.read_text(encoding="ascii").strip(), database.stat()
    except OSError:
        return ""
    return f"{boot}/{file.st_dev}/{file.st_ino}"
