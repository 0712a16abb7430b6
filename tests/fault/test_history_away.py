"""The whole program while its database is away: it checks on, says so, and nothing is lost."""

import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import pytest
import trio
from support.fleet import Fleet, Node, fleet
from support.history import files, rows
from support.postgresql import Postgres, postgres, running_postgres
from support.program import GROUP, condition
from support.programs import python
from support.proxy import Proxy

from kubekuma.kube.lease import HISTORY

__all__ = ["postgres"]

MONITORS = 5
SETTINGS = f"{GROUP}/kubekumasettings/kubekuma"

LOCKS = """
import signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
signal.pause()
"""
OUTAGES = "SELECT series, started_at, ended_at FROM incidents ORDER BY series"
# From the first failure of each to the first success after it.
FAILURES = """
    SELECT series, MIN(at), (
        SELECT MIN(at) FROM heartbeats AS later
        WHERE later.series = failed.series AND outcome = 'passed' AND at > MAX(failed.at)
    )
    FROM heartbeats AS failed WHERE outcome = 'failed' GROUP BY series ORDER BY series
"""


Run: TypeAlias = Callable[[str], list[tuple[Any, ...]]]


@attrs.define
class Story:
    """What happens to the target while the database is away, and what came of it."""

    it: Fleet
    node: Node

    async def until(self, asked: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool]) -> Any:
        found = None
        with trio.move_on_after(30):
            while not holds(found := await asked()):  # noqa: ASYNC110 - it tells nobody
                await trio.sleep(0.1)
            return found
        raise AssertionError(f"it stays {found}; it said {self.node.said}")

    async def figure(self, name: str) -> float:
        text = (await self.node.get("/metrics")).text
        found = [line for line in text.splitlines() if line.startswith(f"kubekuma_{name} ")]
        return float(found[0].split()[1])

    async def goes_down_and_up_again(self) -> None:
        for status in ("500 Oops", "200 OK"):
            self.it.target.status = status
            await self.it.works(self.node, hits=3 * MONITORS)

    def told(self) -> list[str]:
        return [
            str(line["state"])
            for line in self.node.said
            if line["event"] == "monitor changed state"
        ]

    async def complains(self) -> None:
        """As people see it: by a condition, by figures, and in whether it is ready."""
        said = await self.until(
            lambda: self.it.get(SETTINGS), lambda it: condition(it, "HistoryWritable")[0] == "False"
        )
        assert condition(said, "HistoryWritable")[1] == "CannotWrite"
        assert await self.figure("history_errors_total") > 0
        assert await self.figure("history_queue_depth") > 0
        ready = await self.node.get("/ready")
        assert (ready.status_code, set(ready.json()["waits"])) == (503, {"database"})
        assert (await self.node.get("/health")).status_code == 200

    async def is_well_again(self) -> None:
        await self.until(lambda: self.figure("history_queue_depth"), lambda depth: depth < MONITORS)
        await self.until(lambda: self.node.get("/ready"), lambda it: it.status_code == 200)
        await self.until(
            lambda: self.it.get(SETTINGS), lambda it: condition(it, "HistoryWritable")[0] == "True"
        )

    async def was_recorded(self, run: Run) -> None:
        """Once: each check, each outage from its first failure to its first success."""
        self.node.send(signal.SIGTERM)
        assert await self.node.ends() == 0
        hits = len(self.it.target.hits)
        ((beats,),) = run("SELECT COUNT(*) FROM heartbeats")
        assert beats == hits
        outages = run(OUTAGES)
        assert len(outages) == len({series for series, *_ in outages}) == MONITORS
        assert outages == run(FAILURES)
        downs = run("SELECT series, start FROM spans WHERE charge = 'down'")
        assert sorted(downs) == [outage[:2] for outage in outages]


async def begun(it: Fleet, url: str = "") -> Story:
    node = await it.start("a", DATABASE_URL=url)
    await it.works(node, hits=2 * MONITORS)
    return Story(it, node)


@pytest.mark.servers
async def test_stopped_and_started_again(tmp_path: Path) -> None:
    with running_postgres() as server:
        name = server.fresh()
        async with fleet(tmp_path, monitors=MONITORS) as it:
            story = await begun(it, server.url(name))
            server.control("stop", "-m", "fast")
            await story.goes_down_and_up_again()
            await story.complains()
            # Nobody is told what might be lost.
            assert "down" not in story.told()
            server.control("start")
            await story.is_well_again()
            assert story.told().count("down") == MONITORS
            await story.was_recorded(partial(server.run, name=name))


