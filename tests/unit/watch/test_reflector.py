"""Whatever an API server does, the cache follows, and never in haste (I1 to I21)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from fakes.api_server import Cut, FakeApi, expired
from structlog.testing import capture_logs
from support.fault import at_every_cancellation
from support.followed import Copy, following
from trio.testing import MockClock, wait_all_tasks_blocked

from kubekuma.kube.errors import KubeError, Refused, Unreachable
from kubekuma.model.meta import Key
from kubekuma.watch.reflector import SILENCE_SECONDS, run_reflector
from kubekuma.watch.sync import Sync

A, B, C = (Key("ns", name) for name in "abc")


@pytest.fixture
def api() -> FakeApi:
    api = FakeApi()
    api.create(A, size=1)
    api.create(B, size=1)
    return api


async def test_what_there_is_and_what_happens_is_followed(
    api: FakeApi, autojump_clock: MockClock
) -> None:
    async with following(api) as it:
        assert it.same()
        api.create(C, size=1)
        api.update(A, size=2)
        api.delete(B)
        await wait_all_tasks_blocked()
        assert it.same()
        assert it.copy.told == [
            ("put", "a"),
            ("put", "b"),
            ("put", "c"),
            ("put", "a"),
            ("remove", "b"),
        ]
        assert (it.sync.lists, it.sync.watches, it.sync.errors) == (1, 1, 0)
        assert autojump_clock.current_time() == 0


async def test_a_quiet_half_hour_asks_for_no_second_list(
    api: FakeApi, autojump_clock: MockClock
) -> None:
    """I14: bookmarks carry the version along, past a compaction."""
    async with following(api, chance=0.5) as it:
        for number in range(25):
            for _ in range(10):
                api.version += 1  # something happens to other objects of the server
            api.oldest = api.version - 20
            await trio.sleep(60)
            if number == 15:
                api.update(A, size=2)
        await wait_all_tasks_blocked()
        assert it.same()
        assert it.sync.lists == 1
        asked = [each for each in api.asked if each.what == "watch"]
        assert len(asked) == 4  # 450 seconds each
        assert all(each.parameters["allowWatchBookmarks"] == "true" for each in asked)
        assert all(each.parameters["timeoutSeconds"] == "450" for each in asked)
        assert autojump_clock.current_time() == 1500


async def test_what_was_never_told_is_found_by_a_list_now_and_then(
    api: FakeApi, autojump_clock: MockClock
) -> None:
    async with following(api, chance=0.5) as it:
        await trio.sleep(60)
        api.objects[C] = {**api.objects[A], "metadata": {"namespace": "ns", "name": "c"}}
        await trio.sleep(1700)
        assert C not in it.copy.objects
        await trio.sleep(600)
        assert it.same()
        assert it.sync.lists == 2
        assert autojump_clock.current_time() == 2360


@pytest.mark.parametrize("in_stream", [True, False])
async def test_a_version_too_old_is_listed_anew(
    api: FakeApi, autojump_clock: MockClock, *, in_stream: bool
) -> None:
    """I1, I2, I5, I6: and what was deleted or made anew meanwhile is noticed."""
    api.expired_in_stream = in_stream
    api.watch_faults.append(Cut("silence"))
    async with following(api) as it:
        api.delete(A)
        api.delete(B)
        api.create(B, size=7)
        api.compact()
        await trio.sleep(SILENCE_SECONDS + 10)
        assert it.same()
        assert it.copy.objects[B]["metadata"]["uid"] == "u3"
        assert ("remove", "a") in it.copy.told
        assert it.sync.lists == 2
        assert it.sync.error == ""
        assert autojump_clock.current_time() == SILENCE_SECONDS + 10


async def test_a_list_that_expires_between_its_pages_is_begun_anew_and_deletes_nothing(
    autojump_clock: MockClock,
) -> None:
    """I3, I7: ten thousand objects, and a compaction in the middle."""
    api = FakeApi()
    for number in range(1200):
        api.create(Key("ns", f"m{number}"), size=number)
    pages = 0

    def compact_once() -> None:
        nonlocal pages
        pages += 1
        if pages == 2:
            api.create(Key("ns", "late"), size=0)
            api.compact()

    api.between_pages = compact_once
    async with following(api) as it:
        await trio.sleep(5)
        assert it.same()
        assert all(kind == "put" for kind, _ in it.copy.told)
        assert it.copy.complete == 1
        assert [each.parameters.get("continue") for each in api.asked if each.what == "list"] == [
            None,
            "after-1200",
            "after-700",
            None,
            "after-1201",
            "after-701",
        ]
        assert autojump_clock.current_time() == 5


@pytest.mark.parametrize("where", ["list", "watch", "stream"])
async def test_endless_expiry_backs_off(
    api: FakeApi, autojump_clock: MockClock, where: str
) -> None:
    """I4: one client did 506 requests in two seconds."""
    if where == "list":
        api.list_faults.extend([expired()] * 1000)
    elif where == "watch":
        api.watch_faults.extend([expired()] * 1000)
    else:
        api.watch_faults.extend([Cut(410)] * 1000)
    async with following(api):
        await trio.sleep(10)
        assert 3 <= api.count("list") <= 5
        assert api.count("watch") <= 4
        await trio.sleep(600)
        began = autojump_clock.current_time()
        await trio.sleep(300)
        assert 8 <= api.count("list", since=began) <= 11


async def test_a_stream_that_breaks_goes_on_where_it_broke(
    api: FakeApi, autojump_clock: MockClock
) -> None:
    """I8: half a line, then a reset."""
    api.watch_faults.append(Cut("reset", events=2))
    async with following(api) as it:
        api.update(A, size=2)
        api.update(A, size=3)
        api.update(A, size=4)
        await trio.sleep(2)
        assert it.same()
        assert it.sync.lists == 1
        first, second = (each for each in api.asked if each.what == "watch")
        assert (
            int(second.parameters["resourceVersion"])
            == int(first.parameters["resourceVersion"]) + 2
        )
        # Each was told once: nothing was lost, and nothing was said twice.
        assert it.copy.told[2:] == [("put", "a")] * 3
        assert autojump_clock.current_time() == 2


async def test_a_server_that_falls_silent_is_asked_again(
    api: FakeApi, autojump_clock: MockClock
) -> None:
    """I9: the connection is there, and nobody at its other end."""
    api.watch_faults.append(Cut("silence"))
    async with following(api) as it:
        api.update(A, size=2)
        await trio.sleep(SILENCE_SECONDS - 1)
        assert not it.same()
        await trio.sleep(3)
        assert it.same()
        assert autojump_clock.current_time() == SILENCE_SECONDS + 2


@pytest.mark.parametrize("code", [500, 503, 504, 429])
async def test_an_error_that_passes_costs_no_list(
    api: FakeApi, autojump_clock: MockClock, code: int
) -> None:
    """I11: etcd elects a leader, or the server is busy."""
    api.watch_faults.extend([Cut(code), Refused(code, "Odd", "not now")])
    async with following(api) as it:
        api.update(A, size=2)
        await trio.sleep(5)
        assert it.same()
        assert (it.sync.lists, it.sync.watches, it.sync.errors) == (1, 3, 2)
        assert autojump_clock.current_time() == 5


async def test_an_error_that_does_not_pass_is_listed_anew_in_the_end(
    api: FakeApi, autojump_clock: MockClock
) -> None:
    api.watch_faults.extend([Cut(500)] * 8)
    async with following(api) as it:
        await trio.sleep(300)
        assert it.sync.lists >= 2
        assert it.same()
        assert it.sync.error == ""
        assert autojump_clock.current_time() == 300


async def test_who_asks_for_patience_gets_it_and_not_for_ever(
    api: FakeApi, autojump_clock: MockClock
) -> None:
    """I12: Retry-After, also an absurd one."""
    api.watch_faults.extend(
        [
            Refused(429, "TooManyRequests", "later", retry_after_seconds=17),
            Refused(429, "TooManyRequests", "later"),
            Refused(429, "TooManyRequests", "later", retry_after_seconds=1e12),
        ]
    )
    async with following(api) as it:
        await trio.sleep(100)
        times = [each.at for each in api.asked if each.what == "watch"]
        assert times == [0, 17, 17 + 1.6, 17 + 1.6 + 60]
        assert it.sync.lists == 1
        assert autojump_clock.current_time() == 100


@pytest.mark.parametrize("code", [401, 403, 404])
async def test_what_is_forbidden_or_not_installed_is_tried_quietly_until_it_is(
    api: FakeApi, autojump_clock: MockClock, code: int
) -> None:
    """I13: said once, never fatal, and what was known stays known."""
    with capture_logs() as logs:
        async with following(api) as it:
            api.always = Refused(code, "No", "not for you")
            api.delete(A)  # and nobody sees it: the watch that is open goes on until it ends
            await trio.sleep(3600)
            tried = api.count("list", since=600)
            assert 80 <= tried <= 110
            assert B in it.copy.objects
            assert "not for you" in it.sync.error
            api.always = None
            await trio.sleep(60)
            assert it.same()
            assert it.sync.error == ""
    assert [each["log_level"] for each in logs] == ["warning", "info"]
    assert autojump_clock.current_time() == 3660


async def test_a_server_that_hangs_up_all_the_time_is_not_pestered(
    api: FakeApi, autojump_clock: MockClock
) -> None:
    """I15: five times a second, with something to say each time."""
    api.watch_faults.extend([Cut("end", seconds=0.2)] * 1000)
    async with following(api) as it:
        await trio.sleep(10)
        assert api.count("watch") <= 6
        api.watch_faults.clear()
        api.update(A, size=2)
        await trio.sleep(40)
        assert it.same()
        assert it.sync.lists == 1
        assert autojump_clock.current_time() == 50


async def test_a_server_from_a_backup_that_says_so_is_listed_anew(
    api: FakeApi, autojump_clock: MockClock
) -> None:
    """I17: versions from a future that never was."""
    backup = api.backup()
    api.watch_faults.append(Cut("silence"))
    api.knows_the_future = True
    async with following(api) as it:
        api.create(C, size=1)
        await trio.sleep(1)
        api.restore(backup)
        api.update(B, size=9)
        await trio.sleep(SILENCE_SECONDS + 5)
        assert it.same()
        assert C not in it.copy.objects
        assert autojump_clock.current_time() == SILENCE_SECONDS + 6


async def test_a_server_from_a_backup_is_known_by_versions_that_go_back(
    api: FakeApi, autojump_clock: MockClock
) -> None:
    backup = api.backup()
    async with following(api) as it:
        for number in range(20):
            api.create(Key("ns", f"lost{number}"), size=1)
        await wait_all_tasks_blocked()
        assert it.same()
        api.restore(backup)
        api.bookmarks = lambda _: api.version
        await trio.sleep(65)
        assert it.same()
        assert it.sync.lists == 2
        assert autojump_clock.current_time() == 65


async def test_a_server_from_a_backup_that_says_nothing_is_found_out_after_an_outage(
    api: FakeApi, autojump_clock: MockClock
) -> None:
    backup = api.backup()
    async with following(api) as it:
        api.create(C, size=1)
        await wait_all_tasks_blocked()
        api.always = Unreachable("refused")
        api.watch_faults.clear()
        await trio.sleep(900)
        api.restore(backup)
        api.always = None
        await trio.sleep(120)
        assert it.same()
        assert autojump_clock.current_time() == 1020


async def test_a_server_that_is_away_is_awaited_without_haste_and_without_a_second_list(
    api: FakeApi, autojump_clock: MockClock
) -> None:
    api.watch_faults.extend([Cut("end", seconds=5), *[Unreachable("refused")] * 3])
    with capture_logs() as logs:
        async with following(api) as it:
            await trio.sleep(4)
            api.update(A, size=2)
            await trio.sleep(10)
            assert it.same()
            assert it.sync.lists == 1
            assert it.sync.errors == 3
    assert [each["event"] for each in logs] == [
        "the API server cannot be followed",
        "following the API server again",
    ]
    assert autojump_clock.current_time() == 14


async def test_doubled_and_disordered_objects_of_a_list_do_no_harm(
    api: FakeApi, autojump_clock: MockClock
) -> None:
    """I18: what is told twice is the same twice."""
    api.happened.append((api.version + 1, "ADDED", dict(api.objects[A])))
    api.happened.append((api.version + 2, "ADDED", dict(api.objects[A])))
    async with following(api) as it:
        await trio.sleep(120)
        assert it.same()
        assert it.copy.told.count(("put", "a")) >= 2
        assert autojump_clock.current_time() == 120


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"items": None, "metadata": None},
        {"items": [None, 1, {}, {"metadata": None}, {"metadata": {"name": ""}}], "metadata": {}},
    ],
)
async def test_a_list_of_nothing_is_an_empty_one(
    autojump_clock: MockClock, page: dict[str, Any]
) -> None:
    copy, sync = Copy(), Sync(kind="Thing")

    class Odd(FakeApi):
        async def page(self, parameters: Any) -> Any:
            await super().page(parameters)
            return page

        @asynccontextmanager
        async def watch(self, parameters: Any, *, silence_seconds: float) -> AsyncIterator[Any]:
            if "sendInitialEvents" in parameters:
                raise Refused(422, "Invalid", "sendInitialEvents: Forbidden")
            await trio.sleep(silence_seconds)
            raise Unreachable("silent")
            yield

    with trio.move_on_after(5):
        await run_reflector(Odd(), copy, sync)
    assert (copy.objects, copy.complete) == ({}, 1)
    assert autojump_clock.current_time() == 5


async def test_cancelled_at_any_step_its_watch_is_closed(autojump_clock: MockClock) -> None:
    async def attempt() -> None:
        api, copy = FakeApi(), Copy()
        api.create(A, size=1)
        faults: list[KubeError | Cut] = [Cut("reset", events=0), Cut(500), Cut(410)]
        api.watch_faults.extend(faults)
        try:
            with trio.move_on_after(20):
                await run_reflector(api, copy, Sync(kind="Thing"), chance=lambda: 0.0)
        finally:
            assert api.watching == 0
            assert set(copy.objects) <= {A}

    assert await at_every_cancellation(attempt) > 10
    assert autojump_clock.current_time() > 20
