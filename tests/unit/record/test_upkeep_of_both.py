"""Upkeep does the same to whichever database it is."""

import pytest
import trio
from build import WEB, at

from kubekuma.model.result import Outcome, Reason
from kubekuma.model.settings import Downsample, Retention
from kubekuma.model.state import Heartbeat
from kubekuma.record.database import Connection, Database
from kubekuma.record.heartbeats import heartbeat_row, heartbeats, insert_heartbeats
from kubekuma.record.inspect import damage_of, stats
from kubekuma.record.latency import latency_series
from kubekuma.record.states import series_of
from kubekuma.record.store import Store
from kubekuma.record.times import Window
from kubekuma.record.upkeep import UpkeepHealth, keep_up

DAY = 86_400
EVER = Window(since=at(-1), until=at(99 * DAY))


def fill(db: Connection) -> None:
    series = series_of(db, WEB, "u1")
    beats = [
        Heartbeat(
            at=at(1200 * number),
            outcome=Outcome.PASSED,
            reason=Reason.PASSED,
            message="fine",
            latency_seconds=0.01,
        )
        for number in range(72 * 10)
    ]
    insert_heartbeats(db, [heartbeat_row(series, each) for each in beats])


async def test_ten_days_are_sealed_thinned_and_dropped(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubekuma.record.upkeep.PAUSE_SECONDS", 0.0)
    now, health = at(10 * DAY), UpkeepHealth()
    retention = Retention(
        heartbeats_days=8, checks_days=2, downsample=Downsample(older_than_days=5)
    )
    store = await trio.to_thread.run_sync(Store, database)
    try:
        await store.write(fill)
        await keep_up(store, health, retention, now)
        assert health.sealed == 238  # the last two hours are too young
        found = await store.read(heartbeats, WEB, EVER, 999)
        assert [each.at for each in found] == [at(1200 * n) for n in range(719, 359, -1)]
        assert [each.message for each in found] == ["fine"] * 144 + [""] * 216
        counts = (await store.read(stats, database)).rows
        assert (counts["heartbeats"], counts["heartbeat_blocks"]) == (6, 118)
        assert (counts["heartbeat_buckets"], counts["heartbeat_details"]) == (72, 46)
        chart = await store.read(latency_series, WEB, EVER, 120)
        assert [point.checks for point in chart.points] == [72] * 10
        assert await store.read(lambda db: list(damage_of(db, 1, WEB))) == []
        # Within the hour, there is nothing to drop; later there is.
        await keep_up(store, health, retention, at(10 * DAY + 1800))
        assert health.pruned_at == now
        await keep_up(store, health, retention, at(11 * DAY))
        assert health.pruned_at == at(11 * DAY)
        assert len(await store.read(heartbeats, WEB, EVER, 999)) == 288
    finally:
        await trio.to_thread.run_sync(store.close)
