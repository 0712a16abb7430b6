"""The outbox is emptied: in order, provider by provider, whatever receivers do; in virtual time."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import attrs
import trio
from build import WEB, at
from support.messages import delivery, message
from trio.testing import MockClock

from kubekuma.deliver.send import NotSent, Taken
from kubekuma.deliver.service import AT_ONCE, Deliveries, health_of, run_deliveries
from kubekuma.kit.bell import Bell
from kubekuma.model.alert import Delivery, DeliveryStatus, Message
from kubekuma.model.meta import Key, ObjectMeta
from kubekuma.model.policy import Happening
from kubekuma.model.provider import Provider, ProviderSpec
from kubekuma.validate.decode import decoded

CHAT, PAGER = Key("shop", "chat"), Key("shop", "pager")
UP = Happening.UP


def now() -> datetime:
    return at(trio.current_time())


@attrs.define
class Box:
    """An outbox in memory, and providers that do as they are told."""

    clock: MockClock
    rows: dict[str, Delivery] = attrs.field(factory=dict)
    # What a provider does with a message: returns its receipt, or raises.
    does: dict[Key, Callable[[Message], str | None]] = attrs.field(factory=dict)
    told: list[tuple[float, str, str, str | None]] = attrs.field(factory=list)
    texts: list[str] = attrs.field(factory=list)
    hangs: set[Key] = attrs.field(factory=set)
    seconds: float = 0.0  # how long a provider takes for a message
    under_way: list[str] = attrs.field(factory=list)
    most_at_once: int = 0
    deliveries: Deliveries = attrs.field(factory=Deliveries)
    bell: Bell = attrs.field(factory=Bell)

    async def waiting(self) -> Sequence[tuple[Key, datetime]]:
        await trio.lowlevel.checkpoint()
        waiting: dict[Key, list[Delivery]] = {}
        for each in self.rows.values():
            if each.status is DeliveryStatus.PENDING:
                waiting.setdefault(each.provider, []).append(each)
        return [
            (
                key,
                max(
                    (it.next_at for it in rows if it.attempts),
                    default=min(it.next_at for it in rows),
                ),
            )
            for key, rows in waiting.items()
        ]

    async def due(self, provider: Key, now: datetime, limit: int) -> Sequence[Delivery]:
        await trio.lowlevel.checkpoint()
        mine = [each for each in self.rows.values() if each.provider == provider]
        first = {each.outage: each.receipt for each in reversed(mine) if each.receipt}
        return [
            attrs.evolve(each, answers=first.get(each.outage))
            for each in sorted(mine, key=lambda it: it.created_at)
            if each.status is DeliveryStatus.PENDING and each.next_at <= now
        ][:limit]

    async def lasting(self, provider: Key, together: str) -> int:
        await trio.lowlevel.checkpoint()
        rows = [
            it for it in self.rows.values() if (it.provider, it.together) == (provider, together)
        ]
        over = {each.outage for each in rows if each.message.happening is Happening.UP}
        return len({each.outage for each in rows} - over)

    async def update(self, deliveries: Sequence[Delivery]) -> None:
        await trio.lowlevel.checkpoint()
        self.rows |= {each.id: each for each in deliveries}

    def put(self, id_: str, provider: Key = CHAT, **more: Any) -> None:
        fields: dict[str, Any] = {"created_at": now(), "next_at": now(), "outage": "i1"}
        happening = more.pop("happening", Happening.DOWN)
        told = message(id_, id=id_, happening=happening, monitor=more.pop("monitor", WEB))
        row = delivery(id=id_, provider=provider, message=told, **{**fields, **more})
        self.rows[id_] = row
        self.bell.ring()

    async def tell(self, provider: Provider, told: Message, answers: str | None) -> Taken:
        key = provider.meta.key
        if key in self.hangs:
            await trio.sleep(10)
            raise NotSent(said="it did not answer in time")
        self.under_way.append(told.id)
        self.most_at_once = max(self.most_at_once, len(self.under_way))
        await trio.sleep(self.seconds)
        self.under_way.remove(told.id)
        does = self.does.get(key)
        receipt = does(told) if does is not None else None
        self.told.append((self.clock.current_time(), key.name, told.id, answers))
        self.texts.append(told.text)
        return Taken(said="ok", receipt=receipt)

    def status(self, id_: str) -> DeliveryStatus:
        return self.rows[id_].status


def provider(key: Key) -> Provider:
    config = {"ntfy": {"topic": "t"}} if key is CHAT else {"webhook": {"url": "https://h/"}}
    spec = decoded({"type": next(iter(config)), "config": config}, ProviderSpec)
    return Provider(meta=ObjectMeta(key=key), spec=spec)


@asynccontextmanager
async def at_work(box: Box) -> AsyncIterator[None]:
    known = {key: provider(key) for key in (CHAT, PAGER)}

    async def run() -> None:
        await run_deliveries(
            box,
            known.get,
            tell=box.tell,
            bell=box.bell,
            deliveries=box.deliveries,
            changed=lambda _: None,
            now=now,
        )

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        yield
        nursery.cancel_scope.cancel()


def refusing(error: NotSent, until: float) -> Callable[[Message], str | None]:
    def does(_: Message) -> None:
        if trio.current_time() < until:
            raise error

    return does


async def test_one_that_is_broken_for_23_hours_gets_everything_with_its_age_said(
    autojump_clock: MockClock,
) -> None:
    box = Box(autojump_clock)
    hours = 23 * 3600.0
    box.does[PAGER] = refusing(NotSent(said="it answers 500"), hours)
    async with at_work(box):
        box.put("down", PAGER)
        await trio.sleep(3600)
        box.put("up", PAGER, happening=UP)
        await trio.sleep(hours)
    assert [(name, id_) for _, name, id_, _ in box.told] == [("pager", "down"), ("pager", "up")]
    came_at = box.told[0][0]
    assert hours <= came_at <= hours + 12 * 60
    assert box.texts[0].endswith("This message comes 23 h late.")
    assert box.texts[1].endswith("This message comes 22 h late.")
    assert health_of(box.deliveries, PAGER)["is_healthy"]


async def test_one_that_stays_broken_is_given_up_and_what_is_newer_still_comes(
    autojump_clock: MockClock,
) -> None:
    box = Box(autojump_clock)
    box.does[PAGER] = refusing(NotSent(said="it answers 500"), 26 * 3600.0)
    async with at_work(box):
        box.put("old", PAGER)
        await trio.sleep(3 * 3600)
        box.put("new", PAGER)
        await trio.sleep(24 * 3600)
    assert (box.status("old"), box.status("new")) == (DeliveryStatus.FAILED, DeliveryStatus.SENT)


async def test_whoever_comes_next_keeps_the_order_of_what_was_tried_before(
    autojump_clock: MockClock,
) -> None:
    box = Box(autojump_clock)
    box.does[PAGER] = refusing(NotSent(said="it answers 500", retry_after_seconds=60.0), 1)
    async with at_work(box):
        box.put("down", PAGER)
        await trio.sleep(2)
    # A process that knows nothing of that, and something new.
    async with at_work(box):
        box.put("up", PAGER, happening=UP)
        await trio.sleep(100)
    assert [(when, id_) for when, _, id_, _ in box.told] == [(60.0, "down"), (60.0, "up")]


async def test_a_receiver_says_when_and_is_asked_no_sooner(autojump_clock: MockClock) -> None:
    box = Box(autojump_clock)
    busy = NotSent(said="it answers 429", retry_after_seconds=120.0)
    box.does[CHAT] = refusing(busy, 1)
    async with at_work(box):
        box.put("a")
        box.put("b")
        await trio.sleep(200)
    assert [(when, id_) for when, _, id_, _ in box.told] == [(120.0, "a"), (120.0, "b")]
    assert box.deliveries.failed == {CHAT: 1}


async def test_what_is_refused_for_good_holds_up_nothing(autojump_clock: MockClock) -> None:
    box = Box(autojump_clock)

    def does(told: Message) -> None:
        if told.id == "bad":
            raise NotSent(said="it answers 400", lasting=True)

    box.does[CHAT] = does
    async with at_work(box):
        box.put("bad")
        box.put("good")
        await trio.sleep(1)
    assert (box.status("bad"), box.status("good")) == (DeliveryStatus.FAILED, DeliveryStatus.SENT)
    assert box.rows["bad"].error == "it answers 400"


async def test_one_that_hangs_holds_up_no_other(autojump_clock: MockClock) -> None:
    box = Box(autojump_clock)
    box.hangs.add(CHAT)
    async with at_work(box):
        for number in range(20):
            box.put(f"c{number}")
            box.put(f"p{number}", PAGER)
        await trio.sleep(1)
        assert len([each for each in box.told if each[1] == "pager"]) == 20
        box.hangs.clear()
        await trio.sleep(60)
    assert {each.status for each in box.rows.values()} == {DeliveryStatus.SENT}


async def test_a_receiver_with_keys_gets_several_at_once_and_of_each_monitor_one_by_one(
    autojump_clock: MockClock,
) -> None:
    box = Box(autojump_clock, seconds=1.0)
    async with at_work(box):
        for number in range(2 * AT_ONCE):
            web = Key("shop", f"web{number}")
            box.put(f"down{number}", PAGER, outage=f"i{number}", monitor=web)
            box.put(f"up{number}", PAGER, outage=f"i{number}", monitor=web, happening=UP)
        await trio.sleep(20)
    # The first monitor's by themselves, and then those of all others.
    assert (len(box.told), box.told[-1][0]) == (4 * AT_ONCE, 6.0)
    assert box.most_at_once == AT_ONCE
    told = [id_ for _, _, id_, _ in box.told]
    for number in range(2 * AT_ONCE):
        assert told.index(f"down{number}") < told.index(f"up{number}")


async def test_people_get_one_after_another(autojump_clock: MockClock) -> None:
    box = Box(autojump_clock, seconds=1.0)
    async with at_work(box):
        for number in range(3):
            box.put(f"m{number}", outage=f"i{number}", monitor=Key("shop", f"web{number}"))
        await trio.sleep(20)
    assert [(when, id_) for when, _, id_, _ in box.told] == [(1.0, "m0"), (2.0, "m1"), (3.0, "m2")]
    assert box.most_at_once == 1


async def test_what_one_does_not_take_is_told_before_what_is_newer_of_any_monitor(
    autojump_clock: MockClock,
) -> None:
    box = Box(autojump_clock, seconds=1.0)
    busy = NotSent(said="it answers 503", retry_after_seconds=30.0)

    def does(told: Message) -> None:
        if trio.current_time() < 20 and told.id not in {"down0", "up0"}:
            raise busy

    box.does[PAGER] = does
    async with at_work(box):
        for number in range(2 * AT_ONCE):
            web = Key("shop", f"web{number}")
            box.put(f"down{number}", PAGER, outage=f"i{number}", monitor=web)
            box.put(f"up{number}", PAGER, outage=f"i{number}", monitor=web, happening=UP)
        await trio.sleep(20)
        # Those under way were refused, and nobody else was sent in their stead.
        assert len(box.told) == 2
        assert box.deliveries.failed == {PAGER: AT_ONCE}
        await trio.sleep(60)
    told = [id_ for _, _, id_, _ in box.told]
    assert len(told) == 4 * AT_ONCE
    for number in range(2 * AT_ONCE):
        assert told.index(f"down{number}") < told.index(f"up{number}")


async def test_what_comes_later_answers_what_came_first(autojump_clock: MockClock) -> None:
    box = Box(autojump_clock)
    box.does[CHAT] = lambda told: f"r-{told.id}"
    async with at_work(box):
        box.put("down")
        box.put("up", happening=UP)
        box.put("other", outage="i2")
        await trio.sleep(1)
        box.put("again", happening=UP)
        await trio.sleep(1)
    assert [(id_, answers) for _, _, id_, answers in box.told] == [
        ("down", None),
        ("up", "r-down"),
        ("other", None),
        ("again", "r-down"),
    ]


async def test_many_in_one_answer_nothing_and_are_answered_by_nothing(
    autojump_clock: MockClock,
) -> None:
    box = Box(autojump_clock)
    box.does[CHAT] = lambda told: f"r-{told.id}"
    async with at_work(box):
        wait = now() + timedelta(seconds=5)
        for number in range(6):
            box.put(f"m{number}", outage=f"i{number}", next_at=wait)
        await trio.sleep(10)
        box.put("over", outage="i3", happening=UP)
        # After so many at once people hear once a minute.
        await trio.sleep(50)
        assert len(box.told) == 1
        await trio.sleep(10)
    assert [answers for *_, answers in box.told] == [None, None]


async def test_a_test_is_never_one_of_many(autojump_clock: MockClock) -> None:
    box = Box(autojump_clock)
    async with at_work(box):
        tried = attrs.evolve(message("test", id="test"), is_test=True)
        for number in range(6):
            box.put(f"m{number}", next_at=now() + timedelta(seconds=5))
        box.rows["test"] = delivery(id="test", outage="test:u", provider=CHAT, message=tried)
        await trio.sleep(10)
    assert sorted(id_ for _, _, id_, _ in box.told) == ["m0+6", "test"]
    assert box.deliveries.last_test_at[CHAT] is not None


async def test_who_was_away_hears_of_an_outage_that_ended_meanwhile_in_one_message(
    autojump_clock: MockClock,
) -> None:
    box = Box(autojump_clock)
    box.does[CHAT] = refusing(NotSent(said="it answers 500"), trio.current_time() + 3 * 3600.0)
    box.does[PAGER] = box.does[CHAT]
    async with at_work(box):
        for key in (CHAT, PAGER):
            box.put(f"down-{key.name}", key)
        await trio.sleep(40 * 60)
        for key in (CHAT, PAGER):
            box.put(f"up-{key.name}", key, happening=UP)
        await trio.sleep(4 * 3600)
    assert [id_ for _, who, id_, _ in box.told if who == CHAT.name] == ["up-chat"]
    # Who keeps alerts gets both, in order.
    assert [id_ for _, who, id_, _ in box.told if who == PAGER.name] == ["down-pager", "up-pager"]
    assert box.status("down-chat") is DeliveryStatus.JOINED
    late = next(text for text in box.texts if "late" in text)
    assert late.endswith(" late.")
