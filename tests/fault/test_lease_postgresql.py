"""Real processes with one PostgreSQL between them: a standby that needs no disk of anybody's.

As in test_lease_processes.py, times are a tenth of what is usual.
"""

import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.fleet import DURATION, Fleet, Node, fleet
from support.postgresql import Postgres, postgres

from kubekuma.kit.boottime import boottime

__all__ = ["postgres"]

pytestmark = pytest.mark.servers

LOST_STATUS = 75
SLACK = 4.0


async def two(it: Fleet, url: str) -> tuple[Node, Node]:
    """One that leads, and one that waits."""
    first = await it.start("a", DATABASE_URL=url)
    await first.says("leading")
    second = await it.start("b", DATABASE_URL=url)
    await second.says("on standby")
    await it.works(first)
    return first, second


def written_until(server: Postgres, name: str, moment: datetime) -> set[tuple[object, ...]]:
    """The checks until ``moment`` of which there is a heartbeat."""
    milliseconds = round(moment.timestamp() * 1000)
    return {*server.run(f"SELECT series, at FROM heartbeats WHERE at <= {milliseconds}", name)}  # noqa: S608 - a number


async def test_a_clean_release_is_taken_over_at_once_with_all_its_history(
    postgres: Postgres, tmp_path: Path
) -> None:
    name = postgres.fresh()
    async with fleet(tmp_path) as it:
        first, second = await two(it, postgres.url(name))
        shown = (await second.get("/api/v1/monitors/shop/web-0")).json()
        assert shown["name"] == "web-0"
        # It does not lead, and could.
        assert (await second.get("/ready")).status_code == 503
        for node in (first, second):
            assert (await node.get("/ready?standby=true")).status_code == 200
        first.send(signal.SIGTERM)
        told = boottime()
        assert await it.works(second) - told <= 5
        assert await first.ends() == 0
        assert it.target.never_two()
        ((epoch, holder),) = postgres.run("SELECT epoch, holder FROM leadership", name)
        assert (epoch, str(holder).startswith("pod-1")) == (2, True)
        ((series,),) = postgres.run("SELECT COUNT(*) FROM series", name)
        assert series == 5


async def test_after_a_crash_nobody_waits_for_longer_than_the_lease_lasts(
    postgres: Postgres, tmp_path: Path
) -> None:
    async with fleet(tmp_path) as it:
        first, second = await two(it, postgres.url(postgres.fresh()))
        first.send(signal.SIGKILL)
        began = await it.works(second, seconds=DURATION + SLACK + 10)
        gap = began - it.target.hits_of(first.pid)[-1]
        # Where the process was, nobody here can know: it may be alive.
        assert DURATION - 2 <= gap <= DURATION + SLACK
        assert it.target.never_two()


async def test_whoever_stands_still_is_evicted_and_writes_nothing_more(
    postgres: Postgres, tmp_path: Path
) -> None:
    name = postgres.fresh()
    async with fleet(tmp_path) as it:
        first, second = await two(it, postgres.url(name))
        first.send(signal.SIGSTOP)
        stopped = datetime.now(UTC)
        await it.works(second, seconds=DURATION + SLACK + 10)
        before = written_until(postgres, name, stopped)
        first.send(signal.SIGCONT)
        assert await first.ends() == LOST_STATUS
        assert it.target.never_two()
        ((epoch, holder),) = postgres.run("SELECT epoch, holder FROM leadership", name)
        assert (epoch, str(holder).startswith("pod-1")) == (2, True)
        await it.works(second)
        # All that it had under way was of checks until then.
        assert before
        assert written_until(postgres, name, stopped) == before


async def test_two_that_hold_different_leases_do_not_write_to_one_database(
    postgres: Postgres, tmp_path: Path
) -> None:
    url = postgres.url(postgres.fresh())
    async with fleet(tmp_path) as it:
        first = await it.start("a", DATABASE_URL=url)
        await it.works(first)
        other = await it.start("b", DATABASE_URL=url, KUBE_NAMESPACE="default")
        await other.says("waiting for the database")
        await it.works(first, hits=10)
        assert it.target.hits_of(other.pid) == []
        assert first.status is None


async def test_without_its_database_it_waits_and_says_so_and_begins_when_it_is_there(
    tmp_path: Path, postgres: Postgres
) -> None:
    name = "later" + postgres.fresh()
    async with fleet(tmp_path) as it:
        node = await it.start("a", DATABASE_URL=postgres.url(name))
        await node.says("waiting for the database")
        for path in ("/ready", "/ready?standby=true"):
            answer = await node.get(path)
            assert answer.status_code == 503
            assert name in answer.text
        assert (await node.get("/health")).status_code == 200
        postgres.run(f"CREATE DATABASE {name}")
        await it.works(node)
        assert (await node.get("/ready")).status_code == 200
