"""What a k8s monitor looks at: an object of the cluster, reduced to what can be asked of it."""

from collections.abc import Mapping

import attrs


@attrs.frozen(kw_only=True)
class Workload:
    """One object of any kind.

    ``conditions`` are (status, reason) by type, ``counts`` the whole numbers of its status by
    name, ``ready_addresses`` those of an EndpointSlice or of Endpoints.
    """

    name: str
    labels: Mapping[str, str] = attrs.field(factory=dict)
    created_at: str = ""  # RFC 3339, which sorts as text
    owner: str = ""  # name of the object that controls it
    conditions: Mapping[str, tuple[str, str]] = attrs.field(factory=dict)
    counts: Mapping[str, int] = attrs.field(factory=dict)
    ready_addresses: int = 0
