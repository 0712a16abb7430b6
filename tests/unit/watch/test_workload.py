"""What k8s monitors remember of an object, of whatever kind and however wrong."""

from typing import Any

from hypothesis import given
from support.json_values import anything

from kubekuma.model.workload import Workload
from kubekuma.watch.workload import workload_of


def test_a_deployment() -> None:
    document = {
        "metadata": {
            "name": "web",
            "labels": {"app": "web"},
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "ownerReferences": [
                {"kind": "Application", "name": "other"},
                {"kind": "Application", "name": "shop", "controller": True},
            ],
        },
        "spec": {"replicas": 3},
        "status": {
            "availableReplicas": 2,
            "phase": "none of it",
            "conditions": [
                {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
                {"type": "Progressing", "status": "False"},
            ],
        },
    }
    assert workload_of(document) == Workload(
        name="web",
        labels={"app": "web"},
        created_at="2026-01-01T00:00:00Z",
        owner="shop",
        conditions={
            "Available": ("True", "MinimumReplicasAvailable"),
            "Progressing": ("False", ""),
        },
        counts={"availableReplicas": 2},
    )


def test_addresses_of_both_kinds_of_endpoints() -> None:
    endpoints = [
        {"addresses": ["10.0.0.1"], "conditions": {"ready": True}},
        {"addresses": ["10.0.0.2"], "conditions": {"ready": False}},
        {"addresses": ["10.0.0.3", "10.0.0.4"]},
    ]
    assert workload_of({"endpoints": endpoints}).ready_addresses == 3
    subsets = [{"addresses": [{"ip": "10.0.0.1"}], "notReadyAddresses": [{"ip": "10.0.0.2"}]}, {}]
    assert workload_of({"subsets": subsets}).ready_addresses == 1


@given(anything)
def test_whatever_it_is_is_reduced(part: Any) -> None:
    document = {"metadata": part, "status": part, "endpoints": part, "subsets": [part]}
    assert isinstance(workload_of(document), Workload)
    workload_of({"metadata": {"labels": part}, "status": {"conditions": [part], "a": part}})
