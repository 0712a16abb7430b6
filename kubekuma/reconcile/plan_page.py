"""Plans for status pages. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from kubekuma.model.meta import Key, Truth
from kubekuma.model.monitor import Monitor
from kubekuma.model.reach import has_labels, reaches
from kubekuma.model.status_page import Page, PageMonitorRef, PageStatus
from kubekuma.reconcile.outcome import NOT_ATTEMPTED, Outcome, Said, refused
from kubekuma.reconcile.world import World
from kubekuma.validate.seen import all_in_force, in_force

NOT_SERVED: Final = Said(Truth.FALSE, "NotImplemented", "this version serves no status pages yet")


def plan_page(page: Page, world: World, _: datetime) -> Outcome:
    """Plan for a page: whether its slug is its own, and how many monitors it shows."""
    status = PageStatus(monitor_count=len({each.meta.key for each in shown(page, world)}))
    reconciled = NOT_SERVED
    missing = [*_missing(page, world)]
    if missing:
        reconciled = refused("MonitorMissing", "; ".join(missing))
    taken = _taken(page, world)
    return Outcome(
        reconciled=NOT_ATTEMPTED if taken else reconciled, forbidden=taken, status=status
    )


def shown(page: Page, world: World) -> Iterator[Monitor]:
    """The monitors that ``page`` shows, each as often as it is named."""
    owner = page.meta.key.namespace
    for entry in (entry for group in page.spec.groups for entry in group.monitors):
        if entry.ref is not None:
            found = in_force(world.monitors, _key(entry.ref, owner))
            if found is not None and reaches(owner, found.meta.key.namespace, world.home):
                yield found
        elif entry.selector is not None:
            for monitor in all_in_force(world.monitors):
                within = reaches(owner, monitor.meta.key.namespace, world.home)
                if within and has_labels(entry.selector, monitor.meta.labels):
                    yield monitor


def _missing(page: Page, world: World) -> Iterator[str]:
    owner = page.meta.key.namespace
    for place, group in enumerate(page.spec.groups):
        for index, entry in enumerate(group.monitors):
            if entry.ref is None:
                continue
            key, path = _key(entry.ref, owner), f"spec.groups[{place}].monitors[{index}].ref"
            if not reaches(owner, key.namespace, world.home):
                yield f"{path}: must be in the page's own namespace"
            elif in_force(world.monitors, key) is None:
                yield f"{path}: there is no valid Monitor {key}"


def _key(ref: PageMonitorRef, namespace: str) -> Key:
    return Key(ref.namespace or namespace, ref.name)


def _taken(page: Page, world: World) -> Said | None:
    """Why the slug is another page's: of two, that of the older."""
    rivals = (it for it in all_in_force(world.pages) if it.spec.slug == page.spec.slug)
    first = min(rivals, key=_age, default=page)
    if first.meta.key == page.meta.key:
        return None
    return refused("SlugTaken", f"spec.slug: {page.spec.slug} is that of {first.meta.key}")


def _age(page: Page) -> tuple[datetime, Key]:
    return page.meta.created_at or datetime.min.replace(tzinfo=UTC), page.meta.key
