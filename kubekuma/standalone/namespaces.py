"""What is particular about namespaces, and about whatever is being deleted."""

from typing import Final

from kubekuma.standalone.resources import NAMESPACES, Object, Resource

PROTECTED: Final = ("default", "kube-system")


def new_namespace(value: Object) -> Object:
    """The namespace ``value`` as it looks once it is created."""
    metadata = value["metadata"]
    label = {"kubernetes.io/metadata.name": metadata.get("name", "")}
    return {
        **value,
        "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **label}},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def is_terminating(value: Object) -> bool:
    """Whether ``value`` will go once nothing keeps it."""
    return bool(value["metadata"].get("deletionTimestamp"))


def terminating(resource: Resource, value: Object, timestamp: str) -> Object:
    """``value``, marked to be deleted."""
    marks: Object = {"deletionTimestamp": timestamp, "deletionGracePeriodSeconds": 0}
    generation = value["metadata"].get("generation")
    if generation is not None:
        marks["generation"] = generation + 1
    marked = {**value, "metadata": {**value["metadata"], **marks}}
    if resource.storage == NAMESPACES:
        marked["status"] = {**marked.get("status", {}), "phase": "Terminating"}
    return marked
