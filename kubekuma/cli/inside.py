"""What a check at a terminal is told: of members in the same file, of the kubeconfig's cluster.

Of senders only the running program hears.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager

import attrs
import trio

from kubekuma.check.finding import CheckFailed
from kubekuma.check.inside import Inside, Member
from kubekuma.cli.manifest import Manifest
from kubekuma.kube.client import KubeClient
from kubekuma.kube.credentials import NoCredentialsError, load_credentials
from kubekuma.model.kinds import MONITOR, MONITOR_SET
from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.result import CheckResult, Outcome, Reason
from kubekuma.model.state import Verdict
from kubekuma.model.workload import Workload
from kubekuma.reconcile.members import members
from kubekuma.validate.load import load, load_monitor
from kubekuma.validate.monitor_set import expanded
from kubekuma.validate.rule import Rejected
from kubekuma.validate.seen import Seen
from kubekuma.workloads import Workloads

_VERDICTS = {
    Outcome.PASSED: Verdict.UP,
    Outcome.DEGRADED: Verdict.DEGRADED,
    Outcome.FAILED: Verdict.DOWN,
    Outcome.UNKNOWN: Verdict.UNKNOWN,
}
_INVERTED = {Verdict.UP: Verdict.DOWN, Verdict.DEGRADED: Verdict.DOWN, Verdict.DOWN: Verdict.UP}


@attrs.frozen
class InFiles:
    """The monitors of some files. A group without a namespace is as one of KubeKuma's own."""

    by_key: Mapping[Key, Monitor]
    home: str = ""

    @property
    def monitors(self) -> "InFiles":
        """The monitors themselves."""
        return self

    def get(self, key: Key) -> Seen[Monitor] | None:
        """The monitor named ``key``."""
        found = self.by_key.get(key)
        return None if found is None else Seen(latest=found, valid=found)

    def keys(self) -> Collection[Key]:
        """The names of all."""
        return self.by_key.keys()


def in_files(manifests: Iterable[Manifest]) -> InFiles:
    """Every valid monitor of ``manifests``, those of sets among them."""
    found: list[Monitor | Rejected] = []
    for each in manifests:
        if each.kind == MONITOR.name:
            found.append(load_monitor(each.value))
        elif each.kind == MONITOR_SET.name:
            whole = load(MONITOR_SET, each.value)
            if not isinstance(whole, Rejected):
                found += (item.resource for item in expanded(whole))
    return InFiles({each.meta.key: each for each in found if isinstance(each, Monitor)})


@asynccontextmanager
async def looking(
    monitor: Monitor,
    others: InFiles,
    check: Callable[[Monitor, Inside], Awaitable[CheckResult]],
) -> AsyncIterator[Inside]:
    """What ``monitor`` needs to be told: members are checked first, each by ``check``."""
    async with trio.open_nursery() as nursery:
        cluster = _Cluster(nursery)
        found: dict[Key, list[Member]] = {}
        inside = Inside(members=found.__getitem__, workloads=cluster.workloads)

        async def look_at(group: Monitor) -> None:
            """Check the members of ``group``, and those of groups among them before these."""
            found[group.meta.key] = []
            for key in members(group, others):
                member = others.by_key.get(key)
                if member is None:
                    found[group.meta.key].append(Member(key=key, verdict=Verdict.UNKNOWN))
                elif member.spec.enabled:
                    if member.spec.target.group is not None and key not in found:
                        await look_at(member)
                    verdict = _verdict(member, await check(member, inside))
                    found[group.meta.key].append(Member(key=key, verdict=verdict))

        if monitor.spec.target.group is not None:
            await look_at(monitor)
        try:
            yield inside
        finally:
            nursery.cancel_scope.cancel()
            await cluster.aclose()


def _verdict(monitor: Monitor, result: CheckResult) -> Verdict:
    verdict = _VERDICTS[result.outcome]
    return _INVERTED.get(verdict, verdict) if monitor.spec.invert else verdict


class _Cluster:
    """The cluster, once anybody asks for its objects."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._client: KubeClient | None = None
        self._workloads: Workloads | None = None

    async def workloads(
        self, namespace: str, api_version: str, kind: str
    ) -> Mapping[str, Workload]:
        """Every object of ``kind``, by name. Raises CheckFailed."""
        if self._workloads is None:
            try:
                credentials = await load_credentials(None)
            except NoCredentialsError as error:
                raise CheckFailed(Reason.NOT_CHECKED, str(error)) from error
            self._client = KubeClient(credentials)
            self._workloads = Workloads(credentials, self._client)
            await self._nursery.start(self._workloads.run)
        return await self._workloads.of(namespace or "default", api_version, kind)

    async def aclose(self) -> None:
        """Leave the cluster alone."""
        if self._client is not None:
            with trio.move_on_after(1, shield=True):
                await self._client.aclose()
