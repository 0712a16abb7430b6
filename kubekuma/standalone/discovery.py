"""What there is: groups, versions and resources, in the old and in the aggregated form."""

from collections.abc import Iterable
from typing import Any, Final

import re2

from kubekuma.standalone.catalog import Catalog
from kubekuma.standalone.errors import no_such_path
from kubekuma.standalone.resources import Object, Resource

AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

_VERSION: Final = re2.compile(r"^v(\d+)(?:(alpha|beta)(\d+))?$")
_MATURITY: Final = {None: 2, "beta": 1, "alpha": 0}
_STATUS_VERBS: Final = ["get", "patch", "update"]


def wants_aggregated(accept: str) -> bool:
    """Whether a client takes the aggregated form: only its final version is offered."""
    return any(
        "as=APIGroupDiscoveryList" in each and "v=v2" in each.replace(" ", "").split(";")
        for each in accept.split(",")
    )


def aggregated(catalog: Catalog, *, core: bool) -> Object:
    """Everything in the core group, or everything in all the others."""
    items = [
        {
            "metadata": {"name": group, "creationTimestamp": None},
            "versions": [
                {
                    "version": version,
                    "freshness": "Current",
                    "resources": [_aggregated(each) for each in versions[version]],
                }
                for version in by_priority(versions)
            ],
        }
        for group, versions in catalog.groups().items()
        if bool(group) is not core
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def core_versions() -> Object:
    """The versions of the core group."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def group_list(catalog: Catalog) -> Object:
    """All groups but the core group."""
    groups = [_group(group, versions) for group, versions in catalog.groups().items() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group_document(catalog: Catalog, group: str) -> Object:
    """The versions of ``group``."""
    versions = catalog.groups().get(group)
    if not group or versions is None:
        raise no_such_path()
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, versions)}


def resource_list(catalog: Catalog, group: str, version: str) -> Object:
    """The resources in one version of ``group``."""
    found = catalog.groups().get(group, {}).get(version)
    if found is None:
        raise no_such_path()
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": [entry for each in found for entry in _entries(each)],
    }


def by_priority(versions: Iterable[str]) -> list[str]:
    """Sort ``versions`` as Kubernetes prefers them: v2, v1, v1beta2, v1beta1, v1alpha1."""

    def rank(version: str) -> tuple[int, int, int]:
        match = _VERSION.match(version)
        if match is None:
            return -1, 0, 0
        major, maturity, minor = match.groups()
        return _MATURITY[maturity], int(major), int(minor or 0)

    return sorted(versions, key=rank, reverse=True)


def _group(group: str, versions: Iterable[str]) -> Object:
    known = [{"groupVersion": f"{group}/{each}", "version": each} for each in by_priority(versions)]
    return {"name": group, "versions": known, "preferredVersion": known[0]}


def _entries(resource: Resource) -> Iterable[Object]:
    entry: dict[str, Any] = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    yield entry
    if resource.has_status:
        yield {
            "name": f"{resource.plural}/status",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": _STATUS_VERBS,
        }


def _aggregated(resource: Resource) -> Object:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    status = {"subresource": "status", "responseKind": kind, "verbs": _STATUS_VERBS}
    return {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
        **({"shortNames": list(resource.short_names)} if resource.short_names else {}),
        **({"categories": list(resource.categories)} if resource.categories else {}),
        **({"subresources": [status]} if resource.has_status else {}),
    }
