"""What verdicts rest on, kept between runs; and the series that history is keyed by."""

from kubekuma.model.meta import Key
from kubekuma.model.push import Reports
from kubekuma.model.state import MonitorState, Standing
from kubekuma.record.database import Connection
from kubekuma.record.documents import from_json, to_json
from kubekuma.record.heartbeats import last_heartbeats, last_spoke


def load_states(db: Connection) -> tuple[dict[Key, MonitorState], dict[Key, str]]:
    """What is known of every monitor, and the uid of each."""
    standings = {
        series: from_json(text, Standing)
        for series, text in db.execute("SELECT series, standing FROM monitor_state")
    }
    reports = {
        series: from_json(text, Reports)
        for series, text in db.execute("SELECT series, reports FROM push_reports")
    }
    lasts, spoke = last_heartbeats(db), last_spoke(db)
    states, uids = {}, {}
    for series, namespace, name, uid in db.execute("SELECT id, namespace, name, uid FROM series"):
        key = Key(namespace, name)
        uids[key] = uid
        states[key] = MonitorState(
            standing=standings.get(series, Standing()),
            last=lasts.get(series),
            spoke_at=spoke.get(series),
            reports=reports.get(series, Reports()),
        )
    return states, uids


def save_standing(db: Connection, series: int, standing: Standing) -> None:
    """Keep ``standing`` in place of what was kept before."""
    db.execute(
        "INSERT INTO monitor_state VALUES (?, ?, ?)"
        " ON CONFLICT (series) DO UPDATE"
        " SET verdict = excluded.verdict, standing = excluded.standing",
        (series, standing.verdict.value, to_json(standing)),
    )


def save_reports(db: Connection, series: int, reports: Reports) -> None:
    """Keep what a sender has reported in place of what was kept before."""
    db.execute(
        "INSERT INTO push_reports VALUES (?, ?)"
        " ON CONFLICT (series) DO UPDATE SET reports = excluded.reports",
        (series, to_json(reports)),
    )


def series_of(db: Connection, key: Key, uid: str) -> int:
    """The series of a monitor, made if it has none yet."""
    (series,) = db.execute(
        "INSERT INTO series (namespace, name, uid) VALUES (?, ?, ?)"
        " ON CONFLICT (namespace, name) DO UPDATE SET uid = excluded.uid RETURNING id",
        (key.namespace, key.name, uid),
    ).fetchone()
    found: int = series
    return found
