"""k8s checker: a workload of the monitor's namespace is as it should be, by the cluster's word."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from kubekuma.check.context import Check
from kubekuma.check.expect import Facts
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge import judge_shared
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import K8sTarget, WorkloadCheck, WorkloadCondition, WorkloadRef
from kubekuma.model.workload import Workload

SERVICE_NAME: Final = "kubernetes.io/service-name"
_SLICES: Final = ("discovery.k8s.io/v1", "EndpointSlice")
_JOBS: Final = ("batch/v1", "Job")
# As Deployments, ReplicaSets and StatefulSets call it, and as DaemonSets do.
_AVAILABLE: Final = ("availableReplicas", "numberAvailable")
_READY: Final = ("readyReplicas", "numberReady")


async def check_k8s(
    target: K8sTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Judge what the cluster last said of the objects. Nothing is asked of the workload itself."""
    looking = _Looking(check)
    if target.check.type is WorkloadCheck.JOB_SUCCEEDED:
        jobs = await looking.jobs(target.resource)
        return [*_judge_jobs(jobs), *_judge_shared(None, criteria, check)]
    count, what = await _count(target, looking)
    check.trace.say("%d %s", count, what)
    lacking = []
    if count < target.check.min:
        said = f"{count} {what}, and {target.check.min} should be"
        lacking.append(Finding(Reason.WORKLOAD_NOT_READY, said))
    return [*lacking, *_judge_shared(count, criteria, check)]


async def _count(target: K8sTarget, looking: "_Looking") -> tuple[int, str]:
    """How many there are of what is asked for, and what that is."""
    if target.check.type is WorkloadCheck.ENDPOINT_NON_EMPTY:
        slices = await looking.endpoints(target.resource)
        return sum(each.ready_addresses for each in slices), "endpoints ready"
    found = await looking.chosen(target.resource)
    if target.check.type is WorkloadCheck.AVAILABLE_REPLICAS_AT_LEAST:
        return sum(_first(each.counts, _AVAILABLE) for each in found), "replicas available"
    if target.check.type is WorkloadCheck.POD_READINESS:
        return sum(map(_ready_pods, found)), "pods ready"
    wanted = target.check.condition or WorkloadCondition(type="Ready")
    return sum(_has(each, wanted) for each in found), f"objects {wanted.type}={wanted.status}"


def _judge_shared(count: int | None, criteria: SuccessCriteria, check: Check) -> Iterator[Finding]:
    values = {} if count is None else {"output": count}
    facts = Facts(kind="k8s", values=values)
    return judge_shared(criteria, facts, check.trace.latency, check.show)


class _Looking:
    """What there is in the monitor's namespace."""

    def __init__(self, check: Check) -> None:
        self._namespace = check.meta.key.namespace
        self._workloads = check.context.inside.workloads

    async def of(self, api_version: str, kind: str) -> Mapping[str, Workload]:
        return await self._workloads(self._namespace, api_version, kind)

    async def chosen(self, ref: WorkloadRef) -> Sequence[Workload]:
        """The objects that ``ref`` means. Raises CheckFailed if it names one that is not there."""
        found = await self.of(ref.api_version, ref.kind)
        if ref.name is None:
            wanted = (ref.label_selector or {}).items()
            return [each for each in found.values() if wanted <= each.labels.items()]
        if ref.name not in found:
            said = f"there is no {ref.kind} {self._namespace}/{ref.name}"
            raise CheckFailed(Reason.WORKLOAD_MISSING, said)
        return [found[ref.name]]

    async def endpoints(self, ref: WorkloadRef) -> Sequence[Workload]:
        if ref.kind != "Service":
            return await self.chosen(ref)
        services = {each.name for each in await self.chosen(ref)}
        slices = await self.of(*_SLICES)
        return [each for each in slices.values() if each.labels.get(SERVICE_NAME) in services]

    async def jobs(self, ref: WorkloadRef) -> Sequence[Workload]:
        if ref.kind != "CronJob":
            return await self.chosen(ref)
        owners = {each.name for each in await self.chosen(ref)}
        return [each for each in (await self.of(*_JOBS)).values() if each.owner in owners]


def _judge_jobs(jobs: Iterable[Workload]) -> Iterator[Finding]:
    """Yield what the last job says that has ended: one that still runs has said nothing yet."""
    ended = [each for each in jobs if _is(each, "Complete") or _is(each, "Failed")]
    if not ended:
        yield Finding(Reason.NOT_ENDED_YET, "no Job has ended yet")
        return
    last = max(ended, key=lambda each: (each.created_at, each.name))
    if _is(last, "Failed"):
        _, why = last.conditions["Failed"]
        yield Finding(Reason.JOB_FAILED, f"the Job {last.name} has failed ({why or 'no reason'})")


def _ready_pods(workload: Workload) -> int:
    """Those of a workload that has pods; a pod itself is one, or none."""
    if any(name in workload.counts for name in (*_READY, "replicas", "desiredNumberScheduled")):
        return _first(workload.counts, _READY)
    return int(_is(workload, "Ready"))


def _first(counts: Mapping[str, int], names: Sequence[str]) -> int:
    return next((counts[name] for name in names if name in counts), 0)


def _is(workload: Workload, type_: str) -> bool:
    return workload.conditions.get(type_, ("", ""))[0] == "True"


def _has(workload: Workload, wanted: WorkloadCondition) -> bool:
    return workload.conditions.get(wanted.type, ("Unknown", ""))[0] == wanted.status
