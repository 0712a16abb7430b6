"""One key at a time: the agenda, what is checked and the conditions follow from what is seen."""

from typing import Any

import attrs
import trio
from build import WEB, at, document
from support.fault import at_every_cancellation
from support.world import Cluster

from kubekuma.model.kinds import MONITOR
from kubekuma.model.meta import Condition, Key, SecretKeyRef, Truth
from kubekuma.model.monitor import Monitor
from kubekuma.model.order import Drop, Enrol, Pause
from kubekuma.model.order import Plan as Order
from kubekuma.model.settings import SETTINGS_NAME, Settings, SettingsSpec
from kubekuma.reconcile.worker import (
    AGAIN_SECONDS,
    Effects,
    Verdicts,
    became_invalid,
    reconcile_monitor,
    reconcile_settings,
    settings_in_force,
)
from kubekuma.watch.cache import Cache

SETTINGS_KEY = Key("", SETTINGS_NAME)
INVALID: dict[str, Any] = {"target": {"http": {"url": "no url"}}}
WITH_SECRETS: dict[str, Any] = {
    "target": {
        "http": {
            "url": "http://192.0.2.1/",
            "headers": [
                {"name": "A", "valueFromSecretRef": {"name": "login", "key": "a"}},
                {"name": "B", "valueFromSecretRef": {"name": "login", "key": "b"}},
            ],
        }
    }
}


def settings_document(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "monitoring.kubekuma.io/v1",
        "kind": "KubeKumaSettings",
        "metadata": {"name": SETTINGS_NAME, "uid": "s1", "generation": 1},
        "spec": spec,
    }


@attrs.define
class World:
    """Everything that a reconcile touches, and what became of it."""

    secrets: set[str] = attrs.field(factory=set)
    asked: list[str] = attrs.field(factory=list)
    missing: str | None = None
    orders: list[Order] = attrs.field(factory=list)
    published: list[Verdicts] = attrs.field(factory=list)
    in_force: SettingsSpec = attrs.field(factory=SettingsSpec)
    again: list[tuple[str, Key, float]] = attrs.field(factory=list)
    held: list[tuple[str, Key, bool]] = attrs.field(factory=list)
    running: dict[Key, Monitor] = attrs.field(factory=dict)
    forgotten: list[tuple[str, Key]] = attrs.field(factory=list)
    cluster: Cluster = attrs.field(factory=Cluster)

    @property
    def monitors(self) -> Cache[Monitor]:
        return self.cluster.caches["Monitor"]

    @property
    def settings(self) -> Cache[Settings]:
        return self.cluster.caches["KubeKumaSettings"]

    async def _secret(self, namespace: str, ref: SecretKeyRef) -> bytes | None:
        await trio.lowlevel.checkpoint()
        self.asked.append(f"{namespace}/{ref.name}/{ref.key}")
        return b"x" if ref.key in self.secrets else None

    async def _order(self, order: Order) -> None:
        await trio.lowlevel.checkpoint()
        self.orders.append(order)

    def _configure(self, spec: SettingsSpec) -> bool:
        changed = spec != self.in_force
        self.in_force = spec
        return changed

    def effects(self) -> Effects:
        return Effects(
            world=self.cluster.world,
            running=self.running,
            secret=self._secret,
            missing_checker=lambda _: self.missing,
            order=self._order,
            publish=self.published.append,
            forget=lambda kind, key: self.forgotten.append((kind, key)),
            holds=lambda kind, key, selects, _: self.held.append((kind, key, selects is not None)),
            settings_changed=self._configure,
            health=lambda: (
                Condition(type="HistoryWritable", status=Truth.TRUE, reason="Written"),
            ),
            again_after=lambda kind, key, seconds: self.again.append((kind, key, seconds)),
            now=lambda: at(0),
        )

    async def reconcile(self) -> None:
        await reconcile_monitor(WEB, self.effects())

    def said(self) -> dict[str, tuple[str, str]]:
        return {
            each.type: (each.status.value, each.reason) for each in self.published[-1].conditions
        }


async def test_a_valid_monitor_is_enrolled_and_checked_as_it_is() -> None:
    world = World()
    world.monitors.put(document("web"))
    await world.reconcile()
    (order,) = world.orders
    assert isinstance(order, Enrol)
    assert world.running[WEB].meta.uid == "u1"
    assert world.said()["Ready"] == ("True", "Scheduled")
    assert world.again == []


async def test_doing_it_again_does_the_same_again() -> None:
    world = World()
    world.monitors.put(document("web"))
    for _ in range(3):
        await world.reconcile()
    assert len(set(world.orders)) == 1
    assert len({each.conditions for each in world.published}) == 1


async def test_what_is_gone_is_dropped_checked_no_more_and_not_spoken_of() -> None:
    world = World()
    world.monitors.put(document("web"))
    await world.reconcile()
    world.monitors.remove(WEB)
    await world.reconcile()
    assert world.orders[-1] == Drop(key=WEB)
    assert world.running == {}
    assert len(world.published) == 1
    assert world.forgotten == [("Monitor", WEB)]


