"""Discovery: which version is preferred, and who takes the aggregated form."""

import pytest

from kubekuma.standalone.catalog import Catalog
from kubekuma.standalone.discovery import aggregated, by_priority, resource_list, wants_aggregated


def test_versions_are_sorted_as_kubernetes_prefers_them() -> None:
    versions = ["v1alpha1", "v2beta1", "foo1", "v10", "v2", "v1beta2", "v1", "v1beta10"]
    assert by_priority(versions) == [
        "v10",
        "v2",
        "v1",
        "v2beta1",
        "v1beta10",
        "v1beta2",
        "v1alpha1",
        "foo1",
    ]


@pytest.mark.parametrize(
    ("accept", "wants"),
    [
        ("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", True),
        ("application/json; g=apidiscovery.k8s.io; v=v2; as=APIGroupDiscoveryList", True),
        ("text/html, application/json;v=v2;as=APIGroupDiscoveryList, */*", True),
        ("application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList", False),
        ("application/json", False),
        ("", False),
    ],
)
def test_only_who_asks_for_it_gets_the_aggregated_form(accept: str, wants: bool) -> None:
    assert wants_aggregated(accept) is wants


def test_both_forms_tell_the_same() -> None:
    catalog = Catalog()
    told = {
        (group["metadata"]["name"], version["version"], each["resource"])
        for core in (True, False)
        for group in aggregated(catalog, core=core)["items"]
        for version in group["versions"]
        for each in version["resources"]
    }
    listed = {
        (group, version, each["name"])
        for group, versions in catalog.groups().items()
        for version in versions
        for each in resource_list(catalog, group, version)["resources"]
        if "/" not in each["name"]
    }
    assert told == listed
    assert ("", "v1", "secrets") in told
