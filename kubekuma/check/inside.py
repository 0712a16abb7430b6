"""What checks are told that ask no target: of members, of senders, of the cluster's objects."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

import attrs
import trio

from kubekuma.check.finding import CheckFailed
from kubekuma.model.meta import Key
from kubekuma.model.push import Reports
from kubekuma.model.result import Reason
from kubekuma.model.state import Verdict
from kubekuma.model.workload import Workload


@attrs.frozen(kw_only=True)
class Member:
    """One monitor of a group. ``verdict`` is its last one: up, degraded, down or unknown."""

    key: Key
    verdict: Verdict


@attrs.frozen(kw_only=True)
class Listening:
    """What is heard of one sender. ``silent`` counts those who fell silent since anybody was."""

    reports: Reports
    since: datetime  # we listen
    silent: Callable[[], int]


def _unknown_members(_: Key) -> Sequence[Member]:
    raise CheckFailed(
        Reason.NOT_CHECKED, "how members are is known to the program that watches them, alone"
    )


def _nobody_listens(_: Key) -> Listening:
    raise CheckFailed(Reason.NOT_CHECKED, "reports come to the program that runs, alone")


async def _no_cluster(namespace: str, api_version: str, kind: str) -> Mapping[str, Workload]:
    del namespace, api_version, kind
    await trio.lowlevel.checkpoint()
    raise CheckFailed(Reason.NOT_CHECKED, "the cluster is known to the program that runs, alone")


@attrs.frozen(kw_only=True)
class Inside:
    """What is known at the moment. Without the program that watches, nothing is."""

    # Of the group so named, those that are not paused.
    members: Callable[[Key], Sequence[Member]] = _unknown_members
    # Of the push monitor so named.
    listening: Callable[[Key], Listening] = _nobody_listens
    # Every object of a namespace, apiVersion and kind, by name.
    workloads: Callable[[str, str, str], Awaitable[Mapping[str, Workload]]] = _no_cluster
