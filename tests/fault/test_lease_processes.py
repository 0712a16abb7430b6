"""Real processes, one Lease, and every way to pull them apart: the target sees one at a time.

The ids are of the table of faults. Times are a tenth of what is usual.
"""

import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import trio
from support.fleet import DURATION, FENCE, LEASE, Fleet, Node, fleet
from support.history import rows
from support.program import GROUP, condition, until
from support.proxy import LOST

from kubekuma.kit.boottime import boottime

LOST_STATUS = 75
SETTINGS = f"{GROUP}/kubekumasettings/kubekuma"
# What looks at the Lease and a busy machine add to what must be waited for.
SLACK = 4.0


async def two(it: Fleet, *, same_database: bool = False, **more: Any) -> tuple[Node, Node]:
    """One that leads, and one that waits."""
    first = await it.start("a", **more)
    await first.says("leading")
    second = await it.start("a" if same_database else "b", **more)
    await second.says("on standby")
    await it.works(first)
    return first, second


async def test_l10_a_leader_that_is_killed_is_waited_for_where_it_might_be_alive(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path) as it:
        first, second = await two(it)
        first.send(signal.SIGKILL)
        began = await it.works(second, seconds=DURATION + SLACK + 10)
        gap = began - it.target.hits_of(first.pid)[-1]
        assert DURATION - 2 <= gap <= DURATION + SLACK
        assert it.target.never_two()
        # Its history is another one, and the Lease said which it should have been.
        await until(
            lambda: it.get(SETTINGS), lambda seen: condition(seen, "HistoryLost")[0] == "True"
        )


async def test_l10_on_the_same_disk_a_killed_leader_is_known_to_be_dead(tmp_path: Path) -> None:
    async with fleet(tmp_path) as it:
        first, second = await two(it, same_database=True)
        waits = (await second.get("/ready")).json()["waits"]
        assert waits == {"leadership": f"standby: held by {await it.holder()}"}
        assert (await second.get("/health")).status_code == 200
        metrics = (await second.get("/metrics")).text
        assert "kubekuma_leader 0.0" in metrics
        assert "kubekuma_monitor_up{" not in metrics
        shown = (await second.get("/api/v1/monitors/shop/web-0")).json()
        assert shown["name"] == "web-0"
        first.send(signal.SIGKILL)
        began = await it.works(second)
        assert began - it.target.hits_of(first.pid)[-1] <= 3
        assert "kubekuma_leader 1.0" in (await second.get("/metrics")).text
        assert (await second.get("/ready")).status_code == 200
        # Nor does a restart wait for what was killed.
        second.send(signal.SIGKILL)
        await second.ends()
        third = await it.start("a")
        started = boottime()
        assert await it.works(third) - started <= 3
        assert it.target.never_two()


@pytest.mark.parametrize("same_database", [True, False])
async def test_l11_told_to_stop_it_finishes_releases_last_and_another_begins(
    tmp_path: Path, *, same_database: bool
) -> None:
    async with fleet(tmp_path, monitors=20) as it:
        first, second = await two(it, same_database=same_database)
        # Everything is under way when it is told.
        it.target.seconds = 0.6
        await it.works(first, hits=20)
        first.send(signal.SIGTERM)
        told = boottime()
        began = await it.works(second)
        assert await first.ends() == 0
        assert [line["event"] for line in first.said].count("the Lease is released") == 1
        assert began - told <= 5
        assert it.target.never_two()
        assert (await it.lease())["spec"]["leaseTransitions"] == 1


async def test_l12_without_the_api_server_it_stops_in_time_and_releases_nothing(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path) as it:
        node = await it.start("a")
        await it.works(node)
        holder = await it.holder()
        node.proxy.there = LOST
        node.send(signal.SIGTERM)
        assert await node.ends(seconds=15) == 0
        assert await it.holder() == holder != ""
        # And what it leaves says that its work has ended: the next one need not wait.
        again = await it.start("a")
        await it.works(again, seconds=4)


async def test_l1_a_short_pause_of_the_api_server_is_nothing_and_a_long_one_ends_all_work(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path) as it:
        first, second = await two(it)
        it.api.send_signal(signal.SIGSTOP)
        await trio.sleep(1)
        it.api.send_signal(signal.SIGCONT)
        await it.works(first)
        it.api.send_signal(signal.SIGSTOP)
        paused = boottime()
        assert await first.ends() == LOST_STATUS
        assert it.target.hits_of(first.pid)[-1] - paused <= FENCE
        await trio.sleep(DURATION)
        assert it.target.hits_of(second.pid) == []
        it.api.send_signal(signal.SIGCONT)
        await it.works(second)
        assert it.target.never_two()


@pytest.mark.parametrize("leg", ["there", "back"])
async def test_l2_l3_l4_l15_slow_is_nothing_and_cut_off_ends_it(tmp_path: Path, leg: str) -> None:
    async with fleet(tmp_path) as it:
        # Pods of a StatefulSet have the same name each time.
        first, second = await two(it, pod="kubekuma-0")
        setattr(first.proxy, leg, 0.4)
        await it.works(first, hits=15)
        assert first.status is None
        setattr(first.proxy, leg, LOST)
        cut = boottime()
        assert await first.ends() == LOST_STATUS
        last = it.target.hits_of(first.pid)[-1]
        assert last - cut <= FENCE
        began = await it.works(second, seconds=DURATION + SLACK + 5)
        # Nobody can be earlier than what the last renewal of the other has claimed.
        assert began - last >= DURATION - FENCE - 0.5
        assert it.target.never_two()
        # What was lost can be had again by nobody: not even with a network that works.
        assert any(line["event"] == "leadership is lost" for line in first.said)


