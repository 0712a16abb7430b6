"""Plans for MonitorSets: what is said of their items, which have no status of their own. Pure."""

from datetime import datetime
from typing import Final

from kubekuma.model.meta import Condition, Truth
from kubekuma.model.monitor_set import ItemStatus, MonitorSet, MonitorSetStatus, SetItem
from kubekuma.model.state import MonitorState
from kubekuma.reconcile.outcome import Outcome, Said, refused
from kubekuma.reconcile.world import World
from kubekuma.validate.monitor_set import item_key
from kubekuma.validate.rule import Rejected

MOST_STATUSES: Final = 100
MOST_MESSAGE: Final = 1024
WELL: Final = frozenset({"up", "pending", "paused"})


def plan_set(whole: MonitorSet, world: World, _: datetime) -> Outcome:
    """Plan for a set: how many of its items are right, and which are not well."""
    items = [_item(whole, item, world) for item in whole.spec.items]
    wrong = [(it.name, wrong) for it in whole.spec.items if (wrong := _wrong(whole, it, world))]
    ailing = [it for it in items if not it.ready or it.state not in WELL]
    waiting = sum(not it.ready for it in items)
    reconciled = Said(Truth.TRUE, "Scheduled", f"{len(items)} items")
    if waiting:
        said = f"{waiting} of {len(items)} items are not in force, see status.itemStatuses"
        reconciled = refused("ItemsNotReady", said)
    return Outcome(
        reconciled=reconciled,
        forbidden=_said(wrong, len(items)),
        status=MonitorSetStatus(
            valid_count=len(items) - len(wrong),
            invalid_count=len(wrong),
            item_statuses=tuple(ailing[:MOST_STATUSES]),
        ),
    )


def _said(wrong: list[tuple[str, str]], items: int) -> Said | None:
    if not wrong:
        return None
    name, message = wrong[0]
    others = items - len(wrong)
    return refused(
        "InvalidItems",
        f"{len(wrong)} of {items} items are wrong, {others} go on; the first, {name}: {message}",
    )


def _item(whole: MonitorSet, item: SetItem, world: World) -> ItemStatus:
    key = item_key(whole.meta.key, item.name)
    wrong = _wrong(whole, item, world)
    said = next((it for it in world.items.get(key, ()) if it.type == "Ready"), None)
    state = world.states.get(key)
    ready = not wrong and said is not None and said.status is Truth.TRUE
    return ItemStatus(
        name=item.name,
        ready=ready,
        state=state.standing.shown if state is not None else "pending",
        message=(wrong or _why(said) or _result(state))[:MOST_MESSAGE],
    )


def _wrong(whole: MonitorSet, item: SetItem, world: World) -> str:
    key = item_key(whole.meta.key, item.name)
    if world.singles.get(key) is not None:
        return f"NameTaken: there is a Monitor {key.name}, which wins"
    seen = world.monitors.get(key)
    if seen is None or not isinstance(seen.latest, Rejected):
        return ""
    return "; ".join(map(str, seen.latest.errors))


def _why(said: Condition | None) -> str:
    if said is None or said.status is Truth.TRUE:
        return ""
    return f"{said.reason}: {said.message}"


def _result(state: MonitorState | None) -> str:
    return "" if state is None or state.last is None else state.last.message