@pytest.mark.servers
async def test_slow_for_a_while(postgres: Postgres, tmp_path: Path) -> None:
    name = postgres.fresh()
    async with fleet(tmp_path, monitors=MONITORS) as it:
        proxy: Proxy = await it.nursery.start(Proxy(postgres.port).listen)
        story = await begun(it, postgres.url(name, proxy.listens_on))
        proxy.back = 0.15
        await story.goes_down_and_up_again()
        assert await story.figure("history_errors_total") == 0
        proxy.back = 0.0
        await story.is_well_again()
        assert story.told().count("down") == MONITORS
        await story.was_recorded(partial(postgres.run, name=name))


@pytest.mark.servers
async def test_standing_still_for_a_while(tmp_path: Path) -> None:
    """Its connections are there, and nobody answers."""
    with running_postgres() as server:
        name = server.fresh()
        async with fleet(tmp_path, monitors=MONITORS) as it:
            story = await begun(it, server.url(name))
            with server.standing_still():
                await story.goes_down_and_up_again()
                assert await story.figure("history_queue_depth") > 0
                assert "down" not in story.told()
            await story.is_well_again()
            await story.was_recorded(partial(server.run, name=name))


@pytest.mark.servers
@pytest.mark.parametrize("address", ["one that moves", "both"])
async def test_failed_over_to_a_standby_that_only_reads_until_it_is_promoted(
    tmp_path: Path, address: str
) -> None:
    with running_postgres() as server, server.standby() as standby:
        name = server.fresh()
        async with fleet(tmp_path, monitors=MONITORS) as it:
            proxy: Proxy = await it.nursery.start(Proxy(server.port).listen)
            url = server.url(name, proxy.listens_on)
            if address == "both":
                hosts = f"127.0.0.1:{server.port},127.0.0.1:{standby.port}"
                url = f"postgresql://postgres@{hosts}/{name}?target_session_attrs=read-write"
            story = await begun(it, url)
            # Told to stop, it sends all that it has first.
            server.control("stop", "-m", "fast")
            proxy.port = standby.port
            await story.goes_down_and_up_again()
            await story.complains()
            assert "down" not in story.told()
            if address != "both":
                # What was there before can be read meanwhile.
                shown = await story.node.get("/api/v1/monitors/shop/web-0/heartbeats")
                assert shown.json()["items"]
            standby.control("promote")
            await story.is_well_again()
            assert story.told().count("down") == MONITORS
            await story.was_recorded(partial(standby.run, name=name))


async def test_locked_by_another_process(tmp_path: Path) -> None:
    path = tmp_path / "a" / "history.db"
    async with fleet(tmp_path, monitors=MONITORS) as it:
        story = await begun(it)
        async with python(LOCKS, str(path)):
            await story.goes_down_and_up_again()
            await story.complains()
            assert "down" not in story.told()
        await story.is_well_again()
        assert story.told().count("down") == MONITORS
        await story.was_recorded(partial(rows, path))


async def test_corrupt_at_the_start(tmp_path: Path) -> None:
    """What it was is kept, what is to be watched is in the cluster, and the loss is said."""
    path = tmp_path / "a" / "history.db"
    async with fleet(tmp_path, monitors=MONITORS) as it:
        story = await begun(it)
        # Whose history it is stands in the Lease from its next renewal on.
        await story.until(
            it.lease, lambda lease: HISTORY in lease["metadata"].get("annotations", {})
        )
        story.node.send(signal.SIGTERM)
        assert await story.node.ends() == 0
        path.write_bytes(path.read_bytes()[:8192] + b"\xff" * 40_000)
        before = len(it.target.hits)
        story = await begun(it)
        (aside,) = files(tmp_path / "a", "history.db.broken-*")
        assert aside.stat().st_size == 48_192
        said = await story.node.says("history is broken, moved aside")
        assert said["file"] == str(aside)
        lost = await story.until(
            lambda: it.get(SETTINGS), lambda found: condition(found, "HistoryLost")[0] == "True"
        )
        assert condition(lost, "HistoryWritable")[0] == "True"
        story.node.send(signal.SIGTERM)
        assert await story.node.ends() == 0
        assert rows(path, "SELECT COUNT(*) FROM heartbeats") == [(len(it.target.hits) - before,)]
