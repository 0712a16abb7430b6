"""How well the cluster is followed, kind by kind: for conditions and metrics. Pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from kubekuma.serve.metrics import Figure
from kubekuma.watch.sync import Sync

# A refusal will not pass by itself; whatever else fails may be over before anybody looks.
LONG_SECONDS: Final = 300.0


def unfollowed(syncs: Sequence[Sync], now: float) -> Mapping[str, str]:
    """Find the kinds that cannot be followed, and say why: refused, or failing for long."""
    return {
        sync.kind: sync.error
        for sync in syncs
        if sync.error and (sync.refused or now - sync.failing_since > LONG_SECONDS)
    }


def unlisted(syncs: Sequence[Sync]) -> dict[str, str]:
    """Find the kinds of which nothing was ever heard, and say why.

    Who has listed once goes on from there when the API server is away.
    """
    return {sync.kind: sync.error for sync in syncs if sync.error and sync.heard_at == -math.inf}


def watch_figures(syncs: Sequence[Sync], now: float) -> Iterator[Figure]:
    """Figures of each kind, whose namespaces may be followed one by one."""
    for kind, group in groupby(sorted(syncs, key=_kind), key=_kind):
        each = list(group)
        labels = {"kind": kind}
        for name, doc, value in (
            ("watch_lists", "Lists asked of the API server.", sum(it.lists for it in each)),
            ("watch_events", "Events of watches.", sum(it.events for it in each)),
            ("watch_errors", "Failures to follow the API server.", sum(it.errors for it in each)),
        ):
            yield Figure(name=name, doc=doc, value=value, labels=labels, counts=True)
        yield Figure(
            name="informer_last_sync_age_seconds",
            doc="Since the API server was last heard of this kind; infinite if it never was.",
            value=now - min(it.heard_at for it in each),
            labels=labels,
        )


def _kind(sync: Sync) -> str:
    return sync.kind
