"""k8s monitors: what is asked of workloads, and what their kinds call it."""

from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from fakes.targets import check_context, monitor_of

from kubekuma.check.inside import Inside
from kubekuma.check.k8s import SERVICE_NAME
from kubekuma.check.run import run_check
from kubekuma.model.criteria import Expectation, Op, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Outcome, Reason
from kubekuma.model.target import (
    K8sTarget,
    WorkloadCheck,
    WorkloadCondition,
    WorkloadRef,
    WorkloadTest,
)
from kubekuma.model.workload import Workload

APPS, CORE, BATCH, DISCOVERY = "apps/v1", "v1", "batch/v1", "discovery.k8s.io/v1"


def there(*workloads: Workload) -> Mapping[str, Workload]:
    return {each.name: each for each in workloads}


async def check(
    cluster: Mapping[tuple[str, str], Mapping[str, Workload]],
    api_version: str,
    kind: str,
    test: WorkloadCheck,
    *,
    name: str | None = None,
    labels: Mapping[str, str] | None = None,
    criteria: SuccessCriteria | None = None,
    **more: Any,
) -> CheckResult:
    async def workloads(namespace: str, api_version: str, kind: str) -> Mapping[str, Workload]:
        assert namespace == "ns"
        return cluster.get((api_version, kind), {})

    ref = WorkloadRef(
        api_version=api_version,
        kind=kind,
        name=name if labels is None else None,
        label_selector=labels,
    )
    target = K8sTarget(resource=ref, check=WorkloadTest(type=test, **more))
    context = attrs.evolve(check_context(), inside=Inside(workloads=workloads))
    return await run_check(monitor_of(MonitorType.K8S, target, criteria), context)


def available(**counts: int) -> Mapping[tuple[str, str], Mapping[str, Workload]]:
    return {(APPS, "Deployment"): there(Workload(name="web", counts=counts))}


async def test_replicas() -> None:
    test = WorkloadCheck.AVAILABLE_REPLICAS_AT_LEAST
    two = available(replicas=3, availableReplicas=2)
    assert (await check(two, APPS, "Deployment", test, name="web", min=2)).reason is Reason.PASSED
    few = await check(two, APPS, "Deployment", test, name="web", min=3)
    assert (few.reason, few.message) == (
        Reason.WORKLOAD_NOT_READY,
        "2 replicas available, and 3 should be",
    )
    # Of none, the cluster says nothing.
    none = await check(available(replicas=3), APPS, "Deployment", test, name="web")
    assert none.message == "0 replicas available, and 1 should be"
    daemons = {(APPS, "DaemonSet"): there(Workload(name="web", counts={"numberAvailable": 5}))}
    assert (await check(daemons, APPS, "DaemonSet", test, name="web", min=5)).reason is (
        Reason.PASSED
    )


async def test_what_is_not_there_is_missing_by_name_and_none_by_labels() -> None:
    test = WorkloadCheck.AVAILABLE_REPLICAS_AT_LEAST
    missing = await check({}, APPS, "Deployment", test, name="web")
    assert (missing.reason, missing.message) == (
        Reason.WORKLOAD_MISSING,
        "there is no Deployment ns/web",
    )
    none = await check(available(availableReplicas=2), APPS, "Deployment", test, labels={"a": "b"})
    assert none.reason is Reason.WORKLOAD_NOT_READY
    spare = await check({}, APPS, "Deployment", test, labels={"a": "b"}, min=0)
    assert spare.reason is Reason.PASSED


async def test_pods_by_themselves_and_of_a_workload() -> None:
    ready, not_ready = {"Ready": ("True", "")}, {"Ready": ("False", "ContainersNotReady")}
    labels = {"app": "web"}
    pods = {
        (CORE, "Pod"): there(
            Workload(name="a", labels=labels, conditions=ready),
            Workload(name="b", labels=labels, conditions=not_ready),
            Workload(name="c", labels={"app": "mail"}, conditions=ready),
        )
    }
    test = WorkloadCheck.POD_READINESS
    assert (await check(pods, CORE, "Pod", test, labels=labels)).reason is Reason.PASSED
    few = await check(pods, CORE, "Pod", test, labels=labels, min=2)
    assert few.message == "1 pods ready, and 2 should be"
    whole = available(replicas=3, readyReplicas=3)
    passed = await check(whole, APPS, "Deployment", test, name="web", min=3)
    assert passed.reason is Reason.PASSED
    assert (await check(available(replicas=3), APPS, "Deployment", test, name="web")).reason is (
        Reason.WORKLOAD_NOT_READY
    )


