"""One Lease as an API server keeps it: versions, conflicts, and writes that change nothing."""

import copy
from typing import Any

from kubekuma.kube.lease import Answer, Conflict, Document, Found, Missing, parse_lease
from kubekuma.model.meta import Key

KEY = Key("shop", "kubekuma")


class LeaseStore:
    """Answers at once; whoever asks decides how long that takes and what gets lost."""

    def __init__(self) -> None:
        self.document: Document | None = None
        self.version = 100
        self.uids = 0

    def get(self) -> Answer:
        """Read it."""
        return Missing() if self.document is None else Found(parse_lease(self.document))

    def create(self, document: Document) -> Answer:
        """Create it, unless it is there."""
        if self.document is not None:
            return Conflict()
        self.uids += 1
        metadata = {**document["metadata"], "uid": f"uid-{self.uids}"}
        return self._put({**document, "metadata": metadata})

    def replace(self, document: Document) -> Answer:
        """Write it; without a resourceVersion over whatever is there."""
        if self.document is None:
            return Missing()
        metadata, current = document["metadata"], self.document["metadata"]
        version = metadata.get("resourceVersion", current["resourceVersion"])
        if version != current["resourceVersion"] or metadata.get("uid") != current["uid"]:
            return Conflict()
        annotations = metadata.get("annotations"), current.get("annotations")
        if document.get("spec") == self.document.get("spec") and annotations[0] == annotations[1]:
            # As etcd has it: what changes nothing is not written, and nobody sees it.
            return Found(parse_lease(self.document))
        return self._put(document)

    def delete(self) -> None:
        """What kubectl delete does."""
        self.document = None

    def edit(self, **spec: Any) -> None:
        """What kubectl edit does; None takes a field away."""
        assert self.document is not None
        edited = {**self.document["spec"], **spec}
        kept = {name: value for name, value in edited.items() if value is not None}
        self._put({**self.document, "spec": kept})

    def put_anew(self, spec: Any) -> None:
        """What kubectl create -f does, after a deletion."""
        self.document = None
        self.create({"metadata": {"name": KEY.name, "namespace": KEY.namespace}, "spec": spec})

    @property
    def holder(self) -> str:
        """Who holds it."""
        return parse_lease(self.document).holder if self.document is not None else ""

    def _put(self, document: Document) -> Answer:
        self.version += 1
        metadata = {**document["metadata"], "resourceVersion": str(self.version)}
        self.document = {**copy.copy(document), "metadata": metadata}
        return Found(parse_lease(self.document))