async def test_a_pause_keeps_what_is_known_of_the_monitor() -> None:
    world = World()
    world.monitors.put(document("web", enabled=False))
    await world.reconcile()
    assert world.orders == [Pause(key=WEB)]
    assert WEB in world.running


async def test_an_invalid_edit_leaves_the_last_valid_form_running() -> None:
    world = World()
    world.monitors.put(document("web", displayName="valid"))
    await world.reconcile()
    world.monitors.put(document("web", generation=2, **INVALID))
    await world.reconcile()
    first, second = world.orders
    assert first == second
    assert world.running[WEB].spec.display_name == "valid"
    assert world.said()["Ready"] == ("False", "InvalidSpec")
    assert world.published[-1].generation == 2
    # Another object under its name begins with nothing.
    world.monitors.put(document("web", uid="u2", generation=1, **INVALID))
    await world.reconcile()
    assert world.orders[-1] == Drop(key=WEB)
    assert world.running == {}


async def test_an_invalid_edit_does_not_make_up_a_checker() -> None:
    world = World(missing="type udp")
    world.monitors.put(document("web"))
    world.monitors.put(document("web", generation=2, **INVALID))
    await world.reconcile()
    assert world.orders == [Drop(key=WEB)]
    assert world.said()["Reconciled"] == ("Unknown", "InvalidSpec")


async def test_every_secret_is_asked_for_once_and_looked_at_again() -> None:
    world = World(secrets={"a"})
    world.monitors.put(document("web", **WITH_SECRETS))
    await world.reconcile()
    assert sorted(world.asked) == ["shop/login/a", "shop/login/b"]
    assert world.said()["Ready"] == ("False", "SecretMissing")
    assert "key b" in world.published[-1].conditions[-1].message
    assert "key a" not in world.published[-1].conditions[-1].message
    assert isinstance(world.orders[-1], Enrol)
    world.secrets.add("b")
    await world.reconcile()
    assert world.said()["Ready"] == ("True", "Scheduled")
    # What is there may go: it is looked at again as well.
    assert world.again == [(MONITOR.name, WEB, AGAIN_SECONDS)] * 2


async def test_other_settings_have_every_monitor_looked_at_again() -> None:
    world = World()
    for name in ("web", "mail"):
        world.monitors.put(document(name))
    world.settings.put(settings_document(scheduler={"minIntervalSeconds": 90}))
    await reconcile_settings(SETTINGS_KEY, world.effects())
    assert world.in_force.scheduler.min_interval_seconds == 90
    assert {key.name for _, key, _ in world.again} == {"web", "mail"}
    assert {seconds for *_, seconds in world.again} == {0.0}
    assert set(world.said()) == {"Valid", "Reconciled", "Ready", "HistoryWritable"}
    await world.reconcile()
    assert world.said()["Valid"] == ("False", "InvalidSpec")
    world.again.clear()
    await reconcile_settings(SETTINGS_KEY, world.effects())
    assert world.again == []


async def test_invalid_settings_leave_the_last_valid_ones_in_force_and_none_the_defaults() -> None:
    world = World()
    world.settings.put(settings_document(scheduler={"minIntervalSeconds": 90}))
    broken = settings_document(scheduler={"minIntervalSeconds": 0})
    broken["metadata"]["generation"] = 2
    world.settings.put(broken)
    await reconcile_settings(SETTINGS_KEY, world.effects())
    assert world.in_force.scheduler.min_interval_seconds == 90
    assert world.said()["Ready"] == ("False", "InvalidSpec")
    world.settings.remove(SETTINGS_KEY)
    published = len(world.published)
    await reconcile_settings(SETTINGS_KEY, world.effects())
    assert world.in_force == settings_in_force(world.settings) == SettingsSpec()
    assert len(world.published) == published


def verdicts(now: Truth, before: Truth | None) -> Verdicts:
    known = {} if before is None else {"Valid": Condition(type="Valid", status=before, reason="x")}
    world = World()
    world.monitors.put(document("web"))
    seen = world.monitors.get(WEB)
    assert seen is not None
    condition = Condition(type="Valid", status=now, reason="InvalidSpec", message="why")
    return Verdicts(
        kind="Monitor",
        meta=seen.latest.meta,
        generation=1,
        conditions=(condition,),
        before=known,
    )


def test_that_somebody_made_it_invalid_is_news_once() -> None:
    assert became_invalid(verdicts(Truth.FALSE, None)) is not None
    assert became_invalid(verdicts(Truth.FALSE, Truth.TRUE)) is not None
    assert became_invalid(verdicts(Truth.FALSE, Truth.FALSE)) is None
    assert became_invalid(verdicts(Truth.TRUE, Truth.FALSE)) is None


async def test_cut_off_anywhere_doing_it_again_makes_it_whole() -> None:
    async def attempt() -> None:
        world = World(secrets={"a", "b"})
        world.monitors.put(document("web", **WITH_SECRETS))
        try:
            await world.reconcile()
        finally:
            with trio.CancelScope(shield=True):
                await world.reconcile()
            assert WEB in world.running
            assert isinstance(world.orders[-1], Enrol)
            assert world.said()["Ready"] == ("True", "Scheduled")

    assert await at_every_cancellation(attempt) > 2
