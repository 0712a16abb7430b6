"""The feed: a bounded past, and followers who cannot make it grow."""

import pytest
import trio

from kubekuma.standalone.feed import BUFFERED_CHANGES, Change, Feed, Key, Stored


def change(revision: int) -> Change:
    version = Stored(
        key=Key("", str(revision)), revision=revision, api_version="v1", labels={}, data=b"{}"
    )
    return Change(type="ADDED", before=None, after=version)


def test_remembers_the_last_changes_only() -> None:
    feed = Feed(10, 3)
    for revision in (11, 13, 15):
        feed.publish(change(revision))
    assert feed.compacted == 10
    assert [each.revision for each in feed.since(10)] == [11, 13, 15]
    feed.publish(change(17))
    assert feed.compacted == 11
    assert [each.revision for each in feed.since(12)] == [13, 15, 17]
    assert feed.since(17) == []
    assert feed.since(99) == []


async def test_a_follower_sees_what_happens_from_then_on() -> None:
    feed = Feed(0, 10)
    feed.publish(change(1))
    with feed.following() as changes:
        feed.publish(change(2))
        assert (await changes.receive()).revision == 2
        with pytest.raises(trio.WouldBlock):
            changes.receive_nowait()
    feed.publish(change(3))


async def test_a_follower_that_does_not_read_is_cut_off_after_what_it_can_hold() -> None:
    feed = Feed(0, 10)
    with feed.following() as lazy, feed.following() as eager:
        for revision in range(BUFFERED_CHANGES + 1):
            feed.publish(change(revision))
            assert (await eager.receive()).revision == revision
        seen = [each.revision async for each in lazy]
        assert seen == list(range(BUFFERED_CHANGES))
        feed.publish(change(9999))
        assert (await eager.receive()).revision == 9999


async def test_closing_ends_all_followers_also_those_to_come() -> None:
    feed = Feed(0, 10)
    with feed.following() as early:
        feed.publish(change(1))
        feed.close()
        assert [each.revision async for each in early] == [1]
    with feed.following() as late:
        assert [each async for each in late] == []