async def test_endpoints_of_services_by_their_slices() -> None:
    services = there(Workload(name="web", labels={"app": "web"}), Workload(name="mail"))
    slices = there(
        Workload(name="web-1", labels={SERVICE_NAME: "web"}, ready_addresses=2),
        Workload(name="web-2", labels={SERVICE_NAME: "web"}, ready_addresses=1),
        Workload(name="mail-1", labels={SERVICE_NAME: "mail"}),
    )
    cluster = {(CORE, "Service"): services, (DISCOVERY, "EndpointSlice"): slices}
    test = WorkloadCheck.ENDPOINT_NON_EMPTY
    assert (await check(cluster, CORE, "Service", test, name="web", min=3)).reason is Reason.PASSED
    by_labels = await check(cluster, CORE, "Service", test, labels={"app": "web"}, min=3)
    assert by_labels.reason is Reason.PASSED
    empty = await check(cluster, CORE, "Service", test, name="mail")
    assert empty.message == "0 endpoints ready, and 1 should be"
    assert (await check(cluster, CORE, "Service", test, name="x")).reason is Reason.WORKLOAD_MISSING
    itself = await check(cluster, DISCOVERY, "EndpointSlice", test, name="web-1", min=2)
    assert itself.reason is Reason.PASSED


@pytest.mark.parametrize(
    ("jobs", "outcome", "said"),
    [
        ("", Outcome.UNKNOWN, "no Job has ended yet"),
        ("running", Outcome.UNKNOWN, "no Job has ended yet"),
        ("Complete", Outcome.PASSED, ""),
        ("Failed", Outcome.FAILED, "the Job job-0 has failed (BackoffLimitExceeded)"),
        ("Failed Complete", Outcome.PASSED, ""),
        ("Complete Failed", Outcome.FAILED, "the Job job-1 has failed (BackoffLimitExceeded)"),
        # One that runs has said nothing: what was last is what counts.
        ("Complete Failed running", Outcome.FAILED, "the Job job-1 has failed"),
        ("Failed Complete running", Outcome.PASSED, ""),
    ],
)
async def test_the_last_job_that_has_ended_counts(jobs: str, outcome: Outcome, said: str) -> None:
    made = [
        Workload(
            name=f"job-{number}",
            labels={"app": "backup"},
            owner="nightly",
            created_at=f"2026-01-0{number + 1}T00:00:00Z",
            conditions={kind: ("True", "BackoffLimitExceeded")} if kind != "running" else {},
        )
        for number, kind in enumerate(jobs.split())
    ]
    cluster = {
        (BATCH, "Job"): there(*reversed(made), Workload(name="other", labels={"app": "other"})),
        (BATCH, "CronJob"): there(Workload(name="nightly")),
    }
    test = WorkloadCheck.JOB_SUCCEEDED
    for found in (
        await check(cluster, BATCH, "Job", test, labels={"app": "backup"}),
        await check(cluster, BATCH, "CronJob", test, name="nightly"),
    ):
        assert found.outcome is outcome
        assert said in found.message


async def test_conditions_of_any_kind() -> None:
    kind = ("cert-manager.io/v1", "Certificate")
    cluster = {kind: there(Workload(name="web", conditions={"Ready": ("False", "Issuing")}))}
    wanted = WorkloadCondition(type="Ready")
    test = WorkloadCheck.CONDITION
    result = await check(cluster, *kind, test, name="web", condition=wanted)
    assert (result.reason, result.message) == (
        Reason.WORKLOAD_NOT_READY,
        "0 objects Ready=True, and 1 should be",
    )
    no = WorkloadCondition(type="Ready", status="False")
    assert (await check(cluster, *kind, test, name="web", condition=no)).reason is Reason.PASSED
    # What is not said is not known.
    unknown = WorkloadCondition(type="Stalled", status="Unknown")
    found = await check(cluster, *kind, test, name="web", condition=unknown)
    assert found.reason is Reason.PASSED


async def test_the_count_can_be_expected() -> None:
    criteria = SuccessCriteria(expect=(Expectation(value="output", op=Op.EQUALS, to=3),))
    test = WorkloadCheck.AVAILABLE_REPLICAS_AT_LEAST
    two = available(availableReplicas=2)
    result = await check(two, APPS, "Deployment", test, name="web", criteria=criteria)
    assert result.reason is Reason.EXPECTATION_FAILED


async def test_without_the_program_nothing_is_known_of_the_cluster() -> None:
    ref = WorkloadRef(api_version=APPS, kind="Deployment", name="web")
    target = K8sTarget(resource=ref, check=WorkloadTest(type=WorkloadCheck.POD_READINESS))
    result = await run_check(monitor_of(MonitorType.K8S, target), check_context())
    assert (result.reason, result.outcome) == (Reason.NOT_CHECKED, Outcome.UNKNOWN)
