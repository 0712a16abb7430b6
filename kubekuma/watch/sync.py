"""How far a reflector has come: what metrics, readiness and conditions say of it."""

import math

import attrs
import structlog
import trio

from kubekuma.kube.errors import KubeError, Refused

_log = structlog.get_logger(__name__)


@attrs.define(kw_only=True)
class Sync:
    """Figures of one reflector, written by it alone. Times are trio's."""

    kind: str
    lists: int = 0
    watches: int = 0
    events: int = 0
    errors: int = 0
    error: str = ""  # of the last try; empty: it goes well
    refused: bool = False  # the API server has said no since it was heard last
    failing_since: float = math.inf
    heard_at: float = -math.inf
    listed_at: float = -math.inf
    tried: trio.Event = attrs.field(factory=trio.Event)  # the first list has come, or has failed

    def well(self) -> None:
        """Note that the API server has been heard."""
        if self.error:
            _log.info("following the API server again", kind=self.kind)
        self.error, self.refused, self.failing_since = "", False, math.inf
        self.heard_at = trio.current_time()
        self.tried.set()

    def listed(self) -> None:
        """Note that everything there is has been told."""
        self.listed_at = trio.current_time()
        self.well()

    def failed(self, error: KubeError) -> None:
        """Note that it has not been heard. What is new of it is logged."""
        said = str(error)
        if isinstance(error, Refused) and error.code == 404:
            said = f"{said or 404} (is its CustomResourceDefinition installed?)"
        if said != self.error:
            _log.warning("the API server cannot be followed", kind=self.kind, error=said)
        self.errors += 1
        self.failing_since = min(self.failing_since, trio.current_time())
        self.error = said
        self.refused = self.refused or not error.retryable
        self.tried.set()
