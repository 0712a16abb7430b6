"""Objects of any kind, reduced to what k8s monitors ask of them. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kubekuma.model.workload import Workload


def workload_of(document: Mapping[str, Any]) -> Workload:
    """Reduce ``document``, an object of any kind; what has no sense in it is left out."""
    metadata, status = _mapping(document, "metadata"), _mapping(document, "status")
    return Workload(
        name=str(metadata.get("name", "")),
        labels={str(name): str(text) for name, text in _mapping(metadata, "labels").items()},
        created_at=str(metadata.get("creationTimestamp", "")),
        owner=next(_controllers(metadata), ""),
        conditions={
            str(each.get("type")): (str(each.get("status", "")), str(each.get("reason", "")))
            for each in _mappings(status, "conditions")
        },
        counts={
            name: value
            for name, value in status.items()
            if isinstance(value, int) and not isinstance(value, bool)
        },
        ready_addresses=sum(_ready_addresses(document)),
    )


def _controllers(metadata: Mapping[str, Any]) -> Iterator[str]:
    for each in _mappings(metadata, "ownerReferences"):
        if each.get("controller"):
            yield str(each.get("name", ""))


def _ready_addresses(document: Mapping[str, Any]) -> Iterator[int]:
    # EndpointSlice: what does not say that it is not ready is.
    for each in _mappings(document, "endpoints"):
        if _mapping(each, "conditions").get("ready") is not False:
            yield len(_sequence(each, "addresses"))
    # Endpoints: those that are not ready stand apart.
    for each in _mappings(document, "subsets"):
        yield len(_sequence(each, "addresses"))


def _mapping(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}


def _sequence(document: Mapping[str, Any], name: str) -> Sequence[Any]:
    found = document.get(name)
    return found if isinstance(found, list) else ()


def _mappings(document: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    return (each for each in _sequence(document, name) if isinstance(each, Mapping))