async def test_l2_connections_that_break_are_made_anew(tmp_path: Path) -> None:
    async with fleet(tmp_path) as it:
        first, _ = await two(it)
        for _ in range(5):
            await first.proxy.reset()
            await trio.sleep(0.7)
        await it.works(first)
        assert first.status is None


async def test_l9_a_leader_that_stood_still_finds_another_and_does_nothing(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path) as it:
        first, second = await two(it)
        first.send(signal.SIGSTOP)
        await trio.sleep(1.5)
        first.send(signal.SIGCONT)
        await it.works(first)
        first.send(signal.SIGSTOP)
        await it.works(second, seconds=DURATION + SLACK + 5)
        written = heartbeats(tmp_path / "a")
        first.send(signal.SIGCONT)
        assert await first.ends() == LOST_STATUS
        assert it.target.never_two()
        assert heartbeats(tmp_path / "a") == written


async def test_l9_whoever_stands_still_keeps_its_database(tmp_path: Path) -> None:
    async with fleet(tmp_path) as it:
        first, second = await two(it, same_database=True)
        first.send(signal.SIGSTOP)
        await second.says("waiting for the database", seconds=DURATION + SLACK + 5)
        assert it.target.hits_of(second.pid) == []
        assert (await second.get("/ready")).status_code == 503
        first.send(signal.SIGCONT)
        assert await first.ends() == LOST_STATUS
        await it.works(second)
        assert it.target.never_two()


async def test_l13_a_lease_that_people_delete_or_give_away_is_lost_at_once(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path) as it:
        first, second = await two(it)
        await it.edit_lease(leaseDurationSeconds=999_999, renewTime="1970-01-01T00:00:00.000000Z")
        await it.works(first, hits=10)
        assert (await it.lease())["spec"]["leaseDurationSeconds"] == DURATION
        assert (await it.http.delete(LEASE)).status_code == 200
        deleted = boottime()
        assert await first.ends() == LOST_STATUS
        assert it.target.hits_of(first.pid)[-1] - deleted <= 2
        began = await it.works(second, seconds=DURATION + SLACK + 5)
        assert began - deleted >= DURATION - 0.5
        await it.edit_lease(holderIdentity="somebody")
        assert await second.ends() == LOST_STATUS
        assert await it.holder() == "somebody"
        assert it.target.never_two()


async def test_l14_of_three_that_start_together_one_leads(tmp_path: Path) -> None:
    async with fleet(tmp_path) as it:
        nodes = [await it.start(data, wait=False) for data in ("a", "b", "c")]
        for node in nodes:
            await node.until(
                lambda node=node: next(  # type: ignore[misc]
                    (
                        line
                        for line in node.said
                        if line["event"] in {"leading", "on standby"}
                        and "want it too" not in line.get("why", "")
                    ),
                    None,
                ),
                "it settled for nothing",
                seconds=20,
            )
        (leader,) = [
            node for node in nodes if any(line["event"] == "leading" for line in node.said)
        ]
        await it.works(leader, hits=10)
        assert {hit.pid for hit in it.target.hits} == {leader.pid}


async def test_l19_whoever_finds_another_epoch_in_its_database_writes_nothing_more(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path) as it:
        node = await it.start("a")
        await it.works(node, hits=10)
        database = sqlite3.connect(tmp_path / "a" / "history.db")
        with database:
            database.execute("UPDATE leadership SET epoch = epoch + 1, holder = 'a thief'")
        written = heartbeats(tmp_path / "a")
        database.close()
        assert await node.ends() == LOST_STATUS
        assert heartbeats(tmp_path / "a") == written
        (lost,) = [line for line in node.said if line["event"] == "leadership is lost"]
        assert "another process has begun to write" in lost["why"]


async def test_who_may_go_on_does_while_the_api_server_is_away_and_nobody_joins_it(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path, leaderElection={"onApiUnavailable": "Continue"}) as it:
        first, second = await two(it, same_database=True)
        it.api.send_signal(signal.SIGSTOP)
        await first.says("leading with the database alone")
        await trio.sleep(DURATION)
        await it.works(first)
        metrics = (await first.get("/metrics")).text
        assert "kubekuma_lease_degraded 1.0" in metrics
        assert (await first.get("/ready")).status_code == 200
        assert it.target.hits_of(second.pid) == []
        it.api.send_signal(signal.SIGCONT)
        resumed = boottime()
        # One of them has the Lease now: either goes on as it should, or makes room.
        await until(lambda: has_leader(it, resumed), lambda it: it, seconds=DURATION + SLACK + 5)
        assert it.target.never_two()


async def has_leader(it: Fleet, since: float) -> bool:
    for node in it.nodes:
        if node.status is None and it.target.hits_of(node.pid, since):
            text = (await node.get("/metrics")).text
            if "kubekuma_leader 1.0" in text and "kubekuma_lease_degraded 0.0" in text:
                return True
    return False


async def test_two_databases_where_no_single_instance_is_required_work_side_by_side(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path, mode={"singleInstanceRequired": False}) as it:
        first, other = await it.start("a"), await it.start("b")
        third = await it.start("a")
        await third.says("on standby")
        await it.works(first)
        await it.works(other)
        assert (await it.http.get(LEASE)).status_code == 404
        assert it.target.hits_of(third.pid) == []
        first.send(signal.SIGTERM)
        assert await first.ends() == 0
        await it.works(third)


def heartbeats(folder: Path) -> int:
    ((count,),) = rows(folder / "history.db", "SELECT COUNT(*) FROM heartbeats")
    return int(count)
