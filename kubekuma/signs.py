"""How the program is: whether it is ready, and its figures."""

from collections.abc import Iterator, Mapping

import trio

from kubekuma.check.scopes import Scope
from kubekuma.following import unlisted, watch_figures
from kubekuma.kube.lease_fence import Standing
from kubekuma.lead import leadership_figures, standby_reason
from kubekuma.parts import Parts
from kubekuma.serve.metrics import Figure, build_info, counts, gauges


def not_ready(parts: Parts) -> Mapping[str, str]:
    """What keeps this process from doing its work, and why; empty: nothing does."""
    waits = unlisted(parts.resources.syncs)
    standby = standby_reason(parts.leadership)
    if standby is not None:
        waits["leadership"] = standby
    elif not parts.ready:
        waits["start"] = "resources are being listed"
    if parts.store_health.error:
        waits["database"] = parts.store_health.error
    return waits


def no_standby(parts: Parts) -> Mapping[str, str]:
    """What keeps it from taking over as well, if it does not lead."""
    if standby_reason(parts.leadership) is None:
        return not_ready(parts)
    waits = unlisted(parts.resources.syncs)
    if parts.leadership.standing is Standing.LOST:
        waits["leadership"] = parts.leadership.why
    if parts.unread:
        waits["database"] = parts.unread
    return waits


def takes_nothing(parts: Parts) -> str | None:
    """Why no reports of senders can be taken here; None: they can."""
    why = standby_reason(parts.leadership)
    if why is None and not parts.ready:
        return "it is starting or stopping"
    return why


def figures(parts: Parts) -> Iterator[Figure]:
    """The program's own figures, as of now."""
    yield build_info()
    yield from leadership_figures(parts.leadership, parts.stalls)
    load, health, limiter = parts.load, parts.store_health, parts.checking.limiter
    threads = parts.checking.threads
    yield from gauges(
        monitors_watched=("Monitors on the agenda, or paused.", len(parts.running)),
        checks_in_flight=("Checks under way.", load.in_flight),
        checks_waiting=("Checks that are due and wait for a place.", load.waiting),
        checks_at_once=("Checks that may run at once.", limiter.total_tokens),
        check_threads=("Threads that run client libraries of checks.", threads.running),
        check_threads_abandoned=("Those nobody waits for any more.", threads.abandoned),
        reconcile_queue_depth=(
            "Objects that wait to be reconciled.",
            len(parts.resources.queue),
        ),
        status_queue_depth=("Status writes that wait.", len(parts.lanes)),
        history_queue_depth=("Entries that wait for their commit.", health.waiting),
        history_disk_full=(
            "1 while the disk is full, and heartbeats wait.",
            float(health.full),
        ),
        ready=("1 once everything works.", float(not not_ready(parts))),
    )
    for scope in Scope:
        yield Figure(
            name="connectivity_ok",
            doc="0 while nothing of the scope answers, and what fails there is unknown.",
            value=float(scope not in parts.gate.blind),
            labels={"scope": scope},
        )
    yield from counts(
        checks_skipped=("Checks left out while the last was under way.", load.skipped),
        push_reports=("Reports that senders of push monitors made.", parts.pushes.accepted),
        status_errors=("Status writes that failed.", parts.lanes.errors),
        history_errors=("Commits that failed.", health.errors),
        history_commits=("Commits.", health.commits),
        history_sealed_hours=("Hours of heartbeats made small.", parts.upkeep_health.sealed),
        history_upkeep_errors=("Turns of upkeep that failed.", parts.upkeep_health.errors),
        history_shed=("Heartbeats shed while the database was away.", health.shed),
    )
    for outcome, by_provider in (
        ("sent", parts.deliveries.sent),
        ("failed", parts.deliveries.failed),
    ):
        for provider, count in by_provider.items():
            labels = {"provider": str(provider), "outcome": outcome}
            yield Figure(
                name="notifications",
                doc="Messages, and tries that failed, by provider.",
                value=count,
                labels=labels,
                counts=True,
            )
    yield from watch_figures(parts.resources.syncs, trio.current_time())
