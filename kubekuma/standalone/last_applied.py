"""From client-side to server-side apply: what kubectl may take over from its former self.

As kube-apiserver's ``lastappliedmanager.go``: fields that the annotation of
``kubectl apply`` gives as they are no conflict for ``kubectl apply --server-side``.
"""

import json
from typing import Final

from kubekuma.kit.structural import Schema
from kubekuma.standalone.fields import FieldSet, leaves
from kubekuma.standalone.resources import Object

# Whoever calls itself otherwise does without.
KUBECTL: Final = "kubectl"
_ANNOTATION: Final = "kubectl.kubernetes.io/last-applied-configuration"


def last_applied_fields(schema: Schema, live: Object) -> FieldSet:
    """Every field that was applied on the client's side and is still as it was then."""
    annotations = live["metadata"].get("annotations") or {}
    try:
        applied = json.loads(annotations.get(_ANNOTATION, ""))
    except ValueError:
        return frozenset()
    if not isinstance(applied, dict) or not isinstance(applied.get("metadata", {}), dict):
        return frozenset()
    present = leaves(schema, live)
    return frozenset(
        path
        for path, value in leaves(schema, applied).items()
        if path in present and present[path] == value
    )
